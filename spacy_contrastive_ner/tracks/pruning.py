from typing import Optional, Sequence, Tuple, Union

import numpy
from thinc.api import Ops

from .chains import Chains
from .transitions import Transitions


def live_tokens(
    scores: numpy.ndarray,
    least: Union[float, numpy.ndarray],
    transitions: Optional[Transitions] = None,
) -> numpy.ndarray:
    """Which tokens could belong to an entity that gains more than `least` over O.

    Take any path with an entity on it, and put O in the entity's place. If the path gains by
    that, the entity is not on the best path. And the posterior of an entity is at most
    sigmoid(gain), as each path with it has such a counterpart without it. So a token matters only
    if some stretch around it has a high enough sum of each token's best gain, and that is a
    cumulative sum away. Borders of documents are left out of account, which can only add tokens.

    scores (numpy.ndarray): [N, K, 1 + 4M]
    least (Union[float, numpy.ndarray]): The gain that an entity must exceed, on each track. [K]
    transitions (Optional[Transitions]): Learned transitions, if any.
    RETURNS (numpy.ndarray): [N, K], bool.
    """
    if not len(scores):
        return numpy.zeros(scores.shape[:2], dtype="bool")
    gain = scores[:, :, 1].astype("float64")
    for tag in range(2, scores.shape[2]):
        numpy.maximum(gain, scores[:, :, tag], out=gain)
    gain -= scores[:, :, 0]
    if transitions is not None:
        once, each = _most_from_transitions(transitions)
        gain += each
        least = least - once
    total = numpy.zeros((len(gain) + 1, gain.shape[1]), dtype="float64")
    numpy.cumsum(gain, axis=0, out=total[1:])
    # The best sum of a stretch that holds token i: max of total after i - min of total before it.
    highest = numpy.maximum.accumulate(total[:0:-1], axis=0)[::-1]
    lowest = numpy.minimum.accumulate(total[:-1], axis=0)
    # A cumulative sum is not exact: leave a margin.
    margin = 1e-9 * float(numpy.abs(total).max()) + 1e-6
    return highest - lowest > least - margin


def _most_from_transitions(transitions: Transitions) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """What an entity can gain over O by its transitions at most: so much once, and so much for
    each of its tokens. [K], [K]
    """
    closed, opened, end = transitions
    M = opened.shape[-1]
    # Into B or U instead of O, from L or U instead of O, and within instead of from O to O.
    enter = (closed[:, :, 1:] - closed[:, :, :1]).max(axis=(1, 2))
    leave = (closed[:, 1 : 1 + 2 * M] - closed[:, :1]).max(axis=(1, 2))
    leave = numpy.maximum(leave, (end[:, 1:] - end[:, :1]).max(axis=1))
    within = opened.max(axis=(1, 2, 3)) - closed[:, 0, 0]
    return enter + leave - within, within


def live_chains(ops: Ops, live: numpy.ndarray, lengths: Sequence[int]) -> Chains:
    """The runs of live tokens, cut at the borders of documents. The best path has O between
    them, so each run is a chain of its own.

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
    firsts = numpy.flatnonzero(new)
    starts, sizes = row[firsts], numpy.diff(numpy.append(firsts, len(row)))
    ends = numpy.cumsum(lengths)
    opens = starts == (ends - lengths)[document[starts]]
    closes = starts + sizes == ends[document[starts]]
    return Chains(ops, starts, sizes, track[firsts], opens, closes)
