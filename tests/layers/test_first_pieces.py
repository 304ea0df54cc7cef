"""The first piece of a transformer as the row of a text, against the transformer itself."""

from types import SimpleNamespace

import numpy
import pytest
from spacy.util import registry
from thinc.api import Linear, chain, list2array, reduce_mean
from thinc.types import Ragged

from spacy_contrastive_ner.layers.first_pieces import (
    FirstPieces,
    add_to_first_pieces,
    first_pieces,
)
from spacy_contrastive_ner.layers.text_row import text_layers

from ..device import DeviceOps
from ..util import TEXTS, TOK2VEC, windows
from .pieces import gradients_of, make_layer, reader_of, require_equal

# The first is read through several windows, the second has no tokens, and that of the third is in no
# piece.
WORDS = [TEXTS[0][0].split(), [], [" "], ["Paris", " ", "Anna"], ["x"]]


def make(bert, grad_factor=1.0):
    return make_layer(FirstPieces, bert, WORDS, windows(3, 2), grad_factor)


def naive_rows(layer, docs):
    """The row of each text by the transformer alone, each window by itself, in torch."""
    import torch

    reader = reader_of(layer)
    rows = []
    for spans in reader.attrs["get_spans"](docs):
        firsts = []
        for span in spans:
            pieces = reader.tokenizer(span.text, return_tensors="pt")
            assert pieces["input_ids"][0, 0] == reader.tokenizer.cls_token_id
            firsts.append(reader.transformer(**pieces).last_hidden_state[0, 0])
        rows.append(torch.stack(firsts).mean(dim=0) if firsts else torch.zeros(16))
    return torch.stack(rows)


def split(rows):
    """The places of the rows of texts, and those of tokens."""
    first = numpy.cumsum(rows.lengths) - rows.lengths
    return first, numpy.setdiff1d(numpy.arange(len(rows.dataXd)), first)


def test_rows_are_those_of_first_pieces(bert):
    layer, docs = make(bert)
    rows = layer.predict(docs)
    assert rows.lengths.tolist() == [8, 1, 2, 4, 2] and rows.lengths.dtype == "int32"
    first, tokens = split(rows)
    expected = naive_rows(layer, docs).detach().numpy()
    assert numpy.allclose(rows.dataXd[first], expected, atol=1e-5)
    assert not expected[1].any() and all(expected[i].any() for i in (0, 2, 3, 4))
    own = [array for array in layer.layers[0].predict(docs) if len(array)]
    assert numpy.array_equal(rows.dataXd[tokens], numpy.concatenate(own))


@pytest.mark.parametrize("grad_factor", [1.0, 0.5])
def test_gradient_of_first_pieces(bert, grad_factor):
    layer, docs = make(bert, grad_factor)
    rows, backprop = layer.begin_update(docs)
    first, _ = split(rows)
    weight = numpy.random.default_rng(0).normal(size=(len(docs), 16)).astype("float32")

    def by_torch():
        import torch

        (naive_rows(layer, docs) * torch.tensor(weight * grad_factor)).sum().backward()

    dY = numpy.zeros_like(rows.dataXd)
    dY[first] = weight
    found = gradients_of(layer, lambda: backprop(Ragged(dY, rows.lengths)))
    require_equal(found, gradients_of(layer, by_torch))


def test_gradients_of_first_pieces_and_tokens_are_added(bert):
    layer, docs = make(bert)
    rng = numpy.random.default_rng(0)
    rows, _ = layer.begin_update(docs)
    first, tokens = split(rows)
    dY = rng.normal(size=rows.dataXd.shape).astype("float32")
    parts = []
    for places in (first, tokens, slice(None)):
        part = numpy.zeros_like(dY)
        part[places] = dY[places]
        _, backprop = layer.begin_update(docs)
        parts.append(gradients_of(layer, lambda: backprop(Ragged(part, rows.lengths))))  # noqa: B023
    arrays, backprop_own = layer.layers[0].begin_update(docs)
    ends = numpy.cumsum([len(array) for array in arrays])[:-1]
    own = gradients_of(layer, lambda: backprop_own(numpy.split(dY[tokens], ends)))
    require_equal(parts[1], own)
    require_equal(parts[2], {name: parts[0][name] + parts[1][name] for name in parts[0]})


def test_a_pooling_of_another_width(bert):
    narrow = Linear(nO=3, nI=16)
    narrow.initialize()
    layer, docs = make(bert)
    layer.layers[0].layers[-1].layers[0] = chain(reduce_mean(), narrow)
    with pytest.raises(ValueError, match=r"wide as a piece, 16, .* tokens 3 wide"):
        layer.predict(docs)


def test_encoders_that_are_no_transformers(bert):
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 8}
    for config in (TOK2VEC, listener):
        encoder = registry.resolve({"model": config})["model"]
        with pytest.raises(ValueError, match=r"text_row.*no transformer"):
            text_layers(encoder, "cls")
    # What changes the rows of tokens has no row for the text.
    encoder = make(bert)[0].layers[0]
    with pytest.raises(ValueError, match=r"text_row.*no transformer"):
        text_layers(chain(encoder, list2array()), "cls")
    with pytest.raises(ValueError, match="text_row is 'max', but must be one of mean, cls"):
        text_layers(encoder, "max")


def fake(ops, hidden, mask):
    """What spacy-transformers makes of a text."""
    pieces = SimpleNamespace(attention_mask=numpy.asarray(mask, dtype="float32"))
    return SimpleNamespace(
        model_output={"last_hidden_state": ops.asarray(hidden)}, wordpieces=pieces
    )


def test_padding_on_the_left_is_no_piece_and_arrays_stay_on_the_device():
    ops = DeviceOps()
    rng = numpy.random.default_rng(0)
    hidden = rng.normal(size=(2, 3, 4)).astype("float32")
    data = fake(ops, hidden, [[0, 1, 1], [1, 1, 1]])
    assert numpy.allclose(first_pieces(ops, data).get(), (hidden[0, 1] + hidden[1, 0]) / 2)
    d_data = fake(ops, numpy.ones_like(hidden), [])
    d_first = rng.normal(size=4).astype("float32")
    add_to_first_pieces(ops, data, d_data, ops.asarray(d_first))
    expected = numpy.ones_like(hidden)
    expected[0, 1] += d_first / 2
    expected[1, 0] += d_first / 2
    assert numpy.allclose(d_data.model_output["last_hidden_state"].get(), expected)


def test_texts_without_pieces():
    ops = DeviceOps()
    unread = SimpleNamespace(model_output={})
    assert first_pieces(ops, unread) is None
    assert first_pieces(ops, fake(ops, numpy.zeros((1, 0, 4)), numpy.ones((1, 0)))) is None
