from typing import Any, Iterator, NamedTuple, Optional, Sequence, Tuple

import numpy
from thinc.api import Ops
from thinc.types import ArrayXd, Floats1d, Floats2d, Ints1d

from .space import (
    FIT,
    LARGEST_FIT,
    LARGEST_SCALE,
    SHORT,
    SPAN,
    START,
    Cosines,
    Space,
    Texts,
    backprop_unit_vectors,
    products,
    unit_vectors,
)


class Views(NamedTuple):
    """The columns of the rows. [n, D] four times, then [n, R] twice."""

    start: Floats2d
    end: Floats2d
    first: Floats2d
    last: Floats2d
    fit_first: Floats2d
    fit_last: Floats2d

    @classmethod
    def of(cls, rows: Floats2d, width: int) -> "Views":
        """RETURNS (Views): The views in rows of 4 * width columns and an even number of others."""
        rest = (rows.shape[1] - 4 * width) // 2
        borders = [0, *(width * i for i in range(1, 5)), 4 * width + rest, 4 * width + 2 * rest]
        return cls(*(rows[:, a:b] for a, b in zip(borders, borders[1:])))


class Margins:
    """By how much starts, ends and spans score above the threshold of each label in their text, and
    the way back from the gradient of these margins. What is no start, end or span has -infinity.

    ops (Ops): The backend.
    rows (Floats2d): The rows of all texts, one after the other. [n, 4 D + 2 R]
    n_tokens (Sequence[int]): The number of tokens of each text, one less than its rows.
    space (Space): The vectors of labels and widths, and the scales.
    lift (Optional[numpy.ndarray]): What is added to the thresholds of the spans of each label. [K]
    """

    def __init__(
        self,
        ops: Ops,
        rows: Floats2d,
        n_tokens: Sequence[int],
        space: Space,
        lift: Optional[numpy.ndarray] = None,
    ) -> None:
        xp = ops.xp
        self.ops, self.space, self.n_tokens = ops, space, list(n_tokens)
        self.texts = Texts.of(n_tokens)
        views = Views.of(rows, space.types.shape[2])
        self.views = Views(*(xp.ascontiguousarray(view) for view in views))
        self.units, self._inverse = unit_vectors(ops, space.types)
        largest = numpy.log([LARGEST_SCALE] * 3 + [LARGEST_FIT])
        logs = ops.to_numpy(space.scales)
        self._is_free = logs <= largest
        self.scales = numpy.exp(numpy.minimum(logs, largest)).tolist()
        self._first: Any = ops.asarray(self.texts.first)
        self._text: Any = ops.asarray(self.texts.text)
        self._end: Any = ops.asarray(self.texts.end)
        self._row: Any = xp.arange(len(rows))
        self.lift: Any = None if lift is None else ops.asarray(lift.astype(rows.dtype))
        self._lengths: Ints1d = ops.asarray(numpy.asarray(self.n_tokens, dtype="int32") + 1)

    def boundary(self, which: int) -> "BoundaryMargins":
        """RETURNS (BoundaryMargins): The margins of all tokens as START or END of an entity."""
        return BoundaryMargins(self, which)

    def spans(self) -> "SpanMargins":
        """RETURNS (SpanMargins): The margins of all spans."""
        return SpanMargins(self)

    def of_texts(self, values: ArrayXd) -> ArrayXd:
        """RETURNS (ArrayXd): The sum over the rows of each text. [B, K]"""
        return self.ops.reduce_sum(values, self._lengths)

    def at_rows(self, values: ArrayXd) -> ArrayXd:
        """RETURNS (ArrayXd): For each row what its text has. [n, K]"""
        return values[self._text]


class Gradients(NamedTuple):
    """The gradients of rows and space.

    rows (Floats2d): [n, 4 D + 2 R]
    space (Space): That of the vectors and scales.
    """

    rows: Floats2d
    space: Space

    @classmethod
    def zeros(cls, margins: Margins) -> "Gradients":
        """RETURNS (Gradients): Gradients to be added to."""
        xp, views, space = margins.ops.xp, margins.views, margins.space
        width = sum(view.shape[1] for view in views)
        rows = xp.zeros((len(views.start), width), dtype=views.start.dtype)
        return cls(rows, Space(*(xp.zeros_like(array) for array in space)))

    def add_units(self, margins: Margins, which: int, d_units: Floats2d) -> None:
        """Add the gradient of the labels' vectors at unit length. [K, D]"""
        units, inverse = margins.units[:, which], margins._inverse[:, which]
        self.space.types[:, which] += backprop_unit_vectors(units, inverse, d_units)

    def add_scale(self, margins: Margins, which: int, d_log: Any) -> None:
        """Add the gradient of the logarithm of a scale. Above its limit it may only become smaller,
        lest it stay there for ever."""
        if not margins._is_free[which]:
            d_log = margins.ops.xp.maximum(d_log, 0)
        self.space.scales[which : which + 1] += d_log


