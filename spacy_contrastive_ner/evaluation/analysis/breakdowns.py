"""The scores of an evaluation as tables. Nothing is computed here that `evaluate` did not write."""

from typing import Any, Dict, Iterator, List, Mapping, Tuple

from ..console import SCHEME_NAMES, STRUCTURE_NAMES, SURFACE_NAMES
from ..tables import Table

NUMBERS = ("precision", "recall", "f", "support", "predicted", "found", "right")
# The classes that spans are scored by, and what they are called.
WAYS = {
    "structure": "How spans lie",
    "span_length": "Tokens of the span",
    "sentence_length": "Tokens of the sentence",
    "document_length": "Tokens of the document",
    "nesting_depth": "Spans around it",
    "training_frequency": "Mentions of the label in training",
    "surface": "Words of the span",
}
CLASS_NAMES: Dict[str, Dict[str, str]] = {"structure": STRUCTURE_NAMES, "surface": SURFACE_NAMES}


def overall_table(scores: Mapping[str, Any]) -> Table:
    """Put together the scores over all labels.

    scores (Mapping[str, Any]): The evaluation, as `Evaluation.as_dict` gives it.
    RETURNS (Table): What was scored, with its numbers: None for those that it does not have.
    """
    rows = ([name, *(score.get(key) for key in NUMBERS)] for name, score in _overall(scores))
    return Table.of("overall", ("what", *NUMBERS), rows)


def _overall(scores: Mapping[str, Any]) -> Iterator[Tuple[str, Mapping[str, Any]]]:
    groups: List[Tuple[str, Mapping[str, Any]]] = [("Spans", scores)]
    if scores["rare"]:
        groups += [("Rare labels", scores["rare"]), ("Other labels", scores["rare"]["others"])]
    discontinuous = scores["structure"]["discontinuous"]
    if discontinuous["support"] or discontinuous["predicted"]:
        groups.append(("Whole entities", scores["entities"]))
    if scores["flat"]:
        groups.append(("Flat view (doc.ents)", scores["flat"]))
    for name, group in groups:
        yield f"{name}, micro", group["micro"]
        yield f"{name}, macro ({group['macro']['labels']} labels)", group["macro"]
    yield "Spans, whatever the label", scores["borders"]
    yield "Type accuracy of these", {"precision": scores["type_accuracy"]}
    for key, name in SCHEME_NAMES.items():
        yield f"Partial matches, {name}", scores["partial"][key]
    if scores["runne"]:
        yield "RuNNE, main", {"f": scores["runne"]["main"]}
        yield "RuNNE, few-shot", {"f": scores["runne"]["few_shot"]}


def labels_table(scores: Mapping[str, Any]) -> Table:
    """Put together the scores of each label.

    scores (Mapping[str, Any]): The evaluation.
    RETURNS (Table): The labels, the most frequent first.
    """
    rows = ([label, *(s[key] for key in NUMBERS)] for label, s in scores["labels"].items())
    return Table.of("labels", ("label", *NUMBERS), rows)


def class_table(scores: Mapping[str, Any], way: str) -> Table:
    """Put together the scores of classes of spans.

    scores (Mapping[str, Any]): The evaluation.
    way (str): What they are classes by; see `WAYS`.
    RETURNS (Table): The classes of which there are spans, in their order. No rows if the evaluation
        does not tell.
    """
    names = CLASS_NAMES.get(way, {})
    rows = (
        [names.get(key, key), *(score[number] for number in NUMBERS)]
        for key, score in (scores.get(way) or {}).items()
        if score["support"] or score["predicted"]
    )
    return Table.of(way.replace("_", "-"), ("class", *NUMBERS), rows)
