from typing import List, NamedTuple, Optional, Sequence

import numpy
from thinc.api import NumpyOps

from .chains import Chains
from .recursion import Recursion
from .transitions import Transitions, weigh

# No span less probable than this is listed. As the expected number of entities on a track cannot
# exceed the number of its tokens, there are at most 1 / FLOOR such spans a token and track;
# without a floor every stretch of text would be listed.
FLOOR = 0.01


class TrackSpans(NamedTuple):
    """Spans on tracks, one entry each.

    document (numpy.ndarray): The index of the document.
    start (numpy.ndarray): The first token.
    end (numpy.ndarray): The token after the last.
    track (numpy.ndarray): The track.
    place (numpy.ndarray): The place of the label in the track.
    """

    document: numpy.ndarray
    start: numpy.ndarray
    end: numpy.ndarray
    track: numpy.ndarray
    place: numpy.ndarray


class SpanPosteriors:
    """The exact probability of any span on some tracks of some documents, by forward-backward.

    A track is a Markov chain once its scores are given, so the probability of an entity is that
    of its first tag, times that of each further tag given the one before it.

    scores (numpy.ndarray): The score of each tag. [N, K, 1 + 4M]
    lengths (Sequence[int]): The number of tokens of each document, N in sum.
    needed (numpy.ndarray): Which tracks of which documents will be asked for. [n_docs, K], bool.
    transitions (Optional[Transitions]): Learned transitions, if any.
    """

    def __init__(
        self,
        scores: numpy.ndarray,
        lengths: Sequence[int],
        needed: numpy.ndarray,
        transitions: Optional[Transitions] = None,
    ) -> None:
        ops = NumpyOps()
        sizes = numpy.asarray(lengths, dtype="int64")
        self.document, self.track = numpy.nonzero(needed & (sizes[:, None] > 0))
        self.chain = numpy.full(needed.shape, -1, dtype="int64")
        self.chain[self.document, self.track] = numpy.arange(len(self.document))
        starts = numpy.cumsum(sizes) - sizes
        chains = Chains(ops, starts[self.document], sizes[self.document], self.track)
        self.firsts = chains.firsts
        # The arrays stay packed. Where the tokens, chain by chain, are packed, and where from.
        self.unpacked, self.chain_of_token = chains.unpacked, chains.chain_of_token
        self.packed = numpy.empty_like(self.unpacked)
        self.packed[self.unpacked] = numpy.arange(len(self.unpacked))
        M = (scores.shape[2] - 1) // 4
        recursion = Recursion(ops, chains, M, transitions)
        weights = recursion.backward(recursion.pick(scores))
        flow = recursion.forward(weights)
        # The probability of B and of U. [M, n]
        self.begin, self.unit = flow.tags[1 : 1 + M], flow.tags[1 + M : 1 + 2 * M]
        # The probability of I and of L, after B and after I (which learned transitions tell
        # apart, and mere constraints do not). [1 or 2, 2, M, n]
        n_closed = recursion.states.n_closed
        n = chains.n_tokens
        n_open = (recursion.states.n_states - n_closed) // M
        into = weights.tags[1 + 2 * M :].reshape((1, 2, M, n))
        given = into / weights.states[n_closed:].reshape((n_open, 1, M, n))
        if transitions is not None:
            tracks = chains.tracks_of_token * (1 if len(transitions.open) > 1 else 0)
            given *= weigh(numpy, transitions).open[tracks].transpose((1, 2, 3, 0))
        self.after_begin, self.after_in = given[0], given[-1]

    def of(self, spans: TrackSpans) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): The probability of each span, float64. [n_spans]"""
        first = self.firsts[self.chain[spans.document, spans.track]] + spans.start
        last = first + (spans.end - spans.start) - 1
        place, at = spans.place, self.packed
        p = numpy.where(last == first, self.unit[place, at[first]], self.begin[place, at[first]])
        p = p.astype("float64")
        longer = numpy.flatnonzero(last > first)
        closing = numpy.where(
            first[longer] + 1 == last[longer],
            self.after_begin[1, place[longer], at[last[longer]]],
            self.after_in[1, place[longer], at[last[longer]]],
        )
        p[longer] *= closing
        # The inner tokens: I after B, then I after I as often as the span is long.
        inner = numpy.flatnonzero(last > first + 1)
        p[inner] *= self.after_begin[0, place[inner], at[first[inner] + 1]]
        token = first + 2
        while True:
            inner = inner[token[inner] < last[inner]]
            if not len(inner):
                # Rounding may have made a little more than 1 of it.
                return numpy.minimum(p, 1.0)
            p[inner] *= self.after_in[0, place[inner], at[token[inner]]]
            token[inner] += 1

    def at_least(self, threshold: numpy.ndarray) -> TrackSpans:
        """List every span that is probable enough.

        threshold (numpy.ndarray): For each track, what a probability must reach; above 0. [K]
        RETURNS (TrackSpans): The spans.
        """
        least = threshold[self.track[self.chain_of_token]]
        # Each found span as the packed place of its first token, its length, the label's place.
        place, first = numpy.nonzero(self.unit >= least)
        found: List[numpy.ndarray] = [numpy.stack([first, numpy.ones_like(first), place])]
        # Walk on from every B that is probable enough, for as long as the entity stays open.
        place, first = numpy.nonzero(self.begin >= least)
        p = self.begin[place, first].astype("float64")
        length = 1
        given = self.after_begin
        while len(first):
            token = self.packed[self.unpacked[first] + length]
            length += 1
            closes = p * given[1, place, token] >= least[first]
            lengths = numpy.full_like(first, length)
            found.append(numpy.stack([first, lengths, place])[:, closes])
            p = p * given[0, place, token]
            open_ = p >= least[first]
            first, place, p = first[open_], place[open_], p[open_]
            given = self.after_in
        firsts, lengths, places = numpy.concatenate(found, axis=1)
        chains = self.chain_of_token[firsts]
        starts = self.unpacked[firsts] - self.firsts[chains]
        return TrackSpans(
            self.document[chains], starts, starts + lengths, self.track[chains], places
        )
