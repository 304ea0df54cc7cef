from typing import Sequence, Union

import numpy
from thinc.api import Ops

from .chains import Chains


def live_tokens(scores: numpy.ndarray, least: Union[float, numpy.ndarray]) -> numpy.ndarray:
    """Which tokens could belong to an entity that gains more than `least` over O.

    If transitions are constraints only, entities are independent of each other: one is on the
    best path only if its tags together score higher than O on the same tokens, and its posterior
    is at most sigmoid(gain). So a token matters only if some stretch around it has a high enough
    sum of each token's best gain, and that is a cumulative sum away. Borders of documents are
    left out of account, which can only add tokens.

    scores (numpy.ndarray): [N, K, 1 + 4M]
    least (Union[float, numpy.ndarray]): The gain that an entity must exceed, on each track. [K]
    RETURNS (numpy.ndarray): [N, K], bool.
    """
    if not len(scores):
        return numpy.zeros(scores.shape[:2], dtype="bool")
    gain = scores[:, :, 1].astype("float64")
    for tag in range(2, scores.shape[2]):
        numpy.maximum(gain, scores[:, :, tag], out=gain)
    gain -= scores[:, :, 0]
    total = numpy.zeros((len(gain) + 1, gain.shape[1]), dtype="float64")
    numpy.cumsum(gain, axis=0, out=total[1:])
    # The best sum of a stretch that holds token i: max of total after i - min of total before it.
    highest = numpy.maximum.accumulate(total[:0:-1], axis=0)[::-1]
    lowest = numpy.minimum.accumulate(total[:-1], axis=0)
    # A cumulative sum is not exact: leave a margin.
    margin = 1e-9 * float(numpy.abs(total).max()) + 1e-6
    return highest - lowest > least - margin


def live_chains(ops: Ops, live: numpy.ndarray, lengths: Sequence[int]) -> Chains:
    """The runs of live tokens, cut at the borders of documents. A track is closed at both ends of
    a run, so each run is a chain of its own, and the best path through it is that of the whole.

    ops (Ops): The backend of the chains.
    live (numpy.ndarray): [N, K], bool.
    lengths (Sequence[int]): The number of tokens of each document.
    RETURNS (Chains): One chain for each run.
    """
    document = numpy.repeat(numpy.arange(len(lengths)), lengths)
    track, row = numpy.nonzero(live.T)
    new = numpy.ones(len(row), dtype="bool")
    new[1:] = (track[1:] != track[:-1]) | (row[1:] != row[:-1] + 1)
    new[1:] |= document[row[1:]] != document[row[:-1]]
    starts = numpy.flatnonzero(new)
    return Chains(ops, row[starts], numpy.diff(numpy.append(starts, len(row))), track[starts])
