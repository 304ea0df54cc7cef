from typing import Any, Callable, List, Optional, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Model, Ops
from thinc.types import Ragged

from .transformer_parts import is_transformer, read_pieces, was_read

InT = List[Doc]


def TokenPieces(encoder: Model) -> Model[InT, Ragged]:
    """Encode texts with a transformer, a row for each word piece. Its pooling is passed over.

    Every piece of a token is there once, in order. Where windows overlap, a token is taken from the
    one in which it is farthest from the border. Of a piece that several tokens share see `choose`.

    encoder (Model[List[Doc], List[Floats2d]]): A listener to a transformer, or a transformer of its
        own, of spacy-transformers.
    RETURNS (Model[List[Doc], Ragged]): The layer. The rows of pieces, and how many each token of the
        batch has, which may be none. [n_pieces, width], [n_tokens]
    """
    if not is_transformer(encoder):
        raise ValueError(
            "SubwordTagger tags the word pieces of a transformer, but tok2vec is no transformer of "
            "spacy-transformers: take its TransformerListener or Tok2VecTransformer, or the "
            "MultiHeadTagger, which tags tokens."
        )
    pooling = encoder.layers[-1].layers[0]
    if any(node.param_names for node in pooling.walk()):
        raise ValueError(
            "The pooling of tok2vec has parameters, but SubwordTagger tags pieces and pools nothing, "
            'so that they would never be learned: take {"@layers": "reduce_mean.v1"}.'
        )
    return Model("token_pieces", forward, init=init, layers=[encoder])


def forward(
    model: Model[InT, Ragged], docs: InT, is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], Any]]:
    ops, encoder = model.ops, model.layers[0]
    datas, backprop_read = read_pieces(encoder, docs, is_train)
    chosen = [_choose_of(doc, data) for doc, data in zip(docs, datas)]
    counts = numpy.concatenate([some[1] for some in chosen])
    # Where each row is among the pieces of its text, moved to the device at once.
    places = ops.asarray(numpy.concatenate([some[0] for some in chosen]))
    ends = numpy.cumsum([0, *(len(some[0]) for some in chosen)]).tolist()
    read = [i for i, data in enumerate(datas) if was_read(data)]
    width = max(datas[i].model_output["last_hidden_state"].shape[-1] for i in read)
    parts = [_flat(datas[i])[places[ends[i] : ends[i + 1]]] for i in read if ends[i] < ends[i + 1]]
    rows = ops.xp.concatenate(parts) if parts else ops.alloc2f(0, width)

    def backprop(dY: Ragged) -> Any:
        factor = encoder.layers[-1].attrs["grad_factor"]
        d_rows = dY.dataXd * factor
        d_datas = []
        for i in read:
            some = slice(ends[i], ends[i + 1])
            d_datas.append(_gradient(ops, datas[i], places[some], d_rows[some]))
        return backprop_read(d_datas)

    # The numbers stay on the CPU, where targets are made and spans are read.
    return Ragged(rows, counts.astype("int32")), backprop


def init(model: Model[InT, Ragged], X: Optional[InT] = None, Y: Optional[Ragged] = None) -> None:
    model.layers[0].initialize(X=X)


def _flat(data: Any) -> Any:
    """The pieces of all windows of a text, one after the other, padding and all."""
    hidden = data.model_output["last_hidden_state"]
    return hidden.reshape((-1, hidden.shape[-1]))


def _gradient(ops: Ops, data: Any, places: Any, d_rows: Any) -> Any:
    """The gradient of a text's rows, in the form that spacy-transformers wants."""
    from spacy_transformers.data_classes import TransformerData
    from transformers.file_utils import ModelOutput

    hidden = data.model_output["last_hidden_state"]
    d_flat = ops.alloc2f(hidden.shape[0] * hidden.shape[1], hidden.shape[2])
    if len(d_rows):
        ops.scatter_add(d_flat, places, d_rows)
    output = ModelOutput(last_hidden_state=d_flat.reshape(hidden.shape))
    return TransformerData(model_output=output, wordpieces=data.wordpieces, align=data.align)


