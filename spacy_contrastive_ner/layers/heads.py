from typing import Callable, List, Optional, Tuple

from thinc.api import Model
from thinc.initializers import glorot_uniform_init
from thinc.types import Floats2d
from thinc.util import partial


def TrackHeads(
    nO: Optional[int] = None, nI: Optional[int] = None, *, init_W: Callable = glorot_uniform_init
) -> Model[Floats2d, Floats2d]:
    """One affine map for the scores of all tags on all tracks. It differs from Linear in that
    its output can grow, and in that its bias can start from the frequency of the tags.

    nO (Optional[int]): The width of the output, K * (1 + 4M).
    nI (Optional[int]): The width of the input.
    init_W (Callable): Initialises the weights.
    RETURNS (Model[Floats2d, Floats2d]): The layer.
    """
    return Model(
        "track_heads",
        forward,
        init=partial(init, init_W),
        dims={"nO": nO, "nI": nI},
        params={"W": None, "b": None},
        attrs={},
    )


def forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> Tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    W = model.get_param("W")
    Y = model.ops.affine(X, W, model.get_param("b"))

    def backprop(dY: Floats2d) -> Floats2d:
        model.inc_grad("b", dY.sum(axis=0))
        model.inc_grad("W", model.ops.gemm(dY, X, trans1=True))
        return model.ops.gemm(dY, W)

    return Y, backprop


def init(
    init_W: Callable,
    model: Model[Floats2d, Floats2d],
    X: Optional[Floats2d] = None,
    Y: Optional[Floats2d] = None,
) -> None:
    if X is not None and model.has_dim("nI") is None:
        model.set_dim("nI", X.shape[1])
    if X is not None and not model.has_dim("nO"):
        # spaCy adds which layer it is.
        raise ValueError(
            "The heads of this pipe have no labels yet. If it is to be pretrained, name its encoder in "
            '[pretraining]: component = "tok2vec" and layer = "" if it listens to that, layer = "tok2vec" '
            "if the encoder is inside it."
        )
    if model.has_param("W") is None and model.has_dim("nO"):
        nO, bias = model.get_dim("nO"), model.attrs.pop("bias", None)
        model.set_param("W", init_W(model.ops, (nO, model.get_dim("nI"))))
        model.set_param("b", model.ops.asarray1f([0.0] * nO if bias is None else bias))


def reset_heads(container: Model[Floats2d, Floats2d]) -> None:
    """Start anew, without a width."""
    container.layers[0] = TrackHeads()


def set_width(container: Model[Floats2d, Floats2d], nO: int, bias: List[float]) -> None:
    """Give the output its width. If the layer has weights already, a larger one takes its place:
    the old outputs keep their weights, the new ones start from zero. It is a new layer, so that an
    optimizer that knows the old one starts its averages anew.

    container (Model[Floats2d, Floats2d]): Holds the layer, as `thinc.layers.resizable` does.
    nO (int): The new width, not smaller than the old.
    bias (List[float]): Where the bias of each output starts.
    """
    layer = container.layers[0]
    if not layer.has_param("W"):
        layer.attrs["bias"] = list(bias)
        layer.set_dim("nO", nO, force=True)
        return
    n_old, nI = layer.get_dim("nO"), layer.get_dim("nI")
    if n_old == nO:
        return
    W = layer.ops.alloc2f(nO, nI)
    W[:n_old] = layer.get_param("W")
    b = layer.ops.asarray1f(bias)
    b[:n_old] = layer.get_param("b")
    larger = TrackHeads(nO, nI)
    larger.ops = layer.ops
    larger.set_param("W", W)
    larger.set_param("b", b)
    container.layers[0] = larger
