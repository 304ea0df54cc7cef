"""Viterbi, partition function, marginals and span posteriors against enumeration."""

import numpy
import pytest
from thinc.api import NumpyOps

from spacy_contrastive_ner import tracks
from spacy_contrastive_ner.tracks import Transitions, chains, decoding

from .. import oracle

OPS = NumpyOps()


def random_transitions(rng, n_tracks, n_labels, shared=False, scale=1.0):
    R, M = (1 if shared else n_tracks), n_labels
    shapes = ((R, 2 + 2 * M, 1 + 2 * M), (R, 2, 2, M), (R, 1 + 2 * M))
    return Transitions(*(rng.normal(0, scale, shape).astype("float32") for shape in shapes))


def table_of(transitions, track):
    if transitions is None:
        return None
    i = track if len(transitions.closed) > 1 else 0
    return oracle.Table(transitions.closed[i], transitions.open[i], transitions.end[i])


def split(scores, lengths):
    """Each document on each track: (doc, track, scores of it)."""
    offsets = numpy.cumsum([0, *lengths])
    for doc in range(len(lengths)):
        for track in range(scores.shape[1]):
            yield doc, track, scores[offsets[doc] : offsets[doc + 1], track]


CASES = [
    # lengths, K, M, scale of the scores
    ([3, 1, 0, 4, 2], 3, 1, 2.0),
    ([1], 1, 1, 1.0),
    ([5], 2, 1, 50.0),
    ([4, 3], 1, 2, 3.0),
    ([3, 0], 1, 3, 1000.0),
    ([4, 4], 2, 1, 0.0),
]
KINDS = ["none", "tracks", "shared"]


@pytest.fixture(params=[(c, k, seed) for c in CASES for k in KINDS for seed in range(2)], ids=str)
def case(request):
    (lengths, K, M, scale), kind, seed = request.param
    rng = numpy.random.default_rng(seed)
    scores = rng.normal(0, scale, (sum(lengths), K, 1 + 4 * M)).astype("float32")
    transitions = None
    if kind != "none":
        transitions = random_transitions(rng, K, M, kind == "shared")
    return scores, lengths, transitions


def test_log_partition(case):
    scores, lengths, transitions = case
    sums = tracks.log_partition(OPS, scores, lengths, transitions)
    assert sums.shape == (len(lengths), scores.shape[1])
    for doc, track, own in split(scores, lengths):
        true = oracle.log_partition(own, table_of(transitions, track)) if len(own) else 0.0
        assert sums[doc, track] == pytest.approx(true, rel=1e-5, abs=1e-4)


def test_posteriors(case):
    scores, lengths, transitions = case
    probs = tracks.posteriors(OPS, scores, lengths, transitions)
    for (_, track, own), (_, _, found) in zip(split(scores, lengths), split(probs, lengths)):
        if len(own):
            true = oracle.tag_posteriors(own, table_of(transitions, track))
            assert numpy.allclose(found, true, atol=2e-5)


def test_viterbi(case):
    scores, lengths, transitions = case
    tags = tracks.viterbi(OPS, scores, lengths, transitions)
    for (_, track, own), (_, _, found) in zip(
        split(scores, lengths), split(tags[..., None], lengths)
    ):
        path = tuple(found[:, 0].tolist())
        table = table_of(transitions, track)
        assert path in set(oracle.paths(*own.shape))
        best = max(score for _, score in oracle.all_paths(own, table))
        assert oracle.path_score(own, path, table) == pytest.approx(best, rel=1e-5, abs=1e-4)


def true_probabilities(scores, lengths, transitions, track_labels):
    """(doc, start, end, label) -> the probability that any track holds it."""
    absent = {}
    for doc, track, own in split(scores, lengths):
        for (start, end, place), p in oracle.span_posteriors(
            own, table_of(transitions, track)
        ).items():
            key = (doc, start, end, int(track_labels[track, place]))
            absent[key] = absent.get(key, 1.0) * (1.0 - p)
    return {key: 1.0 - p for key, p in absent.items()}


@pytest.fixture
def labels(case):
    """Track labels: the first two tracks share a label, as layers do."""
    scores, _, _ = case
    K, M = scores.shape[1], (scores.shape[2] - 1) // 4
    if M > 1:
        return numpy.arange(M)[None]
    return numpy.maximum(numpy.arange(K) - 1, 0)[:, None]


def test_decode_viterbi(case, labels):
    scores, lengths, transitions = case
    if len(labels) != scores.shape[1]:
        pytest.fail("a joint layout has one track")
    true = true_probabilities(scores, lengths, transitions, labels)
    found = tracks.decode(scores, lengths, labels, transitions=transitions)
    on_path = set()
    tags = tracks.viterbi(OPS, scores, lengths, transitions)
    for doc, track, own in split(tags[..., None], lengths):
        for start, end, place in oracle.path_spans(tuple(own[:, 0].tolist())):
            on_path.add((doc, start, end, int(labels[track, place])))
    keys = list(zip(*(column.tolist() for column in found[:4])))
    assert len(keys) == len(set(keys)) and set(keys) == on_path
    assert keys == sorted(keys, key=lambda k: (k[0], k[1], -k[2], k[3]))
    for key, p in zip(keys, found.probability):
        assert p == pytest.approx(true[key], abs=2e-5)


