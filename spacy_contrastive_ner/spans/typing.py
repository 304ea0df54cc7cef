"""What spans are, from their own tokens alone: a BiLSTM over each, attention over its states, one affine
map to labels and NONE (SNG)."""

from typing import Any, List, NamedTuple, Tuple

import numpy
from thinc.api import Ops
from thinc.types import ArrayXd, Floats1d, Floats2d

from .lstm import Cell, Lstm, Runs


class Weights(NamedTuple):
    """What spans are typed with. The first column of scores is that of NONE.

    right_inputs, right_states, right_bias: The cell that reads a span from its first token on.
    left_inputs, left_states, left_bias: The one that reads it from its last token on.
    W (Floats2d): [1 + K, 2 H]
    b (Floats1d): [1 + K]
    """

    right_inputs: Floats2d
    right_states: Floats2d
    right_bias: Floats1d
    left_inputs: Floats2d
    left_states: Floats2d
    left_bias: Floats1d
    W: Floats2d
    b: Floats1d

    @property
    def cells(self) -> Tuple[Cell, Cell]:
        """RETURNS (Tuple[Cell, Cell]): Those of both directions."""
        return Cell(*self[:3]), Cell(*self[3:6])


class Scored:
    """The scores of some spans, and the way back.

    A state depends on where its run began and on the tokens since, so that spans which begin with the same
    token share those to the right, and spans that end with the same token those to the left: each is
    computed once, however many of the spans lie over each other.

    ops (Ops): The backend.
    weights (Weights): The weights.
    rows (Floats2d): The rows of all tokens. [n, D]
    start, end (numpy.ndarray): The first row of each span, and the one after its last. Each span is there
        once, and none is empty. [S]
    """

    def __init__(
        self,
        ops: Ops,
        weights: Weights,
        rows: Floats2d,
        start: numpy.ndarray,
        end: numpy.ndarray,
    ) -> None:
        xp = ops.xp
        self.ops, self.weights, self.n = ops, weights, len(rows)
        used, place = _used(len(rows), start, end)
        self._used: Any = ops.asarray(used)
        self._rows = rows[self._used]
        first, last = place[start], place[end - 1]
        self._sides: List[Lstm] = []
        runs: List[Runs] = []
        indices: List[numpy.ndarray] = []
        for cell, begin, step in zip(weights.cells, (first, last), (1, -1)):
            firsts, run = numpy.unique(begin, return_inverse=True)
            length = numpy.zeros(len(firsts), dtype="int64")
            numpy.maximum.at(length, run, end - start)
            runs.append(Runs(firsts, length, step))
            indices.append(run)
            said = self._rows @ cell.inputs.T + cell.bias
            self._sides.append(Lstm(ops, cell, said, runs[-1]))
        self._groups = [
            _Group(ops, some, length, runs, indices) for length, some in _by_length(end - start)
        ]
        width = weights.right_states.shape[1]
        self.contexts = xp.zeros((len(start), 2 * width), dtype=rows.dtype)
        for group in self._groups:
            self.contexts[group.spans] = group.attend(xp, *(side.states for side in self._sides))
        self.scores = self.contexts @ weights.W.T + weights.b

    def backprop(self, d_scores: Floats2d) -> Tuple[Floats2d, Weights]:
        """RETURNS (Tuple[Floats2d, Weights]): The gradients of the rows and of the weights."""
        xp, weights = self.ops.xp, self.weights
        d_contexts = d_scores @ weights.W
        d_right, d_left = (xp.zeros_like(side.states) for side in self._sides)
        for group in self._groups:
            group.backprop(xp, d_contexts[group.spans], d_right, d_left)
        d_used = xp.zeros_like(self._rows)
        parts: List[ArrayXd] = []
        for side, d_states in zip(self._sides, (d_right, d_left)):
            d_said, d_weights = side.backprop(d_states)
            d_used += d_said @ side.cell.inputs
            parts += [d_said.T @ self._rows, d_weights, d_said.sum(axis=0)]
        d_rows = xp.zeros((self.n, d_used.shape[1]), dtype=d_used.dtype)
        d_rows[self._used] = d_used
        parts += [d_scores.T @ self.contexts, d_scores.sum(axis=0)]
        return d_rows, Weights(*parts)


class _Group:
    """Spans of one length, so that nothing is padded: attention from the last states of both directions
    over all of them, and the way back."""

    def __init__(
        self,
        ops: Ops,
        spans: numpy.ndarray,
        length: int,
        runs: List[Runs],
        indices: List[numpy.ndarray],
    ) -> None:
        steps = numpy.arange(length)
        self.spans: Any = ops.asarray(spans)
        self._right: Any = ops.asarray(runs[0].state(indices[0][spans][:, None], steps))
        self._left: Any = ops.asarray(runs[1].state(indices[1][spans][:, None], steps[::-1]))

    def attend(self, xp: Any, right: Floats2d, left: Floats2d) -> Floats2d:
        """RETURNS (Floats2d): The weighted mean of the states of each span. [S, 2 H]"""
        self._states = xp.concatenate((right[self._right], left[self._left]), axis=2)
        ends = (right[self._right[:, -1]], left[self._left[:, 0]])
        self._final = xp.concatenate(ends, axis=1)
        scores = xp.einsum("sth,sh->st", self._states, self._final)
        exps = xp.exp(scores - scores.max(axis=1, keepdims=True))
        self._share = exps / exps.sum(axis=1, keepdims=True)
        return xp.einsum("sth,st->sh", self._states, self._share)

    def backprop(self, xp: Any, d_contexts: Floats2d, d_right: Floats2d, d_left: Floats2d) -> None:
        """Add the gradients of the states."""
        d_share = xp.einsum("sth,sh->st", self._states, d_contexts)
        along = (d_share * self._share).sum(axis=1, keepdims=True)
        d_attention = self._share * (d_share - along)
        d_states = self._share[:, :, None] * d_contexts[:, None]
        d_states += d_attention[:, :, None] * self._final[:, None]
        d_final = xp.einsum("sth,st->sh", self._states, d_attention)
        width = d_right.shape[1]
        # No two spans of one length share a state.
        d_right[self._right] += d_states[:, :, :width]
        d_left[self._left] += d_states[:, :, width:]
        d_right[self._right[:, -1]] += d_final[:, :width]
        d_left[self._left[:, 0]] += d_final[:, width:]


def _used(n: int, start: numpy.ndarray, end: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """The rows that lie in some span, and the place of each row among them."""
    borders = numpy.zeros(n + 1, dtype="int64")
    numpy.add.at(borders, start, 1)
    numpy.add.at(borders, end, -1)
    is_used = numpy.cumsum(borders)[:n] > 0
    return numpy.flatnonzero(is_used), numpy.cumsum(is_used) - 1


def _by_length(lengths: numpy.ndarray) -> List[Tuple[int, numpy.ndarray]]:
    """The spans of each length."""
    return [(int(length), numpy.flatnonzero(lengths == length)) for length in numpy.unique(lengths)]


def log_softmax(xp: Any, scores: Floats2d) -> Floats2d:
    """RETURNS (Floats2d): Logarithms of probabilities. Scores may be -infinity, if not all are."""
    scores = scores - scores.max(axis=1, keepdims=True)
    return scores - xp.log(xp.exp(scores).sum(axis=1, keepdims=True))
