"""A long short-term memory that runs from many tokens at once, to either side, and its gradient.

(Thinc has layers of its own: the gradients of `LSTM` disagree with finite differences, on the CPU as on a
GPU, as of Thinc 8.3; `PyTorchLSTM` needs torch.)
"""

from typing import Any, NamedTuple, Tuple

import numpy
from thinc.api import Ops
from thinc.types import Floats1d, Floats2d


class Cell(NamedTuple):
    """The weights of one direction, the gates in torch's order: input, forget, new, output.

    inputs (Floats2d): What a token says. [4 H, D]
    states (Floats2d): What the state before says. [4 H, H]
    bias (Floats1d): [4 H]
    """

    inputs: Floats2d
    states: Floats2d
    bias: Floats1d


class Runs:
    """Runs of tokens, from a first token on, step by step. The longest come first, and the states of all
    runs after a step lie one after the other, so that nothing is padded.

    first (numpy.ndarray): The first token of each run, each of them once.
    length (numpy.ndarray): How many tokens each run has, at least 1.
    step (int): 1 to the right, -1 to the left.
    """

    def __init__(self, first: numpy.ndarray, length: numpy.ndarray, step: int) -> None:
        order = numpy.argsort(-length, kind="stable")
        self.rank = numpy.empty_like(order)
        self.rank[order] = numpy.arange(len(order))
        sorted_length = length[order]
        longest = int(length.max(initial=0))
        # How many runs are as long as each step, and where the states after it begin.
        self.sizes = numpy.searchsorted(
            -sorted_length, -numpy.arange(longest), side="left"
        ).tolist()
        self.begins = numpy.concatenate(([0], numpy.cumsum(self.sizes))).astype("int64")
        tokens = [first[order[:n]] + step * k for k, n in enumerate(self.sizes)]
        self.tokens = numpy.concatenate([numpy.zeros(0, dtype="int64"), *tokens])

    def state(self, run: numpy.ndarray, step: numpy.ndarray) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): Where the state of a run after a step lies."""
        return self.begins[step] + self.rank[run]


class Lstm:
    """The states of some runs, and the way back.

    ops (Ops): The backend.
    cell (Cell): The weights.
    said (Floats2d): What each token says to the gates, `rows @ inputs.T + bias`. [n, 4 H]
    runs (Runs): The runs.
    """

    def __init__(self, ops: Ops, cell: Cell, said: Floats2d, runs: Runs) -> None:
        xp = ops.xp
        self.ops, self.cell, self.runs, self.n = ops, cell, runs, len(said)
        self._tokens: Any = ops.asarray(runs.tokens)
        width = cell.states.shape[1]
        # The logistic function of three gates, the hyperbolic tangent of the third: all are written with
        # the tangent, which does not overflow.
        scale = numpy.full(4 * width, 0.5)
        scale[2 * width : 3 * width] = 1.0
        shape: Any = ops.asarray(scale.astype(said.dtype))
        self.gates = said[self._tokens]
        self.cells = xp.zeros((len(runs.tokens), width), dtype=said.dtype)
        self.states = xp.zeros_like(self.cells)
        for k, n in enumerate(runs.sizes):
            here = slice(int(runs.begins[k]), int(runs.begins[k]) + n)
            gates = self.gates[here]
            if k:
                before = slice(int(runs.begins[k - 1]), int(runs.begins[k - 1]) + n)
                gates = gates + self.states[before] @ cell.states.T
            gates = xp.tanh(gates * shape) * shape + (1 - shape)
            i, f, g, o = (gates[:, a * width : (a + 1) * width] for a in range(4))
            cells = i * g
            if k:
                cells = cells + f * self.cells[before]
            self.gates[here] = gates
            self.cells[here] = cells
            self.states[here] = o * xp.tanh(cells)

    def backprop(self, d_states: Floats2d) -> Tuple[Floats2d, Floats2d]:
        """RETURNS (Tuple[Floats2d, Floats2d]): The gradients of what tokens say, and of the weights of the
        states."""
        xp, runs, width = self.ops.xp, self.runs, self.cell.states.shape[1]
        d_said = xp.zeros((self.n, 4 * width), dtype=d_states.dtype)
        d_weights = xp.zeros_like(self.cell.states)
        d_states = d_states.copy()
        d_cells = xp.zeros_like(self.cells)
        for k in range(len(runs.sizes) - 1, -1, -1):
            here = slice(int(runs.begins[k]), int(runs.begins[k]) + runs.sizes[k])
            i, f, g, o = (self.gates[here, a * width : (a + 1) * width] for a in range(4))
            squashed = xp.tanh(self.cells[here])
            d_h = d_states[here]
            d_c = d_cells[here] + d_h * o * (1 - squashed * squashed)
            d_f = xp.zeros_like(d_c)
            before = slice(0, 0)
            if k:
                start = int(runs.begins[k - 1])
                before = slice(start, start + runs.sizes[k])
                d_f = d_c * self.cells[before] * f * (1 - f)
                d_cells[before] += d_c * f
            parts = (
                d_c * g * i * (1 - i),
                d_f,
                d_c * i * (1 - g * g),
                d_h * squashed * o * (1 - o),
            )
            d_gates = xp.concatenate(parts, axis=1)
            if k:
                d_states[before] += d_gates @ self.cell.states
                d_weights += d_gates.T @ self.states[before]
            # Of the runs that are so long no two are at the same token.
            d_said[self._tokens[here]] += d_gates
        return d_said, d_weights