@pytest.mark.parametrize("threshold", [0.02, 0.2, 0.5, 0.9, 1.0])
def test_decode_posterior(case, labels, threshold):
    scores, lengths, transitions = case
    true = true_probabilities(scores, lengths, transitions, labels)
    found = tracks.decode(
        scores, lengths, labels, transitions=transitions, decoder="posterior", threshold=threshold
    )
    keys = list(zip(*(column.tolist() for column in found[:4])))
    assert len(keys) == len(set(keys))
    assert (found.probability >= numpy.float32(threshold)).all()
    for key, p in zip(keys, found.probability):
        assert p == pytest.approx(true[key], abs=2e-5)
    must = {key for key, p in true.items() if p > threshold + 2e-5}
    assert must <= set(keys)


def test_decode_with_a_threshold_for_each_label(case, labels):
    """What is found is what is found of each label with its own for all; paths have none."""
    scores, lengths, transitions = case
    rng = numpy.random.default_rng(0)
    least = rng.choice([0.0, 0.02, 0.2, 0.5], labels.max() + 1)

    def decode(threshold, decoder="posterior"):
        settings = {"transitions": transitions, "decoder": decoder, "threshold": threshold}
        found = tracks.decode(scores, lengths, labels, **settings)
        return list(zip(*(column.tolist() for column in found)))

    each = {value: decode(value) for value in set(least.tolist())}
    expected = {row for value, rows in each.items() for row in rows if least[row[3]] == value}
    assert set(decode(least)) == expected and decode(least) == sorted(
        expected, key=lambda row: (row[0], row[1], -row[2], row[3])
    )
    assert decode(least, "viterbi") == decode(0.5, "viterbi")


def test_decode_takes_any_threshold():
    rng = numpy.random.default_rng(0)
    scores = rng.normal(0, 1, (6, 1, 5)).astype("float32")
    labels = numpy.zeros((1, 1), dtype="int64")
    at_floor = tracks.decode(scores, [6], labels, decoder="posterior", threshold=0.01)
    at_zero = tracks.decode(scores, [6], labels, decoder="posterior", threshold=0.0)
    assert all((a == b).all() for a, b in zip(at_floor, at_zero))
    assert len(at_zero.start) > 6
    with pytest.raises(ValueError, match="viterbi, posterior"):
        tracks.decode(scores, [6], labels, decoder="greedy")


@pytest.mark.parametrize("layers, n_labels", [(1, 1), (2, 1), (1, 3)])
@pytest.mark.parametrize("scale", [1.0, 30.0, 1e3, 1e6])
def test_nothing_is_more_probable_than_1(layers, n_labels, scale):
    """Rounding adds up over long entities."""
    rng = numpy.random.default_rng(0)
    lengths = rng.integers(1, 60, 40).tolist()
    shape = (sum(lengths), layers, 1 + 4 * n_labels)
    scores = (rng.normal(0, 1, shape) * scale).astype("float32")
    labels = numpy.tile(numpy.arange(n_labels), (layers, 1))
    for decoder in ("posterior", "viterbi"):
        found = tracks.decode(scores, lengths, labels, decoder=decoder, threshold=0.01)
        given = tracks.probabilities(scores, lengths, labels, tracks.LabelSpans(*found[:4]))
        assert len(given) and max(found.probability.max(), given.max()) <= 1
        assert min(found.probability.min(), given.min()) >= 0


def test_ties_prefer_o():
    tags = tracks.viterbi(OPS, numpy.zeros((3, 2, 5), dtype="float32"), [3])
    assert not tags.any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [0.1, 3.0, 200.0])
