"""Word pieces on tracks: masks, inference, losses and spans, against enumeration of entities of tokens."""

import itertools

import numpy
import pytest
from thinc.api import NumpyOps

from spacy_contrastive_ner import tracks
from spacy_contrastive_ner.losses import cross_entropy_dice
from spacy_contrastive_ner.tracks import Subwords, chains, legal_tags, mask_scores
from spacy_contrastive_ner.tracks.encoding import OUTSIDE
from spacy_contrastive_ner.tracks.subwords import FINAL, FIRST, MIDDLE, NO_PIECE, WHOLE, places

from .. import oracle
from ..device import DeviceOps
from .test_inference import KINDS, random_transitions, table_of

OPS = NumpyOps()

# The published tables: which tags may follow each, for a piece at a place of its token.
TABLES = {
    WHOLE: {"O": "OBU", "B": "IL", "L": "OBU", "I": "IL", "U": "OBU"},
    FIRST: {"O": "OB", "B": "I", "L": "OB", "I": "I", "U": "OB"},
    MIDDLE: {"O": "O", "B": "I", "L": "", "I": "I", "U": ""},
    FINAL: {"O": "O", "B": "IL", "L": "", "I": "IL", "U": ""},
}

# Pieces of each token, documents, tracks, labels of a track, scale of the scores.
CASES = [
    ([1, 2, 3], [3], 2, 1, 2.0),
    ([4, 1, 2], [2, 1], 1, 1, 50.0),
    ([1, 0, 2, 0, 1, 3], [4, 0, 2], 2, 1, 3.0),
    ([0, 0], [1, 1], 1, 1, 1.0),
    ([0, 2, 0], [3], 1, 2, 1000.0),
    ([2, 1, 3], [3], 1, 2, 1.0),
    ([1, 1, 1], [3], 1, 3, 2.0),
    ([5], [1], 2, 1, 0.0),
]


def split(counts, lengths):
    """The pieces of the tokens of each document."""
    first = 0
    for length in lengths:
        yield counts[first : first + length]
        first += length


def by_document(array, counts, lengths):
    """What belongs to each document of an array with a row for each piece."""
    first = 0
    for some in split(counts, lengths):
        yield array[first : first + sum(some)]
        first += sum(some)


@pytest.fixture(params=[(c, k, seed) for c in CASES for k in KINDS for seed in range(2)], ids=str)
def case(request):
    """Masked scores, and for each document and track all that can be read with its score."""
    (counts, lengths, K, M, scale), kind, seed = request.param
    rng = numpy.random.default_rng(seed)
    raw = rng.normal(0, scale, (sum(counts), K, 1 + 4 * M)).astype("float32")
    transitions = None
    if kind != "none":
        transitions = random_transitions(rng, K, M, kind == "shared")
    scores = mask_scores(OPS, raw, legal_tags(numpy.asarray(counts), 1 + 4 * M))
    readings = {}
    for doc, own in enumerate(split(counts, lengths)):
        some = list(by_document(raw, counts, lengths))[doc]
        for track in range(K):
            table = table_of(transitions, track)
            readings[doc, track] = [
                (path, spans, oracle.path_score(some[:, track], path, table))
                for path, spans in oracle.subword_paths(own, 1 + 4 * M).items()
            ]
    words = Subwords(numpy.asarray(counts), lengths)
    return scores, words, counts, lengths, transitions, readings


def total_of(readings):
    return oracle.log_sum([score for _, _, score in readings])


@pytest.mark.parametrize(
    "counts", [[1], [2], [3], [4], [1, 2], [2, 1], [3, 2], [1, 3, 1], [2, 2, 1]]
)
def test_masks_are_the_published_tables(counts):
    """They allow the paths that the tables allow, which are those that stand for entities of tokens."""
    where = places(numpy.asarray(counts))
    by_tables = set()
    for kinds in itertools.product("OBILU", repeat=sum(counts)):
        steps = zip(("O", *kinds), kinds, where)
        if all(tag in TABLES[place][before] for before, tag, place in steps) and kinds[-1] in "OLU":
            by_tables.add(tuple("OBILU".index(kind) for kind in kinds))
    legal = legal_tags(numpy.asarray(counts), 5)
    by_masks = {
        path
        for path in oracle.paths(sum(counts), 5)
        if all(legal[piece, tag] for piece, tag in enumerate(path))
    }
    assert by_masks == by_tables == set(oracle.subword_paths(counts, 5))


