from typing import Any, Callable, List, Optional, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Model, Ops
from thinc.types import Floats1d, Floats2d, Ragged

from .transformer_parts import is_transformer, read_pieces, was_read

InT = List[Doc]


def FirstPieces(encoder: Model[InT, List[Floats2d]]) -> Model[InT, Ragged]:
    """Encode texts with a transformer, and put a row before those of the tokens of each text that
    stands for the text as a whole: what the transformer makes of its first piece, which is [CLS] for a
    BERT and <s> for a RoBERTa. Of a text that is read through several windows it is the mean of the
    first pieces of these, and of a text without tokens it is 0.

    encoder (Model[List[Doc], List[Floats2d]]): A listener to a transformer, or a transformer of its
        own, of spacy-transformers.
    RETURNS (Model[List[Doc], Ragged]): The layer. Its rows are one more than tokens in each text.
    """
    if not is_transformer(encoder):
        raise ValueError(
            'text_row is "cls", the first piece of a transformer, but tok2vec is no transformer of '
            'spacy-transformers: take its TransformerListener or Tok2VecTransformer, or the "mean".'
        )
    return Model("first_pieces", forward, init=init, layers=[encoder])


def forward(
    model: Model[InT, Ragged], docs: InT, is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], Any]]:
    ops = model.ops
    pooling = model.layers[0].layers[-1]
    datas, backprop_read = read_pieces(model.layers[0], docs, is_train)
    tokens, backprop_tokens = pooling(datas, is_train)
    rows = _with_first_pieces(ops, datas, tokens)
    sizes = [len(array) for array in tokens]
    firsts = numpy.cumsum([0, *(size + 1 for size in sizes)]).tolist()

    def backprop(dY: Ragged) -> Any:
        dX = dY.dataXd
        d_datas = backprop_tokens([dX[first + 1 :][:size] for first, size in zip(firsts, sizes)])
        read = [i for i, data in enumerate(datas) if was_read(data)]
        for i, d_data in zip(read, d_datas):
            d_first = dX[firsts[i]] * pooling.attrs["grad_factor"]
            add_to_first_pieces(ops, datas[i], d_data, d_first)
        return backprop_read(d_datas)

    lengths = ops.asarray(numpy.asarray(sizes) + 1, dtype="int32")
    return Ragged(rows, lengths), backprop


def init(model: Model[InT, Ragged], X: Optional[InT] = None, Y: Optional[Ragged] = None) -> None:
    model.layers[0].initialize(X=X)


def _with_first_pieces(ops: Ops, datas: List[Any], tokens: List[Floats2d]) -> Floats2d:
    """The rows of all texts, each with that of its first pieces before those of its tokens."""
    width = max(array.shape[1] for array in tokens)
    parts = []
    for data, array in zip(datas, tokens):
        first = first_pieces(ops, data)
        first = ops.alloc1f(width) if first is None else first
        if len(first) != width:
            raise ValueError(
                f'text_row is "cls", which is as wide as a piece, {len(first)}, but the pooling of '
                f'tok2vec makes tokens {width} wide: take one that keeps the width, or the "mean".'
            )
        parts += [first[None], array] if len(array) else [first[None]]
    return ops.xp.concatenate(parts)


def first_pieces(ops: Ops, data: Any) -> Optional[Floats1d]:
    """Average the first pieces of the windows of a text.

    ops (Ops): The backend of the arrays.
    data (TransformerData): What the transformer made of the text.
    RETURNS (Optional[Floats1d]): The mean, or None if the text has no pieces.
    """
    if not was_read(data):
        return None
    hidden, places = data.model_output["last_hidden_state"], _places(ops, data)
    return sum(hidden[i, place] for i, place in enumerate(places)) / len(places) if places else None


def add_to_first_pieces(ops: Ops, data: Any, d_data: Any, d_first: Floats1d) -> None:
    """Add the gradient of the mean of the first pieces to that of all pieces.

    ops (Ops): The backend of the arrays.
    data (TransformerData): What the transformer made of the text.
    d_data (TransformerData): Its gradient, which is changed.
    d_first (Floats1d): The gradient of the mean.
    """
    d_hidden, places = d_data.model_output["last_hidden_state"], _places(ops, data)
    for i, place in enumerate(places):
        d_hidden[i, place] += d_first / len(places)


def _places(ops: Ops, data: Any) -> List[int]:
    """Where the first piece of each window is. Some tokenizers pad on the left."""
    mask: Any = ops.to_numpy(data.wordpieces.attention_mask)
    return mask.argmax(axis=1).tolist() if mask.size else []