def test_pieces_do_not_show(monkeypatch, kind, scale):
    """Long documents are cut into pieces that run side by side: the result is the same."""
    rng = numpy.random.default_rng(1)
    lengths = [301, 0, 7, 64, 65, 128, 1]
    scores = rng.normal(0, scale, (sum(lengths), 2, 5)).astype("float32")
    # A stretch in which an entity stays open or not far beyond the border of a piece.
    scores[20:280, :, 2] += 4 * scale
    scores[20:280, :, 0] += 4 * scale
    transitions = None if kind == "none" else random_transitions(rng, 2, 1, kind == "shared")
    labels = numpy.zeros((2, 1), dtype="int64")
    results = []
    for size in (64, 10_000, 3):
        monkeypatch.setattr(chains, "PIECE", size)
        results.append(
            (
                tracks.log_partition(OPS, scores, lengths, transitions),
                tracks.posteriors(OPS, scores, lengths, transitions),
                tracks.viterbi(OPS, scores, lengths, transitions),
                *tracks.decode(scores, lengths, labels, transitions=transitions),
            )
        )
    for other in results[1:]:
        for a, b in zip(results[0], other):
            assert a.shape == b.shape
            assert numpy.allclose(a, b, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("decoder", ["viterbi", "posterior"])
@pytest.mark.parametrize("bias", [0.0, 4.0, 8.0])
def test_skipping_changes_nothing(monkeypatch, decoder, bias, kind):
    """Tokens that cannot matter are left out."""
    rng = numpy.random.default_rng(2)
    lengths = rng.integers(0, 30, 80).tolist()
    scores = rng.normal(0, 2, (sum(lengths), 4, 5)).astype("float32")
    scores[..., 0] += bias
    labels = numpy.asarray([[0], [0], [1], [2]])
    transitions = None if kind == "none" else random_transitions(rng, 4, 1, kind == "shared")
    settings = {"transitions": transitions, "decoder": decoder, "threshold": 0.2}
    quick = tracks.decode(scores, lengths, labels, **settings)
    # The layers of a label that are not looked at first are looked at where they matter.
    monkeypatch.setattr(tracks.decoding, "FEW", 0)
    in_turn = tracks.decode(scores, lengths, labels, **settings)
    assert all(numpy.allclose(a, b, atol=1e-6) for a, b in zip(quick, in_turn))
    looked_at = []

    def everything(scores, least, transitions=None):
        looked_at.append(live_tokens(scores, least, transitions).mean())
        return numpy.ones(scores.shape[:2], dtype="bool")

    live_tokens = tracks.decoding.live_tokens
    monkeypatch.setattr(tracks.decoding, "live_tokens", everything)
    full = tracks.decode(scores, lengths, labels, **settings)
    assert len(full.start) > 5
    assert all(numpy.allclose(a, b, atol=1e-5) for a, b in zip(quick, full))
    # There is something to gain.
    assert bias < 8 or looked_at[0] < 0.6


def test_blocks_do_not_show(monkeypatch):
    rng = numpy.random.default_rng(3)
    lengths = [5, 0, 40, 3, 9]
    scores = rng.normal(0, 2, (sum(lengths), 5, 5)).astype("float32")
    labels = numpy.asarray([[0], [0], [1], [2], [2]])
    whole = tracks.decode(scores, lengths, labels)
    for size in (1, 10, 60, 100):
        monkeypatch.setattr(tracks.decoding, "BLOCK", size)
        cut = tracks.decode(scores, lengths, labels)
        assert all(numpy.allclose(a, b, atol=1e-6) for a, b in zip(whole, cut))


def test_long_documents_stay_exact_in_float32():
    """20,000 tokens: probabilities do not drift, and every token's tags sum to 1."""
    rng = numpy.random.default_rng(4)
    once = rng.normal(0, 3, (50, 1, 5)).astype("float32")
    once[-1, :, 0] += 100  # an O that nothing crosses, so that the copies do not touch
    scores = numpy.concatenate([once] * 400)
    probs = tracks.posteriors(OPS, scores, [len(scores)])
    short = tracks.posteriors(OPS, once, [len(once)])
    assert numpy.allclose(probs.sum(axis=-1), 1, atol=1e-5)
    assert numpy.allclose(probs.reshape((400, 50, 1, 5)), short, atol=1e-5)
    total = tracks.log_partition(OPS, scores, [len(scores)])
    assert total[0, 0] == pytest.approx(400 * tracks.log_partition(OPS, once, [50])[0, 0], rel=1e-6)


def test_probabilities_of_given_spans(case, monkeypatch):
    """Of all spans of all labels; two tracks are layers of one label. Also when little is done at once."""
    scores, lengths, transitions = case
    K, M = scores.shape[1], (scores.shape[2] - 1) // 4
    labels = numpy.arange(K * M).reshape((K, M)) if M > 1 else numpy.arange(K)[:, None] // 2
    absent = {}
    for doc, track, own in split(scores, lengths):
        table = table_of(transitions, track)
        for (a, b, m), p in oracle.span_posteriors(own, table).items() if len(own) else ():
            place = doc, a, b, int(labels[track, m])
            absent[place] = absent.get(place, 1) * (1 - p)
    # A label without a track has none.
    every = [*absent, (0, 0, 1, 99)]
    spans = tracks.LabelSpans(*numpy.asarray(every).T)
    expected = [1 - absent.get(place, 1) for place in every]
    found = tracks.probabilities(scores, lengths, labels, spans, transitions)
    assert numpy.allclose(found, expected, atol=2e-5) and len(every) > 1
    monkeypatch.setattr(decoding, "BLOCK", 3)
    again = tracks.probabilities(scores, lengths, labels, spans, transitions)
    assert numpy.allclose(again, found, atol=1e-6)
    none = tracks.LabelSpans(*numpy.zeros((4, 0), dtype="int64"))
    assert tracks.probabilities(scores, lengths, labels, none, transitions).shape == (0,)
