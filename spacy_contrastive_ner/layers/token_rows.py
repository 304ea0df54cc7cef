from typing import Any, Callable, List, Tuple

from thinc.api import Model, chain, reduce_mean
from thinc.types import Floats2d

Backprop = Callable[[Floats2d], Any]


def TokenRows() -> Model[Any, Floats2d]:
    """Bring the output of any encoder that spaCy knows to one row a token: a list of arrays, the
    batch of a transformer (whose word pieces are averaged), or an array that is flat already.

    RETURNS (Model[Any, Floats2d]): The layer. Its output is [N, width].
    """
    return Model("token_rows", forward, layers=[reduce_mean()])


def forward(model: Model[Any, Floats2d], X: Any, is_train: bool) -> Tuple[Floats2d, Backprop]:
    if hasattr(X, "doc_data") and hasattr(X, "wordpieces"):
        # The whole batch of spacy-transformers.
        from spacy_transformers.layers import split_trf_batch, trfs2arrays

        to_arrays = chain(split_trf_batch(), trfs2arrays(model.layers[0], 1.0))
        return _flatten(model, *to_arrays(X, is_train))
    if hasattr(X, "last_hidden_layer_states"):
        # The batch of spacy-curated-transformers.
        from spacy_curated_transformers.models.pooling import with_ragged_last_layer

        arrays, backprop = with_ragged_last_layer(model.layers[0])(
            X.last_hidden_layer_states, is_train
        )
        return _flatten(model, arrays, lambda dY: [[d] for d in backprop(dY)])
    if isinstance(X, (list, tuple)):
        return _flatten(model, list(X), lambda dY: dY)
    return X, lambda dY: dY


def _flatten(
    model: Model[Any, Floats2d], arrays: List[Floats2d], backprop: Callable
) -> Tuple[Floats2d, Backprop]:
    """Concatenate the rows of the documents."""
    ops = model.ops
    width = max((array.shape[1] for array in arrays), default=0)
    lengths = [len(array) for array in arrays]
    kept = [array for array in arrays if len(array)]
    rows = ops.xp.concatenate(kept) if kept else ops.alloc2f(0, width)

    def unflatten(d_rows: Floats2d) -> Any:
        parts, start = [], 0
        for length in lengths:
            parts.append(d_rows[start : start + length])
            start += length
        return backprop(parts)

    return rows, unflatten