def test_places():
    assert places(numpy.asarray([1, 0, 2, 4, 0, 3, 1])).tolist() == [
        *(WHOLE, FIRST, FINAL, FIRST, MIDDLE, MIDDLE, FINAL, FIRST, MIDDLE, FINAL, WHOLE)
    ]
    assert (
        places(numpy.zeros(2, dtype="int64")).shape == places(numpy.zeros(0, dtype="int64")).shape
    )


def test_log_partition(case):
    scores, words, _, _, transitions, readings = case
    sums = tracks.log_partition(OPS, scores, words.lengths, transitions)
    for (doc, track), own in readings.items():
        expected = total_of(own) if words.lengths[doc] else 0.0
        assert sums[doc, track] == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_posteriors(case):
    scores, words, counts, lengths, transitions, readings = case
    probs = tracks.posteriors(OPS, scores, words.lengths, transitions)
    legal = legal_tags(words.counts, scores.shape[2])
    assert not probs[~numpy.repeat(legal[:, None], scores.shape[1], axis=1)].any()
    found = list(by_document(probs, counts, lengths))
    for (doc, track), own in readings.items():
        expected = numpy.zeros((words.lengths[doc], scores.shape[2]))
        total = total_of(own)
        for path, _, score in own:
            expected[numpy.arange(len(path)), list(path)] += numpy.exp(score - total)
        assert numpy.allclose(found[doc][:, track], expected, atol=2e-5)


def test_viterbi(case):
    scores, words, counts, lengths, transitions, readings = case
    tags = tracks.viterbi(OPS, scores, words.lengths, transitions)
    found = list(by_document(tags, counts, lengths))
    for (doc, track), own in readings.items():
        by_path = {path: score for path, _, score in own}
        path = tuple(found[doc][:, track].tolist())
        assert by_path[path] == pytest.approx(max(by_path.values()), rel=1e-5, abs=1e-4)


@pytest.mark.parametrize(
    "decoder, threshold", [("viterbi", 0.5), ("posterior", 0.02), ("posterior", 0.5)]
)
def test_decode(case, decoder, threshold):
    """Entities of tokens, with the share of all readings that hold them."""
    scores, words, counts, lengths, transitions, readings = case
    K, M = scores.shape[1], (scores.shape[2] - 1) // 4
    # The tracks are layers of one label, or there is one track.
    labels = numpy.arange(M)[None] if M > 1 else numpy.zeros((K, 1), dtype="int64")
    absent = {}
    for (doc, track), own in readings.items():
        total, present = total_of(own), {}
        for _, spans, score in own:
            for start, end, place in spans:
                key = (doc, start, end, int(labels[track, place]))
                present[key] = present.get(key, 0.0) + numpy.exp(score - total)
        for key, p in present.items():
            absent[key] = absent.get(key, 1.0) * (1 - p)
    found = tracks.decode(
        scores,
        words.lengths,
        labels,
        transitions=transitions,
        decoder=decoder,
        threshold=threshold,
    )
    start, end = words.to_tokens(found.document, found.start, found.end)
    columns = (found.document, start, end, found.label)
    keys = list(zip(*(column.tolist() for column in columns)))
    assert keys == sorted(set(keys), key=lambda k: (k[0], k[1], -k[2], k[3]))
    for key, p in zip(keys, found.probability):
        assert p == pytest.approx(1 - absent[key], abs=2e-5)
    if decoder == "posterior":
        assert {key for key, p in absent.items() if 1 - p > threshold + 2e-5} <= set(keys)
    else:
        tags = tracks.viterbi(OPS, scores, words.lengths, transitions)
        paths = list(by_document(tags, counts, lengths))
        on_path = set()
        for (doc, track), own in readings.items():
            spans_of = {path: spans for path, spans, _ in own}
            for start, end, place in spans_of[tuple(paths[doc][:, track].tolist())]:
                on_path.add((doc, start, end, int(labels[track, place])))
        assert set(keys) == on_path


