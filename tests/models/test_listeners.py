"""Encoders that are shared with other pipes."""

import pytest
import spacy
from thinc.api import Linear, chain, with_array

from spacy_contrastive_ner.models.listeners import has_listener

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
