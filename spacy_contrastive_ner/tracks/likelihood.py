from typing import Optional, Sequence, Tuple

from thinc.api import Ops
from thinc.types import ArrayXd, Floats2d, Floats3d

from .chains import Chains
from .recursion import Flow, Recursion, Weights
from .transitions import Transitions


def log_partition(
    ops: Ops,
    scores: Floats3d,
    lengths: Sequence[int],
    transitions: Optional[Transitions] = None,
) -> ArrayXd:
    """The log of the sum, over all legal tag sequences, of exp(score of the sequence).

    ops (Ops): The backend.
    scores (Floats3d): The score of each tag. [N, K, 1 + 4M]
    lengths (Sequence[int]): The number of tokens of each document, N in sum.
    transitions (Optional[Transitions]): Learned transitions, if any.
    RETURNS (ArrayXd): float64, 0 for documents without tokens. [n_docs, K]
    """
    recursion = _over_all(ops, scores, lengths, transitions)
    weights = recursion.backward(recursion.pick(scores))
    out = ops.xp.zeros((len(lengths), scores.shape[1]), dtype="float64")
    filled = ops.asarray([i for i, n in enumerate(lengths) if n], dtype="int64")
    out[filled] = _log_partition(recursion, weights).reshape((-1, scores.shape[1]))
    return out


def posteriors(
    ops: Ops,
    scores: Floats3d,
    lengths: Sequence[int],
    transitions: Optional[Transitions] = None,
) -> Floats3d:
    """The probability of each tag at each token, given all that is legal around it.

    ops (Ops): The backend.
    scores (Floats3d): The score of each tag. [N, K, 1 + 4M]
    lengths (Sequence[int]): The number of tokens of each document, N in sum.
    transitions (Optional[Transitions]): Learned transitions, if any.
    RETURNS (Floats3d): Each token's tags sum to 1 on each track. [N, K, 1 + 4M]
    """
    recursion = _over_all(ops, scores, lengths, transitions)
    out = ops.xp.zeros(scores.shape, dtype="float32")
    flow = recursion.forward(recursion.backward(recursion.pick(scores)))
    recursion.unpick(flow.tags, out)
    return out


def crf_loss(
    ops: Ops,
    scores: Floats3d,
    lengths: Sequence[int],
    tags: ArrayXd,
    *,
    transitions: Optional[Transitions] = None,
    allowed: Optional[ArrayXd] = None,
    weights: Optional[ArrayXd] = None,
) -> Tuple[ArrayXd, Floats3d, Optional[Transitions]]:
    """The negative log-likelihood of the gold tags under a conditional random field, summed over
    documents and tracks:

        loss = log sum of exp(score) over legal sequences - log sum of exp(score) over allowed ones

    with its gradient in closed form: expected counts over all legal sequences minus expected
    counts over the allowed ones. Without missing annotation one sequence is allowed, the gold one.

    ops (Ops): The backend.
    scores (Floats3d): The score of each tag. [N, K, 1 + 4M]
    lengths (Sequence[int]): The number of tokens of each document, N in sum.
    tags (ArrayXd): The gold tags. [N, K]
    transitions (Optional[Transitions]): Learned transitions, if any.
    allowed (Optional[ArrayXd]): The tags that may be true where annotation is missing.
        [N, K, 1 + 4M]
    weights (Optional[ArrayXd]): The weight of each track. [K]
    RETURNS (Tuple[ArrayXd, Floats3d, Optional[Transitions]]): The loss (0-d, float64), its
        gradient with respect to the scores, and to the transitions.
    """
    xp = ops.xp
    if allowed is None:
        allowed = tags[:, :, None] == xp.arange(scores.shape[2], dtype=tags.dtype)
    recursion = _over_all(ops, scores, lengths, transitions)
    chains = recursion.chains
    d_scores = xp.zeros(scores.shape, dtype="float32")
    loss = xp.zeros((), dtype="float64")
    if not chains.n_pieces:
        return loss, d_scores, _zeros_like(ops, transitions)
    d_packed = None
    d_transitions = None
    for sign, may in ((1.0, None), (-1.0, allowed)):
        back = recursion.backward(recursion.pick(scores, may))
        flow = recursion.forward(back)
        log_sums = _log_partition(recursion, back)
        if weights is not None:
            log_sums = log_sums * weights[chains.tracks_of_piece[chains.first_pieces]]
        loss = loss + sign * log_sums.sum()
        d_packed = flow.tags if d_packed is None else d_packed - flow.tags
        if transitions is not None:
            counts = _transition_counts(recursion, back, flow, weights)
            if d_transitions is None:
                d_transitions = counts
            else:
                d_transitions = Transitions(*(a - b for a, b in zip(d_transitions, counts)))
    if weights is not None:
        d_packed = d_packed * weights[chains.tracks_of_token]
    recursion.unpick(d_packed, d_scores)
    return loss, d_scores, d_transitions


def _over_all(
    ops: Ops, scores: Floats3d, lengths: Sequence[int], transitions: Optional[Transitions]
) -> Recursion:
    """A recursion over every document on every track."""
    chains = Chains.whole(ops, lengths, scores.shape[1])
    return Recursion(ops, chains, (scores.shape[2] - 1) // 4, transitions)


def _log_partition(recursion: Recursion, weights: Weights) -> ArrayXd:
    """The log partition of each chain. [n_chains]"""
    chains = recursion.chains
    first = weights.first[recursion.states.start, chains.first_pieces].astype("float64")
    return chains.sum_by_chain(weights.norm) + first


def _zeros_like(ops: Ops, transitions: Optional[Transitions]) -> Optional[Transitions]:
    if transitions is None:
        return None
    return Transitions(*(ops.xp.zeros_like(table) for table in transitions))


def _transition_counts(
    recursion: Recursion, weights: Weights, flow: Flow, track_weights: Optional[ArrayXd]
) -> Transitions:
    """How often each transition is expected to be used, by track (or over all of them if they
    share their transitions). Each use counts as much as its track weighs.
    """
    ops, states = recursion.ops, recursion.states
    assert recursion.transitions is not None
    closed, opened = recursion.transitions[:2]
    M, C = states.n_labels, states.n_closed_tags
    n_tracks = len(closed)
    tracks = recursion.chains.tracks_of_token if n_tracks > 1 else None
    leaving = flow.states / weights.states
    if track_weights is not None:
        leaving = leaving * track_weights[recursion.chains.tracks_of_token]
    from_closed, from_open = leaving[: states.n_closed], leaving[states.n_closed :]
    d_closed = _pair_sums(ops, from_closed, weights.tags[:C], tracks, n_tracks)
    d_open = ops.xp.empty(opened.shape, dtype="float32")
    for label in range(M):
        into = weights.tags[C + label :: M]
        d_open[..., label] = _pair_sums(ops, from_open[label::M], into, tracks, n_tracks)
    chains = recursion.chains
    last = flow.last[:C, chains.last_pieces]
    ending = chains.tracks_of_piece[chains.last_pieces]
    if track_weights is not None:
        last = last * track_weights[ending]
    ones = ops.xp.ones((1, last.shape[1]), dtype="float32")
    d_end = _pair_sums(ops, ones, last, None if tracks is None else ending, n_tracks)[:, 0]
    return Transitions(d_closed * ops.xp.exp(closed), d_open * ops.xp.exp(opened), d_end)


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
