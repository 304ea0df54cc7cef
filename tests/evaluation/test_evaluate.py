"""Scores of documents, and what is in the JSON."""

import json

import pytest
from hypothesis import given, settings

from spacy_contrastive_ner.evaluation.classes import Training
from spacy_contrastive_ner.evaluation.evaluate import (
    Annotation,
    Document,
    Evaluation,
    Settings,
    spans_of,
)

from .random_mentions import mentions

TEXT = "abcdefghij"


def wholes(some):
    return [(((start, end),), label) for start, end, label in some]


def evaluation_of(*pairs, text=TEXT, tokens=None, missing=(), settings=None, sents=None):
    """Each character is a token."""
    tokens = [(i, i + 1) for i in range(len(text))] if tokens is None else tokens
    evaluation = Evaluation(settings)
    for number, (gold, predicted) in enumerate(pairs):
        annotation = Annotation(wholes(gold), list(missing))
        evaluation.add(Document(str(number), text, annotation, wholes(predicted), tokens, sents))
    return evaluation.as_dict()


GOLD = {(0, 6, "ORG"), (1, 4, "ORG"), (5, 6, "GPE"), (8, 9, "PER")}
PREDICTED = {(0, 6, "ORG"), (1, 5, "ORG"), (5, 6, "LOC")}


def test_micro_macro_and_labels():
    found = evaluation_of((GOLD, PREDICTED))
    micro = found["micro"]
    assert (micro["support"], micro["predicted"], micro["right"]) == (4, 3, 1)
    assert micro["precision"] == pytest.approx(1 / 3) and micro["recall"] == 0.25
    assert found["labels"]["ORG"]["f"] == 0.5
    assert found["labels"]["LOC"]["recall"] is None
    assert found["macro"]["labels"] == 3 and found["macro"]["f"] == pytest.approx(0.5 / 3)


@settings(max_examples=100, deadline=None)
@given(mentions(), mentions(), mentions(), mentions())
def test_the_parts_fit_together(a, b, c, d):
    found = evaluation_of((a, b), (c, d), sents=[(0, 5), (5, 10)])
    micro = found["micro"]
    both = len(a & b) + len(c & d)
    assert (micro["support"], micro["predicted"]) == (len(a) + len(c), len(b) + len(d))
    assert micro["found"] == micro["right"] == both
    for part in "tp", "fp", "fn":
        sums = [
            sum(label[["tp", "fp", "fn"].index(part)] for label in d["labels"].values())
            for d in found["documents"]
        ]
        assert sums == [document[part] for document in found["documents"]]
    assert sum(document["tp"] for document in found["documents"]) == both
    for way in "span_length", "sentence_length", "document_length", "nesting_depth":
        classes = found[way] or {"": dict.fromkeys(micro, 0)}
        for key in "support", "predicted", "found", "right":
            assert sum(score[key] for score in classes.values()) == micro[key]
    # Without discontinuous entities an entity is its span.
    for key in "micro", "macro", "labels":
        assert found["entities"][key] == found[key]
    strict = found["partial"]["strict"]
    assert strict["correct"] == both
    for key in "precision", "recall", "f":
        assert strict[key] == (None if micro[key] is None else pytest.approx(micro[key]))
    bordered = sum(len({m[:2] for m in x} & {m[:2] for m in y}) for x, y in ((a, b), (c, d)))
    assert found["borders"]["found"] == bordered
    json.dumps(found)


def test_nested_only():
    """Inner gold counts as found also if its outer entity is missed; inner predictions need one."""
    nested = evaluation_of((GOLD, PREDICTED))["structure"]["nested"]
    assert (nested["support"], nested["found"]) == (2, 0)
    assert (nested["predicted"], nested["right"]) == (2, 0)
    found = evaluation_of((GOLD, {(1, 4, "ORG")}))["structure"]
    nested, own = found["nested"], found["same_label_nested"]
    assert (nested["support"], nested["found"], nested["predicted"]) == (2, 1, 0)
    assert nested["recall"] == 0.5 and nested["precision"] is None and nested["f"] == 0.0
    assert (own["support"], own["found"]) == (1, 1)
    assert found["flat"]["support"] == 1 and found["flat"]["predicted"] == 1


