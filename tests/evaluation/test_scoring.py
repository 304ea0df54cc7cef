import pytest
import spacy
from spacy.scorer import Scorer
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_contrastive_ner.evaluation.scoring import make_scorer, score

NLP = spacy.blank("en")


def example(gold, predicted, key="sc"):
    docs = []
    for spans in (predicted, gold):
        doc = Doc(NLP.vocab, words=list("abcdef"))
        if spans is not None:
            doc.spans[key] = [Span(doc, *span) for span in spans]
        docs.append(doc)
    return Example(*docs)


EXAMPLES = [
    example([(0, 3, "A"), (1, 2, "A"), (4, 5, "B")], [(0, 3, "A"), (1, 2, "B"), (4, 5, "B")]),
    example([], [(0, 1, "C")]),
    example(None, [(0, 1, "A")]),
]


def test_counts_by_hand():
    """2 of 4 predictions are right, 2 of 3 gold entities found; the third is not annotated."""
    scores = score(EXAMPLES, spans_key="sc", set_ents=False)
    assert scores["contrastive_ner_p"] == pytest.approx(2 / 4)
    assert scores["contrastive_ner_r"] == pytest.approx(2 / 3)
    assert scores["contrastive_ner_f"] == pytest.approx(4 / 7)
    # A: 1 of 1, 1 of 2. B: 1 of 2, 1 of 1. C has no gold and does not count.
    assert scores["contrastive_ner_macro_f"] == pytest.approx(2 / 3)
    assert scores["spans_sc_per_type"]["C"]["p"] == 0.0
    assert "ents_f" not in scores


def test_aliases_do_not_depend_on_the_key():
    there = [example([(0, 1, "A")], [(0, 1, "A")], key="my|key")]
    scores = make_scorer()(there, spans_key="my|key", set_ents=True, threshold=0.5, labels=[])
    assert scores["spans_my|key_f"] == scores["contrastive_ner_f"] == 1.0
    assert "ents_f" in scores and "threshold" not in scores


def test_nothing_to_score():
    with pytest.warns(UserWarning, match="none of the 3 documents has the span group 'other'"):
        scores = score(EXAMPLES, spans_key="other")
    assert scores["contrastive_ner_f"] is None and scores["contrastive_ner_macro_f"] is None
    assert score([], spans_key="sc")["contrastive_ner_f"] is None


def test_agrees_with_spacy():
    scores = score(EXAMPLES, spans_key="sc")
    theirs = Scorer.score_spans(
        EXAMPLES,
        "spans_sc",
        getter=lambda doc, _: doc.spans.get("sc", []),
        has_annotation=lambda doc: "sc" in doc.spans,
        allow_overlap=True,
    )
    assert {name: scores[name] for name in theirs} == theirs
