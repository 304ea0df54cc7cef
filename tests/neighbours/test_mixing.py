"""Abstract transitions, mixtures and what is stored, beside enumeration."""

import numpy
import pytest
from thinc.api import NumpyOps

from spacy_contrastive_ner import tracks
from spacy_contrastive_ner.neighbours import (
    Abstract,
    as_chain,
    choose_tokens,
    count_transitions,
    estimate,
    expand,
    mix,
)

from .. import oracle
from ..tracks.test_inference import random_transitions

OPS = NumpyOps()
ABSTRACT = Abstract(0.9, 0.1, 0.5, 0.3, 0.2)


def step(before, tag, n_labels):
    """The probability of a step as StructShot has it: which entity is entered is not told apart."""
    if before is None or oracle.kind(before) == "O":
        return 0.9 if tag == 0 else 0.1 / n_labels
    if oracle.kind(before) in "BI":
        return 0.3
    return 0.5 if tag == 0 else 0.2 / n_labels


@pytest.mark.parametrize("n_labels", [1, 2])
def test_abstract_transitions(n_labels):
    """In the decoder's Viterbi and posteriors, beside all paths."""
    rng = numpy.random.default_rng(n_labels)
    transitions = expand(ABSTRACT, n_labels)
    for n_tokens in (1, 2, 4):
        scores = rng.normal(0, 2, (n_tokens, 1, 1 + 4 * n_labels)).astype("float32")
        weights = {}
        for path in oracle.paths(n_tokens, 1 + 4 * n_labels):
            weights[path] = sum(scores[i, 0, tag] for i, tag in enumerate(path)) + sum(
                numpy.log(step(before, tag, n_labels))
                for before, tag in zip((None, *path[:-1]), path)
            )
        best = tracks.viterbi(OPS, scores, [n_tokens], transitions)
        assert weights[tuple(best[:, 0].tolist())] == pytest.approx(max(weights.values()), abs=1e-4)
        total = oracle.log_sum(list(weights.values()))
        there = float(tracks.log_partition(OPS, scores, [n_tokens], transitions)[0, 0])
        assert there == pytest.approx(total, abs=1e-4)


def test_power_of_transitions():
    alike = expand(ABSTRACT, 1, 0.0)
    assert numpy.allclose(alike.closed[0, 0], numpy.log(0.5))
    assert numpy.allclose(alike.open, numpy.log(1 / 3))
    strong = expand(ABSTRACT, 1, 2.0)
    assert numpy.exp(strong.closed[0, 0, 0]) == pytest.approx(0.81 / 0.82)


def test_counts_of_transitions():
    # O B L O | U B I L, with the labels 0 and 1; then a document of one token.
    tags = numpy.asarray([0, 1, 3, 0, 4, 5, 6, 7, 0])[:, None]
    assert count_transitions(tags, [4, 4, 1]).tolist() == [0, 1, 1, 3, 1]
    # On two tracks, and where a tag is unknown.
    both = numpy.concatenate((tags, numpy.zeros_like(tags)), axis=1)
    assert count_transitions(both, [4, 4, 1]).tolist() == [6, 1, 1, 3, 1]
    both[2] = -1
    assert count_transitions(both, [4, 4, 1]).tolist() == [4, 1, 0, 2, 1]
    assert count_transitions(tags[:0], []).tolist() == [0] * 5


def test_estimated_transitions():
    found = estimate(numpy.asarray([6.0, 1, 1, 3, 1]))
    assert found.outside_outside == pytest.approx(6.5 / 8)
    assert sum(found[:2]) == pytest.approx(1) and sum(found[2:]) == pytest.approx(1)
    assert all(p > 0 for p in estimate(numpy.zeros(5)))


def posteriors_of(paths_and_weights, n_tags):
    out = None
    total = sum(paths_and_weights.values())
    for path, weight in paths_and_weights.items():
        if out is None:
            out = numpy.zeros((len(path), n_tags))
        for i, tag in enumerate(path):
            out[i, tag] += weight / total
    return out


