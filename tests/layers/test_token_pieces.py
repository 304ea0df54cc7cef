"""The pieces of a transformer as rows, against the transformer itself and against a naive choice."""

from types import SimpleNamespace

import numpy
import pytest
import spacy
from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import Linear, chain, reduce_mean
from thinc.types import Ragged

from spacy_contrastive_ner.layers import token_pieces
from spacy_contrastive_ner.layers.token_pieces import TokenPieces, choose

from ..device import DeviceOps
from ..util import TEXTS, TOK2VEC, windows
from .pieces import gradients_of, make_layer, reader_of, require_equal

# The first is read through several windows, the second has no tokens, that of the third is in no piece,
# and the fourth has a token in none between others.
WORDS = [TEXTS[0][0].split(), [], [" "], ["Ministry", " ", "Paris"], ["health"]]


def make(bert, grad_factor=1.0, get_spans=None):
    return make_layer(TokenPieces, bert, WORDS, get_spans or windows(4, 2), grad_factor)


def naive_rows(layer, docs):
    """The rows of the pieces of each token in torch, each window by itself, from the window in which the
    token is farthest from the first and last piece; and how many each token has."""
    import torch

    reader = reader_of(layer)
    rows, counts = [], []
    for doc, spans in zip(docs, reader.attrs["get_spans"](docs)):
        seen = [[] for _ in doc]
        for span in spans:
            encoded = reader.tokenizer(span.text, return_tensors="pt", return_offsets_mapping=True)
            offsets = encoded.pop("offset_mapping")[0].tolist()
            hidden = reader.transformer(**encoded).last_hidden_state[0]
            for token in span:
                first = token.idx - span.start_char
                its = [
                    i for i, (a, b) in enumerate(offsets) if first <= a < b <= first + len(token)
                ]
                if its:
                    margin = min(its[0] - 1, len(offsets) - 2 - its[-1])
                    seen[token.i].append((margin, [hidden[i] for i in its]))
        for some in seen:
            best = max(some, key=lambda each: each[0])[1] if some else []
            rows += best
            counts.append(len(best))
    return torch.stack(rows), counts


def test_rows_are_those_of_the_transformer(bert):
    layer, docs = make(bert)
    rows = layer.predict(docs)
    expected, counts = naive_rows(layer, docs)
    assert rows.lengths.tolist() == counts == [1, 3, 1, 2, 1, 1, 1, 0, 3, 0, 1, 2]
    assert rows.lengths.dtype == "int32" and rows.dataXd.dtype == "float32"
    assert numpy.allclose(rows.dataXd, expected.detach().numpy(), atol=1e-5)


def test_the_batch_makes_no_difference(bert):
    layer, docs = make(bert)
    rows = layer.predict(docs)
    alone = [layer.predict([doc]) for doc in docs if len(doc)]
    assert numpy.allclose(rows.dataXd, numpy.concatenate([r.dataXd for r in alone]), atol=1e-5)
    assert rows.lengths.tolist() == [n for r in alone for n in r.lengths.tolist()]


def test_nothing_but_white_space(bert):
    layer, docs = make(bert)
    rows, backprop = layer.begin_update([docs[2], docs[1]])
    assert rows.dataXd.shape == (0, 16) and rows.lengths.tolist() == [0]
    gradients = gradients_of(layer, lambda: backprop(rows))
    assert not any(gradient.any() for gradient in gradients.values())


@pytest.mark.parametrize("grad_factor", [1.0, 0.5])
def test_gradient(bert, grad_factor):
    layer, docs = make(bert, grad_factor)
    rows, backprop = layer.begin_update(docs)
    weight = numpy.random.default_rng(0).normal(size=rows.dataXd.shape).astype("float32")

    def by_torch():
        import torch

        (naive_rows(layer, docs)[0] * torch.tensor(weight * grad_factor)).sum().backward()

    found = gradients_of(layer, lambda: backprop(Ragged(weight, rows.lengths)))
    require_equal(found, gradients_of(layer, by_torch))