def random_gold(readings, K, rng):
    """One of the readings for each track of each document."""
    paths = {}
    for key, own in readings.items():
        paths[key] = own[int(rng.integers(len(own)))][0]
    docs = sorted({doc for doc, _ in readings})
    rows = [numpy.stack([paths[doc, track] for track in range(K)], axis=1) for doc in docs]
    return numpy.concatenate(rows).astype("uint8").reshape((-1, K)), paths


def test_crf_loss(case):
    """Its value, and its gradient: expected less actual counts; nothing for tags that cannot be."""
    scores, words, counts, lengths, transitions, readings = case
    rng = numpy.random.default_rng(0)
    tags, paths = random_gold(readings, scores.shape[1], rng)
    loss, d_scores, _ = tracks.crf_loss(OPS, scores, words.lengths, tags, transitions=transitions)
    legal = legal_tags(words.counts, scores.shape[2])
    assert not d_scores[~numpy.repeat(legal[:, None], scores.shape[1], axis=1)].any()
    expected, gradients = 0.0, list(by_document(d_scores, counts, lengths))
    for key, own in readings.items():
        total = total_of(own)
        expected += total - next(score for path, _, score in own if path == paths[key])
        d_own = numpy.zeros((len(paths[key]), scores.shape[2]))
        columns = numpy.arange(len(d_own))
        for path, _, score in own:
            d_own[columns, list(path)] += numpy.exp(score - total)
        d_own[columns, list(paths[key])] -= 1
        assert numpy.allclose(gradients[key[0]][:, key[1]], d_own, atol=2e-5)
    assert float(loss) == pytest.approx(expected, rel=1e-5, abs=1e-3)


