"""The lines of WebAnno TSV 3: header, sentences, tokens, and the text that they make up."""

import re
from dataclasses import dataclass, field
from typing import List, NamedTuple, Tuple

from ...notes import BadInput, Kind, Notes
from ...textfile import TextFile
from ..shared.offsets import Ruler

HEADER = re.compile(r"#T_(SP|RL|CH)=(.*)")
UNIT = re.compile(r"(\d+-\d+)(\.\d+)?\t(\d+)-(\d+)\t")
# Control characters are escaped by name, or by a backslash before them.
NAMED = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "b": "\b"}
JAVA_ESCAPE = re.compile(r"\\(?:u+([0-9a-fA-F]{4})|(.))", re.DOTALL)
MISMATCH = Kind("tokens that are not what the text has at their offsets", is_loss=True)
NAMED_VALUE = {"t": "\t", "n": "\n"}
# Between sentences there is white space; more of it than this is a wrong offset.
MAX_GAP = 100_000


class Layer(NamedTuple):
    """A layer of annotation.

    kind (str): "SP" for spans, "RL" for relations, "CH" for chains.
    name (str): Its name.
    features (List[str]): Its columns; [""] if it has no features.
    first (int): The number of the first of its columns.
    """

    kind: str
    name: str
    features: List[str]
    first: int


@dataclass
class Unit:
    """A token, or a part of one.

    line (int): Its line.
    start (int): Where it starts, in units of the file.
    end (int): Where it ends.
    form (str): The token.
    cells (List[str]): The columns of the layers.
    is_token (bool): Whether it is a whole token.
    """

    line: int
    start: int
    end: int
    form: str
    cells: List[str]
    is_token: bool


@dataclass
class Sentence:
    """A sentence: its text, and its tokens and their parts.

    line (int): Its first line.
    text (List[str]): The lines of its text.
    units (List[Unit]): The tokens and parts of them.
    """

    line: int
    text: List[str] = field(default_factory=list)
    units: List[Unit] = field(default_factory=list)


def parse(file: TextFile) -> Tuple[List[Layer], List[Sentence]]:
    """Read the lines of a file.

    file (TextFile): The file.
    RETURNS (Tuple[List[Layer], List[Sentence]]): The layers and the sentences.
    """
    layers: List[Layer] = []
    sentences: List[Sentence] = []
    version, open_header, columns = "", False, 0
    for number, line in file.lines():
        if number == 1:
            found = re.match(r"#FORMAT=WebAnno TSV (3\.\d+)", line)
            if found is None:
                raise BadInput(
                    file.where(1),
                    f"it begins with {line[:60]!r}, not with #FORMAT=WebAnno TSV 3",
                    "Export the document as WebAnno TSV 3, or name another format",
                )
            version = found[1]
        elif not sentences and (header := HEADER.match(line)):
            name, *features = header[2].split("|")
            features = [feature for feature in features if feature] or [""]
            layers.append(Layer(header[1], name, features, columns))
            columns += len(features)
        elif not line.strip("\t "):
            open_header = False
        elif line.startswith(("#Text=", "#Sentence.")) or (line[0] == "#" and not UNIT.match(line)):
            if not open_header:
                sentences.append(Sentence(number))
            open_header = True
            if line.startswith("#Text="):
                sentences[-1].text.append(_unescape_text(line[6:], version))
        else:
            open_header = False
            unit = _parse_unit(line, number, columns, file)
            if not sentences or not sentences[-1].text:
                raise BadInput(
                    file.where(number),
                    f"the token {unit.form!r} stands before the text of its sentence",
                    "Add a line #Text= before it",
                )
            sentences[-1].units.append(unit)
    return layers, _with_tokens(sentences, file)


def _with_tokens(sentences: List[Sentence], file: TextFile) -> List[Sentence]:
    """Take the sentences with a text, and check that they have tokens, which say where they are."""
    sentences = [sentence for sentence in sentences if sentence.text]
    for sentence in sentences:
        if not any(unit.is_token for unit in sentence.units):
            raise BadInput(
                file.where(sentence.line),
                f"the sentence {sentence.text[0][:60]!r} has no tokens",
                "The file may be cut off: export it again",
            )
    if not sentences:
        raise BadInput(file.where(), "it has no sentences", "Export the document again")
    return sentences


