from typing import NamedTuple, Optional, Tuple

from thinc.api import Ops
from thinc.types import ArrayXd, Floats1d, Floats2d, Floats3d

from .recursion import Flow, Recursion, Weights
from .transitions import Transitions, weigh


class Counts(NamedTuple):
    """What a set of tag sequences amounts to.

    totals (Floats1d): The log of the sum of exp(score) over the sequences, float64. [n_chains]
    tags (Floats2d): How often each tag occurs, as a mean over the sequences. [1 + 4M, n]
    transitions (Optional[Transitions]): How often each learned transition is used, likewise.
    """

    totals: Floats1d
    tags: Floats2d
    transitions: Optional[Transitions]


def log_sums(recursion: Recursion, weights: Weights) -> Floats1d:
    """The log of the sum of exp(score) over all sequences, for each chain. [n_chains], float64"""
    chains = recursion.chains
    first = weights.first[recursion.states.start, chains.first_pieces].astype("float64")
    return chains.sum_by_chain(weights.norm) + first


def expected_counts(
    recursion: Recursion, scores: Floats2d, track_weights: Optional[ArrayXd] = None
) -> Counts:
    """Count over all legal sequences, each as much as its probability.

    recursion (Recursion): Runs over the chains.
    scores (Floats2d): Packed scores. [1 + 4M, n]
    track_weights (Optional[ArrayXd]): What a transition counts, by track. [K]
    RETURNS (Counts): The counts.
    """
    weights = recursion.backward(scores)
    flow = recursion.forward(weights)
    transitions = None
    if recursion.transitions is not None:
        transitions = _expected_transitions(recursion, weights, flow, track_weights)
    return Counts(log_sums(recursion, weights), flow.tags, transitions)


def _expected_transitions(
    recursion: Recursion, weights: Weights, flow: Flow, track_weights: Optional[ArrayXd]
) -> Transitions:
    """How often each transition is expected to be used."""
    assert recursion.transitions is not None
    xp, states, chains = recursion.ops.xp, recursion.states, recursion.chains
    weighed = weigh(xp, recursion.transitions)
    M, C, n_tracks = states.n_labels, states.n_closed_tags, len(recursion.transitions.closed)
    tracks = chains.tracks_of_token if n_tracks > 1 else None
    leaving = flow.states / weights.states
    last = flow.last[:C, chains.last_pieces]
    if track_weights is not None:
        leaving = leaving * track_weights[chains.tracks_of_token]
        last = last * track_weights[chains.tracks_of_piece[chains.last_pieces]]
    from_closed, from_open = leaving[: states.n_closed], leaving[states.n_closed :]
    ops = recursion.ops
    d_closed = _pair_sums(ops, from_closed, weights.tags[:C], tracks, n_tracks)
    d_open = xp.empty(weighed.open.shape, dtype="float32")
    for label in range(M):
        into = weights.tags[C + label :: M]
        d_open[..., label] = _pair_sums(ops, from_open[label::M], into, tracks, n_tracks)
    ending = None if tracks is None else chains.tracks_of_piece[chains.last_pieces]
    ones = xp.ones((1, last.shape[1]), dtype="float32")
    d_end = _pair_sums(ops, ones, last, ending, n_tracks)[:, 0]
    return Transitions(d_closed * weighed.closed, d_open * weighed.open, d_end)


def _pair_sums(
    ops: Ops, a: Floats2d, b: Floats2d, groups: Optional[ArrayXd], n_groups: int
) -> Floats3d:
    """For each group of columns the sums of the products of each row of `a` with each of `b`.

    a (Floats2d): [A, n]
    b (Floats2d): [B, n]
    groups (Optional[ArrayXd]): The group of each column, or None if there is one group. [n]
    n_groups (int): The number of groups.
    RETURNS (Floats3d): [n_groups, A, B]
    """
    xp = ops.xp
    if groups is None:
        return (a @ b.T)[None]
    out = xp.empty((n_groups, len(a), len(b)), dtype="float32")
    for i in range(len(a)):
        for j in range(len(b)):
            out[:, i, j] = xp.bincount(groups, weights=a[i] * b[j], minlength=n_groups)
    return out


def path_counts(
    recursion: Recursion,
    scores: Floats2d,
    tags: ArrayXd,
    track_weights: Optional[ArrayXd] = None,
) -> Counts:
    """Count over one sequence: look its scores up instead of summing over others.

    recursion (Recursion): Runs over the chains.
    scores (Floats2d): Packed scores. [1 + 4M, n]
    tags (ArrayXd): The sequence, a legal one. [N, K]
    track_weights (Optional[ArrayXd]): What a transition counts, by track. [K]
    RETURNS (Counts): The counts.
    """
    xp, chains = recursion.ops.xp, recursion.chains
    places = xp.empty_like(recursion.order)
    places[recursion.order] = xp.arange(len(recursion.order))
    path = places[tags[chains.rows, chains.tracks_of_token].astype("int64")]
    columns = xp.arange(path.shape[0])
    ones = xp.zeros_like(scores)
    ones[path, columns] = 1.0
    own = scores[path, columns]
    if recursion.transitions is None:
        return Counts(chains.sum_by_chain(own), ones, None)
    transition_scores, ends, counts = _path_transitions(recursion, path, track_weights)
    return Counts(chains.sum_by_chain(own + transition_scores) + ends, ones, counts)


def _path_transitions(
    recursion: Recursion, path: ArrayXd, track_weights: Optional[ArrayXd]
) -> Tuple[Floats1d, Floats1d, Transitions]:
    """The scores of a path's transitions, by token and for the ends of its chains, and how often
    each is used.

    path (ArrayXd): Packed places of tags in the recursion's order. [n]
    """
    assert recursion.transitions is not None
    xp, states, chains = recursion.ops.xp, recursion.states, recursion.chains
    closed, opened, end = recursion.transitions
    C, M = states.n_closed_tags, states.n_labels
    learned_by_track = 1 if len(closed) > 1 else 0
    after = chains.unpack(recursion.after[path])
    before = xp.roll(after, 1)
    before[chains.first_tokens] = states.start
    before = before[chains.unpacked]
    tracks = chains.tracks_of_token
    weigh = xp.ones((len(tracks),), dtype="float32")
    if track_weights is not None:
        weigh = track_weights[tracks]
    table = tracks * learned_by_track
    is_closed = path < C
    # Index both tables, each with what belongs to the other one moved to its first entry.
    at_closed = xp.where(is_closed, (table * (C + 1) + before) * C + path, 0)
    source, goal = (before - states.n_closed) // M, (path - C) // M
    at_open = xp.where(is_closed, 0, ((table * 2 + source) * 2 + goal) * M + (path - C) % M)
    scores = xp.where(is_closed, closed.reshape((-1,))[at_closed], opened.reshape((-1,))[at_open])
    last = after[chains.last_tokens]
    tracks = chains.tracks_of_piece[chains.last_pieces]
    at_end = tracks * learned_by_track * C + last

    def count(at: ArrayXd, weigh: Floats1d, like: ArrayXd) -> ArrayXd:
        sums = xp.bincount(at, weights=weigh, minlength=like.size)
        return sums.reshape(like.shape).astype("float32")

    last_weights = xp.ones((len(last),), dtype="float32")
    if track_weights is not None:
        last_weights = track_weights[tracks]
    counts = Transitions(
        count(at_closed, weigh * is_closed, closed),
        count(at_open, weigh * ~is_closed, opened),
        count(at_end, last_weights, end),
    )
    return scores, end.reshape((-1,))[at_end], counts
