"""An evaluation as tables for the console."""

from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from wasabi import Printer, table

from ..convert.summary import number, shorten

# So many labels and confusions are shown; JSON has more.
SHOWN_LABELS, SHOWN_CONFUSIONS = 100, 10
HEADER = ("", "Precision", "Recall", "F", "Support", "Predicted")

STRUCTURE_NAMES = {
    "nested": "inside another one",
    "same_label_nested": "inside another one of the same label",
    "crossing": "crossing another one",
    "multi_label": "several labels on the same text",
    "flat": "sharing no text with another one",
    "discontinuous": "discontinuous (whole entities)",
}
SURFACE_NAMES = {
    "seen": "seen in training with this label",
    "other_label": "seen with other labels only",
    "unseen": "never seen",
}
SCHEME_NAMES = {
    "strict": "strict: borders and label",
    "exact": "exact: borders",
    "partial": "partial: borders, half for an overlap",
    "type": "type: label of an overlap",
}
OUTCOME_NAMES = {
    "correct": "right",
    "other_label": "right borders, wrong label",
    "other_borders": "wrong borders, right label",
    "other_both": "overlap, but wrong borders and label",
    "missed": "missed",
    "spurious": "spurious",
}


def render(found: Mapping[str, Any]) -> str:
    """Tell what came out.

    found (Mapping[str, Any]): The evaluation, as it is written as JSON.
    RETURNS (str): The text, to be printed.
    """
    parts = [_divider("Evaluation"), *_about(found), _table(HEADER, _overall(found))]
    if found["runne"]:
        parts.append(_runne(found["runne"]))
    parts += [_divider("Labels"), *_labels(found["labels"])]
    parts += [_divider("Kinds of spans"), _table(HEADER, _kinds(found))]
    parts += [_divider("Partial matches"), *_partial(found)]
    parts += _confusions(found)
    return "\n".join(parts)


def render_short(found: Mapping[str, Any], title: str) -> str:
    """Tell only how good all labels are together.

    found (Mapping[str, Any]): The evaluation.
    title (str): What it is about.
    RETURNS (str): The text, to be printed.
    """
    return "\n".join([_divider(title), *_about(found), _table(HEADER, _overall(found))])


def _about(found: Mapping[str, Any]) -> List[str]:
    """What was scored."""
    lines: List[Tuple[str, str]] = []
    model, data, speed = found.get("model"), found.get("data"), found.get("speed")
    if model:
        lines.append(("Model", f"{model['path']} ({model['name']} {model['version']})"))
        lines.append(("Pipe", f"{model['pipe']} ({model['factory']})"))
        names = [f"{model[key]} ({key})" for key in STARTED_FROM if model[key]]
        lines.append(("Encoder started from", ", ".join(names) or "random weights"))
    if data:
        lines.append(("Gold", f"{found['scored']['gold']} of {data['path']}"))
        lines.append(("Predictions", found["scored"]["predicted"]))
        lines.append(("Documents", number(data["documents"])))
    if speed and speed["words_per_second"]:
        rate = number(round(speed["words_per_second"]))
        lines.append(("Words", f"{number(speed['words'])}, {rate} a second"))
    width = max((len(name) for name, _ in lines), default=0)
    return [f"{name:<{width}}   {shorten(text, 1000)}" for name, text in lines]


STARTED_FROM = ("init_tok2vec", "transformer", "vectors")


def _overall(found: Mapping[str, Any]) -> Iterator[List[str]]:
    """Rows of scores over all labels."""
    yield row_of("Spans, micro", found["micro"])
    yield _macro_row("Spans, macro", found["macro"])
    if found["rare"]:
        rare = found["rare"]
        for name, some in (("Rare labels", rare), ("Other labels", rare["others"])):
            yield row_of(f"{name}, micro", some["micro"])
            yield _macro_row(f"{name}, macro", some["macro"])
    yield row_of("Spans, whatever the label", found["borders"])
    accuracy = percent(found["type_accuracy"])
    yield ["Type accuracy of these", accuracy, "", "", "", ""]
    if any(found["structure"]["discontinuous"][key] for key in ("support", "predicted")):
        yield row_of("Whole entities, micro", found["entities"]["micro"])
        yield _macro_row("Whole entities, macro", found["entities"]["macro"])
    if found["flat"]:
        yield row_of("Flat view (doc.ents), micro", found["flat"]["micro"])
        yield _macro_row("Flat view (doc.ents), macro", found["flat"]["macro"])


def _runne(scores: Mapping[str, Any]) -> str:
    main, few = percent(scores["main"]), percent(scores["few_shot"])
    names = ", ".join(map(shorten, scores["few_shot_labels"]))
    return f"RuNNE: {main} main, {few} few-shot ({names})\n"


def _labels(labels: Mapping[str, Any]) -> List[str]:
    shown = list(labels.items())[:SHOWN_LABELS]
    parts = [_table(HEADER, (row_of(shorten(label), score) for label, score in shown))]
    if len(labels) > len(shown):
        parts.append(f"... and {len(labels) - len(shown)} labels more")
    return parts


