from typing import Optional

import numpy
from thinc.api import Model
from thinc.types import Floats2d

from ..spans import Space
from .held import forward

# The temperature of CLIP, and of BINDER, as the logarithm of a scale; and the scale of fits.
START_SCALES = (1 / 0.07, 1 / 0.07, 1 / 0.07, 1.0)


def TypeSpace(width: int) -> Model[Floats2d, Floats2d]:
    """Hold what spans are compared with, see `spans.Space`: the vectors of labels and widths, and the
    scales. Rows pass through unchanged; the loss and the decoder look the parameters up here.

    width (int): D, the width of the vectors.
    RETURNS (Model[Floats2d, Floats2d]): The layer.
    """
    if width < 1:
        raise ValueError(f"width is {width}, but must be at least 1.")
    return Model(
        "type_space",
        forward,
        params=dict.fromkeys(Space._fields),
        attrs={"width": width},
    )


def get_space(layer: Model[Floats2d, Floats2d]) -> Optional[Space]:
    """RETURNS (Optional[Space]): The vectors and scales, if there are any yet."""
    if not layer.has_param("types"):
        return None
    return Space(*(layer.get_param(name) for name in Space._fields))


def reset_space(container: Model[Floats2d, Floats2d]) -> None:
    """Start anew, without vectors."""
    container.layers[0] = TypeSpace(container.layers[0].attrs["width"])


def set_size(container: Model[Floats2d, Floats2d], n_labels: int, n_widths: int) -> None:
    """Make room for labels and widths. Those that are there keep their vectors. As a larger layer
    takes the place of the old one, an optimizer that knows the old one starts its averages anew.

    container (Model[Floats2d, Floats2d]): Holds the layer, as `thinc.layers.resizable` does.
    n_labels (int): K.
    n_widths (int): W.
    """
    old = container.layers[0]
    width, ops = old.attrs["width"], old.ops
    known = get_space(old)
    if known is not None and (len(known.types), len(known.widths)) == (n_labels, n_widths):
        return
    # What Thinc's own initializers draw from.
    draw = numpy.random.normal
    types = draw(0, 1 / numpy.sqrt(width), (n_labels, 3, width)).astype("float32")
    widths = draw(0, 0.1 / numpy.sqrt(width), (n_widths, width)).astype("float32")
    scales = numpy.log(numpy.asarray(START_SCALES, dtype="float32"))
    if known is not None:
        some = ops.to_numpy(known.types)[:n_labels], ops.to_numpy(known.widths)[:n_widths]
        types[: len(some[0])], widths[: len(some[1])] = some
        scales = ops.to_numpy(known.scales)
    larger = TypeSpace(width)
    larger.ops = ops
    for name, table in zip(Space._fields, (types, widths, scales)):
        larger.set_param(name, ops.asarray(table))
    container.layers[0] = larger