def test_a_text_that_is_cut_off(bert):
    """What the transformer does not take has no pieces."""
    layer, _ = make(bert, get_spans=windows(50, 40))
    reader_of(layer).tokenizer.model_max_length = 6
    words = ["Paris", "Ministry", "Ministry", "Anna"]
    doc = Doc(spacy.blank("en").vocab, words=words)
    assert layer.predict([doc]).lengths.tolist() == [1, 3, 1, 0]
    rows, backprop = layer.begin_update([doc])
    assert gradients_of(layer, lambda: backprop(rows))


def test_tokens_that_share_pieces(bert):
    """ "ministry" is read as "min", "##ist" and "##ry", and "Paris" as one piece."""
    layer, _ = make(bert)
    words, spaces = ["mini", "stry", "Pa", "ris"], [False, True, False, False]
    doc = Doc(spacy.blank("en").vocab, words=words, spaces=spaces)
    rows, backprop = layer.begin_update([doc])
    assert rows.lengths.tolist() == [1, 2, 1, 1]
    whole = layer.predict([Doc(doc.vocab, words=["ministry", "Paris"])])
    assert numpy.allclose(rows.dataXd, whole.dataXd[[0, 1, 2, 3, 3]], atol=1e-5)
    # The gradient of a piece that is there twice is that of both rows.
    weight = numpy.random.default_rng(0).normal(size=rows.dataXd.shape).astype("float32")
    found = gradients_of(layer, lambda: backprop(Ragged(weight, rows.lengths)))
    once = weight[:4].copy()
    once[3] += weight[4]
    rows, backprop = layer.begin_update([Doc(doc.vocab, words=["ministry", "Paris"])])
    expected = gradients_of(layer, lambda: backprop(Ragged(once, rows.lengths)))
    assert all(numpy.allclose(found[name], expected[name], atol=1e-5) for name in expected)


def test_windows_that_leave_tokens_out(bert):
    layer, docs = make(bert)
    reader_of(layer).attrs["get_spans"] = lambda docs: [[doc[1:]] for doc in docs]
    with pytest.raises(
        ValueError, match=r"read 6 of the 7 tokens .* get_spans must cover them all"
    ):
        layer.predict(docs[:1])


def test_encoders_that_do_not_fit(bert):
    config = {"@architectures": "spacy.Tok2VecListener.v1", "width": 8}
    for each in (TOK2VEC, config):
        encoder = registry.resolve({"model": each})["model"]
        with pytest.raises(ValueError, match=r"tok2vec is no transformer .* MultiHeadTagger"):
            TokenPieces(encoder)
    pooled = make(bert)[0].layers[0]
    pooled.layers[-1].layers[0] = chain(reduce_mean(), Linear(nO=3, nI=16))
    with pytest.raises(ValueError, match="pooling of tok2vec has parameters"):
        TokenPieces(pooled)


