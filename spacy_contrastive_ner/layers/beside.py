from typing import Callable, Optional, Tuple

from thinc.api import Model
from thinc.types import Floats2d

from .span_pairs import is_sized


def Beside(
    scorer: Model[Floats2d, Floats2d], linker: Model[Floats2d, Floats2d]
) -> Model[Floats2d, Floats2d]:
    """Put the rows that are scored beside their scores, for a linker that looks at the rows of spans
    only once these are known. Without anything to link the scores stand alone.

    scorer (Model[Floats2d, Floats2d]): What scores the rows: [N, nI] to [N, nO].
    linker (Model[Floats2d, Floats2d]): A `FragmentLinker`, in a container.
    RETURNS (Model[Floats2d, Floats2d]): The layer: [N, nI] to [N, nO] or [N, nO + nI].
    """
    return Model("beside", forward, init=init, layers=[scorer, linker])


def forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> Tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    scorer, linker = model.layers
    Y, backprop_scores = scorer(X, is_train)
    if not is_sized(linker.layers[0]):
        return Y, backprop_scores
    rows, backprop_rows = linker(X, is_train)
    xp, width = model.ops.xp, Y.shape[1]

    def backprop(d_both: Floats2d) -> Floats2d:
        d_rows = backprop_rows(d_both[:, width:])
        return backprop_scores(xp.ascontiguousarray(d_both[:, :width])) + d_rows

    return xp.concatenate((Y, rows), axis=1), backprop


def init(
    model: Model[Floats2d, Floats2d], X: Optional[Floats2d] = None, Y: Optional[Floats2d] = None
) -> None:
    for layer in model.layers:
        layer.initialize(X=X)
