"""A small network that scores whether two spans are fragments of one entity."""

from typing import Callable, Dict, NamedTuple, Optional, Tuple

import numpy
from thinc.api import Model, Ops
from thinc.initializers import glorot_uniform_init
from thinc.types import ArrayXd, Floats1d, Floats2d, Ints1d

from ..links import Pairs, Spans, gap_bucket
from .held import forward

# The log-odds of a link start out at least so low, and where nothing is known.
START = -4.0


class Ends(NamedTuple):
    """Pairs of spans as the layer sees them, on its device.

    rows (Ints1d): The rows of the first and the last token of the left span, then those of the right.
        [P * 4]
    bucket (Ints1d): The bucket of the gap between them. [P]
    label (Ints1d): The index of their label. [P]
    """

    rows: Ints1d
    bucket: Ints1d
    label: Ints1d


def FragmentLinker(
    hidden_width: int = 32, max_distance: int = 20, weight: float = 1.0
) -> Model[Floats2d, Floats2d]:
    """Hold a network that scores pairs of spans of one label: the rows of their first and last
    tokens, the gap between them and the label, through one hidden layer, to the log-odds that both are
    fragments of one discontinuous entity. Rows pass through unchanged; the loss and the decoder look
    the parameters up here. Without discontinuous entities in the training data it stays empty.

    hidden_width (int): The width of the hidden layer.
    max_distance (int): The largest number of tokens between two fragments that are linked. Of three
        and more fragments each has to be so near to the next one.
    weight (float): What the loss of a pair counts, beside that of a token on a track.
    RETURNS (Model[Floats2d, Floats2d]): The layer.
    """
    for name, value, least in (
        ("hidden_width", hidden_width, 1),
        ("max_distance", max_distance, 0),
    ):
        if value < least:
            raise ValueError(f"{name} of FragmentLinker is {value}, but must be at least {least}.")
    if not weight >= 0:
        raise ValueError(f"weight of FragmentLinker is {weight}, but must not be negative.")
    return Model(
        "fragment_linker",
        forward,
        init=init,
        params=dict.fromkeys(PARAMS),
        attrs={"hidden_width": hidden_width, "max_distance": max_distance, "weight": weight},
    )


# W: the hidden layer's weights for the four rows, [H, 4 nI]. labels and gaps: its biases by label,
# [K, H], and by bucket of the gap, [B, H]. V and b: the output's weights, [H], and biases, [K].
PARAMS = ("W", "labels", "gaps", "V", "b")


def init(
    model: Model[Floats2d, Floats2d], X: Optional[Floats2d] = None, Y: Optional[Floats2d] = None
) -> None:
    start = model.attrs.pop("start", None)
    if X is None or start is None:
        return
    H, ops = model.attrs["hidden_width"], model.ops
    n_buckets = int(gap_bucket(numpy.asarray([model.attrs["max_distance"]]))[0]) + 1
    model.set_param("W", glorot_uniform_init(ops, (H, 4 * X.shape[1])))
    model.set_param("labels", ops.alloc2f(len(start), H))
    model.set_param("gaps", ops.alloc2f(n_buckets, H))
    model.set_param("V", glorot_uniform_init(ops, (1, H))[0])
    model.set_param("b", ops.asarray1f(start))


def is_sized(layer: Model[Floats2d, Floats2d]) -> bool:
    """RETURNS (bool): Whether there are discontinuous entities to be linked, so that the layer is in
    use, or will be once it is initialised."""
    return layer.has_param("W") is True or "start" in layer.attrs


def reset_linker(container: Model[Floats2d, Floats2d]) -> None:
    """Start anew, without parameters."""
    old = container.layers[0].attrs
    container.layers[0] = FragmentLinker(old["hidden_width"], old["max_distance"], old["weight"])


def size_linker(container: Model[Floats2d, Floats2d], start: ArrayXd) -> None:
    """Make room for labels. Those that are there keep their parameters. As a larger layer takes the
    place of the old one, an optimizer that knows the old one starts its averages anew.

    container (Model[Floats2d, Floats2d]): Holds the layer, as `thinc.layers.resizable` does.
    start (ArrayXd): The log-odds of a link of each label, from which new ones start. [K]
    """
    old = container.layers[0]
    if not old.has_param("W"):
        old.attrs["start"] = [float(value) for value in start]
        return
    n_old, n_new = len(old.get_param("b")), len(start)
    if n_new == n_old:
        return
    reset_linker(container)
    larger = container.layers[0]
    larger.ops = old.ops
    labels, b = old.ops.alloc2f(n_new, old.attrs["hidden_width"]), old.ops.asarray1f(start)
    labels[:n_old] = old.get_param("labels")
    b[:n_old] = old.get_param("b")
    for name in PARAMS:
        larger.set_param(name, {"labels": labels, "b": b}.get(name, old.get_param(name)))


def make_ends(ops: Ops, offsets: numpy.ndarray, spans: Spans, pairs: Pairs) -> Ends:
    """Look up what the layer has to know of pairs of spans.

    ops (Ops): The backend.
    offsets (numpy.ndarray): The row of the first token of each document.
    spans (Spans): The spans.
    pairs (Pairs): The pairs of spans.
    RETURNS (Ends): Where to look, on the device, in one transfer.
    """
    before = offsets[spans.document]
    first, last = before + spans.start, before + spans.end - 1
    columns = [first[pairs.left], last[pairs.left], first[pairs.right], last[pairs.right]]
    columns += [gap_bucket(pairs.gap), spans.label[pairs.left]]
    table = ops.asarray(numpy.stack(columns))
    return Ends(table[:4].T.reshape((-1,)), table[4], table[5])


def score_pairs(
    layer: Model[Floats2d, Floats2d], rows: Floats2d, ends: Ends
) -> Tuple[Floats1d, Callable[[Floats1d], Tuple[Floats2d, Dict[str, ArrayXd]]]]:
    """Score pairs of spans.

    layer (Model[Floats2d, Floats2d]): The layer.
    rows (Floats2d): The encoder's rows. [N, nI]
    ends (Ends): The pairs.
    RETURNS (Tuple[Floats1d, Callable]): The log-odds of each pair, [P], and the function from their
        gradient to that of the rows and those of the parameters.
    """
    ops = layer.ops
    W, labels, gaps, V, b = (layer.get_param(name) for name in PARAMS)
    X = rows[ends.rows].reshape((len(ends.label), -1))
    hidden = X @ W.T + labels[ends.label] + gaps[ends.bucket]
    is_on = hidden > 0
    hidden = hidden * is_on
    scores = hidden @ V + b[ends.label]

    def backprop(d_scores: Floats1d) -> Tuple[Floats2d, Dict[str, ArrayXd]]:
        d_hidden = d_scores[:, None] * V * is_on
        gradient = {"W": d_hidden.T @ X, "V": d_scores @ hidden}
        for name, table, index, values in (
            ("labels", labels, ends.label, d_hidden),
            ("gaps", gaps, ends.bucket, d_hidden),
            ("b", b, ends.label, d_scores),
        ):
            gradient[name] = ops.xp.zeros_like(table)
            ops.scatter_add(gradient[name], index, values)
        d_rows = ops.xp.zeros_like(rows)
        d_X = d_hidden @ W
        ops.scatter_add(d_rows, ends.rows, d_X.reshape((-1, rows.shape[1])))
        return d_rows, gradient

    return scores, backprop
