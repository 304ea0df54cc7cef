"""Naive versions of search and votes: loops over pairs, in float64."""

import math

import numpy


def distance(kind, a, b):
    a, b = numpy.asarray(a, dtype="float64"), numpy.asarray(b, dtype="float64")
    if kind == "cosine":
        lengths = math.sqrt((a * a).sum()) * math.sqrt((b * b).sum())
        return 1.0 - float((a * b).sum()) / lengths
    if kind == "euclidean":
        return float(((a - b) ** 2).sum())
    half = len(a) // 2

    def kl(m, v, n, w):
        return 0.5 * sum(
            math.log(w[i] / v[i]) + (v[i] + (m[i] - n[i]) ** 2) / w[i] - 1 for i in range(half)
        )

    one, two = (a[:half], a[half:]), (b[:half], b[half:])
    return 0.5 * (kl(*one, *two) + kl(*two, *one))


def nearest(kind, queries, rows, k):
    """For each query the (index, distance) of its neighbours, sorted; of equals the first."""
    found = []
    for query in queries:
        pairs = [(distance(kind, query, row), i) for i, row in enumerate(rows)]
        found.append([(i, d) for d, i in sorted(pairs)[:k]])
    return found


def vote(neighbours, tags, n_tags, temperature):
    """[queries, tracks, n_tags], without a floor."""
    out = numpy.zeros((len(neighbours), tags.shape[1], n_tags))
    for q, some in enumerate(neighbours):
        shares = [math.exp(-(d - some[0][1]) / temperature) for _, d in some]
        for (i, _), share in zip(some, shares):
            for track in range(tags.shape[1]):
                out[q, track, tags[i, track]] += share / sum(shares)
    return out