@pytest.mark.parametrize("n_labels", [1, 2])
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_chain_of_a_mixture(n_labels, weight):
    """Two models of whole sequences are mixed. The chain gives each tag the mixture's probability, and
    what the decoder finds on it is exact."""
    rng = numpy.random.default_rng(n_labels)
    n_tags = 1 + 4 * n_labels
    scores = rng.normal(0, 1.5, (2, 4, 1, n_tags)).astype("float32")
    learned = random_transitions(rng, 1, n_labels)
    one = tracks.posteriors(OPS, scores[0], [4], learned)
    two = tracks.posteriors(OPS, scores[1], [4], expand(ABSTRACT, n_labels))
    mixture = mix(one, two, weight, numpy.zeros((1, n_tags), dtype="bool"))
    assert numpy.allclose(mixture, (1 - weight) * one + weight * two)
    chain = as_chain(mixture)
    assert numpy.allclose(tracks.posteriors(OPS, chain, [4]), mixture, atol=1e-4)
    # Its steps are probabilities already.
    assert float(tracks.log_partition(OPS, chain, [4])[0, 0]) == pytest.approx(0, abs=1e-4)
    true = oracle.span_posteriors(chain[:, 0].astype("float64"))
    found = tracks.decode(chain, [4], numpy.arange(n_labels)[None], decoder="posterior")
    for start, end, label, p in zip(found.start, found.end, found.label, found.probability):
        assert p == pytest.approx(true[int(start), int(end), int(label)], abs=1e-4)


def test_chain_of_a_model_without_transitions():
    """It is that model."""
    rng = numpy.random.default_rng(0)
    scores = rng.normal(0, 2, (5, 1, 5)).astype("float32")
    chain = as_chain(tracks.posteriors(OPS, scores, [5]))
    one, two = (oracle.span_posteriors(X[:, 0].astype("float64")) for X in (scores, chain))
    assert one.keys() == two.keys()
    assert all(one[key] == pytest.approx(two[key], abs=1e-4) for key in one)


@pytest.mark.parametrize("heads_say", [0.0, 1e-30, 1e-3])
def test_chain_of_certainties(heads_say):
    p = numpy.full((3, 1, 5), heads_say, dtype="float32")
    p[:, :, 0] = 1.0
    chain = as_chain(p)
    assert numpy.isfinite(chain).all()
    assert (tracks.viterbi(OPS, chain, [3]) == 0).all()


def test_chain_of_nothing():
    """Of a batch without rows, as that of texts without word pieces is."""
    assert as_chain(numpy.zeros((0, 2, 9), dtype="float32")).shape == (0, 2, 9)


def test_labels_that_the_heads_never_learned():
    head = numpy.asarray([[[0.7, 0.1, 0.1, 0.05, 0.05]], [[0.9, 0.1, 0, 0, 0]]])
    store = numpy.asarray([[[0.2, 0.0, 0.0, 0.0, 0.8]], [[1.0, 0, 0, 0, 0]]])
    new = numpy.asarray([[False, True, True, True, True]])
    # On a track of its own the store decides alone.
    assert numpy.allclose(mix(head, store, 0.3, new), store)
    # Beside a label that is known only the heads' O is divided.
    head = numpy.asarray([[[0.6, 0.4, 0, 0, 0, 0, 0, 0, 0]]])
    store = numpy.asarray([[[0.25, 0, 0, 0, 0, 0, 0, 0, 0.75]]])
    new = numpy.asarray([[False] * 5 + [True] * 4])
    mixed = mix(head, store, 0.5, new)[0, 0]
    assert mixed[0] == pytest.approx(0.5 * 0.15 + 0.5 * 0.25)
    assert mixed[1] == pytest.approx(0.2) and mixed[8] == pytest.approx(0.5 * 0.45 + 0.5 * 0.75)
    assert mixed.sum() == pytest.approx(1)


def test_what_is_stored():
    rng = numpy.random.default_rng(0)
    classes = numpy.zeros((1000, 3), dtype="bool")
    classes[:300, 0], classes[300:320, 1], classes[310:315, 2] = True, True, True
    assert choose_tokens(classes, 1000).tolist() == list(range(1000))
    kept = choose_tokens(classes, 700)
    assert len(kept) == 700 and kept.tolist() == sorted(set(kept.tolist()))
    # All entities, and of the others what there is room for.
    assert classes[kept].sum(axis=0).tolist() == [300, 20, 5]
    kept = choose_tokens(classes, 100)
    assert len(kept) == 100
    assert classes[kept].sum(axis=0).tolist() == [30, 20, 5]
    assert choose_tokens(classes, 100).tolist() == kept.tolist()
    assert choose_tokens(classes, 100, seed=1).tolist() != kept.tolist()
    few = choose_tokens(classes, 3)
    assert len(few) <= 3
    shuffled = rng.permutation(1000)
    assert classes[shuffled][choose_tokens(classes[shuffled], 100)].sum(axis=0)[1:].tolist() == [
        20,
        5,
    ]
