"""Encoders that are shared with other pipes."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import Linear, chain, with_array

from spacy_contrastive_ner.models.listeners import (
    find_unseen,
    has_listener,
    name_encoder,
    require_rows,
)

from ..util import POOLING, TOK2VEC

LISTENERS = {
    "tok2vec": {"@architectures": "spacy.Tok2VecListener.v1", "width": 8},
    "transformer": {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "grad_factor": 1.0,
        "pooling": POOLING,
    },
}


def resolve(config):
    return spacy.util.registry.resolve({"model": config})["model"]


@pytest.mark.parametrize("kind", LISTENERS)
def test_listeners_are_found_at_any_depth(kind):
    if kind == "transformer":
        pytest.importorskip("spacy_transformers")
    listener = resolve(LISTENERS[kind])
    assert has_listener(listener)
    assert has_listener(chain(chain(listener, with_array(Linear())), with_array(Linear())))


def test_an_encoder_of_its_own_is_no_listener():
    assert not has_listener(chain(resolve(TOK2VEC), with_array(Linear())))


@pytest.mark.parametrize("kind", LISTENERS)
def test_documents_that_an_encoder_has_not_seen(kind):
    """Empty ones need no encoder; those that were cleaned up have gone through it in vain."""
    if kind == "transformer":
        pytest.importorskip("spacy_transformers")
    listener = resolve(LISTENERS[kind])
    assert name_encoder(listener) == kind
    vocab = spacy.blank("en").vocab
    seen, cleaned, empty, unseen = (Doc(vocab, words=w) for w in (["a"], ["b"], [], ["c"]))
    for doc in (seen, cleaned):
        if kind == "tok2vec":
            doc.tensor = numpy.zeros((1, 8), dtype="float32")
        else:
            doc._.trf_data = object()
    assert find_unseen(listener, [seen, empty, cleaned]) is None
    if kind == "tok2vec":
        cleaned.tensor = None
    else:
        cleaned._.trf_data = None
    assert find_unseen(listener, [seen, empty, cleaned]) is cleaned
    assert find_unseen(listener, [seen, unseen, cleaned]) is unseen
    model = chain(listener, with_array(Linear()))
    with pytest.raises(ValueError, match=f"'c ' did not go through the encoder.*'{kind}'"):
        require_rows(model, [seen, empty, unseen])
    require_rows(model, [seen, empty])
    require_rows(resolve(TOK2VEC), [unseen])


def test_encoders_have_names():
    listener = resolve({**LISTENERS["tok2vec"], "upstream": "other"})
    assert name_encoder(listener) == "other"
