"""Telling once, by label and with an example, what could not be kept."""

import warnings
from collections import Counter
from typing import Dict, List, Sequence, Tuple

from spacy.tokens import Doc

from .annotations import Gold
from .tracks import Lost

MISALIGNED = "cuts a token of the pipeline"


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
