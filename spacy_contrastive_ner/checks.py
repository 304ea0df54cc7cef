"""Errors and warnings about data and models: what is wrong, where, and the way out."""

import math
import warnings
from collections import Counter
from typing import Dict, List, Sequence, Set, Tuple, Union

from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model

from .annotations import Gold, count_keys
from .links import FAR, NO_LINKS, SHARED
from .models.listeners import has_listener
from .spans.targets import TOO_WIDE
from .tracks import Lost
from .tracks.encoding import NO_LABEL, NO_ROOM, OUTSIDE, TWICE
from .tracks.layout import MAX_LAYERS
from .tracks.subwords import NO_PIECE

MISALIGNED = "cuts a token of the pipeline"

# What to do about each kind of loss.
WAYS_OUT = {
    MISALIGNED: "Correct its offsets, or use a tokenizer that splits there",
    TOO_WIDE: "Raise max_width or coverage in [components.{name}.model]",
    NO_LABEL: "Add the label with add_label(), or to the labels in [initialize.components.{name}]",
    TWICE: "Nothing need be done",
    OUTSIDE: "Correct its offsets",
    NO_PIECE: "Leave white space out of it; if the transformer cut the text off, take shorter windows "
    "in its get_spans",
    FAR: "Raise max_distance in [components.{name}.model.link]",
    SHARED: "Nothing can be done",
    NO_LINKS: "Initialize with training data that hold some",
}

# Of these only the links are lost: each fragment is learned as an entity of its own.
IN_PARTS = (FAR, SHARED, NO_LINKS)

Labels = Union[Sequence[str], Dict[str, int]]


def check_layers(name: str, label: str, layers: int) -> int:
    """RETURNS (int): The number of layers of a label, if it is one."""
    if not isinstance(layers, int) or not 1 <= layers <= MAX_LAYERS:
        raise ValueError(
            f"[{name}] {label!r} is to have {layers!r} layers, but a label has 1 to {MAX_LAYERS}."
        )
    return layers


def layers_of_labels(name: str, labels: Labels) -> Dict[str, int]:
    """Check labels that are handed to `initialize`.

    name (str): The name of the component.
    labels (Labels): The labels, as a list or with their number of layers.
    RETURNS (Dict[str, int]): The number of layers of each label, 0 if that is not said.
    """
    if isinstance(labels, str):
        raise ValueError(f"[{name}] labels is {labels!r}, but must be a list, or a dict of layers.")
    for label in labels:
        if not isinstance(label, str) or not label:
            raise ValueError(f"[{name}] {label!r} in labels is not a label.")
    if isinstance(labels, dict):
        return {label: check_layers(name, label, layers) for label, layers in labels.items()}
    return dict.fromkeys(labels, 0)


def require_annotation(name: str, examples: Sequence[Example], spans_key: str) -> None:
    """Stop if no document of the training data has the span group, and say so if some have not.

    name (str): The name of the component.
    examples (Sequence[Example]): The training examples.
    spans_key (str): The key of the group.
    """
    counts = count_keys(examples)
    with_group = counts.get(spans_key, 0)
    if 0 < with_group < len(examples):
        warnings.warn(
            f"[{name}] {len(examples) - with_group} of {len(examples)} training examples lack the "
            f"span group {spans_key!r} and count as not annotated: nothing is learned from them. "
            "Set the group on every annotated document, also where it is empty.",
            stacklevel=3,
        )
    if with_group:
        return
    if not examples:
        raise ValueError(f"[{name}] There are no training examples: the corpus is empty.")
    others = ", ".join(f"{key!r} ({n} docs)" for key, n in sorted(counts.items()))
    ways = [f"write the entities of every document to doc.spans[{spans_key!r}]"]
    if others:
        ways.append(f"set [components.{name}] spans_key to one of those that are there: {others}")
    ents = sum(1 for example in examples if example.reference.ents)
    if ents:
        ways.append(
            f"copy the entities of doc.ents, which {ents} docs have: "
            f"doc.spans[{spans_key!r}] = list(doc.ents)"
        )
    raise ValueError(
        f"[{name}] None of the {len(examples)} training examples has the span group "
        f"{spans_key!r}. Either {'; or '.join(ways)}."
    )


def require_labels(name: str, spans_key: str, labels: Sequence[str]) -> None:
    """Stop if there is nothing to learn.

    name (str): The name of the component.
    spans_key (str): The key of the entities.
    labels (Sequence[str]): The labels that were found or given.
    """
    if not labels:
        raise ValueError(
            f"[{name}] There are no labels: no span of the training data in doc.spans"
            f"[{spans_key!r}] has one, and none are given. Annotate entities, or name labels in "
            f"[initialize.components.{name}] labels or with add_label()."
        )


def require_finite(name: str, what: str, value: float) -> None:
    """Stop if a number is not finite: nothing sensible can follow from it.

    name (str): The name of the component.
    what (str): What the number is.
    value (float): The number, such as the sum of all scores.
    """
    if not math.isfinite(value):
        raise ValueError(
            f"[{name}] The {what} of the model are not finite (NaN or infinite). This happens if "
            "training diverged: lower the learning rate or clip gradients, and check word vectors "
            "and earlier components for NaN."
        )


