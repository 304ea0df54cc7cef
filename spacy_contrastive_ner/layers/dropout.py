from typing import Callable, Tuple

from thinc.api import Model
from thinc.types import Floats2d


def FixedDropout(rate: float) -> Model[Floats2d, Floats2d]:
    """Dropout at a rate of its own. `[training] dropout` sets the rate of every layer that has
    the attribute "dropout_rate", and this one has not.

    rate (float): The share of values that are dropped while training.
    RETURNS (Model[Floats2d, Floats2d]): The layer.
    """
    return Model("fixed_dropout", forward, attrs={"rate": rate})


def forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> Tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    if not is_train or not model.attrs["rate"]:
        return X, lambda dY: dY
    mask = model.ops.get_dropout_mask(X.shape, model.attrs["rate"])
    return X * mask, lambda dY: dY * mask
