"""Warnings about gold that is not learned, and what to do about it."""

import re
import warnings

import pytest

from .util import make_examples, make_pipeline, train

# Three entities of one label over each other.
DEEP = [
    (
        "the Ministry of Health of France",
        [(0, 6, "ORG"), (1, 6, "ORG"), (1, 4, "ORG"), (3, 4, "ORG")],
    )
]


def way_out(**settings):
    nlp = make_pipeline(**settings)
    with pytest.warns(UserWarning, match="no layer left") as told:
        train(nlp, make_examples(nlp, DEEP), steps=1)
    (message,) = {str(item.message) for item in told}
    return re.search(r"For example [^.]*\. (.*)$", message).group(1)


def test_each_kind_of_heads_has_its_own_way_to_layers():
    raise_it = (
        "Raise max_layers in [components.contrastive_ner], at most to 3, and initialize anew."
    )
    assert way_out(max_layers=1) == way_out(max_layers=2) == raise_it
    most = "3 layers are the most a label can have; if it has fewer, initialize anew."
    assert way_out(max_layers=3) == most
    joint = 'Use heads = "per_label" for the tagger of [components.contrastive_ner.model].'
    for max_layers in (1, 2, 3):
        assert way_out(model={"heads": "joint"}, max_layers=max_layers) == joint


def test_what_helps_does():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nlp = make_pipeline(max_layers=3)
        train(nlp, make_examples(nlp, [(DEEP[0][0], DEEP[0][1][:3])]), steps=1)
