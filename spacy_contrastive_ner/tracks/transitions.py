"""States, and what happens between one token and the next.

Before each token a track is in a state: which tags may come next, and with which transition
scores, depends on that alone. With BILOU constraints only, a track is either closed (after O, L,
U) or open (after B, I of one label). With learned transitions each tag is a state of its own, and
there is one more for the start of a document:

    constraints only   0 closed                           1.. open, by label
    learned            0 O, 1.. L, .. U by label, START   B by label, I by label

From a closed state the next tag is O, B or U; from an open one it is I or L of the same label. So
illegal tags never appear, not even with a penalty.
"""

from typing import Any, NamedTuple, Optional, Tuple

import numpy
from thinc.api import Ops
from thinc.types import Floats2d, FloatsXd

from .chains import Chains
from .layout import BEGIN, IN, LAST, UNIT

# The smallest weight of a state.
TINY = numpy.float32(1e-37)


class Transitions(NamedTuple):
    """Learned scores for going from tag to tag. The first axis is a track, or of size 1 if all
    tracks share them. Tags that lead into a closed state are ordered O, L.., U.., those that
    follow it O, B.., U.., each by label.

    closed (FloatsXd): From O, L.., U.. and the start to O, B.., U... [K, 2 + 2M, 1 + 2M]
    open (FloatsXd): From B, I to I, L, by label. [K, 2, 2, M]
    end (FloatsXd): For ending a document after O, L.., U... [K, 1 + 2M]
    """

    closed: FloatsXd
    open: FloatsXd
    end: FloatsXd


class Weighed(NamedTuple):
    """Transitions in probability space. Each row, the goals of one source, is divided by its
    largest entry, whose log is kept apart.

    closed, open (FloatsXd): As in Transitions.
    log_closed, log_open (FloatsXd): What the rows were divided by. [K, 2 + 2M], [K, 2, M]
    """

    closed: FloatsXd
    open: FloatsXd
    log_closed: FloatsXd
    log_open: FloatsXd


def weigh(xp: Any, transitions: Transitions) -> Weighed:
    """RETURNS (Weighed): The transitions in probability space."""
    top_closed = transitions.closed.max(axis=2)
    top_open = transitions.open.max(axis=2)
    return Weighed(
        xp.exp(transitions.closed - top_closed[:, :, None]),
        xp.exp(transitions.open - top_open[:, :, None]),
        top_closed,
        top_open,
    )


class States:
    """The states and tags of a track with M labels, with or without learned transitions.

    n_labels (int): M.
    learned (bool): Whether there are learned transitions.
    """

    def __init__(self, n_labels: int, learned: bool) -> None:
        M = n_labels
        label = numpy.arange(M)
        self.n_labels = M
        self.n_closed_tags = 1 + 2 * M
        # The tags in the order in which the recursion holds them: O, B.., U.., I.., L...
        four = [1 + kind + 4 * label for kind in (BEGIN, UNIT, IN, LAST)]
        self.tags = numpy.concatenate([[0], *four])
        self.n_closed = 2 + 2 * M if learned else 1
        self.start = self.n_closed - 1
        self.n_states = self.n_closed + (2 * M if learned else M)
        # The state that each of those tags leads to.
        last, unit = (1 + label, 1 + M + label) if learned else (0 * label, 0 * label)
        begin = self.n_closed + label
        within = begin + M if learned else begin
        self.after = numpy.concatenate([[0], begin, unit, within, last])


