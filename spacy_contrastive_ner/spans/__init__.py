"""Spans and types in one space: every candidate span is compared with every label's vectors, and is
an entity of a label if it is closer to it than the label's own threshold in that text.

A text of n tokens has n + 1 rows: the first stands for the text as a whole and sets the thresholds,
the others are its tokens. A row holds six *views*, one beside the other: start and end (D columns
each), what a token adds to a span that it begins or ends (D each), and two short ones for how well a
first and a last token go together (R each, possibly none). Arrays only, for NumPy and CuPy alike,
like `tracks`.

The vector of a span from token i to token i + w is `u = a_i + b_{i+w} + c_w`, and it is never made:

    cos(u, e) = (a_i.e + b_{i+w}.e + c_w.e) / |u|
    |u|^2 = |a_i|^2 + |b_{i+w}|^2 + |c_w|^2 + 2 (a_i.b_{i+w} + a_i.c_w + b_{i+w}.c_w)

needs products of rows with labels and widths only. Widths are gone through one by one, so that
memory is rows x (labels + widths).
"""

from .contrast import OTHERS, Weights, contrast
from .decoding import DECODERS, choose, decode
from .margins import Gradients, Margins
from .space import LARGEST_SCALE, Space
from .targets import Targets, targets, width_for

__all__ = [
    "DECODERS",
    "LARGEST_SCALE",
    "OTHERS",
    "Gradients",
    "Margins",
    "Space",
    "Targets",
    "Weights",
    "choose",
    "contrast",
    "decode",
    "targets",
    "width_for",
]
