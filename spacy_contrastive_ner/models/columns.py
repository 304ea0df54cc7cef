"""The columns of what a tagger returns: the scores of tags, and what may stand beside them."""

from typing import NamedTuple, Optional, Sequence, Tuple

import numpy
from thinc.api import Model, NumpyOps, Ops
from thinc.types import Floats2d, Ragged

from .. import tracks
from ..layers.crf import get_transitions
from ..tracks import Transitions
from .linking import width_of_rows
from .memory import consult, layout_of


class Columns(NamedTuple):
    """What a tagger returned, taken apart.

    scores (Ragged): The scores of the tags. [N, K * (1 + 4M)]
    rows (Optional[Floats2d]): The rows that were scored, if there are fragments to link. [N, nI]
    said (Optional[Floats2d]): The probabilities of the tags that a memory gives, if it was asked.
        [N, K * (1 + 4M)]
    """

    scores: Ragged
    rows: Optional[Floats2d]
    said: Optional[Floats2d]


def take_apart(model: Model, output: Ragged) -> Columns:
    """Take the output of a tagger apart.

    model (Model[List[Doc], Ragged]): The tagger.
    output (Ragged): What it returned.
    RETURNS (Columns): Its parts.
    """
    data, n_scores = output.dataXd, layout_of(model).width
    if data.shape[1] == n_scores:
        return Columns(output, None, None)
    scores = Ragged(model.ops.xp.ascontiguousarray(data[:, :n_scores]), output.lengths)
    n_rows = width_of_rows(model)
    rows, said = data[:, n_scores : n_scores + n_rows], data[:, n_scores + n_rows :]
    return Columns(scores, rows if n_rows else None, said if said.shape[1] else None)


def put_together(ops: Ops, d_scores: Ragged, d_rows: Floats2d) -> Ragged:
    """RETURNS (Ragged): The gradients of scores and rows, side by side as `take_apart` found them."""
    return Ragged(ops.xp.concatenate((d_scores.dataXd, d_rows), axis=1), d_scores.lengths)


def read_scores(
    model: Model,
    lengths: Sequence[int],
    columns: Columns,
    decoder: str,
    legal: Optional[numpy.ndarray] = None,
) -> Tuple[numpy.ndarray, Optional[Transitions], str]:
    """Bring scores and transitions to the CPU, once a memory had its say.

    model (Model[List[Doc], Ragged]): The tagger.
    lengths (Sequence[int]): The number of rows of each document.
    columns (Columns): What it returned.
    decoder (str): "viterbi" or "posterior"; "nearest" asks the memory alone.
    legal (Optional[numpy.ndarray]): Which tags each row can have, by default all. [N, 1 + 4M]
    RETURNS (Tuple[numpy.ndarray, Optional[Transitions], str]): Scores, [N, K, 1 + 4M], transitions and
        decoder, for what `tracks` computes.
    """
    layout = layout_of(model)
    transitions = get_transitions(model.get_ref("crf").layers[0])
    if transitions is not None:
        transitions = Transitions(*(model.ops.to_numpy(table) for table in transitions))
        if not all(numpy.isfinite(table).all() for table in transitions):
            raise ValueError(
                "The transitions of the CRF are not finite (NaN or infinite): training diverged. "
                "Lower the learning rate or clip gradients, and train again."
            )
    X = model.ops.to_numpy(columns.scores.dataXd).reshape((-1, layout.n_tracks, layout.n_tags))
    if legal is not None:
        X = tracks.mask_scores(NumpyOps(), X, legal)
    return consult(model, X, lengths, transitions, columns.said, decoder, legal)