def _choose_of(doc: Doc, data: Any) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """The pieces of the tokens of a text, see `choose`."""
    if not was_read(data):
        return numpy.zeros(0, dtype="int64"), numpy.zeros(len(doc), dtype="int64")
    lengths = numpy.asarray(data.align.lengths, dtype="int64")
    if len(lengths) != len(doc):
        raise ValueError(
            f"The transformer read {len(lengths)} of the {len(doc)} tokens of a document: its "
            "get_spans must cover them all, as spacy-transformers.strided_spans.v1 does."
        )
    pieces = numpy.asarray(data.align.dataXd, dtype="int64").reshape((-1,))
    return choose(pieces, lengths, data.model_output["last_hidden_state"].shape[1])


def choose(
    pieces: numpy.ndarray, lengths: numpy.ndarray, window: int
) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Choose the pieces by which the tokens of a text are tagged.

    A piece that several tokens share is one of the last of them, and of those that would be left without
    any. (Where a tokenizer counts the blank before a word in, the word's first piece touches the token
    before, too.) Of several windows that hold a token, it is taken from the one in which it is farthest
    from the first and the last piece; of equals, from one that cuts it into more pieces, and the earlier.

    pieces (numpy.ndarray): The pieces of each token as spacy-transformers aligns them: places in all
        windows, one after the other. [n]
    lengths (numpy.ndarray): How many of these each token has. [n_tokens]
    window (int): The number of places of a window, with padding.
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): The pieces that are chosen, and how many of these each
        token has. [m], [n_tokens]
    """
    n_tokens = len(lengths)
    if not len(pieces):
        return pieces, numpy.zeros(n_tokens, dtype="int64")
    token = numpy.repeat(numpy.arange(n_tokens), lengths)
    kept = _own(pieces, token, window)
    pieces, token = pieces[kept], token[kept]
    kept = _most_central(pieces, token, window)
    return pieces[kept], numpy.bincount(token[kept], minlength=n_tokens)


def _own(pieces: numpy.ndarray, token: numpy.ndarray, window: int) -> numpy.ndarray:
    """Which pieces are not those of a later token, or all that a token has in a window. [n], bool"""
    group = numpy.cumsum(_begins(token, pieces // window)) - 1
    last = numpy.full(int(pieces.max()) + 1, -1)
    numpy.maximum.at(last, pieces, token)
    own = last[pieces] == token
    without = numpy.bincount(group[own], minlength=group[-1] + 1) == 0
    return own | without[group]


def _most_central(pieces: numpy.ndarray, token: numpy.ndarray, window: int) -> numpy.ndarray:
    """Which pieces are in the window that their token is taken from. [n], bool"""
    begins = _begins(token, pieces // window)
    # What each token has in each window, from its first to its last piece.
    starts = numpy.flatnonzero(begins)
    sizes = numpy.diff(numpy.append(starts, len(pieces)))
    first, last, tokens = pieces[starts], pieces[starts + sizes - 1], token[starts]
    of_window = first // window
    left = numpy.full(of_window.max() + 1, pieces.max())
    right = numpy.full(of_window.max() + 1, -1)
    numpy.minimum.at(left, of_window, first)
    numpy.maximum.at(right, of_window, last)
    margin = numpy.minimum(first - left[of_window], right[of_window] - last)
    order = numpy.lexsort((of_window, -sizes, -margin, tokens))
    best = numpy.zeros(len(starts), dtype="bool")
    best[order[_begins(tokens[order])]] = True
    return numpy.repeat(best, sizes)


def _begins(*columns: numpy.ndarray) -> numpy.ndarray:
    """Where a row differs from the one before. [n], bool"""
    new = numpy.zeros(len(columns[0]), dtype="bool")
    new[:1] = True
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return new