def test_borders_and_labels_apart():
    found = evaluation_of((GOLD, PREDICTED))
    borders = found["borders"]
    assert (borders["support"], borders["predicted"], borders["found"]) == (4, 3, 2)
    assert found["type_accuracy"] == 0.5
    assert found["confusions"] == [{"gold": "GPE", "predicted": "LOC", "count": 1}]
    two = evaluation_of(({(0, 1, "A"), (0, 1, "B")}, {(0, 1, "A"), (0, 1, "C")}))
    assert two["borders"]["support"] == 1 and two["type_accuracy"] == 0.5
    assert evaluation_of((GOLD, {(0, 1, "A")}))["type_accuracy"] is None


def test_discontinuous():
    tokens = [(i, i + 1) for i in range(10)]
    heart, lung = (((0, 1), (4, 5)), "DIS"), (((2, 3), (4, 5)), "DIS")
    evaluation = Evaluation()
    predicted = [heart, (((2, 3),), "DIS")]
    evaluation.add(Document("", TEXT, Annotation([heart, lung], []), predicted, tokens))
    found = evaluation.as_dict()
    # Fragments that two entities share are one span.
    assert found["micro"]["support"] == 3 and found["micro"]["recall"] == 1.0
    whole, only = found["entities"]["micro"], found["structure"]["discontinuous"]
    assert (whole["support"], whole["predicted"], whole["right"]) == (2, 2, 1)
    assert (only["support"], only["predicted"], only["found"]) == (2, 1, 1)


def test_duplicates_count_once():
    evaluation = Evaluation()
    twice = wholes([(0, 1, "A"), (0, 1, "A")])
    evaluation.add(Document("", TEXT, Annotation(twice, []), twice, [(0, 1)]))
    found = evaluation.as_dict()
    assert found["micro"]["support"] == found["micro"]["predicted"] == 1
    assert found["entities"]["micro"]["support"] == 1


@pytest.mark.parametrize(
    "missing, labels, n_unjudged",
    [
        ((4, 6, ""), None, 2),
        ((4, 6, "LOC"), None, 1),
        ((4, 6, "PER"), None, 0),
        ((4, 6, "UNKNOWN"), {"LOC", "ORG"}, 2),
        ((6, 8, ""), None, 0),
    ],
)
def test_unknown_annotation(missing, labels, n_unjudged):
    """What is gold counts all the same: (0, 6, "ORG") touches the stretch too."""
    found = evaluation_of((GOLD, PREDICTED), missing=[missing], settings=Settings(labels=labels))
    assert found["unjudged"] == n_unjudged
    assert found["micro"]["predicted"] == 3 - n_unjudged
    assert found["entities"]["micro"]["predicted"] == 3 - n_unjudged
    assert found["micro"]["right"] == 1 and found["micro"]["support"] == 4


def test_rare_labels():
    assert evaluation_of((GOLD, PREDICTED))["rare"] is None
    rare = evaluation_of((GOLD, PREDICTED), settings=Settings(rare=2))["rare"]
    assert rare["labels"] == ["GPE", "PER"] and rare["counted_in"] == "gold"
    assert rare["micro"]["support"] == 2 and rare["macro"]["labels"] == 2
    assert rare["others"]["micro"]["predicted"] == 3
    named = Settings(rare_labels=["ORG", "NEW"])
    rare = evaluation_of((GOLD, PREDICTED), settings=named)["rare"]
    assert rare["labels"] == ["NEW", "ORG"] and rare["without_gold"] == ["NEW"]
    assert rare["micro"]["support"] == 2


def test_rare_in_training():
    training = Training()
    training.add(TEXT, {(0, 1, "GPE"), (1, 2, "GPE"), (2, 3, "ORG"), (3, 4, "OLD")})
    settings = Settings(rare=2, training=training)
    rare = evaluation_of((GOLD, PREDICTED), settings=settings)["rare"]
    assert rare["labels"] == ["OLD", "ORG", "PER"] and rare["without_gold"] == ["OLD"]
    assert rare["counted_in"] == "training" and rare["macro"]["labels"] == 2


