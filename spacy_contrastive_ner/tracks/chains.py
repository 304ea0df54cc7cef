from typing import Any, Iterator, List, Optional, Sequence, Tuple

import numpy
from thinc.api import Ops
from thinc.types import ArrayXd

# Long chains are cut into pieces of this many tokens, so that a recursion over time takes about
# this many steps, however long the document.
PIECE = 32


class Chains:
    """Stretches of tokens, each on one track, laid out for a recursion over time.

    Every chain is cut into pieces of at most `PIECE` tokens. Pieces are sorted by length, the
    longest first, and their tokens packed by time: first token 0 of all pieces, then token 1 of
    all that are long enough, and so on. The pieces that have a token at time t are then always
    the first `active[t]` ones, and no padding is needed. The index arrays are made in NumPy and
    moved to the device once.

    ops (Ops): The backend to work on.
    starts (numpy.ndarray): The row at which each chain starts. [n_chains]
    lengths (numpy.ndarray): The number of tokens of each chain, at least 1. [n_chains]
    tracks (numpy.ndarray): The track of each chain. [n_chains]
    opens, closes (Optional[numpy.ndarray]): Whether a chain starts and ends with its document.
        If not, there is an O before or behind it. By default all do. [n_chains], bool.
    """

    def __init__(
        self,
        ops: Ops,
        starts: numpy.ndarray,
        lengths: numpy.ndarray,
        tracks: numpy.ndarray,
        opens: Optional[numpy.ndarray] = None,
        closes: Optional[numpy.ndarray] = None,
    ) -> None:
        self.ops = ops
        self.starts, self.lengths, self.tracks = starts, lengths, tracks
        n_chains = len(starts)
        counts = -(-lengths // PIECE)
        chain = numpy.repeat(numpy.arange(n_chains), counts)
        nth = numpy.arange(len(chain)) - numpy.repeat(numpy.cumsum(counts) - counts, counts)
        size = numpy.minimum(PIECE, lengths[chain] - nth * PIECE)
        order = numpy.argsort(-size, kind="stable")
        place = numpy.empty_like(order)
        place[order] = numpy.arange(len(order))
        self.n_pieces = len(order)
        self.sizes = size[order]
        self.chain_of_piece = chain[order]
        # For each piece the place of the next and of the previous one of its chain, or -1.
        last = nth == counts[chain] - 1
        self.next = numpy.where(last, -1, numpy.roll(place, -1))[order]
        self.previous = numpy.full_like(self.next, -1)
        self.previous[self.next[self.next >= 0]] = numpy.flatnonzero(self.next >= 0)
        # Time by time: how many pieces are active, and where their tokens are packed.
        n_steps = int(self.sizes[0]) if self.n_pieces else 0
        self.active = numpy.searchsorted(-self.sizes, -numpy.arange(n_steps), side="left")
        self.offsets = numpy.cumsum(self.active) - self.active
        step = numpy.repeat(numpy.arange(n_steps), self.active)
        piece = numpy.arange(len(step)) - numpy.repeat(self.offsets, self.active)
        begins = starts[chain] + nth * PIECE
        rows = begins[order][piece] + step
        chain_of_token = self.chain_of_piece[piece]
        firsts = numpy.cumsum(lengths) - lengths
        self.firsts = firsts
        # For each chain its first and its last piece.
        first_pieces = numpy.empty(n_chains, dtype="int64")
        last_pieces = numpy.empty(n_chains, dtype="int64")
        for pieces, at_border in ((first_pieces, self.previous < 0), (last_pieces, self.next < 0)):
            pieces[self.chain_of_piece[at_border]] = numpy.flatnonzero(at_border)
        # Where a packed token stands when the chains are written one after the other.
        unpacked = firsts[chain_of_token] + rows - starts[chain_of_token]
        moved = move(
            ops,
            rows,
            tracks[chain_of_token],
            chain_of_token,
            unpacked,
            tracks[self.chain_of_piece],
            first_pieces,
            last_pieces,
            firsts,
            firsts + lengths - 1,
            first_pieces if opens is None else first_pieces[opens],
            last_pieces[:0] if closes is None else last_pieces[~closes],
        )
        self.rows, self.tracks_of_token, self.chain_of_token, self.unpacked = moved[:4]
        self.tracks_of_piece, self.first_pieces, self.last_pieces = moved[4:7]
        self.first_tokens, self.last_tokens = moved[7:9]
        # The pieces that start with a document, and those that end a chain within one.
        self.opening, self.before_o = moved[9:]

    @classmethod
    def whole(cls, ops: Ops, lengths: Sequence[int], n_tracks: int) -> "Chains":
        """Every document on every track, document by document.

        ops (Ops): The backend to work on.
        lengths (Sequence[int]): The number of tokens of each document.
        n_tracks (int): The number of tracks.
        RETURNS (Chains): The chains; those of empty documents are left out.
        """
        sizes = numpy.asarray(lengths, dtype="int64")
        starts = numpy.cumsum(sizes) - sizes
        filled = numpy.flatnonzero(sizes)
        return cls(
            ops,
            numpy.repeat(starts[filled], n_tracks),
            numpy.repeat(sizes[filled], n_tracks),
            numpy.tile(numpy.arange(n_tracks), len(filled)),
        )

    @property
    def n_tokens(self) -> int:
        """The number of packed tokens."""
        return int(self.lengths.sum())

    def pick(self, scores: Any) -> Any:
        """Pack the scores of the chains' tokens.

        scores (ArrayXd): The scores of all tokens. [N, K, 1 + 4M]
        RETURNS (ArrayXd): The scores of the chains, time by time. [1 + 4M, n_tokens]
        """
        n_tracks, n_tags = scores.shape[1:]
        flat = scores.reshape((-1, n_tags))
        picked = flat.take(self.rows * n_tracks + self.tracks_of_token, axis=0)
        return self.ops.xp.ascontiguousarray(picked.T)

    def unpack(self, packed: Any) -> Any:
        """Put packed values into the order of the chains, each written from left to right.

        packed (ArrayXd): Values of the chains' tokens, time by time. [..., n_tokens]
        RETURNS (ArrayXd): The same values, chain by chain. [..., n_tokens]
        """
        out = self.ops.xp.empty_like(packed)
        out[..., self.unpacked] = packed
        return out

    def sum_by_chain(self, packed: Any) -> Any:
        """RETURNS (ArrayXd): The float64 sum of one value a token, for each chain. [n_chains]"""
        return self.ops.xp.bincount(
            self.chain_of_token, weights=packed.astype("float64"), minlength=len(self.starts)
        )

    @property
    def n_steps(self) -> int:
        """The length of the longest piece."""
        return len(self.active)

    def steps(
        self, pieces: Optional[ArrayXd], n_steps: int, first_step: int = 0
    ) -> Iterator[Tuple[int, Any]]:
        """Walk through time.

        pieces (Optional[ArrayXd]): The pieces that walk, by size, or None for all.
        n_steps (int): The step to stop before.
        first_step (int): The step to start at.
        YIELDS (Tuple[int, Any]): How many of the pieces have a token at this step (always the
            first ones), and what indexes these tokens in packed arrays.
        """
        if pieces is None:
            steps = zip(
                self.active[first_step:n_steps].tolist(), self.offsets[first_step:].tolist()
            )
            for n, first in steps:
                yield n, slice(first, first + n)
        else:
            sizes = self.sizes[self.ops.to_numpy(pieces)]
            for step, first in enumerate(self.offsets[first_step:n_steps].tolist(), first_step):
                n = int(numpy.searchsorted(-sizes, -step, side="left"))
                if n == 0:
                    return
                yield n, first + pieces[:n]


def move(ops: Ops, *arrays: numpy.ndarray) -> List[Any]:
    """Move index arrays to the device in one transfer."""
    ends = numpy.cumsum([len(array) for array in arrays]).tolist()
    moved = ops.asarray(numpy.concatenate(arrays))
    return [moved[end - len(array) : end] for array, end in zip(arrays, ends)]
