from typing import Callable, Optional, Tuple, cast

from thinc.api import Linear, Maxout, Model, chain
from thinc.types import Floats2d

# Variances never fall under this: their inverses stay in the range of single precision.
LEAST_VARIANCE = 1e-6


def MlpProjection(
    width: int = 64, hidden_width: Optional[int] = None, pieces: int = 2
) -> Model[Floats2d, Floats2d]:
    """A hidden maxout layer and an affine map, dropped after pretraining.

    width (int): The width of the output.
    hidden_width (Optional[int]): The width of the hidden layer. If None, that of the output.
    pieces (int): The number of maxout pieces.
    RETURNS (Model[Floats2d, Floats2d]): The projection. [n, width]
    """
    for name, value in (("width", width), ("hidden_width", hidden_width), ("pieces", pieces)):
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value}, but must be at least 1.")
    hidden: Model[Floats2d, Floats2d] = Maxout(
        nO=hidden_width or width, nP=pieces, normalize=True, dropout=0.0
    )
    return cast(Model[Floats2d, Floats2d], chain(hidden, Linear(nO=width)))


def GaussianProjection(width: int = 32) -> Model[Floats2d, Floats2d]:
    """Turn each row h into a Gaussian with a diagonal covariance, dropped after pretraining:

        mean = W1 relu(h) + b1
        variance = elu(W2 relu(h) + b2) + 1, and a little more, so that it stays above 0

    width (int): The number of means, and of variances.
    RETURNS (Model[Floats2d, Floats2d]): The projection: means, then variances. [n, 2 * width]
    """
    if width < 1:
        raise ValueError(f"width is {width}, but must be at least 1.")
    return Model("gaussian_projection", forward, init=init, layers=[Linear(nO=2 * width)])


def forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> Tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    xp = model.ops.xp
    positive = X > 0
    affine, backprop_affine = model.layers[0](X * positive, is_train)
    size = affine.shape[1] // 2
    raw = affine[:, size:]
    # The slope of elu is 1 above 0, and e^x, which is elu + 1, below.
    slope = xp.exp(xp.minimum(raw, 0))
    variance = xp.maximum(raw, 0) + slope + LEAST_VARIANCE
    Y = xp.concatenate((affine[:, :size], variance), axis=1)

    def backprop(dY: Floats2d) -> Floats2d:
        d_affine = xp.concatenate((dY[:, :size], dY[:, size:] * slope), axis=1)
        return backprop_affine(d_affine) * positive

    return Y, backprop


def init(
    model: Model[Floats2d, Floats2d], X: Optional[Floats2d] = None, Y: Optional[Floats2d] = None
) -> None:
    model.layers[0].initialize(X=X)
