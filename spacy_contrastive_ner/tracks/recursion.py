"""The one recursion over time that everything on tracks is computed with.

The backward pass gives each state the weight of all that can follow it, in log space and
renormalised at every step, so that float32 is enough for documents of any length and scores of
any size. The forward pass then needs no logarithms: it multiplies probabilities, or follows the
best path.

Chains longer than a piece are cut, and all pieces run side by side. What a piece needs from its
neighbour is first guessed, then compared with what the neighbour came to; pieces that started
from something else run again, until nothing changes. The result is that of one long loop, in a
few loops of `PIECE` steps.
"""

from typing import Any, Callable, NamedTuple, Optional

import numpy
from thinc.api import Ops
from thinc.types import ArrayXd, Floats1d, Floats2d

from .chains import Chains, move
from .transitions import Mixer, States, Transitions

# Stands for log(0). Finite, so that sums and differences of it are no NaN.
NEVER = -1e30

# How many tokens beyond its border are looked at to guess what a piece starts from.
LOOK_AHEAD = 8

# How far the guess may be off, relative to 1 or to the value: what float32 cannot tell apart.
ROUNDING = 1e-6


class Weights(NamedTuple):
    """The result of the backward pass, for every packed token.

    tags (Floats2d): The weight of each tag with all that follows, relative to the best of its
        block; as a score if the best path is asked for. [1 + 4M, n]
    states (Floats2d): The weight of each state before the token, on the same scale. [Q, n]
    norm (Floats1d): The log of what the states were divided by. [n]
    first (Floats2d): The log weight of each state before the first token of each piece. [Q, R]
    """

    tags: Floats2d
    states: Floats2d
    norm: Floats1d
    first: Floats2d


class Flow(NamedTuple):
    """The result of the forward pass, for every packed token.

    tags (Floats2d): The probability of each tag. [1 + 4M, n]
    states (Floats2d): The probability of each state before the token. [Q, n]
    last (Floats2d): The probability of each state after the last token of each piece. [Q, R]
    """

    tags: Floats2d
    states: Floats2d
    last: Floats2d


