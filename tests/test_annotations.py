import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_contrastive_ner.annotations import flat_view, read_gold, write_ents, write_spans

from . import oracle

NLP = spacy.blank("en")


@st.composite
def scored_spans(draw):
    spans = []
    for _ in range(draw(st.integers(0, 8))):
        start = draw(st.integers(0, 8))
        end = draw(st.integers(start + 1, 10))
        # Few distinct scores, so that ties occur.
        spans.append((start, end, draw(st.sampled_from([0.25, 0.5, 0.75, 1.0]))))
    return spans


@settings(deadline=None, max_examples=300)
@given(scored_spans())
def test_flat_view_is_the_best_one(spans):
    chosen = flat_view([s[:2] for s in spans], [s[2] for s in spans])
    best, sets = oracle.best_flat_view(spans)
    assert tuple(sorted(chosen)) in sets
    assert [spans[i][0] for i in chosen] == sorted(spans[i][0] for i in chosen)
    assert sum(spans[i][2] for i in chosen) == pytest.approx(best)
    tokens = [sum(spans[i][1] - spans[i][0] for i in one) for one in sets]
    assert sum(spans[i][1] - spans[i][0] for i in chosen) == max(tokens)


def test_flat_view_is_not_greedy():
    spans = [(0, 2), (1, 4), (3, 5)]
    assert flat_view(spans, [0.6, 0.9, 0.6]) == [0, 2]
    assert flat_view(spans, [0.4, 0.9, 0.4]) == [1]


def make_doc(words):
    return Doc(NLP.vocab, words=words)


def test_entities_of_earlier_components_stay():
    doc = make_doc(list("abcdef"))
    doc.set_ents([Span(doc, 1, 3, "OLD")])
    scores = numpy.asarray([0.9, 0.8, 0.7], dtype="float32")
    spans = write_spans(doc, "sc", [0, 3, 2], [2, 5, 4], [1, 1, 1], scores)
    write_ents(doc, spans, scores, overwrite=False)
    assert [(e.start, e.end) for e in doc.ents] == [(1, 3), (3, 5)]
    assert doc.ents[0].label_ == "OLD"
    write_ents(doc, spans, scores, overwrite=True)
    assert [(e.start, e.end) for e in doc.ents] == [(0, 2), (3, 5)]
    write_ents(doc, [], [], overwrite=True)
    assert doc.ents == () and doc.has_annotation("ENT_IOB")


@pytest.mark.parametrize("noise", [0.0, 6e-8, 4e-4])
def test_of_spans_as_good_as_certain_the_outer_is_taken(noise):
    """Whichever is ahead by what rounding makes of it, alone or in sums; more than that counts."""
    scores = {(0, 5): 1 - noise, (1, 3): 1.0, (5, 8): 0.9 - noise, (5, 6): 0.3, (7, 8): 0.6}
    doc = make_doc(list("abcdefgh"))
    spans = [Span(doc, start, end, "X") for start, end in scores]
    write_ents(doc, spans, numpy.asarray(list(scores.values()), dtype="float32"), overwrite=True)
    assert [(e.start, e.end) for e in doc.ents] == [(0, 5), (5, 8)]
    scores[0, 5] = 0.99
    write_ents(doc, spans, list(scores.values()), overwrite=True)
    assert [(e.start, e.end) for e in doc.ents] == [(1, 3), (5, 8)]


def test_blocked_tokens_stay_blocked():
    doc = make_doc(list("abcd"))
    doc.set_ents([], blocked=[doc[1:3]])
    spans = write_spans(doc, "sc", [0, 3], [2, 4], [1, 1], numpy.asarray([0.9, 0.8]))
    write_ents(doc, spans, [0.9, 0.8], overwrite=False)
    assert [(e.start, e.end) for e in doc.ents] == [(3, 4)]
    assert [t.ent_iob_ for t in doc] == ["O", "B", "B", "B"] and doc[1].ent_type_ == ""


def example(words, spans, predicted=None, spaces=None, **groups):
    reference = Doc(NLP.vocab, words=words, spaces=spaces)
    for key, group in {"sc": spans, **groups}.items():
        reference.spans[key] = [Span(reference, *span) for span in group]
    return Example(make_doc(predicted or words), reference)


def test_gold_is_read():
    eg = example(["a", "b", "c"], [(0, 2, "A"), (1, 2, "B")], gap=[(2, 3, "A")])
    gold = read_gold(eg, "sc", "gap")
    assert gold == (3, [(0, 2, "A"), (1, 2, "B")], [(2, 3, "A")], [], "", ())
    assert read_gold(eg, "sc", None).missing == []


def test_document_without_the_group_is_not_annotated():
    eg = example(["a", "b"], [(0, 1, "A")])
    assert read_gold(eg, "other", None) == (2, [], [(0, 2, "")], [], "", ())
    assert read_gold(example(["a", "b"], []), "sc", None) == (2, [], [], [], "", ())


def test_gold_is_aligned():
    eg = example(
        ["Acme", "Inc", ".", "of", "Rome"],
        [(0, 3, "ORG"), (0, 2, "ORG"), (4, 5, "LOC")],
        predicted=["Acme", "Inc.", "of", "Rome"],
        spaces=[True, False, True, True, False],
        gap=[(2, 4, "")],
    )
    gold = read_gold(eg, "sc", "gap")
    assert gold.spans == [(0, 2, "ORG"), (3, 4, "LOC")]
    assert [span.text for span in gold.misaligned] == ["Acme Inc"]
    # A stretch of unknown annotation takes the whole of a token that it cuts, and for its label so
    # does an entity that cannot be aligned.
    assert gold.missing == [(1, 3, ""), (0, 2, "ORG")]
