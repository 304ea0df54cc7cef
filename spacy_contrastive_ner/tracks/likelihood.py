from typing import Optional, Sequence, Tuple

from thinc.api import Ops
from thinc.types import ArrayXd, Floats3d

from .chains import Chains
from .counts import expected_counts, log_sums, path_counts
from .recursion import Recursion
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
    out[filled] = log_sums(recursion, weights).reshape((-1, scores.shape[1]))
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
    tags (ArrayXd): The gold tags, a legal sequence, as `targets` makes them. [N, K]
    transitions (Optional[Transitions]): Learned transitions, if any.
    allowed (Optional[ArrayXd]): The tags that may be true where annotation is missing.
        [N, K, 1 + 4M]
    weights (Optional[ArrayXd]): The weight of each track. [K]
    RETURNS (Tuple[ArrayXd, Floats3d, Optional[Transitions]]): The loss (0-d, float64), its
        gradient with respect to the scores, and to the transitions.
    """
    recursion = _over_all(ops, scores, lengths, transitions)
    chains = recursion.chains
    d_scores = ops.xp.zeros(scores.shape, dtype="float32")
    if not chains.n_pieces:
        none = None
        if transitions is not None:
            none = Transitions(*(ops.xp.zeros_like(table) for table in transitions))
        return ops.xp.zeros((), dtype="float64"), d_scores, none
    free = expected_counts(recursion, recursion.pick(scores), weights)
    if allowed is None:
        true = path_counts(recursion, recursion.pick(scores), tags, weights)
    else:
        true = expected_counts(recursion, recursion.pick(scores, allowed), weights)
    losses = free.totals - true.totals
    d_packed = free.tags - true.tags
    if weights is not None:
        losses *= weights[chains.tracks_of_piece[chains.first_pieces]]
        d_packed *= weights[chains.tracks_of_token]
    recursion.unpick(d_packed, d_scores)
    d_transitions = None
    if free.transitions is not None and true.transitions is not None:
        pairs = zip(free.transitions, true.transitions)
        d_transitions = Transitions(*(expected - gold for expected, gold in pairs))
    return losses.sum(), d_scores, d_transitions


def _over_all(
    ops: Ops, scores: Floats3d, lengths: Sequence[int], transitions: Optional[Transitions]
) -> Recursion:
    """A recursion over every document on every track."""
    chains = Chains.whole(ops, lengths, scores.shape[1])
    return Recursion(ops, chains, (scores.shape[2] - 1) // 4, transitions)
