import warnings
from typing import Any, Callable, Dict, Iterable

from spacy.scorer import Scorer, get_ner_prf
from spacy.training import Example

Scores = Dict[str, Any]


def make_scorer() -> Callable[..., Scores]:
    """RETURNS (Callable[..., Scores]): `score`, for the config."""
    return score


def score(
    examples: Iterable[Example],
    *,
    spans_key: str,
    set_ents: bool = True,
    **kwargs: Any,
) -> Scores:
    """Score entities by exact match of start, end and label.

    Besides spaCy's own keys for the span group, and for the flat view if the pipe writes it,
    there are aliases that do not depend on the spans key, so that any key trains with the same
    score weights: contrastive_ner_p, _r, _f (over all entities) and _macro_f (the mean F-score of
    the labels that have gold entities). Documents without the span group are not annotated and
    do not count.

    examples (Iterable[Example]): The examples.
    spans_key (str): The key of the entities in `doc.spans`.
    set_ents (bool): Whether `doc.ents` is scored too.
    **kwargs (Any): Other settings of the pipe; not used.
    RETURNS (Scores): The scores.
    """
    examples = list(examples)
    attr = f"spans_{spans_key}"
    if examples and not any(spans_key in example.reference.spans for example in examples):
        keys = sorted({key for example in examples for key in example.reference.spans})
        warnings.warn(
            f"There is nothing to score: none of the {len(examples)} documents has the span group "
            f"{spans_key!r} (there are: {', '.join(map(repr, keys)) or 'none'}). Set it on every "
            "annotated document, also where it is empty.",
            stacklevel=2,
        )
    scores = Scorer.score_spans(
        examples,
        attr,
        getter=lambda doc, _: doc.spans.get(spans_key, []),
        has_annotation=lambda doc: spans_key in doc.spans,
        allow_overlap=True,
    )
    for part in "prf":
        scores[f"contrastive_ner_{part}"] = scores.get(f"{attr}_{part}")
    scores["contrastive_ner_macro_f"] = _macro_f(examples, spans_key, scores)
    if set_ents:
        scores.update(get_ner_prf(examples))
    return scores


def _macro_f(examples: Iterable[Example], spans_key: str, scores: Scores) -> Any:
    """The mean F-score of the labels that have gold entities; None if there are none."""
    per_type = scores.get(f"spans_{spans_key}_per_type") or {}
    labels = {
        span.label_ for example in examples for span in example.reference.spans.get(spans_key, [])
    }
    if not labels:
        return None
    return sum(per_type[label]["f"] for label in labels if label in per_type) / len(labels)
