"""What of a corpus is learned from: few mentions, few documents, those whose labels fit."""

import random
from typing import Dict, List

import common
from spacy.tokens import Span, SpanGroup
from spacy.training import Example

MISSING = "missing"


def mask(examples: List[Example], shots: int, seed: int) -> None:
    """Keep so many mentions of each label; mark the others as missing."""
    rng = random.Random(seed)
    by_label: Dict[str, List[Span]] = {}
    for example in examples:
        for span in example.reference.spans[common.KEY]:
            by_label.setdefault(span.label_, []).append(span)
    kept = set()
    for label in sorted(by_label):
        spans = by_label[label]
        kept.update(id(span) for span in rng.sample(spans, min(shots, len(spans))))
    for example in examples:
        doc = example.reference
        spans = list(doc.spans[common.KEY])
        known = [s for group in by_label.values() for s in group if s.doc is doc and id(s) in kept]
        triples = {(s.start, s.end, s.label) for s in known}
        hidden = [s for s in spans if (s.start, s.end, s.label) not in triples]
        doc.spans[common.KEY] = SpanGroup(doc, spans=known)
        doc.spans[MISSING] = SpanGroup(doc, spans=hidden)


def some_documents(examples: List[Example], shots: int, seed: int) -> List[Example]:
    """Draw documents until each label has so many mentions, the rarest label first."""
    rng = random.Random(seed)
    labels = [{s.label_: 0 for s in eg.reference.spans[common.KEY]} for eg in examples]
    for eg, row in zip(examples, labels):
        for span in eg.reference.spans[common.KEY]:
            row[span.label_] += 1
    totals: Dict[str, int] = {}
    for row in labels:
        for label, n in row.items():
            totals[label] = totals.get(label, 0) + n
    chosen: List[int] = []
    for label in sorted(totals, key=lambda label: (totals[label], label)):
        having = [i for i, row in enumerate(labels) if label in row and i not in chosen]
        rng.shuffle(having)
        while having and sum(labels[i].get(label, 0) for i in chosen) < shots:
            chosen.append(having.pop())
    return [examples[i] for i in sorted(chosen)]


def rename(examples: List[Example], prefixes: Dict[str, str]) -> None:
    """Give labels that begin so another beginning."""
    for example in examples:
        group = example.reference.spans[common.KEY]
        spans = list(group)
        for span in spans:
            for old, new in prefixes.items():
                if span.label_.startswith(old):
                    span.label_ = new + span.label_[len(old) :]
        example.reference.spans[common.KEY] = SpanGroup(example.reference, spans=spans)


def with_labels_of(
    train: List[Example], others: List[Example], prefixes: Dict[str, str]
) -> List[Example]:
    """The examples of corpora that, with these labels renamed, have no labels but those of the
    training set."""
    rename(others, prefixes)
    labels = common.labels_of(train)
    by_name: Dict[str, List[Example]] = {}
    for example in others:
        by_name.setdefault(example.reference.user_data["mark"].corpus, []).append(example)
    known = [some for some in by_name.values() if common.labels_of(some) <= labels]
    if not known:
        raise SystemExit("No other corpus has only labels of this one, so there is no transfer.")
    return [example for some in known for example in some]