def naive_choice(tokens, window):
    """The same word for word: one token and window after the other."""
    last = {piece: token for token, its in enumerate(tokens) for piece in its}
    seen = [{} for _ in tokens]
    for token, its in enumerate(tokens):
        for number in {piece // window for piece in its}:
            here = [piece for piece in its if piece // window == number]
            seen[token][number] = [p for p in here if last[p] == token] or here
    borders = {}
    for some in seen:
        for number, its in some.items():
            low, high = borders.get(number, (its[0], its[-1]))
            borders[number] = (min(low, its[0]), max(high, its[-1]))
    chosen = []
    for some in seen:

        def order(item):
            number, its = item
            low, high = borders[number]
            return min(its[0] - low, high - its[-1]), len(its), -number

        chosen.append(max(some.items(), key=order)[1] if some else [])
    return chosen


def choice(tokens, window):
    """`choose`, with the pieces of each token in a list."""
    pieces = numpy.asarray([piece for its in tokens for piece in its], dtype="int64")
    lengths = numpy.asarray([len(its) for its in tokens], dtype="int64")
    found, counts = choose(pieces, lengths, window)
    assert len(counts) == len(tokens) and counts.sum() == len(found)
    return [part.tolist() for part in numpy.split(found, numpy.cumsum(counts))[:-1]]


@pytest.mark.parametrize(
    "tokens, expected",
    [
        ([[1], [2, 3], [], [4]], [[1], [2, 3], [], [4]]),
        ([], []),
        ([[], []], [[], []]),
        # A piece of two tokens, which is all that the first has ("do" and "n't" of "don", "'", "t").
        ([[1], [1, 2, 3]], [[1], [1, 2, 3]]),
        # One that only touches the token before, as if it began with the blank between them.
        ([[1, 2], [2, 3], [3]], [[1], [2], [3]]),
        ([[1, 2, 3], [3, 4]], [[1, 2], [3, 4]]),
        # One piece that is all of three tokens.
        ([[1], [1], [1]], [[1], [1], [1]]),
        # Windows of ten pieces: where the token is farthest from what a window begins and ends with.
        ([[1], [2, 11], [3, 12], [4, 13], [14]], [[1], [2], [3], [13], [14]]),
        # In the middle of neither: where there is more of it, or else the earlier window.
        ([[1], [2, 11, 12], [13]], [[1], [11, 12], [13]]),
        ([[1], [2, 11], [12]], [[1], [2], [12]]),
    ],
    ids=str,
)
def test_choice(tokens, expected):
    assert choice(tokens, 10) == expected == naive_choice(tokens, 10)


def test_choice_among_random_pieces():
    rng = numpy.random.default_rng(0)
    for _ in range(200):
        n_tokens, window = int(rng.integers(1, 12)), 20
        tokens = [[] for _ in range(n_tokens)]
        n_windows, stride = int(rng.integers(1, 4)), int(rng.integers(1, 5))
        for number in range(n_windows):
            place = number * window + 1
            for token in range(number * stride, min(n_tokens, number * stride + 6)):
                # What the token before ends with may be part of this one, too.
                place -= int(rng.random() < 0.3 and place > number * window + 1)
                size = int(rng.integers(0, 4))
                tokens[token] += range(place, place + size)
                place += size
        assert choice(tokens, window) == naive_choice(tokens, window)


def fake(ops, hidden, pieces, lengths):
    """What spacy-transformers makes of a text."""
    align = Ragged(numpy.asarray(pieces, dtype="i"), numpy.asarray(lengths, dtype="i"))
    output = {"last_hidden_state": ops.asarray(hidden)}
    return SimpleNamespace(model_output=output, wordpieces=None, align=align)


def test_arrays_stay_on_the_device(bert):
    ops = DeviceOps()
    rng = numpy.random.default_rng(0)
    hidden = rng.normal(size=(2, 3, 4)).astype("float32")
    datas = [fake(ops, hidden, [1, 2, 4], [2, 0, 1]), SimpleNamespace(model_output={})]
    layer = make(bert)[0]
    layer.ops = ops
    got = []
    encoder = layer.layers[0]
    encoder.layers[-1].attrs["grad_factor"] = 0.5
    reader = encoder.layers[0]
    reader._func = lambda model, docs, is_train: (datas, got.append)
    vocab = spacy.blank("en").vocab
    rows, backprop = token_pieces.forward(
        layer, [Doc(vocab, words=["a", "b", "c"]), Doc(vocab)], True
    )
    flat = hidden.reshape((-1, 4))
    assert numpy.array_equal(rows.dataXd.get(), flat[[1, 2, 4]])
    assert rows.lengths.tolist() == [2, 0, 1]
    backprop(Ragged(rows.dataXd * 2, rows.lengths))
    ((d_data,),) = got
    expected = numpy.zeros_like(flat)
    expected[[1, 2, 4]] = flat[[1, 2, 4]]
    assert numpy.array_equal(
        d_data.model_output["last_hidden_state"].get(), expected.reshape(hidden.shape)
    )
    # The places go there (and above, what the transformer made), nothing comes back.
    assert ops.to_host == 0 and ops.to_device == 2
