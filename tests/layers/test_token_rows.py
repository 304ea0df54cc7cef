"""One row a token, whatever the encoder gives."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc

from spacy_contrastive_ner.layers.token_rows import TokenRows

from ..util import TEXTS, transformer_config

RNG = numpy.random.default_rng(0)


def make_arrays(lengths, width=4):
    return [RNG.normal(size=(length, width)).astype("float32") for length in lengths]


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("lengths", [[3, 2], [0, 3, 0, 0, 2, 0], [0, 0], [1]], ids=str)
def test_list_of_arrays(lengths, kind):
    arrays = make_arrays(lengths)
    rows, backprop = TokenRows()(kind(arrays), True)
    assert numpy.array_equal(rows, numpy.concatenate(arrays))
    assert rows.shape == (sum(lengths), 4) and rows.dtype == "float32"
    d_rows = RNG.normal(size=rows.shape).astype("float32")
    d_arrays = backprop(d_rows)
    assert [d.shape for d in d_arrays] == [array.shape for array in arrays]
    assert numpy.array_equal(numpy.concatenate(d_arrays), d_rows)


def test_no_documents():
    rows, backprop = TokenRows()([], True)
    assert rows.shape == (0, 0) and backprop(rows) == []


def test_flat_array_passes_through():
    (array,) = make_arrays([5])
    rows, backprop = TokenRows()(array, True)
    assert rows is array
    d_rows = numpy.ones_like(rows)
    assert backprop(d_rows) is d_rows


@pytest.fixture(scope="module")
def transformer(bert):
    """A tiny transformer, and documents for it."""
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe(
        "transformer", config={"model": transformer_config("TransformerModel", bert)}
    )
    docs = [Doc(nlp.vocab, words=text.split()) for text, _ in TEXTS]
    pipe.model.initialize(X=docs)
    return pipe.model, docs


def test_transformer_batch(transformer):
    model, docs = transformer
    # Documents without tokens in between.
    docs = [docs[0], Doc(docs[0].vocab), *docs[1:], Doc(docs[0].vocab)]
    batch = model.predict(docs)
    rows = TokenRows().predict(batch)
    assert rows.shape == (sum(map(len, docs)), 16)
    pieces = batch.model_output.last_hidden_state.numpy().reshape((-1, 16))
    expected = [pieces[batch.align[i].data.ravel()].mean(axis=0) for i in range(len(rows))]
    assert numpy.allclose(rows, expected, atol=1e-6)
    # Some words are cut into pieces, or the mean would not be tried.
    assert max(batch.align.lengths) > 1


def test_gradients_arrive_in_the_transformer(transformer):
    """A row's gradient is spread evenly over its word pieces."""
    model, docs = transformer
    batch, backprop_encoder = model.begin_update(docs)
    rows, backprop = TokenRows()(batch, True)
    d_rows = numpy.zeros_like(rows)
    d_rows[0] = 1.0
    word = next(i for i, n in enumerate(batch.align.lengths) if n == 3)
    d_rows[word] = 3.0
    d_batch = backprop(d_rows)
    reached = d_batch.model_output["output_0"].numpy().reshape((-1, 16))
    assert sorted(numpy.unique(reached)) == [0.0, 1.0]
    assert (reached[:, 0] == 1).sum() == 4
    backprop_encoder(d_batch)
    weight = model.transformer.get_input_embeddings().weight
    assert weight.grad is not None and weight.grad.abs().max() > 1e-6
    model.transformer.zero_grad()