def test_crf_loss_where_annotation_is_missing(case):
    scores, words, _, _, transitions, readings = case
    rng = numpy.random.default_rng(0)
    tags, paths = random_gold(readings, scores.shape[1], rng)
    allowed = tags[:, :, None] == numpy.arange(scores.shape[2])
    allowed |= (tags == 0)[:, :, None] & (rng.random(allowed.shape[:2]) < 0.5)[:, :, None]
    loss, d_scores, _ = tracks.crf_loss(
        OPS, scores, words.lengths, tags, transitions=transitions, allowed=allowed
    )
    first, expected = 0, 0.0
    for doc, n in enumerate(words.lengths):
        for track in range(scores.shape[1]):
            own, may = readings[doc, track], allowed[first : first + n, track]
            agree = [s for path, _, s in own if all(may[i, tag] for i, tag in enumerate(path))]
            expected += total_of(own) - oracle.log_sum(agree)
        first += n
    assert float(loss) == pytest.approx(expected, rel=1e-5, abs=1e-3)
    legal = legal_tags(words.counts, scores.shape[2])
    assert not d_scores[~numpy.repeat(legal[:, None], scores.shape[1], axis=1)].any()


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("scope", ["token", "batch"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_dice(scope, smoothing, missing):
    """Against a naive loop, and its gradient against differences of it, in double precision."""
    rng = numpy.random.default_rng(0)
    counts = [1, 2, 3, 1]
    legal = legal_tags(numpy.asarray(counts), 5)
    X = rng.normal(0, 2, (7, 2, 5))
    choices = list(oracle.subword_paths(counts, 5))
    tags = numpy.stack([choices[10], choices[25]], axis=1).astype("uint8")
    allowed = None
    if missing:
        allowed = tags[:, :, None] == numpy.arange(5)
        allowed[2:4][tags[2:4] == 0] = True
    weights = rng.uniform(0.5, 2, (2, 5)).astype("float32")
    settings = {"alpha": 0.7, "beta": 0.5, "scope": scope, "label_smoothing": smoothing}
    settings.update(allowed=allowed, weights=weights, legal=legal)

    def naive(X):
        may = None if allowed is None else allowed & legal[:, None]
        return oracle.cross_entropy_dice(X, tags, **{**settings, "allowed": may})

    scores = X.astype("float32")
    loss, d_scores = cross_entropy_dice(OPS, scores, tags, **settings)
    assert float(loss) == pytest.approx(naive(X), rel=1e-5)
    for at in numpy.ndindex(X.shape):
        moved = [X.copy(), X.copy()]
        moved[0][at] += 1e-5
        moved[1][at] -= 1e-5
        slope = (naive(moved[0]) - naive(moved[1])) / 2e-5
        assert d_scores[at] == pytest.approx(slope, abs=1e-5)
        if not legal[at[0], at[2]]:
            assert d_scores[at] == 0
    # What the scores of tags that cannot be are makes no difference.
    masked = cross_entropy_dice(OPS, mask_scores(OPS, scores, legal), tags, **settings)
    assert float(masked[0]) == float(loss) and numpy.array_equal(masked[1], d_scores)


def test_on_a_device():
    rng = numpy.random.default_rng(0)
    counts = numpy.asarray([1, 3, 0, 2])
    X, legal = rng.normal(size=(6, 2, 5)).astype("float32"), legal_tags(counts, 5)
    tags = numpy.zeros((6, 2), dtype="uint8")
    ops = DeviceOps()
    masked = mask_scores(ops, ops.asarray(X), ops.asarray(legal))
    assert masked.get().dtype == "float32"
    assert numpy.array_equal(masked.get(), mask_scores(OPS, X, legal))
    settings = {"beta": 1.0, "scope": "batch", "label_smoothing": 0.1}
    here = cross_entropy_dice(OPS, X, tags, legal=legal, **settings)
    there = cross_entropy_dice(
        ops, ops.asarray(X), ops.asarray(tags), legal=ops.asarray(legal), **settings
    )
    assert float(there[0]) == pytest.approx(float(here[0]), rel=1e-5)
    assert numpy.allclose(there[1].get(), here[1], atol=1e-6)


def test_long_documents_are_cut_and_put_together(monkeypatch):
    """Where the recursion cuts does not show, also within a token of hundreds of pieces."""
    rng = numpy.random.default_rng(0)
    counts = rng.integers(0, 9, 60)
    counts[30] = 200
    words = Subwords(counts, [25, 35])
    raw = rng.normal(0, 3, (int(counts.sum()), 2, 5)).astype("float32")
    raw[..., 0] += 2
    scores = mask_scores(OPS, raw, legal_tags(counts, 5))
    labels = numpy.zeros((2, 1), dtype="int64")
    results = []
    for size in (32, 10_000, 3):
        monkeypatch.setattr(chains, "PIECE", size)
        found = tracks.decode(scores, words.lengths, labels, decoder="posterior", threshold=0.05)
        results.append((*found[:5], tracks.log_partition(OPS, scores, words.lengths)))
    assert len(results[0][0]) > 10
    for other in results[1:]:
        for a, b in zip(results[0], other):
            assert a.shape == b.shape and numpy.allclose(a, b, rtol=1e-5, atol=2e-5)


def test_spans_go_to_pieces_and_back():
    rng = numpy.random.default_rng(0)
    for _ in range(50):
        lengths = rng.integers(0, 5, 3).tolist()
        counts = rng.integers(0, 4, sum(lengths))
        words = Subwords(counts, lengths)
        own = list(split(counts.tolist(), lengths))
        assert words.lengths == [sum(some) for some in own]
        for doc, some in enumerate(own):
            for start, end in itertools.combinations(range(len(some) + 1), 2):
                expected = (sum(some[:start]), sum(some[:end]), "A")
                assert words.stretch(doc, (start, end, "A")) == expected
                pieces, reason = words.to_pieces(doc, (start, end, "A"))
                if not (some[start] and some[end - 1]):
                    assert pieces is None and reason == NO_PIECE
                    continue
                assert pieces == expected and reason is None
                columns = (numpy.asarray([value]) for value in (doc, *pieces[:2]))
                assert [int(column[0]) for column in words.to_tokens(*columns)] == [start, end]


def test_spans_outside():
    words = Subwords(numpy.asarray([1, 2]), [2])
    for span in ((0, 3, "A"), (-1, 1, "A"), (1, 1, "A")):
        assert words.to_pieces(0, span) == (None, OUTSIDE)
    assert words.stretch(0, (-2, 9, "")) == (0, 3, "")
