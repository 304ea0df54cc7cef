"""Tables for the console."""

import re

from spacy_contrastive_ner.evaluation.classes import Training
from spacy_contrastive_ner.evaluation.console import examples_of, oddities, render, render_short
from spacy_contrastive_ner.evaluation.evaluate import (
    Annotation,
    Document,
    Evaluation,
    Settings,
)


def wholes(some):
    return [(((start, end),), label) for start, end, label in some]


def evaluation(settings=None):
    found = Evaluation(settings)
    gold = [*wholes([(0, 4, "ORG"), (1, 2, "GPE")]), (((5, 6), (7, 8)), "DIS")]
    predicted = wholes([(0, 4, "ORG"), (1, 2, "LOC"), (5, 6, "DIS")])
    tokens = [(0, 1), (1, 2), (2, 4), (5, 6), (6, 10)]
    found.add(Document("d", "abcdefghij", Annotation(gold, []), predicted, tokens, [(0, 10)]))
    found.add_flat(Annotation(wholes([(0, 4, "ORG")]), []), wholes([(0, 4, "ORG")]))
    return found.as_dict()


def lines(text):
    return [" ".join(re.sub(r"\x1b\[[\d;]*m", "", line).split()) for line in text.splitlines()]


def test_all_of_it():
    training = Training()
    training.add("abcd", {(0, 4, "ORG")})
    settings = Settings(rare=1, training=training, few_shot_labels=["DIS"])
    shown = lines(render(evaluation(settings)))
    for line in (
        "Precision Recall F Support Predicted",
        "Spans, micro 66.67 50.00 57.14 4 3",
        "Spans, macro (3 labels) 66.67 50.00 55.56",
        "Rare labels, micro 100.00 33.33 50.00 3 1",
        "Other labels, macro (1 labels) 100.00 100.00 100.00",
        "Spans, whatever the label 100.00 75.00 85.71 4 3",
        "Type accuracy of these 66.67",
        "Whole entities, micro 33.33 33.33 33.33 3 3",
        "Flat view (doc.ents), micro 100.00 100.00 100.00 1 1",
        "RuNNE: 50.00 main, 66.67 few-shot (DIS)",
        "LOC 0.00 - 0.00 0 1",
        "GPE - 0.00 0.00 1 0",
        "inside another one 0.00 0.00 0.00 1 1",
        "discontinuous (whole entities) - 0.00 0.00 1 0",
        "Tokens of the sentence",
        "Spans around it",
        "0 100.00 66.67 80.00 3 2",
        "seen in training with this label 100.00 100.00 100.00 1 1",
        "Mentions of the label in training",
        "1-5 100.00 100.00 100.00 1 1",
        "strict: borders and label 2 1 0 1 0 66.67 50.00 57.14",
        "partial: borders, half for an overlap 3 0 0 1 0 100.00 75.00 85.71",
        "GPE LOC 1",
    ):
        assert line in shown


def test_what_is_not_there_is_left_out():
    shown = "\n".join(lines(render(Evaluation().as_dict())))
    for text in ("Rare", "RuNNE", "Whole entities", "Flat view", "confusions", "sentence"):
        assert text not in shown
    assert "Spans, micro - - - 0 0" in shown


def test_older_evaluations():
    older = evaluation()
    del older["nesting_depth"], older["training_frequency"]
    shown = "\n".join(lines(render(older)))
    assert "Spans around it" not in shown and "Tokens of the span" in shown


def test_header():
    found = {
        **evaluation(),
        "model": {
            "path": "training/model-best",
            "name": "en_pipeline",
            "version": "1.0",
            "pipe": "contrastive_ner",
            "factory": "contrastive_ner",
            "init_tok2vec": "model-best.bin",
            "transformer": None,
            "vectors": None,
        },
        "data": {"path": "test.spacy", "documents": 1200},
        "scored": {"gold": "doc.spans['sc']", "predicted": "doc.ents"},
        "speed": {"words": 5000, "seconds": 2.0, "words_per_second": 2500.4},
    }
    shown = lines(render_short(found, "Against"))
    for line in (
        "Model training/model-best (en_pipeline 1.0)",
        "Encoder started from model-best.bin (init_tok2vec)",
        "Gold doc.spans['sc'] of test.spacy",
        "Predictions doc.ents",
        "Documents 1,200",
        "Words 5,000, 2,500 a second",
    ):
        assert line in shown
    assert "Labels" not in "\n".join(shown)


def test_examples_of_what_cannot_be_found():
    assert examples_of(evaluation()["unreachable"]) == [
        "DIS 1: 'h', characters 7 to 8 of document 'd'"
    ]


def test_oddities():
    found = {
        "data": {
            "not_annotated": 1200, "empty": 2, "mended": {"empty spans": 3}, "other_tokens": 4,
        },
        "scored": {"gold": "doc.spans['sc']"},
        "candidates": {"recall": 0.5, "gold": 10, "found": 5, "proposed": 70},
        "unjudged": 5,
        "unknown_labels": {"NEW": 1},
        "unreachable": evaluation()["unreachable"],
    }  # fmt: skip
    some = list(oddities(found))
    assert [each.is_bad for each in some] == [False, False, False, True, False, True, False, True]
    for (_, text, _), words in zip(
        some,
        ("Candidate recall 50.00: of 10", "are not annotated and not scored: 1,200", "words: 2",
         "empty spans: 3", "unknown, not scored: 5", "does not know, so that they are missed: NEW (1)",
         "other tokens: 4", "cuts a token of the model and is missed: 1"),
    ):  # fmt: skip
        assert words in text
    assert some[-1].examples == examples_of(found["unreachable"])
    nothing = {"data": {"not_annotated": 0, "empty": 0, "mended": {}, "other_tokens": 0}}
    rest = {"unjudged": 0, "unknown_labels": {}, "unreachable": {"count": 0}}
    # Earlier versions did not tell candidates.
    assert list(oddities({**nothing, **rest})) == []
