from typing import List, Optional

import numpy
from thinc.api import Model
from thinc.types import Floats2d

from ..spans.typing import Weights
from .held import forward

LSTM = Weights._fields[:6]
OUTPUT = Weights._fields[6:]


def SpanTyping(width: int, nI: Optional[int] = None) -> Model[Floats2d, Floats2d]:
    """Hold what spans are typed with, see `spans.typing.Weights`. Rows pass through unchanged; the loss
    and the decoder look the parameters up here.

    width (int): H, the width of the states of each direction.
    nI (Optional[int]): D, the width of the rows.
    RETURNS (Model[Floats2d, Floats2d]): The layer.
    """
    if width < 1:
        raise ValueError(f"width is {width}, but must be at least 1.")
    return Model(
        "span_typing",
        forward,
        init=init,
        dims={"nI": nI},
        params=dict.fromkeys(Weights._fields),
        attrs={"width": width},
    )


def init(
    model: Model[Floats2d, Floats2d], X: Optional[Floats2d] = None, Y: Optional[Floats2d] = None
) -> None:
    """Draw the weights of the LSTM, as torch does. What it cannot know, the labels, `set_outputs` gives."""
    if X is not None and model.has_dim("nI") is None:
        model.set_dim("nI", X.shape[1])
    if model.has_param(LSTM[0]) or not model.has_dim("nI"):
        return
    width = model.attrs["width"]
    shapes = [(4 * width, model.get_dim("nI")), (4 * width, width), (4 * width,)] * 2
    for name, shape in zip(LSTM, shapes):
        values = numpy.random.uniform(-1, 1, shape) / numpy.sqrt(width)
        model.set_param(name, model.ops.asarray(values.astype("float32")))


def get_weights(layer: Model[Floats2d, Floats2d]) -> Optional[Weights]:
    """RETURNS (Optional[Weights]): The weights, if they are all there."""
    if not all(layer.has_param(name) for name in Weights._fields):
        return None
    return Weights(*(layer.get_param(name) for name in Weights._fields))


def n_outputs(layer: Model[Floats2d, Floats2d]) -> int:
    """RETURNS (int): How many labels there are weights for, with NONE; 0 if there are none yet."""
    return len(layer.get_param("b")) if layer.has_param("b") else 0


def reset_typing(container: Model[Floats2d, Floats2d]) -> None:
    """Start anew, without weights."""
    container.layers[0] = SpanTyping(container.layers[0].attrs["width"])


def set_outputs(container: Model[Floats2d, Floats2d], bias: List[float]) -> None:
    """Make room for labels. Those that are there keep their weights; those of new ones are drawn for a
    new layer, and are 0 in one that has learned something. As a larger layer takes the place of the old
    one, an optimizer that knows the old one starts its averages anew.

    container (Model[Floats2d, Floats2d]): Holds the layer, as `thinc.layers.resizable` does.
    bias (List[float]): Where the bias of each output starts, that of NONE first.
    """
    old = container.layers[0]
    ops, width, known = old.ops, old.attrs["width"], n_outputs(old)
    if known == len(bias):
        return
    W = numpy.zeros((len(bias), 2 * width), dtype="float32")
    b = numpy.asarray(bias, dtype="float32")
    if known:
        W[:known], b[:known] = (ops.to_numpy(old.get_param(name)) for name in OUTPUT)
    else:
        W[:] = numpy.random.uniform(-1, 1, W.shape) / numpy.sqrt(2 * width)
    larger = SpanTyping(width, old.get_dim("nI") if old.has_dim("nI") else None)
    larger.ops = ops
    for name in LSTM:
        if old.has_param(name):
            larger.set_param(name, old.get_param(name))
    for name, values in zip(OUTPUT, (W, b)):
        larger.set_param(name, ops.asarray(values))
    container.layers[0] = larger
