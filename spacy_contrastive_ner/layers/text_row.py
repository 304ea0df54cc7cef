from typing import Any, Callable, List, Optional, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Model, list2ragged
from thinc.types import Floats2d, Ragged

from .first_pieces import FirstPieces

MEAN, CLS = TEXT_ROWS = ("mean", "cls")


def text_layers(encoder: Model[List[Doc], List[Floats2d]], text_row: str) -> List[Model]:
    """Encode texts, with a row before those of the tokens of each that stands for the text as a whole.

    encoder (Model[List[Doc], List[Floats2d]]): The encoder.
    text_row (str): "mean", see `TextRow`, or "cls", see `FirstPieces`.
    RETURNS (List[Model]): The layers, one after the other.
    """
    if text_row not in TEXT_ROWS:
        raise ValueError(f"text_row is {text_row!r}, but must be one of {', '.join(TEXT_ROWS)}.")
    if text_row == CLS:
        return [FirstPieces(encoder)]
    return [encoder, list2ragged(), TextRow()]


def TextRow() -> Model[Ragged, Ragged]:
    """Put a row before those of each text that stands for the text as a whole: a learned map of the
    mean of its rows, `b + mean W`. It starts as the mean.

    RETURNS (Model[Ragged, Ragged]): The layer. [n, H] in texts of n_d rows to [n + B, H] in texts of
        n_d + 1 rows.
    """
    return Model("text_row", forward, init=init, dims={"nO": None}, params={"W": None, "b": None})


def forward(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], Ragged]]:
    ops, data = model.ops, X.dataXd
    W, b = model.get_param("W"), model.get_param("b")
    sizes: Any = ops.to_numpy(X.lengths)
    first = numpy.cumsum(sizes + 1) - (sizes + 1)
    is_token = numpy.ones(int(sizes.sum()) + len(sizes), dtype="bool")
    is_token[first] = False
    first, tokens = ops.asarray(first), ops.asarray(numpy.flatnonzero(is_token))
    # Texts without rows have the mean 0. (Kernels of a GPU want no empty text.)
    share = ops.asarray((1.0 / numpy.maximum(sizes, 1)).astype("float32"))[:, None]
    Y = ops.alloc2f(len(is_token), data.shape[1])
    Y[tokens] = data
    lengths = ops.asarray(sizes + 1, dtype="int32")
    means = ops.reduce_sum(Y, lengths) * share
    Y[first] = means @ W + b

    def backprop(dY: Ragged) -> Ragged:
        d_first, d_data = dY.dataXd[first], dY.dataXd[tokens]
        model.inc_grad("b", d_first.sum(axis=0))
        model.inc_grad("W", means.T @ d_first)
        d_means = ops.alloc2f(len(is_token), data.shape[1])
        d_means += ops.backprop_reduce_sum((d_first @ W.T) * share, lengths)
        return Ragged(d_data + d_means[tokens], X.lengths)

    return Ragged(Y, lengths), backprop


def init(
    model: Model[Ragged, Ragged], X: Optional[Ragged] = None, Y: Optional[Ragged] = None
) -> None:
    if X is None:
        return
    width = X.dataXd.shape[1]
    model.set_dim("nO", width)
    model.set_param("W", model.ops.asarray(numpy.eye(width, dtype="float32")))
    model.set_param("b", model.ops.alloc1f(width))