def _parse_unit(line: str, number: int, columns: int, file: TextFile) -> Unit:
    found = UNIT.match(line)
    fields = line.split("\t")
    if found is None:
        raise BadInput(
            file.where(number),
            f"{line[:60]!r} is no token: it does not begin with a number such as 1-1 and offsets",
            "Correct the line, or export the document again",
        )
    # Lines end with a tab. A token may itself be one, or hold one.
    if len(fields) > columns + 3 and not fields[-1]:
        fields.pop()
    if len(fields) < columns + 3:
        raise BadInput(
            file.where(number),
            f"the line has {len(fields)} columns, and the header names {columns + 3}",
            "Correct the line, or export the document again",
        )
    end = len(fields) - columns
    return Unit(
        number,
        int(found[3]),
        int(found[4]),
        "\t".join(fields[2:end]),
        fields[end:],
        found[2] is None,
    )


def _unescape_text(text: str, version: str) -> str:
    if "\\" not in text:
        return text

    def replace(match: "re.Match[str]") -> str:
        if match[1] is not None:
            # Only the older versions write characters by their number.
            return chr(int(match[1], 16)) if version in ("3.0", "3.1") else match[0]
        char = match[2]
        known = char == "\\" or char in NAMED or ord(char) < 32 or version in ("3.0", "3.1")
        return NAMED.get(char, char) if known else match[0]

    text = JAVA_ESCAPE.sub(replace, text)
    # Two of them may make up one character.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def unescape_value(value: str) -> str:
    """RETURNS (str): The value of a feature as it is meant."""
    return re.sub(r"\\(.)", lambda match: NAMED_VALUE.get(match[1], match[1]), value)


def lay_out(sentences: List[Sentence], file: TextFile, notes: Notes) -> Tuple[str, Ruler]:
    """Put the sentences at their places. Where the tokens do not fit in UTF-16 units, but do in
    characters, as some tools write them, these are taken.

    sentences (List[Sentence]): The sentences.
    file (TextFile): The file, for errors.
    notes (Notes): What is counted and decided.
    RETURNS (Tuple[str, Ruler]): The text, and what turns its offsets into code points.
    """
    text = _put_together(sentences, "utf-16", file)
    ruler = Ruler(text, "utf-16")
    wrong = _misplaced(sentences, text, ruler)
    if wrong and not all(char < "\U00010000" for char in text):
        try:
            other = _put_together(sentences, "characters", file)
        except BadInput:
            other = ""
        plain = Ruler(other, "characters")
        if other and len(_misplaced(sentences, other, plain)) < len(wrong):
            text, ruler, wrong = other, plain, _misplaced(sentences, other, plain)
            notes.decided("offsets count characters, not UTF-16 units as they should")
    for unit in wrong:
        notes.add(MISMATCH, file.where(unit.line), text=unit.form)
    return text, ruler


def _put_together(sentences: List[Sentence], units: str, file: TextFile) -> str:
    parts: List[str] = []
    length = 0
    for sentence in sentences:
        start = next(unit.start for unit in sentence.units if unit.is_token)
        if not length <= start <= length + MAX_GAP:
            raise BadInput(
                file.where(sentence.line),
                f"the sentence {sentence.text[0][:60]!r} starts at {start}, but what stands before "
                f"it ends at {length}",
                "Correct the offsets, or export the document again",
            )
        if start > length:
            gap = start - length
            parts.append("\n" + " " * (gap - 1) if parts else " " * gap)
        text = "\n".join(sentence.text)
        parts.append(text)
        length = start + (len(text.encode("utf-16-le")) // 2 if units == "utf-16" else len(text))
    return "".join(parts)


def _misplaced(sentences: List[Sentence], text: str, ruler: Ruler) -> List[Unit]:
    wrong = []
    for sentence in sentences:
        for unit in sentence.units:
            start, end = ruler.around(unit.start, unit.end)
            there = text[start:end]
            # The form is written as it is; some tools escape it, and a tab becomes a blank.
            if (
                there != unit.form
                and there
                not in (
                    _unescape_text(unit.form, "3.3"),
                    unescape_value(unit.form),
                )
                and there.split() != unit.form.split()
            ):
                wrong.append(unit)
    return wrong
