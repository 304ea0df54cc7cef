"""Embedding spaces whose labels overlap, for tests of what is measured in them."""

import math

import numpy


def make_case(seed=0, n=70, width=6, n_labels=4, n_documents=5):
    """Clouds that overlap, with some tokens in several entities and about a third outside."""
    rng = numpy.random.default_rng(seed)
    labels = rng.random((n, n_labels)) < numpy.linspace(0.15, 0.35, n_labels)
    centres = rng.normal(size=(n_labels, width))
    rows = labels @ centres + 0.7 * rng.normal(size=(n, width)) + 0.5
    return rows.astype("float32"), labels, rng.integers(n_documents, size=n)


def cosine(x, y):
    lengths = math.sqrt(sum(a * a for a in x)) * math.sqrt(sum(a * a for a in y))
    return sum(a * b for a, b in zip(x, y)) / lengths if lengths else 0.0


def rarest(labels):
    """The rarest label of each token, for silhouettes."""
    counts = labels.sum(axis=0)
    return numpy.asarray([min(numpy.flatnonzero(y), key=lambda c: counts[c]) for y in labels])


def multi_hot(kinds, n_labels):
    """Labels of which each token has one, or with -1 none."""
    return numpy.asarray(kinds)[:, None] == numpy.arange(n_labels)
