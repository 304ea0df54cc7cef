"""Parameters that scores pass by: the loss and the decoder look them up, and the loss leaves their
gradient with the layer, to be added when it is backpropagated."""

from typing import Callable, Dict, Tuple

from thinc.api import Model
from thinc.types import ArrayXd, Floats2d


def forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> Tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    def backprop(dY: Floats2d) -> Floats2d:
        for name, gradient in (model.attrs.pop("gradient", None) or {}).items():
            model.inc_grad(name, gradient)
        return dY

    return X, backprop


def set_gradient(layer: Model[Floats2d, Floats2d], gradient: Dict[str, ArrayXd]) -> None:
    """Leave the gradient of parameters to be added when the loss is backpropagated. A loss that is
    only looked at changes nothing.

    layer (Model[Floats2d, Floats2d]): The layer.
    gradient (Dict[str, ArrayXd]): The gradient of each parameter.
    """
    layer.attrs["gradient"] = gradient


def scale_gradient(layer: Model[Floats2d, Floats2d], scale: float) -> None:
    """Scale the gradient that waits to be added, if one does.

    layer (Model[Floats2d, Floats2d]): The layer.
    scale (float): What it is multiplied with.
    """
    waiting = layer.attrs.get("gradient") or {}
    layer.attrs["gradient"] = {name: gradient * scale for name, gradient in waiting.items()}
