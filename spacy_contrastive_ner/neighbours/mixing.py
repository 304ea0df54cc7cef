import numpy
from thinc.types import Floats2d, Floats3d

# No tag is less probable than this, so that logarithms stay finite.
LEAST = 1e-10


def mix(head: Floats3d, store: Floats3d, weight: float, new: numpy.ndarray) -> numpy.ndarray:
    """Mix two opinions on the tag of each token, track by track: `(1 - weight) * head + weight *
    store`. To the head, an entity of a label that it never learned is O; so it has no say in how its O
    is divided among O and such labels, and the store divides it.

    head, store (Floats3d): Probabilities. [N, K, 1 + 4M]
    weight (float): The weight of the store, 0 to 1.
    new (numpy.ndarray): Which tags belong to labels that the head never learned. [K, 1 + 4M], bool
    RETURNS (Floats3d): The mixture. [N, K, 1 + 4M]
    """
    head, store = numpy.asarray(head), numpy.asarray(store)
    if new.any():
        among = new.copy()
        among[:, 0] = new.any(axis=1)
        left_over = numpy.where(among, head, 0).sum(axis=2, keepdims=True)
        share = numpy.where(among, store, 0)
        share /= numpy.maximum(share.sum(axis=2, keepdims=True), LEAST)
        head = numpy.where(among, left_over * share, head)
    return (1 - weight) * head + weight * store


def as_chain(probabilities: Floats3d) -> Floats3d:
    """Scores of the tag sequences whose steps have these probabilities, without transitions: outside
    of entities the step is to O, B or U, within one to its I or L, in the proportions that are given.
    If the probabilities are those of the tags under some distribution of legal sequences, such as a
    mixture of two, then these are the probabilities of the tags under the result, too.

    probabilities (Floats3d): The probability of each tag. [N, K, 1 + 4M]
    RETURNS (Floats3d): The scores. [N, K, 1 + 4M]
    """
    p = numpy.maximum(probabilities, LEAST).astype("float32")
    n_labels = (p.shape[2] - 1) // 4
    # By label B, I, L, U.
    four = p[:, :, 1:].reshape((*p.shape[:2], n_labels, 4))
    enters: Floats2d = four[..., [0, 3]].sum(axis=(2, 3))
    closed = (p[:, :, 0] + enters)[:, :, None]
    out = numpy.empty_like(p)
    out[:, :, 0] = p[:, :, 0] / closed[:, :, 0]
    steps = out[:, :, 1:].reshape(four.shape)
    within = four[..., 1] + four[..., 2]
    steps[..., 0], steps[..., 3] = four[..., 0] / closed, four[..., 3] / closed
    steps[..., 1], steps[..., 2] = four[..., 1] / within, four[..., 2] / within
    out[:, :, 1:] = steps.reshape(p[:, :, 1:].shape)
    return numpy.log(out)
