"""What the settings of the bi-encoder can be."""

from typing import Dict, Iterable, Optional, Sequence, Set

from thinc.api import Model

from .. import spans
from ..descriptions import Written
from .label_vectors import DESCRIPTIONS, TYPES
from .names import require_known


def check_settings(
    width: int,
    fit_width: int,
    dropout: float,
    max_width: Optional[int],
    coverage: float,
    others: str,
    weights: Iterable[Dict[str, float]],
) -> None:
    """Stop if a setting of the bi-encoder cannot be meant, see `build_bi_encoder`.

    weights (Iterable[Dict[str, float]]): All weights of labels.
    """
    if width < 1:
        raise ValueError(f"width is {width}, but must be at least 1.")
    if fit_width < 0:
        raise ValueError(f"fit_width is {fit_width}, but must not be negative.")
    if not 0.0 <= dropout < 1.0:
        raise ValueError(f"dropout is {dropout}, but must lie in [0, 1).")
    if max_width is not None and max_width < 1:
        raise ValueError(f"max_width is {max_width}, but must be at least 1, or null.")
    if not 0.0 < coverage <= 1.0:
        raise ValueError(f"coverage is {coverage}, but must lie in (0, 1].")
    if others not in spans.OTHERS:
        raise ValueError(f"others is {others!r}, but must be one of {', '.join(spans.OTHERS)}.")
    for label, weight in (item for some in weights for item in some.items()):
        if weight < 0:
            raise ValueError(f"{label} has the weight {weight}, but a weight is not negative.")


def check_types(
    types: str,
    descriptions: Optional[Written],
    description_encoder: Optional[Model],
    n_examples: int,
) -> None:
    """Stop if the settings of where labels come from do not go together."""
    if types not in TYPES:
        raise ValueError(f"types is {types!r}, but must be one of {', '.join(TYPES)}.")
    if (descriptions is None) == (types == DESCRIPTIONS):
        raise ValueError(
            "descriptions, a file or a block with one for each label, goes with types = "
            f'"descriptions", and with nothing else. Here types is {types!r}.'
        )
    if description_encoder is not None and types != DESCRIPTIONS:
        raise ValueError('description_encoder has a use with types = "descriptions" only.')
    if n_examples < 1:
        raise ValueError(f"n_examples is {n_examples}, but must be at least 1.")


def check_names(model: Model, names: Sequence[str], corpora: Set[str]) -> None:
    """Stop if a setting is about labels or corpora that are not there.

    model (Model): The bi-encoder.
    names (Sequence[str]): Its labels.
    corpora (Set[str]): The corpora of the training data.
    """
    by_corpus = model.attrs["corpus_weights"]
    settings = {name: model.attrs[name] for name in ("label_weights", "offsets")}
    settings.update({f"corpus_weights.{corpus}": some for corpus, some in by_corpus.items()})
    for setting, some in settings.items():
        require_known(setting, some, names)
    strange = set(by_corpus) - corpora
    if strange:
        raise ValueError(
            f"corpus_weights names the corpus {', '.join(sorted(strange))}, but the training data "
            f"comes from {', '.join(sorted(corpora - {''})) or 'corpora without names'}. Names are "
            'those of the reader Corpus.v1: path = {"name": "file.spacy", ...}.'
        )