class BoundaryMargins:
    """The margins of all tokens as starts or ends. See `Margins`."""

    def __init__(self, margins: Margins, which: int) -> None:
        ops = margins.ops
        self.of, self.which = margins, which
        view = margins.views.start if which == START else margins.views.end
        self._cosines = Cosines(ops, view, margins.units[:, which], margins.scales[which])
        scores = self._cosines.scores
        self.values = scores - margins.at_rows(scores[margins._first])
        self.values[margins._first] = -numpy.inf

    def backprop(self, d_values: Floats2d, gradients: Gradients) -> None:
        """Add the gradients.

        d_values (Floats2d): The gradient of `values`, 0 at rows that are no tokens. [n, K]
        """
        margins, which = self.of, self.which
        d_scores = d_values.copy()
        d_scores[margins._first] = -margins.of_texts(d_values)
        d_rows, d_units, d_log = self._cosines.backprop(d_scores)
        width = d_rows.shape[1]
        place = slice(0, width) if which == START else slice(width, 2 * width)
        gradients.rows[:, place] += d_rows
        gradients.add_units(margins, which, d_units)
        gradients.add_scale(margins, which, d_log)


class SpanMargins:
    """The margins of all spans, width by width. See `Margins`."""

    def __init__(self, margins: Margins) -> None:
        ops, xp = margins.ops, margins.ops.xp
        self.of = margins
        self.scale, self.fit_scale = margins.scales[SPAN], margins.scales[FIT]
        views, units = margins.views, margins.units[:, SPAN]
        a, b, c = views.first, views.last, margins.space.widths
        self.a, self.b, self.c = a, b, c
        # Scaled products with the labels' vectors, lengths, and products with widths.
        scaled = units * self.scale
        self._a_units, self._b_units, self._c_units = (products(ops, x, scaled) for x in (a, b, c))
        self._aa, self._bb, self._cc = ((x * x).sum(axis=1) for x in (a, b, c))
        self._ac, self._bc = 2 * (a @ c.T), 2 * (b @ c.T)
        first = margins._first
        self._threshold = Cosines(ops, a[first] + b[first], units, self.scale)
        thresholds = self._threshold.scores
        if margins.lift is not None:
            thresholds = thresholds + margins.lift
        self._at_row = margins.at_rows(thresholds)
        self.has_fit = views.fit_first.shape[1] > 0
        if self.has_fit:
            self._p, self._p_inverse = unit_vectors(ops, views.fit_first)
            self._q, self._q_inverse = unit_vectors(ops, views.fit_last)
        self._xp = xp
        self._rounding = 16 * float(numpy.finfo(a.dtype).eps)

    def __iter__(self) -> Iterator[Tuple[int, Floats2d]]:
        """Go through the widths.

        YIELDS (Tuple[int, Floats2d]): The distance w of the last token from the first, and the
            margins of the spans that begin at each row, -infinity where there is none. [n - w, K]
        """
        for w in self.distances():
            yield w, self.at_width(w)

    def distances(self) -> range:
        """RETURNS (range): The distances of last tokens from first ones that occur."""
        return range(min(len(self.c), max(self.of.n_tokens, default=0)))

    def at_width(self, w: int) -> Floats2d:
        """RETURNS (Floats2d): The margins of the spans of w + 1 tokens. [n - w, K]"""
        n = len(self.a)
        values = self._margins(slice(0, n - w), slice(w, n), w)
        margins = self.of
        values[margins._row[: n - w] + w >= margins._end[: n - w]] = -numpy.inf
        return values

    def at(self, row: numpy.ndarray, distance: numpy.ndarray) -> Floats2d:
        """The margins of some spans.

        row (numpy.ndarray): The rows of their first tokens. [S]
        distance (numpy.ndarray): How far the last token is from the first, less than there are widths. [S]
        RETURNS (Floats2d): The margin of each label. [S, K]
        """
        asarray = self.of.ops.asarray
        return self._margins(asarray(row), asarray(row + distance), asarray(distance))

    def _margins(self, i: Any, j: Any, w: Any) -> Floats2d:
        """The margins of the spans from rows i to rows j, which are w apart, borders of texts aside: two
        slices and a number, or three arrays. [S, K]"""
        values = self._scores(i, j, w) - self._at_row[i]
        if self.has_fit:
            values += self._fit(i, j)[:, None]
        return values

    def _squares(self, i: Any, j: Any, w: Any) -> Floats1d:
        """The squared lengths of the vectors of spans. [S]"""
        dots = self._xp.einsum("ij,ij->i", self.a[i], self.b[j])
        squares = self._aa[i] + self._bb[j] + self._cc[w]
        # Where a, b and c all but cancel out, only rounding is left, and that has no direction.
        least = squares * self._rounding
        squares += 2 * dots + self._ac[i, w] + self._bc[j, w]
        return self._xp.maximum(squares, self._xp.maximum(least, SHORT**2))

    def _scores(self, i: Any, j: Any, w: Any, squares: Optional[Floats1d] = None) -> Floats2d:
        squares = self._squares(i, j, w) if squares is None else squares
        values = self._a_units[i] + self._b_units[j]
        values += self._c_units[w]
        values *= (1 / self._xp.sqrt(squares))[:, None]
        return values

    def _fit(self, i: Any, j: Any) -> Floats1d:
        """How well first and last tokens go together. [S]"""
        return self._xp.einsum("ij,ij->i", self._p[i], self._q[j]) * self.fit_scale

    def backward(self, gradients: Gradients) -> "SpanGradient":
        """RETURNS (SpanGradient): The way back: `add` the gradient of each width, then `finish`."""
        return SpanGradient(self, gradients)