def test_runne():
    assert evaluation_of((GOLD, PREDICTED))["runne"] is None
    settings = Settings(few_shot_labels=["ORG", "NEW"])
    runne = evaluation_of((GOLD, PREDICTED), settings=settings)["runne"]
    assert runne == {"few_shot_labels": ["ORG", "NEW"], "main": 0.0, "few_shot": 0.25}


def test_seen_and_unseen():
    assert evaluation_of((GOLD, PREDICTED))["surface"] is None
    training = Training()
    training.add(TEXT, {(0, 6, "ORG"), (8, 9, "GPE")})
    found = evaluation_of((GOLD, PREDICTED), settings=Settings(training=training))["surface"]
    counts = {name: (s["support"], s["predicted"], s["right"]) for name, s in found.items()}
    assert counts == {"seen": (1, 1, 1), "other_label": (1, 0, 0), "unseen": (2, 2, 0)}


def test_depth_and_frequency():
    found = evaluation_of((GOLD, PREDICTED))
    assert found["training_frequency"] is None
    depths = {name: (s["support"], s["predicted"]) for name, s in found["nesting_depth"].items()}
    assert depths == {"0": (2, 1), "1": (2, 2), "2": (0, 0), "3+": (0, 0)}
    training = Training()
    training.add(TEXT, {(0, 6, "ORG"), (8, 9, "GPE")})
    found = evaluation_of((GOLD, PREDICTED), settings=Settings(training=training))
    frequency = found["training_frequency"]
    counts = {name: (s["support"], s["predicted"], s["right"]) for name, s in frequency.items()}
    nothing = dict.fromkeys(("6-20", "21-100", "101-500", "501+"), (0, 0, 0))
    assert counts == {"0": (1, 1, 0), "1-5": (3, 2, 1), **nothing}


def test_gold_that_cuts_tokens():
    tokens = [(0, 3), (3, 6), (6, 10)]
    found = evaluation_of((GOLD, set()), tokens=tokens)["unreachable"]
    assert found["count"] == 3 and set(found["labels"]) == {"GPE", "ORG", "PER"}
    assert found["labels"]["ORG"] == {
        "count": 1,
        "examples": [{"document": "0", "start": 1, "end": 4, "text": "bcd"}],
    }
    assert evaluation_of((GOLD, set()))["unreachable"] == {"count": 0, "labels": {}}


def test_lengths_leave_white_space_out():
    found = evaluation_of(({(0, 3, "A")}, set()), text="a b c d")
    assert found["span_length"]["2"]["support"] == 1
    assert found["documents"][0]["words"] == 4
    assert found["sentence_length"] is None


def test_flat_view():
    evaluation = Evaluation()
    assert evaluation.as_dict()["flat"] is None
    evaluation.add_flat(Annotation([], []), wholes([(0, 1, "A")]))
    assert evaluation.as_dict()["flat"] is None
    gold = Annotation(wholes([(0, 1, "A"), (2, 3, "A")]), [(5, 6, "")])
    evaluation.add_flat(gold, wholes([(0, 1, "A"), (5, 7, "A"), (8, 9, "A")]))
    micro = evaluation.as_dict()["flat"]["micro"]
    assert (micro["support"], micro["predicted"], micro["right"]) == (2, 3, 1)


def test_keys_are_always_there():
    """Who reads the JSON can rely on them."""
    empty, full = Evaluation().as_dict(), evaluation_of((GOLD, PREDICTED))
    assert set(empty) == set(full)
    for way in "structure", "span_length", "document_length", "nesting_depth":
        assert set(empty[way]) == set(full[way])
    assert empty["micro"]["f"] is None and empty["macro"]["f"] is None


def test_spans_of():
    assert spans_of([(((0, 1), (2, 3)), "A"), (((0, 1),), "A")]) == {(0, 1, "A"), (2, 3, "A")}
