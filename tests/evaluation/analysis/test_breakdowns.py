"""Scores as tables."""

import random

from spacy_contrastive_ner.evaluation.analysis.breakdowns import (
    WAYS,
    class_table,
    labels_table,
    overall_table,
)
from spacy_contrastive_ner.evaluation.classes import Training
from spacy_contrastive_ner.evaluation.evaluate import Evaluation, Settings

from ..made import TEXT, evaluation_of, random_cases


def scores_of(training=None):
    return evaluation_of(random_cases(random.Random(0), "ABC"), training).as_dict()


def test_labels_and_overall():
    scores = scores_of()
    for record in labels_table(scores).records():
        assert record == {"label": record["label"], **scores["labels"][record["label"]]}
    assert labels_table(scores).column("label") == list(scores["labels"])
    overall = {record.pop("what"): record for record in overall_table(scores).records()}
    assert overall["Spans, micro"] == scores["micro"]
    macro = overall["Spans, macro (3 labels)"]
    assert macro["f"] == scores["macro"]["f"] and macro["support"] is None
    assert overall["Spans, whatever the label"] == scores["borders"]
    assert overall["Type accuracy of these"]["precision"] == scores["type_accuracy"]
    partial = overall["Partial matches, partial: borders, half for an overlap"]
    assert partial["f"] == scores["partial"]["partial"]["f"]
    assert not any("Rare" in name or "RuNNE" in name or "Flat" in name for name in overall)


def test_what_was_asked_for():
    found = Evaluation(Settings(rare=5, few_shot_labels=["A"])).as_dict()
    names = overall_table(found).column("what")
    assert {"Rare labels, micro", "Other labels, micro", "RuNNE, main", "RuNNE, few-shot"} <= set(
        names
    )


def test_classes():
    training = Training()
    training.add(TEXT, {(0, 6, "A")})
    scores = scores_of(training)
    for way in WAYS:
        table = class_table(scores, way)
        some = [s for s in (scores[way] or {}).values() if s["support"] or s["predicted"]]
        assert [record["f"] for record in table.records()] == [s["f"] for s in some]
    assert class_table(scores, "nesting_depth").column("class")[:2] == ["0", "1"]
    assert class_table(scores, "training_frequency").column("class") == ["0", "1-5"]
    assert class_table(scores, "structure").column("class")[0] == "inside another one"


def test_what_is_not_there():
    scores = scores_of()
    assert class_table(scores, "surface").rows == class_table(scores, "sentence_length").rows == []
    del scores["nesting_depth"]
    assert class_table(scores, "nesting_depth").rows == []
    assert labels_table(Evaluation().as_dict()).rows == []
