from ..spans import Weights
from .checks import require_weight


def make_span_contrast(
    entities: float = 0.5,
    thresholds: float = 0.5,
    start: float = 0.2,
    end: float = 0.2,
    span: float = 0.6,
    anchor: float = 0.0,
) -> Weights:
    """What the parts of the bi-encoder's loss count, see `spans.contrast`. The defaults are BINDER's.

    entities (float): Gold entities against all that is none.
    thresholds (float): Thresholds against all that is no entity.
    start (float): The starts of entities, within both of these.
    end (float): Their ends.
    span (float): Whole spans.
    anchor (float): The labels of a gold entity against all other labels, times `entities`.
    RETURNS (Weights): The weights.
    """
    weights = Weights(entities, thresholds, start, end, span, anchor)
    require_weight(**weights._asdict())
    if not any((start, end, span, anchor)) or not (entities or thresholds):
        raise ValueError("All parts of the loss weigh nothing, so that nothing would be learned.")
    return weights
