"""Spaces of made documents, with made vectors."""

import numpy

from spacy_contrastive_ner.evaluation.analysis.points import ENTITY, draw_sample
from spacy_contrastive_ner.evaluation.analysis.space import Space
from spacy_contrastive_ner.evaluation.analysis.vectors import TITLES

from .made import make_case, make_cases


def make_space(cases=None, states=("before", "stage1", "stage2"), width=6, **kwargs):
    """A space in which labels come apart more and more."""
    cases = make_cases() if cases is None else cases
    sample = draw_sample(cases, **kwargs)
    names = ["", *sample.labels()]
    rng = numpy.random.default_rng(0)
    own = numpy.asarray([names.index(point.label) for point in sample.points], dtype="int64")
    centres, noise = rng.normal(size=(len(names), width)), rng.normal(size=(len(own), width))
    vectors = {
        state: (at * centres[own] + noise).astype("float32") for at, state in enumerate(states)
    }
    return cases, Space(sample, vectors, {state: TITLES[state] for state in states}, [])


def many_labels(n, name="LABEL {}"):
    """Two documents with two mentions of each of many labels."""
    text = " ".join("x" for _ in range(2 * n))
    gold = [(2 * i, 2 * i + 1, name.format(i // 2)) for i in range(2 * n)]
    return [make_case(text, gold, gold[::3], name=str(i)) for i in range(2)]


def entities_of(space):
    return [point for point in space.sample.points if point.kind == ENTITY]