def require_own_encoder(name: str, teacher: Model) -> None:
    """Stop if what a component is to imitate cannot be what it was: its encoder is shared.

    name (str): The name of the component.
    teacher (Model): Its model as it was when training was resumed.
    """
    if has_listener(teacher):
        raise ValueError(
            f"[{name}] Rehearsal compares the component with its former self, but its encoder is "
            "shared with other components and has changed since. Give it an encoder of its own "
            "before nlp.resume_training(): nlp.replace_listeners("
            f"'tok2vec', {name!r}, ['model.tok2vec'])."
        )


def require_whole_model(name: str, model: Model) -> None:
    """Stop if the arrays of a loaded model do not fit its labels.

    name (str): The name of the component.
    model (Model): The model.
    """
    problem = model.attrs["check"](model)
    if problem:
        raise ValueError(
            f"[{name}] The saved model does not fit together: {problem}. The folder was changed by "
            "hand or put together from two models; save the pipeline again."
        )


def require_labels_of_thresholds(
    name: str, thresholds: Dict[str, float], labels: Sequence[str]
) -> None:
    """Stop if a label that the component does not have is to have a threshold.

    name (str): The name of the component.
    thresholds (Dict[str, float]): The thresholds of labels that have one of their own.
    labels (Sequence[str]): The labels.
    """
    unknown = sorted(set(thresholds) - set(labels))
    if unknown:
        raise ValueError(
            f"[{name}] thresholds names {', '.join(map(repr, unknown))}, but the labels are "
            f"{', '.join(labels)}. Correct it in [components.{name}]."
        )


def way_to_layers(model: Model, max_layers: int) -> str:
    """RETURNS (str): What to do about entities for which no layer is left. What `max_layers` says
    does not matter to joint heads.
    """
    layouts = [node.attrs["layout"] for node in model.walk() if "layout" in node.attrs]
    if any(layout["heads"] == "joint" for layout in layouts):
        return 'Use heads = "per_label" for the tagger of [components.{name}.model]'
    if max_layers >= MAX_LAYERS:
        return (
            f"{MAX_LAYERS} layers are the most a label can have; if it has fewer, initialize anew"
        )
    return (
        f"Raise max_layers in [components.{{name}}], at most to {MAX_LAYERS}, and initialize anew"
    )


def report_lost(
    name: str,
    gold: Sequence[Gold],
    lost: Sequence[Lost],
    docs: Sequence[Doc],
    told: Set[Tuple[str, str]],
    way_to_layers: str,
) -> None:
    """Warn about gold entities that training does not see, for each reason and label once.

    name (str): The name of the component.
    gold (Sequence[Gold]): The annotation.
    lost (Sequence[Lost]): What the model cannot hold.
    docs (Sequence[Doc]): The documents.
    told (Set[Tuple[str, str]]): The reasons and labels that were warned about, which is added to.
    way_to_layers (str): What to do about entities for which no layer is left.
    """
    rows: List[Tuple[str, str, str]] = [
        (MISALIGNED, span.label_, span.text) for doc in gold for span in doc.misaligned
    ]
    for document, (start, end, label), reason in lost:
        rows.append((reason, label, docs[document][max(start, 0) : end].text))
    counts: Dict[str, Counter] = {}
    examples: Dict[str, str] = {}
    for reason, label, text in rows:
        if (reason, label) not in told:
            counts.setdefault(reason, Counter())[label or "(no label)"] += 1
            examples.setdefault(reason, f"{text[:60]!r} ({label or 'no label'})")
    told.update((reason, label) for reason, label, _ in rows)
    total = sum(len(doc.spans) + len(doc.misaligned) for doc in gold)
    ways = {**WAYS_OUT, NO_ROOM: way_to_layers}
    for reason, by_label in counts.items():
        each = ", ".join(f"{label} {n}" for label, n in by_label.most_common())
        fate = "learned in parts only" if reason in IN_PARTS else "left out of training"
        warnings.warn(
            f"[{name}] {sum(by_label.values())} of {total} gold entities are {fate} "
            f"({reason}): {each}. For example {examples[reason]}. "
            f"{ways[reason].format(name=name)}.",
            stacklevel=4,
        )


def require_known_labels(name: str, gold: Sequence[Gold], lost: Sequence[Lost]) -> None:
    """Stop if the component knows none of the labels of the training data.

    name (str): The name of the component.
    gold (Sequence[Gold]): The annotation.
    lost (Sequence[Lost]): What the model cannot hold.
    """
    total = sum(len(doc.spans) for doc in gold)
    if total and sum(1 for item in lost if item.reason == NO_LABEL) == total:
        raise ValueError(
            f"[{name}] None of the {total} gold entities has a label that the component knows. "
            f"{WAYS_OUT[NO_LABEL].format(name=name)}."
        )