class Mixer:
    """Mixes the tags that may follow a state, in one of two ways: adds up their weights, or takes
    the best. The two blocks of tags, those after closed and those after open states, each have
    a maximum of their own, so that no weight is lost however far the scores lie apart.

    ops (Ops): The backend.
    states (States): The states and tags.
    chains (Chains): The chains; learned transitions are looked up for their tracks.
    transitions (Optional[Transitions]): Learned transitions, if any.
    best (bool): Take the best instead of the sum.
    """

    def __init__(
        self,
        ops: Ops,
        states: States,
        chains: Chains,
        transitions: Optional[Transitions],
        best: bool,
    ) -> None:
        self.xp, self.states, self.chains, self.best = ops.xp, states, chains, best
        self.learned = transitions is not None
        if transitions is None:
            return
        self.shared = len(transitions.closed) == 1
        self.closed, self.open = transitions.closed, transitions.open
        if not best:
            self.closed, self.open, *self.tops = weigh(self.xp, transitions)

    def tables(self, pieces: Optional[Any]) -> Any:
        """Look up the transitions of some pieces.

        pieces (Optional[ArrayXd]): Their places, or None for all pieces.
        RETURNS: What `back` and `on` take as `tables`.
        """
        if not self.learned:
            return None
        tracks = self.chains.tracks_of_piece
        tracks = tracks if pieces is None else tracks[pieces]
        if self.shared:
            tracks = tracks[:1] * 0
        lookups = [self.closed, self.open] if self.best else [self.closed, self.open, *self.tops]
        return [
            self.xp.ascontiguousarray(self.xp.moveaxis(table[tracks], 0, -1)) for table in lookups
        ]

    def back(self, tags: Floats2d, tables: Any, n: int) -> Tuple[Floats2d, Floats2d, Floats2d]:
        """From the log weights of the tags to those of the states before them.

        tags (Floats2d): [1 + 4M, n]
        tables: The transitions.
        n (int): The number of pieces at work.
        RETURNS (Tuple[Floats2d, Floats2d, Floats2d]): The weights of tags and states to keep, and
            the log weights of the states. [1 + 4M, n], [Q, n], [Q, n]
        """
        xp, M, C = self.xp, self.states.n_labels, self.states.n_closed_tags
        closed, opened = tags[:C], tags[C:].reshape((2, M, n))
        top_closed, top_open = closed.max(axis=0), xp.maximum(opened[0], opened[1])
        logs = xp.empty((self.states.n_states, n), dtype="float32")
        log_closed = logs[: self.states.n_closed]
        log_open = logs[self.states.n_closed :].reshape((-1, M, n))
        if self.best:
            if self.learned:
                from_closed, from_open = (table[..., :n] for table in tables)
                log_closed[:] = (from_closed + closed).max(axis=1)
                log_open[:] = (from_open + opened).max(axis=1)
            else:
                log_closed[:] = top_closed
                log_open[:] = top_open
            return tags, logs, logs
        weights = xp.empty_like(tags)
        xp.subtract(closed, top_closed, out=weights[:C])
        xp.subtract(opened, top_open, out=weights[C:].reshape((2, M, n)))
        xp.exp(weights, out=weights)
        sums = self._sum_tags(weights, tables, n)
        xp.log(sums, out=logs)
        if self.learned:
            log_closed += tables[2][..., :n]
            log_open += tables[3][..., :n]
        log_closed += top_closed
        log_open += top_open
        return weights, sums, logs

    def _sum_tags(self, weights: Floats2d, tables: Any, n: int) -> Floats2d:
        """Add up the weights of the tags that may follow each state. [Q, n]"""
        xp, M, C = self.xp, self.states.n_labels, self.states.n_closed_tags
        sums = xp.empty((self.states.n_states, n), dtype="float32")
        closed, opened = weights[:C], weights[C:].reshape((2, M, n))
        out_closed = sums[: self.states.n_closed]
        out_open = sums[self.states.n_closed :].reshape((-1, M, n))
        if not self.learned:
            out_closed[0] = closed.sum(axis=0)
            out_open[0] = opened[0] + opened[1]
            return sums
        from_closed, from_open = tables[:2]
        if self.shared:
            out_closed[:] = from_closed[:, :, 0] @ closed
        else:
            (from_closed[..., :n] * closed).sum(axis=1, out=out_closed)
        (from_open[..., :n] * opened).sum(axis=1, out=out_open)
        # Only transitions that differ by more than float32 can tell apart come to nothing.
        return xp.maximum(sums, TINY, out=sums)

    def on(self, states: Floats2d, tables: Any, n: int) -> Floats2d:
        """Pass the probability of each state on to the tags that may follow it.

        states (Floats2d): Probabilities divided by the states' weights. [Q, n]
        tables: The transitions.
        n (int): The number of pieces at work.
        RETURNS (Floats2d): What to multiply the tags' weights with. [1 + 4M, n]
        """
        xp, M, C = self.xp, self.states.n_labels, self.states.n_closed_tags
        out = xp.empty((1 + 4 * M, n), dtype="float32")
        closed = states[: self.states.n_closed]
        opened = states[self.states.n_closed :].reshape((-1, M, n))
        out_open = out[C:].reshape((2, M, n))
        if not self.learned:
            out[:C] = closed
            out_open[:] = opened
            return out
        from_closed, from_open = tables[:2]
        if self.shared:
            out[:C] = from_closed[:, :, 0].T @ closed
        else:
            (from_closed[..., :n] * closed[:, None]).sum(axis=0, out=out[:C])
        (from_open[..., :n] * opened[:, None]).sum(axis=0, out=out_open)
        return out

    def choices(self, tags: Floats2d) -> Any:
        """The best next tag for every state; of equals O, then a closing tag.

        tags (Floats2d): The scores of the tags with the best that follows. [1 + 4M, n]
        RETURNS (ArrayXd): Places in the recursion's order of tags. [Q, n]
        """
        xp, M, C = self.xp, self.states.n_labels, self.states.n_closed_tags
        choices = xp.empty((self.states.n_states, tags.shape[1]), dtype="int64")
        tracks = self.chains.tracks_of_token * (0 if not self.learned or self.shared else 1)
        for state in range(self.states.n_closed):
            scores = tags[:C]
            if self.learned:
                scores = scores + self.closed[tracks, state].T
            choices[state] = scores.argmax(axis=0)
        within, last = tags[C : C + M], tags[C + M :]
        places = xp.arange(M)[:, None]
        for i in range((self.states.n_states - self.states.n_closed) // max(M, 1)):
            go_on, stop = within, last
            if self.learned:
                go_on = go_on + self.open[tracks, i, 0].T
                stop = stop + self.open[tracks, i, 1].T
            first = self.states.n_closed + i * M
            choices[first : first + M] = C + places + M * (stop >= go_on)
        return choices
