"""Spans that a suggester proposes."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span
from thinc.api import NumpyOps
from thinc.types import Ragged

from spacy_contrastive_ner.models.proposals import make_group_suggester, suggest, suggest_group


def doc_with(vocab, spans, key="found"):
    doc = Doc(vocab, words=list("abcdef"))
    doc.spans[key] = [Span(doc, *span) for span in spans]
    return doc


def test_spans_of_another_pipe():
    vocab, ops = spacy.blank("en").vocab, NumpyOps()
    docs = [doc_with(vocab, [(3, 5), (0, 2, "X"), (0, 2, "Y")]), Doc(vocab, words=["a"])]
    some = suggest(ops, make_group_suggester("found"), docs)
    assert [column.tolist() for column in some] == [[0, 0], [0, 3], [2, 5]]
    with pytest.raises(
        ValueError, match=r"No document has the group doc.spans\['other'\].*'found'"
    ):
        suggest_group(docs, "other", ops=ops)
    assert len(suggest_group([Doc(vocab)], "other").dataXd) == 0
    with pytest.raises(ValueError, match="spans_key"):
        make_group_suggester("")


def test_a_suggester_that_is_wrong():
    vocab, ops = spacy.blank("en").vocab, NumpyOps()

    def suggester(docs, ops):
        return Ragged(numpy.asarray([[0, 9]], dtype="i"), numpy.asarray([1], dtype="i"))

    with pytest.raises(ValueError, match="not in its document"):
        suggest(ops, suggester, [Doc(vocab, words=["a"])])
    with pytest.raises(ValueError, match="1 documents in place of 2"):
        suggest(ops, suggester, [Doc(vocab, words=["a"]), Doc(vocab, words=["a"])])
