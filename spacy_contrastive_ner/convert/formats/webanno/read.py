"""WebAnno TSV 3, as INCEpTION and WebAnno write it."""

import re
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Optional, Tuple

from ...format import Format
from ...notes import BadInput, Kind, Notes
from ...records import Entity, Record, Stretch
from ...textfile import Head, TextFile
from ..shared.annotators import FileKind, agree, group_of_file, itself
from ..shared.inception_layers import label_feature, may_hold_entities, short
from ..shared.offsets import Ruler
from .lines import Layer, Sentence, lay_out, parse, unescape_value

OTHER_LAYER = Kind("annotations of other layers passed over")
RELATION = Kind("relations passed over")
CHAIN = Kind("links of coreference chains passed over")
NO_LAYER = Kind("documents without the layer that was asked for")
NO_LABEL = Kind("spans without a label passed over", is_loss=True)

# A value, which may hold escaped brackets, and the number that holds an annotation together.
VALUE = re.compile(r"((?:\\.|[^\\\[])*)\[(\d+)\]", re.DOTALL)
STACKED = re.compile(r"((?:\\.|[^\\|])*)(\||$)", re.DOTALL)
LINK = re.compile(r"(?<!\\)->(\d+-\d+)")


@dataclass
class Annotation:
    """An annotation of a layer.

    values (List[str]): The values of its features, as they are written.
    line (int): Its first line.
    pieces (List[Stretch]): The tokens and parts of tokens that it covers.
    """

    values: List[str]
    line: int
    pieces: List[Stretch] = field(default_factory=list)


def read(
    file: TextFile,
    notes: Notes,
    *,
    layer: str = "auto",
    feature: str = "auto",
    annotator: str = "auto",
) -> Iterator[Record]:
    """Read a document of WebAnno TSV 3. Its offsets count UTF-16 units, as Java does; what stands
    between its sentences is not in the file, and becomes a line break and blanks.

    INCEpTION writes a folder for each document, with a file for each annotator. So files in one
    folder, with the same text, are taken for one document, as those of UIMA CAS are.

    file (TextFile): The file.
    notes (Notes): What is counted and decided.
    layer (str): The layer with the entities, by its name or the last part of it. "auto": the first
        layer of spans with a feature "value", or else with any feature, that is not about words.
    feature (str): The feature that is the label. "auto": "value", or else the first that may be.
        Layers without features give their own name as the label.
    annotator (str): Whose annotations are read, by the name of the file. "auto": CURATION_USER, or
        else the first; "majority": what more than half of the annotators (without CURATION_USER)
        have; "every": each file is a document.
    YIELDS (Record): The document.
    """
    try:
        group = group_of_file(file, annotator, FILES, notes)
        if group is None:
            return
        names = group.names(file.path.stem, name=file.name)
        records = [_read(item, names, layer, feature, notes) for item in group.items]
    except BadInput as error:
        notes.bad(error.where, error.found, error.advice)
        return
    yield agree(records, notes)


def _read(file: TextFile, names: Tuple[str, str], layer: str, feature: str, notes: Notes) -> Record:
    """Read the file of one annotator."""
    layers, sentences = parse(file)
    chosen = _choose_layer(layers, layer, file, notes)
    column = _choose_feature(chosen, feature, file, notes)
    text, ruler = lay_out(sentences, file, notes)
    name, document = names
    record = Record(text, [], file.where(1, name), name, document, tokens=[], sents=[])
    assert record.tokens is not None and record.sents is not None
    for sentence in sentences:
        units = [ruler.around(unit.start, unit.end) for unit in sentence.units if unit.is_token]
        record.tokens += [(start, end) for start, end in units if text[start:end].strip()]
        length = sum(len(line) + 1 for line in sentence.text) - 1
        record.sents.append((units[0][0], units[0][0] + length))
    if chosen is not None:
        record.entities = list(_entities(sentences, chosen, column, record, ruler, notes))
    for other in layers:
        if other is not chosen:
            _count_other(sentences, other, file, notes)
    return record


def text_of(file: TextFile) -> str:
    """RETURNS (str): The text of a file."""
    _, sentences = parse(file)
    return lay_out(sentences, file, Notes())[0]


def recognise(head: Head) -> Optional[str]:
    """RETURNS (Optional[str]): Why a file is WebAnno TSV 3, None if it is not."""
    if head.lines and re.match(r"#FORMAT=WebAnno TSV 3\.", head.lines[0]):
        return f"its first line is {head.lines[0].strip()!r}"
    return None


FILES = FileKind(lambda file: recognise(file.head()) is not None, text_of)


def _choose_layer(layers: List[Layer], name: str, file: TextFile, notes: Notes) -> Optional[Layer]:
    spans = [layer for layer in layers if layer.kind == "SP"]
    if name != "auto":
        for layer in spans:
            if name in (layer.name, short(layer.name)):
                return layer
        # Only layers that are used in a document are in its header, so this is no error.
        there = ", ".join(short(layer.name) for layer in spans) or "none"
        notes.add(NO_LAYER, file.where(1), text=f"{name}; there are: {there}")
        return None
    fitting = [layer for layer in spans if may_hold_entities(layer.name)]
    fitting.sort(key=lambda layer: ("value" not in layer.features, not _features(layer)))
    if not fitting:
        notes.decided("some documents have no layer of spans, and so no entities")
        return None
    others = ", ".join(short(layer.name) for layer in spans if layer is not fitting[0])
    notes.decided(
        f"entities are read from the layer {fitting[0].name}"
        + (f" (other layers of spans: {others}; --read layer=NAME)" if others else "")
    )
    return fitting[0]


