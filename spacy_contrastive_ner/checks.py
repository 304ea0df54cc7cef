"""Errors and warnings about data: what is wrong, where, and the way out."""

import warnings
from collections import Counter
from typing import Dict, List, Sequence, Tuple, Union

from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Ops
from thinc.types import Ragged

from .annotations import Gold, count_keys
from .tracks import Lost

MISALIGNED = "cuts a token of the pipeline"

Labels = Union[Sequence[str], Dict[str, int]]


def require_annotation(name: str, examples: Sequence[Example], spans_key: str) -> None:
    """Stop if no document of the training data has the span group.

    name (str): The name of the component.
    examples (Sequence[Example]): The training examples.
    spans_key (str): The key of the group.
    """
    counts = count_keys(examples)
    if spans_key in counts:
        return
    there = ", ".join(f"{key!r} ({n} docs)" for key, n in sorted(counts.items())) or "none"
    hint = f"Set [components.{name}] spans_key to the right one"
    ents = sum(1 for example in examples if example.reference.ents)
    if ents:
        hint += (
            f", or copy the entities of doc.ents, which {ents} docs have: "
            f"doc.spans[{spans_key!r}] = list(doc.ents)"
        )
    raise ValueError(
        f"[{name}] None of the {len(examples)} training examples has the span group "
        f"{spans_key!r}. Span groups that are there: {there}. {hint}."
    )


def layers_of_labels(name: str, labels: Labels) -> Dict[str, int]:
    """Check labels that are handed to `initialize`.

    name (str): The name of the component.
    labels (Labels): The labels, as a list or with their number of layers.
    RETURNS (Dict[str, int]): The number of layers of each label, 0 if that is not said.
    """
    given = dict(labels) if isinstance(labels, dict) else dict.fromkeys(labels, 0)
    for label, layers in given.items():
        if not isinstance(label, str) or not label:
            raise ValueError(f"[{name}] {label!r} in labels is not a label.")
        if not isinstance(layers, int) or layers < 0:
            raise ValueError(
                f"[{name}] labels says that {label!r} has {layers!r} layers. Write a list of "
                "labels, or labels with their number of layers as `spacy init labels` does."
            )
    return given


def require_finite(name: str, ops: Ops, scores: Ragged) -> None:
    """Stop if the model's scores are not finite: nothing sensible can follow from them.

    name (str): The name of the component.
    ops (Ops): The backend.
    scores (Ragged): The scores.
    """
    if not ops.xp.isfinite(scores.dataXd.sum()):
        raise ValueError(
            f"[{name}] The scores of the model are not finite (NaN or infinite). This happens if "
            "training diverged: lower the learning rate or clip gradients, and check word vectors "
            "and earlier components for NaN."
        )


def report_lost(name: str, gold: Sequence[Gold], lost: Sequence[Lost], docs: Sequence[Doc]) -> None:
    """Warn about gold entities that training will not see.

    name (str): The name of the component.
    gold (Sequence[Gold]): The annotation of the training data.
    lost (Sequence[Lost]): What the model cannot hold.
    docs (Sequence[Doc]): The documents.
    """
    counts: Dict[str, Counter] = {}
    examples: Dict[str, str] = {}
    rows: List[Tuple[str, str, str]] = [
        (MISALIGNED, span.label_, span.text) for doc in gold for span in doc.misaligned
    ]
    for document, (start, end, label), reason in lost:
        rows.append((reason, label, docs[document][max(start, 0) : end].text))
    for reason, label, text in rows:
        counts.setdefault(reason, Counter())[label] += 1
        examples.setdefault(reason, f"{text[:60]!r} ({label})")
    total = sum(len(doc.spans) + len(doc.misaligned) for doc in gold)
    for reason, by_label in counts.items():
        each = ", ".join(f"{label} {n}" for label, n in by_label.most_common())
        warnings.warn(
            f"[{name}] {sum(by_label.values())} of {total} gold entities are left out of training "
            f"({reason}): {each}. For example {examples[reason]}.",
            stacklevel=2,
        )