class SpanGradient:
    """Collects the gradient of the margins of spans, width by width.

    With the score `s = t (u.e) / |u|` and its gradient ds, that of u is
    `(t / |u|) sum_k ds_k e_k - (sum_k ds_k s_k) u / |u|^2`, of which the first part goes to the
    products with labels, and the second to those of a, b and c with one another.
    """

    def __init__(self, spans: SpanMargins, gradients: Gradients) -> None:
        xp = spans._xp
        self.spans, self.gradients = spans, gradients
        self._a_units, self._b_units, self._c_units = (
            xp.zeros_like(dots) for dots in (spans._a_units, spans._b_units, spans._c_units)
        )
        # What comes through |u|: of each row with itself, with widths, and with other rows.
        self._with_a, self._with_b = xp.zeros_like(spans._ac), xp.zeros_like(spans._bc)
        self._d_a, self._d_b = xp.zeros_like(spans.a), xp.zeros_like(spans.b)
        self._of_rows = xp.zeros_like(spans._at_row)
        self._log_scale: Any = 0.0
        self._log_fit: Any = 0.0
        if spans.has_fit:
            self._d_p, self._d_q = xp.zeros_like(spans._p), xp.zeros_like(spans._q)

    def add(self, w: int, d_values: Floats2d) -> None:
        """Take in the gradient of the margins of one width.

        w (int): The distance of the last token from the first.
        d_values (Floats2d): The gradient, 0 where there is no span. [n - w, K]
        """
        spans = self.spans
        n = len(spans.a)
        i, j = slice(0, n - w), slice(w, n)
        squares = spans._squares(i, j, w)
        scores = spans._scores(i, j, w, squares)
        scores *= d_values
        along = scores.sum(axis=1)
        self._log_scale = self._log_scale + along.sum()
        along = along / squares
        d_products = d_values * (1 / spans._xp.sqrt(squares))[:, None]
        self._a_units[i] += d_products
        self._b_units[j] += d_products
        self._c_units[w] += d_products.sum(axis=0)
        self._with_a[i, w] += along
        self._with_b[j, w] += along
        self._d_a[i] -= along[:, None] * spans.b[j]
        self._d_b[j] -= along[:, None] * spans.a[i]
        self._of_rows[i] += d_values
        if spans.has_fit:
            d_fit = d_values.sum(axis=1) * spans.fit_scale
            self._log_fit = self._log_fit + (d_fit * spans._fit(i, j) / spans.fit_scale).sum()
            self._d_p[i] += d_fit[:, None] * spans._q[j]
            self._d_q[j] += d_fit[:, None] * spans._p[i]

    def finish(self) -> None:
        """Add up the gradients of rows and space."""
        spans, margins, gradients = self.spans, self.spans.of, self.gradients
        a, b, c = spans.a, spans.b, spans.c
        units = margins.units[:, SPAN]
        scaled = units * spans.scale
        own_a, own_b = (x.sum(axis=1, keepdims=True) for x in (self._with_a, self._with_b))
        d_a = self._d_a + self._a_units @ scaled - own_a * a - self._with_a @ c
        d_b = self._d_b + self._b_units @ scaled - own_b * b - self._with_b @ c
        d_c = self._c_units @ scaled - self._with_a.sum(axis=0)[:, None] * c
        d_c -= self._with_a.T @ a + self._with_b.T @ b
        d_units = self._a_units.T @ a + self._b_units.T @ b + self._c_units.T @ c
        d_units *= spans.scale
        # The thresholds of a text lie below each of its spans.
        d_text, d_more, d_log = spans._threshold.backprop(-margins.of_texts(self._of_rows))
        first = margins._first
        d_a[first] += d_text
        d_b[first] += d_text
        width = a.shape[1]
        gradients.rows[:, 2 * width : 3 * width] += d_a
        gradients.rows[:, 3 * width : 4 * width] += d_b
        gradients.space.widths[:] += d_c
        gradients.add_units(margins, SPAN, d_units + d_more)
        gradients.add_scale(margins, SPAN, self._log_scale + d_log)
        if spans.has_fit:
            rest = 4 * width + self._d_p.shape[1]
            gradients.rows[:, 4 * width : rest] += backprop_unit_vectors(
                spans._p, spans._p_inverse, self._d_p
            )
            gradients.rows[:, rest:] += backprop_unit_vectors(spans._q, spans._q_inverse, self._d_q)
            gradients.add_scale(margins, FIT, self._log_fit)
