"""Word pieces on tracks: a row for each piece of a token instead of one for the token.

An entity's first piece is B and its last one L, all between are I, and an entity of one piece is U. As
entities begin and end where tokens do, the place of a piece in its token says which tags it can have:

    the whole token          O B I L U
    the first of several     O B I
    one in the middle        O   I
    the last                 O   I L

With BILOU no more is needed. Behind O there is then no way but O before the token ends, and behind B or I
none but I: inside a token nothing opens and nothing closes. So the scores of all other tags are masked, and
what is computed on tracks is computed as ever.
"""

from typing import Any, List, Optional, Sequence, Tuple

import numpy
from thinc.api import Ops
from thinc.types import Floats3d

from .encoding import OUTSIDE
from .layout import LabelledSpan
from .recursion import NEVER

# Why a span could not be put on the tracks.
NO_PIECE = "begins or ends with a token without word pieces"

# Where a piece stands in its token.
WHOLE, FIRST, MIDDLE, FINAL = range(4)

# The legal tags of each, in the order O, B, I, L, U.
LEGAL = numpy.asarray(
    [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 1, 0, 0], [1, 0, 1, 1, 0]], dtype="bool"
)


def places(counts: numpy.ndarray) -> numpy.ndarray:
    """Where each piece stands in its token.

    counts (numpy.ndarray): The number of pieces of each token. [n_tokens]
    RETURNS (numpy.ndarray): WHOLE, FIRST, MIDDLE or FINAL. [n_pieces]
    """
    ends = numpy.cumsum(counts)
    out = numpy.full(int(ends[-1]) if len(ends) else 0, MIDDLE)
    longer = counts > 1
    out[(ends - 1)[longer]] = FINAL
    out[(ends - counts)[longer]] = FIRST
    out[(ends - 1)[counts == 1]] = WHOLE
    return out


def legal_tags(counts: numpy.ndarray, n_tags: int) -> numpy.ndarray:
    """Which tags each piece can have.

    counts (numpy.ndarray): The number of pieces of each token. [n_tokens]
    n_tags (int): The number of tags of a track, 1 + 4M.
    RETURNS (numpy.ndarray): [n_pieces, 1 + 4M], bool.
    """
    by_place = numpy.concatenate([LEGAL[:, :1], *[LEGAL[:, 1:]] * ((n_tags - 1) // 4)], axis=1)
    return by_place[places(counts)]


def mask_scores(ops: Ops, scores: Floats3d, legal: Any) -> Floats3d:
    """Rule out all tags that are not legal.

    ops (Ops): The backend.
    scores (Floats3d): The score of each tag. [N, K, 1 + 4M]
    legal (ArrayXd): Which tags a row can have, on any track. [N, 1 + 4M], bool.
    RETURNS (Floats3d): The scores that count. [N, K, 1 + 4M]
    """
    return ops.xp.where(legal[:, None], scores, ops.xp.float32(NEVER))


class Subwords:
    """The pieces of the tokens of a batch, and spans of the one as spans of the other. A token
    without pieces is on no track: it belongs to an entity if what surrounds it does.

    counts (numpy.ndarray): The number of pieces of each token. [n_tokens]
    lengths (Sequence[int]): The number of tokens of each document.
    """

    def __init__(self, counts: numpy.ndarray, lengths: Sequence[int]) -> None:
        self.counts = counts.astype("int64")
        self.n_tokens = numpy.asarray(lengths, dtype="int64")
        ends = numpy.cumsum(self.n_tokens)
        self.first_tokens = ends - self.n_tokens
        # How many pieces come before each token, and before the end.
        self.before = numpy.concatenate([[0], numpy.cumsum(self.counts)])
        self.first_pieces = self.before[self.first_tokens]
        self.lengths: List[int] = (self.before[ends] - self.first_pieces).tolist()
        # The token of each piece, counted within its document.
        within = numpy.arange(len(self.counts)) - numpy.repeat(self.first_tokens, self.n_tokens)
        self.token = numpy.repeat(within, self.counts)

    def to_pieces(
        self, document: int, span: LabelledSpan
    ) -> Tuple[Optional[LabelledSpan], Optional[str]]:
        """Put a span of tokens on pieces.

        document (int): The index of its document.
        span (LabelledSpan): (start, end, label), in tokens.
        RETURNS (Tuple[Optional[LabelledSpan], Optional[str]]): The span in pieces, or why there is none.
        """
        start, end, _ = span
        if not 0 <= start < end <= self.n_tokens[document]:
            return None, OUTSIDE
        first = int(self.first_tokens[document])
        if not (self.counts[first + start] and self.counts[first + end - 1]):
            return None, NO_PIECE
        return self.stretch(document, span), None

    def stretch(self, document: int, span: LabelledSpan) -> LabelledSpan:
        """RETURNS (LabelledSpan): All pieces of a stretch of tokens, which may be none."""
        start, end, label = span
        first, n = int(self.first_tokens[document]), int(self.n_tokens[document])
        start, end = min(max(start, 0), n), min(max(end, 0), n)
        origin = int(self.first_pieces[document])
        return (
            int(self.before[first + start]) - origin,
            int(self.before[first + end]) - origin,
            label,
        )

    def to_tokens(self, document: Any, start: Any, end: Any) -> Tuple[Any, Any]:
        """Put spans of pieces on tokens.

        document (ArrayXd): The index of the document of each span.
        start, end (ArrayXd): In pieces; where tokens begin and end.
        RETURNS (Tuple[ArrayXd, ArrayXd]): Start and end in tokens.
        """
        first = self.first_pieces[document]
        return self.token[first + start], self.token[first + end - 1] + 1
