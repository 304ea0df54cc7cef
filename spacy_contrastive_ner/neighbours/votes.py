from thinc.api import Ops
from thinc.types import ArrayXd, Floats3d

from .search import Neighbours

# The probability that is left to each tag that no neighbour has.
FLOOR = 1e-4


def vote(
    ops: Ops, neighbours: Neighbours, tags: ArrayXd, n_tags: int, temperature: float
) -> Floats3d:
    """The share of each tag among the neighbours, each of which counts `exp(-distance /
    temperature)`.

    ops (Ops): The backend.
    neighbours (Neighbours): The neighbours of n queries.
    tags (ArrayXd): The tags of the stored rows, on each track. [m, K]
    n_tags (int): How many tags there are.
    temperature (float): What distances are divided by.
    RETURNS (Floats3d): Each token's tags sum to 1 on each track. [n, K, n_tags]
    """
    xp = ops.xp
    nearness = neighbours.distance[:, :1] - neighbours.distance
    share = xp.exp(nearness / max(temperature, 1e-12))
    share /= share.sum(axis=1, keepdims=True)
    of_neighbours = tags[neighbours.index]
    out = xp.empty((len(share), tags.shape[1], n_tags), dtype="float32")
    for tag in range(n_tags):
        out[:, :, tag] = ((of_neighbours == tag) * share[:, :, None]).sum(axis=1)
    out *= 1 - FLOOR * n_tags
    out += FLOOR
    return out