def _kinds(found: Mapping[str, Any]) -> Iterator[List[str]]:
    """Rows of classes of spans that are there."""
    ways: List[Tuple[str, str, Optional[Dict[str, str]]]] = [
        ("How they lie", "structure", STRUCTURE_NAMES),
        ("Tokens of the span", "span_length", None),
        ("Tokens of the sentence", "sentence_length", None),
        ("Tokens of the document", "document_length", None),
        ("Spans around it", "nesting_depth", None),
        ("Words", "surface", SURFACE_NAMES),
        ("Mentions of the label in training", "training_frequency", None),
    ]
    for title, key, names in ways:
        # Evaluations that were written earlier lack some.
        scores = found.get(key) or {}
        some = {k: s for k, s in scores.items() if s["support"] or s["predicted"]}
        if some:
            yield [title, "", "", "", "", ""]
        for name, score in some.items():
            yield row_of(f"  {names[name] if names else name}", score)


def _partial(found: Mapping[str, Any]) -> List[str]:
    columns = ("correct", "incorrect", "partial", "missed", "spurious")
    rows = []
    for key, name in SCHEME_NAMES.items():
        scores = found["partial"][key]
        counts = [number(scores[column]) for column in columns]
        rows.append([name, *counts, *(percent(scores[k]) for k in ("precision", "recall", "f"))])
    header = ("", *(column.capitalize() for column in columns), "Precision", "Recall", "F")
    outcomes = [f"{name} {number(found['outcomes'][key])}" for key, name in OUTCOME_NAMES.items()]
    return [_table(header, rows), "; ".join(outcomes)]


def _confusions(found: Mapping[str, Any]) -> List[str]:
    shown = found["confusions"][:SHOWN_CONFUSIONS]
    if not shown:
        return []
    rows = [[shorten(c["gold"]), shorten(c["predicted"]), number(c["count"])] for c in shown]
    header = ("Gold", "Predicted", "Count")
    text = table(rows, header=header, divider=True, aligns=("l", "l", "r"), max_col=70)
    return [_divider("Most frequent confusions of labels"), text.strip("\n")]


class Oddity(NamedTuple):
    """Something out of the ordinary.

    is_bad (bool): Whether a score is low for it, and somebody may want to do something about it.
    text (str): What it is.
    examples (Sequence[str]): Examples, if there are any.
    """

    is_bad: bool
    text: str
    examples: Sequence[str] = ()


def oddities(found: Mapping[str, Any]) -> Iterator[Oddity]:
    """Say what a score may be low for, and what was not scored.

    found (Mapping[str, Any]): The evaluation, as it is written as JSON.
    YIELDS (Oddity): What is out of the ordinary.
    """
    data, looked = found["data"], found.get("candidates")
    if looked is not None:
        recall = "-" if looked["recall"] is None else f"{100 * looked['recall']:.2f}"
        yield Oddity(
            False,
            f"Candidate recall {recall}: of {number(looked['gold'])} gold spans the pipe looked at "
            f"{number(looked['found'])}, among {number(looked['proposed'])} spans. The others it must miss.",
        )
    if data["not_annotated"]:
        yield Oddity(
            False,
            f"Documents without {found['scored']['gold']}, which are not annotated and not scored: "
            f"{number(data['not_annotated'])}",
        )
    if data["empty"]:
        yield Oddity(False, f"Documents without any words: {number(data['empty'])}")
    for name, count in data["mended"].items():
        yield Oddity(True, f"{name}: {number(count)}")
    if found["unjudged"]:
        unjudged = number(found["unjudged"])
        yield Oddity(False, f"Predictions where annotation is unknown, not scored: {unjudged}")
    if found["unknown_labels"]:
        names = ", ".join(f"{shorten(k)} ({n:,})" for k, n in found["unknown_labels"].items())
        yield Oddity(
            True,
            f"Labels of the gold that the model does not know, so that they are missed: {names}",
        )
    if data["other_tokens"]:
        n = number(data["other_tokens"])
        yield Oddity(False, f"Documents that the model cuts into other tokens: {n}")
    unreachable = found["unreachable"]
    if unreachable["count"]:
        title = f"Gold that cuts a token of the model and is missed: {number(unreachable['count'])}"
        yield Oddity(True, title, examples_of(unreachable))


def examples_of(unreachable: Mapping[str, Any]) -> List[str]:
    """RETURNS (List[str]): A line for each label of which gold cannot be found, with an example."""
    lines = []
    for label, entry in unreachable["labels"].items():
        first = entry["examples"][0]
        lines.append(
            f"{shorten(label)} {number(entry['count'])}: {shorten(first['text'])!r}, characters "
            f"{first['start']} to {first['end']} of document {shorten(first['document'])!r}"
        )
    return lines


def row_of(name: str, score: Mapping[str, Any]) -> List[str]:
    """RETURNS (List[str]): A score as a row under `HEADER`."""
    return [
        name,
        *(percent(score[key]) for key in ("precision", "recall", "f")),
        number(score["support"]),
        number(score["predicted"]),
    ]


def _macro_row(name: str, score: Mapping[str, Any]) -> List[str]:
    values = [percent(score[key]) for key in ("precision", "recall", "f")]
    return [f"{name} ({score['labels']} labels)", *values, "", ""]


def percent(value: Optional[float]) -> str:
    """RETURNS (str): A fraction in percent."""
    return "-" if value is None else f"{100 * value:.2f}"


def _divider(text: str) -> str:
    return str(Printer(no_print=True).divider(text))


def _table(header: Sequence[str], rows: Iterator[List[str]] | List[List[str]]) -> str:
    """A table with names to the left and numbers to the right."""
    aligns = ("l", *"r" * (len(header) - 1))
    text = table(list(rows), header=header, divider=True, aligns=aligns, max_col=70)
    return f"{text.strip(chr(10))}\n"
