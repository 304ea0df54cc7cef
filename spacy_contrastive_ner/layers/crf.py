from typing import Optional

import numpy
from thinc.api import Model
from thinc.types import Floats2d

from ..tracks import Transitions
from .held import forward

SHARING = ("per_track", "shared", "constraints")


def CRF(transitions: str = "per_track") -> Model[Floats2d, Floats2d]:
    """Hold the transition scores of a conditional random field. Scores pass through unchanged;
    the loss and the decoder look the transitions up here, and add their gradient here.

    transitions (str): "per_track": each track learns its own. "shared": all tracks share them.
        "constraints": nothing is learned, only the BILOU constraints hold.
    RETURNS (Model[Floats2d, Floats2d]): The layer.
    """
    if transitions not in SHARING:
        raise ValueError(
            f"transitions is {transitions!r}, but must be one of {', '.join(SHARING)}."
        )
    names = () if transitions == "constraints" else Transitions._fields
    return Model(
        "crf",
        forward,
        params=dict.fromkeys(names),
        attrs={"transitions": transitions},
    )


def reset_crf(container: Model[Floats2d, Floats2d]) -> None:
    """Start anew, without transitions."""
    container.layers[0] = CRF(container.layers[0].attrs["transitions"])


def get_transitions(layer: Optional[Model[Floats2d, Floats2d]]) -> Optional[Transitions]:
    """RETURNS (Optional[Transitions]): The learned transitions, if there are any."""
    if layer is None or not layer.has_param("closed"):
        return None
    return Transitions(*(layer.get_param(name) for name in Transitions._fields))


def set_tracks(container: Model[Floats2d, Floats2d], n_tracks: int, n_labels: int) -> None:
    """Make room for the transitions of the given tracks. Transitions that exist are kept, new ones
    start from zero. As a larger layer takes the place of the old one, an optimizer that knows the
    old one starts its averages anew.

    container (Model[Floats2d, Floats2d]): Holds the layer, as `thinc.layers.resizable` does.
    n_tracks (int): K.
    n_labels (int): M, the labels a track carries.
    """
    old = container.layers[0]
    if not old.param_names:
        return
    K = 1 if old.attrs["transitions"] == "shared" else n_tracks
    tables = Transitions(
        numpy.zeros((K, 2 + 2 * n_labels, 1 + 2 * n_labels), dtype="float32"),
        numpy.zeros((K, 2, 2, n_labels), dtype="float32"),
        numpy.zeros((K, 1 + 2 * n_labels), dtype="float32"),
    )
    known = get_transitions(old)
    if known is not None and known.closed.shape == tables.closed.shape:
        return
    if known is not None:
        closed, opened, end = (old.ops.to_numpy(table) for table in known)
        k, m = len(closed), opened.shape[-1]
        goals = _closed_places(m, n_labels)
        sources = numpy.append(goals, 1 + 2 * n_labels)
        tables.closed[numpy.ix_(numpy.arange(k), sources, goals)] = closed
        tables.open[:k, :, :, :m] = opened
        tables.end[:k, goals] = end
    larger = CRF(old.attrs["transitions"])
    larger.ops = old.ops
    for name, table in zip(Transitions._fields, tables):
        larger.set_param(name, old.ops.asarray(table))
    container.layers[0] = larger


def _closed_places(n_old: int, n_new: int) -> numpy.ndarray:
    """Where O, L.., U.. (or O, B.., U..) of the old labels stand among those of more labels."""
    label = numpy.arange(n_old)
    return numpy.concatenate([[0], 1 + label, 1 + n_new + label])
