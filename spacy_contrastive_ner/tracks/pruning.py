from typing import List, Optional, Sequence, Union

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
    sigmoid(gain), as each path with it has such a counterpart without it.

    The gain of an entity from i to j is B_i + I_(i+1) + .. + I_(j-1) + L_j, each less the O of its
    token, so with C the cumulative sum of I it is (L_j + C_(j-1)) - (C_i - B_i): the best of all
    entities around a token is a running maximum less a running minimum. Borders of documents are
    left out of account, which can only add tokens.

    scores (numpy.ndarray): [N, K, 1 + 4M]
    least (Union[float, numpy.ndarray]): The gain that an entity must exceed, on each track. [K]
    transitions (Optional[Transitions]): Learned transitions, if any.
    RETURNS (numpy.ndarray): [N, K], bool.
    """
    live = numpy.zeros(scores.shape[:2], dtype="bool")
    if not len(scores):
        return live
    gains = numpy.empty((4, *live.shape), dtype="float32")
    for label in range((scores.shape[2] - 1) // 4):
        four = scores[:, :, 1 + 4 * label : 5 + 4 * label].transpose((2, 0, 1))
        numpy.subtract(four, scores[:, :, 0], out=gains)
        if transitions is not None:
            gains += numpy.stack(_most_from_transitions(transitions, label))[:, None]
        begin, within, last, unit = gains
        total = numpy.cumsum(within, axis=0, dtype="float64")
        # A cumulative sum is not exact: leave a margin.
        margin = 1e-9 * float(max(total.max(), -total.min())) + 1e-5
        # All in place, as on a large batch new memory costs more than the sums.
        closed = total - within
        closed += last
        numpy.maximum.accumulate(closed[::-1], axis=0, out=closed[::-1])
        opened = numpy.subtract(total, begin, out=total)
        numpy.minimum.accumulate(opened, axis=0, out=opened)
        closed -= opened
        live |= closed > least - margin
        live |= unit > least - margin
    return live


def _most_from_transitions(transitions: Transitions, label: int) -> List[numpy.ndarray]:
    """What the B, I, L and U of an entity can gain over O by their transitions at most: into B or
    U instead of O, within instead of from O to O, out of L or U instead of out of O. [K] each
    """
    closed, opened, end = transitions
    M = opened.shape[-1]
    stay = closed[:, 0, 0]
    enter, leave = [], []
    for goal in (1 + label, 1 + M + label):
        enter.append((closed[:, :, goal] - closed[:, :, 0]).max(axis=1))
    for source in (1 + label, 1 + M + label):
        out = (closed[:, source] - closed[:, 0]).max(axis=1)
        leave.append(numpy.maximum(out, end[:, source] - end[:, 0]))
    into = opened[..., label].max(axis=1) - stay[:, None]
    return [enter[0], into[:, 0], into[:, 1] + leave[0], enter[1] + leave[1]]


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


def live_documents(live: numpy.ndarray, lengths: Sequence[int]) -> numpy.ndarray:
    """Which documents have live tokens, on each track.

    live (numpy.ndarray): [N, K], bool.
    lengths (Sequence[int]): The number of tokens of each document.
    RETURNS (numpy.ndarray): [n_docs, K], bool.
    """
    sizes = numpy.asarray(lengths, dtype="int64")
    hit = numpy.zeros((len(sizes), live.shape[1]), dtype="bool")
    filled = numpy.flatnonzero(sizes)
    if len(filled):
        starts = (numpy.cumsum(sizes) - sizes)[filled]
        hit[filled] = numpy.logical_or.reduceat(live, starts, axis=0)
    return hit