class Recursion:
    """Runs over a set of chains, backward and forward.

    ops (Ops): The backend.
    chains (Chains): The chains.
    n_labels (int): M, the labels a track carries.
    transitions (Optional[Transitions]): Learned transitions, if any.
    """

    def __init__(
        self, ops: Ops, chains: Chains, n_labels: int, transitions: Optional[Transitions] = None
    ) -> None:
        self.ops, self.chains, self.transitions = ops, chains, transitions
        self.states = States(n_labels, transitions is not None)
        self.after, self.order = move(ops, self.states.after, self.states.tags)

    def pick(self, scores: Any, allowed: Optional[Any] = None) -> Floats2d:
        """Pack the scores of the chains, with the tags in the recursion's order.

        scores (ArrayXd): The scores. [N, K, 1 + 4M]
        allowed (Optional[ArrayXd]): Which tags may be true. [N, K, 1 + 4M]
        RETURNS (Floats2d): [1 + 4M, n]
        """
        picked = self.chains.pick(scores)[self.order]
        if allowed is not None:
            picked = self.ops.xp.where(self.chains.pick(allowed)[self.order], picked, NEVER)
        return picked.astype("float32", copy=False)

    def unpick(self, packed: Floats2d, out: Any) -> None:
        """Write packed values, tags in the recursion's order, to their place in `out`.

        packed (Floats2d): [1 + 4M, n]
        out (ArrayXd): [N, K, 1 + 4M]
        """
        ordered = self.ops.xp.empty_like(packed)
        ordered[self.order] = packed
        out[self.chains.rows, self.chains.tracks_of_token] = ordered.T

    def backward(self, scores: Floats2d, *, best: bool = False) -> Weights:
        """Weigh all that can follow, from the last token to the first.

        scores (Floats2d): Packed scores. [1 + 4M, n]
        best (bool): Weigh the best continuation instead of the sum of all.
        RETURNS (Weights): The weights.
        """
        xp, chains, n_states = self.ops.xp, self.chains, self.states.n_states
        n_tokens = scores.shape[1]
        out = Weights(
            xp.empty_like(scores),
            xp.empty((n_states, n_tokens), dtype="float32"),
            xp.empty((n_tokens,), dtype="float32"),
            xp.empty((n_states, chains.n_pieces), dtype="float32"),
        )
        mixer = Mixer(self.ops, self.states, chains, self.transitions, best)

        def run(state: Floats2d, pieces: Optional[ArrayXd], n_steps: int) -> Floats2d:
            tables = mixer.tables(pieces)
            for n, at in reversed(list(chains.steps(pieces, n_steps))):
                tags = scores[:, at] + state[self.after, :n]
                tags, weights, logs = mixer.back(tags, tables, n)
                norm = logs.max(axis=0)
                xp.subtract(logs, norm, out=state[:, :n])
                out.tags[:, at] = tags
                out.states[:, at] = weights
                out.norm[at] = norm
            return state

        n_steps = chains.n_steps
        begun = self._ends()
        inner = numpy.flatnonzero(chains.next >= 0)
        if len(inner):
            inner = inner[numpy.argsort(chains.next[inner])]
            following = self.ops.asarray(chains.next[inner])
            guess = run(begun[:, following], following, min(LOOK_AHEAD, n_steps))
            begun[:, self.ops.asarray(inner)] = guess
        out.first[:] = run(begun.copy(), None, n_steps)
        _settle(self.ops, chains.next, begun, out.first, lambda s, p: run(s, p, n_steps))
        return out

    def _ends(self) -> Floats2d:
        """The log weight of each state after the last token of a document. [Q, R]"""
        xp, chains = self.ops.xp, self.chains
        ends = xp.full((self.states.n_states, chains.n_pieces), NEVER, dtype="float32")
        if self.transitions is None:
            ends[0] = 0.0
        else:
            closed, _, end = self.transitions
            tracks = chains.tracks_of_piece * (1 if len(end) > 1 else 0)
            ends[: self.states.n_closed_tags] = end[tracks].T
            to_o = closed[tracks[chains.before_o], : self.states.n_closed_tags, 0]
            ends[: self.states.n_closed_tags, chains.before_o] = to_o.T
        return ends

    def forward(self, weights: Weights) -> Flow:
        """Follow the probability of each state from the first token to the last.

        weights (Weights): What `backward` gave.
        RETURNS (Flow): The probabilities.
        """
        xp, chains, n_states = self.ops.xp, self.chains, self.states.n_states
        out = Flow(
            xp.empty_like(weights.tags),
            xp.empty_like(weights.states),
            xp.empty((n_states, chains.n_pieces), dtype="float32"),
        )
        mixer = Mixer(self.ops, self.states, chains, self.transitions, False)
        # Adds up what the tags bring to each state. [Q, 1 + 4M]
        bring = xp.zeros((n_states, len(self.order)), dtype="float32")
        bring[self.after, xp.arange(len(self.order))] = 1.0

        def run(state: Floats2d, pieces: Optional[ArrayXd], first_step: int = 0) -> Floats2d:
            tables = mixer.tables(pieces)
            for n, at in chains.steps(pieces, chains.n_steps, first_step):
                before = state[:, :n]
                out.states[:, at] = before
                tags = weights.tags[:, at] * mixer.on(before / weights.states[:, at], tables, n)
                out.tags[:, at] = tags
                state[:, :n] = bring @ tags
            return state / state.sum(axis=0)

        begun = xp.zeros((n_states, chains.n_pieces), dtype="float32")
        begun[0] = 1.0
        begun[0, chains.opening] = 0.0
        begun[self.states.start, chains.opening] = 1.0
        inner = numpy.flatnonzero(chains.previous >= 0)
        if len(inner):
            # The piece before is a full one: a look at its end gives a good guess.
            inner = inner[numpy.argsort(chains.previous[inner])]
            preceding = self.ops.asarray(chains.previous[inner])
            guess = begun[:, :1] * 0
            guess[0] = 1.0
            guess = xp.repeat(guess, len(inner), axis=1)
            guess = run(guess, preceding, max(0, chains.n_steps - LOOK_AHEAD))
            begun[:, self.ops.asarray(inner)] = guess
        out.last[:] = run(begun.copy(), None)
        _settle(self.ops, chains.previous, begun, out.last, run)
        return out

    def follow(self, weights: Weights) -> ArrayXd:
        """Walk along the best path from the first token to the last.

        weights (Weights): What `backward(best=True)` gave.
        RETURNS (ArrayXd): The tag of each packed token. [n]
        """
        xp, chains = self.ops.xp, self.chains
        mixer = Mixer(self.ops, self.states, chains, self.transitions, True)
        choices = mixer.choices(weights.tags)
        n_tokens = choices.shape[1]
        flat = choices.reshape((-1,))
        path = xp.zeros((n_tokens,), dtype="int64")
        columns = xp.arange(n_tokens)

        def run(state: ArrayXd, pieces: Optional[ArrayXd]) -> ArrayXd:
            for n, at in chains.steps(pieces, chains.n_steps):
                tags = flat[state[0, :n] * n_tokens + columns[at]]
                path[at] = tags
                state[0, :n] = self.after[tags]
            return state

        begun = xp.zeros((1, chains.n_pieces), dtype="int64")
        begun[0, chains.opening] = self.states.start
        ended = run(begun.copy(), None)
        _settle(self.ops, chains.previous, begun, ended, run)
        return self.order[path]


def _settle(
    ops: Ops,
    source: numpy.ndarray,
    begun: Any,
    ended: Any,
    run: Callable[[Any, Any], Any],
) -> None:
    """Run pieces again until each started from what its neighbour came to, up to rounding. After
    n rounds the first n pieces from the border of a document are final, so there is an end to
    it; the influence of a guess mostly dies out within a few tokens, and no round is needed.

    source (numpy.ndarray): For each piece the neighbour it starts from, or -1. [R]
    begun (ArrayXd): The states the pieces started from. [., R]
    ended (ArrayXd): The states the pieces came to. [., R]
    run (Callable[[ArrayXd, ArrayXd], ArrayXd]): Runs some pieces from given states.
    """
    inner = numpy.flatnonzero(source >= 0)
    for _ in range(len(inner)):
        here, there = ops.asarray(inner), ops.asarray(source[inner])
        true = ended[:, there]
        gap = abs(begun[:, here] - true)
        wrong = ops.to_numpy((gap > ROUNDING * (1.0 + abs(true))).any(axis=0))
        again = inner[wrong]
        if not len(again):
            return
        pieces = ops.asarray(again)
        begun[:, pieces] = ended[:, ops.asarray(source[again])]
        ended[:, pieces] = run(begun[:, pieces], pieces)