def _choose_feature(
    layer: Optional[Layer], name: str, file: TextFile, notes: Notes
) -> Optional[int]:
    """RETURNS (Optional[int]): The number of the feature in its layer; None if it has none."""
    if layer is None:
        return None
    features = _features(layer)
    chosen = label_feature(features) if name == "auto" else name
    if chosen is not None and chosen not in features:
        raise BadInput(
            file.where(1),
            f"the layer {layer.name} has no feature {name!r}; it has: {', '.join(features)}",
            "Name one of them, or leave out feature=",
        )
    if chosen is None:
        notes.decided(f"the layer {layer.name} has no feature: its name is the label")
        return None
    if name == "auto":
        notes.decided(f"the label is the feature {chosen!r} of the layer {layer.name}")
    return layer.features.index(chosen)


def _features(layer: Layer) -> List[str]:
    """RETURNS (List[str]): The features that may hold a label: not those with links."""
    return [
        name for name in layer.features if name and not name.startswith("ROLE_") and "." not in name
    ]


def _annotations(sentences: List[Sentence], layer: Layer) -> List[Annotation]:
    """Collect the annotations of a layer: what has the same number is one annotation."""
    found: List[Annotation] = []
    by_id: Dict[str, Annotation] = {}
    for sentence in sentences:
        for unit in sentence.units:
            cells = unit.cells[layer.first : layer.first + len(layer.features)]
            # What a link points to has numbers of others.
            stacks = [
                _stack(cell) if "." not in name else [(value, "") for value, _ in _stack(cell)]
                for name, cell in zip(layer.features, cells)
            ]
            for index in range(max(len(stack) for stack in stacks)):
                items = [stack[index] if index < len(stack) else ("*", "") for stack in stacks]
                id = next((id for _, id in items if id), "")
                annotation = by_id.get(id) if id else None
                if annotation is None:
                    annotation = Annotation([value for value, _ in items], unit.line)
                    found.append(annotation)
                    if id:
                        by_id[id] = annotation
                annotation.pieces.append((unit.start, unit.end))
    return found


def _stack(cell: str) -> List[Tuple[str, str]]:
    """RETURNS (List[Tuple[str, str]]): The values of a cell, each with its number or ""."""
    if cell == "_":
        return []
    values = [cell]
    if "|" in cell:
        values = [match[1] for match in STACKED.finditer(cell) if match[1] or match[2]]
    return [
        (found[1], found[2]) if (found := VALUE.fullmatch(value)) else (value, "")
        for value in values
    ]


def _entities(
    sentences: List[Sentence],
    layer: Layer,
    column: Optional[int],
    record: Record,
    ruler: Ruler,
    notes: Notes,
) -> Iterator[Entity]:
    kb = layer.features.index("identifier") if "identifier" in layer.features else None
    starts = [start for start, _ in record.tokens or ()]
    for annotation in _annotations(sentences, layer):
        fragments = _joined([ruler.around(*piece) for piece in annotation.pieces], record, starts)
        label = short(layer.name) if column is None else _value(annotation, column)
        if not label:
            start, end = fragments[0][0], fragments[-1][1]
            where = record.where._replace(line=annotation.line)
            notes.add(NO_LABEL, where, text=record.text[start:end])
            continue
        kb_id = _value(annotation, kb) if kb is not None and kb != column else ""
        yield Entity(tuple(fragments), label, kb_id)


def _value(annotation: Annotation, column: int) -> str:
    value = annotation.values[column]
    return "" if value in ("*", "_") else unescape_value(value)


def _joined(pieces: List[Stretch], record: Record, starts: List[int]) -> List[Stretch]:
    """Join the pieces of an annotation between which there is no part of a token."""
    tokens = record.tokens or []
    joined: List[Stretch] = []
    for start, end in sorted(set(pieces)):
        if joined:
            last = joined[-1][1]
            # The last token that starts before this piece is the one that may lie between.
            before = bisect_left(starts, start) - 1
            if last >= start or before < 0 or tokens[before][1] <= last:
                joined[-1] = (joined[-1][0], max(last, end))
                continue
        joined.append((start, end))
    return joined


def _count_other(sentences: List[Sentence], layer: Layer, file: TextFile, notes: Notes) -> None:
    """Count what a layer holds that is not read."""
    kind = {"SP": OTHER_LAYER, "RL": RELATION, "CH": CHAIN}[layer.kind]
    first, seen, n = 0, set(), 0
    if layer.kind == "SP":
        found = _annotations(sentences, layer)
        n, first = len(found), found[0].line if found else 0
    for sentence in sentences if layer.kind != "SP" else ():
        for unit in sentence.units:
            cells = unit.cells[layer.first : layer.first + len(layer.features)]
            links = [link for cell in cells for link in LINK.findall(cell)]
            # The links of a chain have numbers; relations stand at their target only.
            new = [link for link in links if link not in seen]
            seen.update(new)
            n += len(new) if layer.kind == "CH" else max(len(_stack(cell)) for cell in cells)
            first = first or unit.line * bool(n)
    if n:
        notes.add(kind, file.where(first), short(layer.name), n=n)


FORMAT = Format(
    name="webanno",
    about="WebAnno TSV 3, an export of INCEpTION and WebAnno",
    suffixes=(".tsv",),
    recognise=recognise,
    read=read,
    instead=itself,
)
