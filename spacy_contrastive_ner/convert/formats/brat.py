"""brat's stand-off annotation: a text and beside it a file of annotations, in and out."""

import re
import unicodedata
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Literal, NamedTuple, Optional, Set, Tuple

from ..format import Format
from ..notes import Kind, Notes
from ..records import Entity, Record, Where
from ..standoff import Mention, fit, settle, without_surfaces
from ..textfile import BadLine, Head, TextFile

# Besides brat's own, the two parts of the BioNLP shared tasks: given and asked for.
ANNOTATIONS = (".ann", ".a1", ".a2")
PASSED_OVER = {
    "R": Kind("Relations (R) passed over"),
    "E": Kind("Events (E) passed over"),
    "A": Kind("Attributes (A, M) passed over"),
    "M": Kind("Attributes (A, M) passed over"),
    "N": Kind("Normalisations (N) of what is no entity passed over"),
    "#": Kind("Comments (#) passed over"),
    "*": Kind("Equivalences (*) passed over"),
}
NO_ANNOTATION = Kind("Texts without an .ann beside, read as texts without entities")
NO_CORPUS = Kind("Files beside the texts (README, LICENSE) passed over")
NO_LABEL = Kind("Entities without a label, which brat cannot hold, left out", is_loss=True)
NO_MISSING = Kind("Stretches of unknown annotation, which brat cannot hold", is_loss=True)
NO_TOKENS = Kind("Tokens or sentences, which brat cannot hold, not written")
NO_META = Kind("Other properties of documents, which brat cannot hold, not written")
RENAMED = Kind("Documents written under another name than their id")

TEXT_BOUND = re.compile(r"(T\S*)\t(.+?)[ \t]+(\d+ +\d+(?:;\d+ +\d+)*)[ ]*(?:\t(.*))?$")
REFERENCE = re.compile(r"N\S*\t\S+ +(\S+) +([^\t]*?) *(?:\t.*)?$")
LINE = re.compile(r"(?:[TREAMN#][^\t ]*|\*)\t\S")
ESCAPED = re.compile(r"(?:%[0-9A-F]{2})+")
# What no file system wants in a name, and white space, at which lines of annotation are cut.
UNSAFE = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]|^[. ]|[. ]$|%(?=[0-9A-F]{2})')
BLANK = re.compile(r"\s|%(?=[0-9A-F]{2})")
MAX_NAME_BYTES = 200


def recognise(head: Head) -> Optional[str]:
    """Recognise annotations by their lines, and texts by the annotations beside them."""
    suffix = head.path.suffix.lower()
    lines = [line for line in head.lines if line.strip()]
    if suffix == ".txt":
        beside = _annotations_of(head.path)
        return f"a text with its annotations ({beside[0].name}) beside it" if beside else None
    if suffix in ANNOTATIONS[1:]:
        # They are read with their text.
        return None
    fits = bool(lines) and all(LINE.match(line) for line in lines)
    if fits and any(TEXT_BOUND.match(line) for line in lines):
        return "lines such as T1<TAB>label start end<TAB>text"
    # One that is damaged has its text beside it, and is refused with the line.
    if suffix == ".ann" and (fits or not head.data or head.path.with_suffix(".txt").is_file()):
        return "a file of annotations (.ann)"
    return None


def read(
    file: TextFile,
    notes: Notes,
    *,
    missing_ann: Literal["error", "empty"] = "error",
    surfaces: Literal["check", "ignore"] = "check",
) -> Iterator[Record]:
    """Read a text and the annotations beside it, when its .ann comes; the text alone yields
    nothing, unless there are only other annotations (.a1, .a2) or none. Entities are the T lines,
    with what the N lines say they refer to; further N lines of an entity are added after a "|".
    In labels, ids and names of files, %20 and the like stand for characters (as `write` has it).

    missing_ann (str): What a text without annotations is: an error, or a text without entities.
    surfaces (str): Whether the text of the mentions is compared with what stands at their offsets,
        to find out how these count, or ignored.
    """
    files = _find(file, notes, missing_ann)
    if files is None:
        return
    text_file, sources = files
    id = unescape(file.name)
    where = (sources[0] if sources else file).where(id=id)
    mentions = _read_annotations(sources, notes)
    if surfaces == "ignore":
        mentions = without_surfaces(mentions)
    fitted = fit(text_file.text(keep_mark=True), mentions)
    entities = settle(fitted, where, notes)
    if entities is not None:
        yield Record(fitted.text, entities, where, id=id, document=id)


def _find(
    file: TextFile, notes: Notes, missing_ann: str
) -> Optional[Tuple[TextFile, List[TextFile]]]:
    """Find what belongs together.

    RETURNS (Optional[Tuple[TextFile, List[TextFile]]]): The text and its annotations, if they are
        to be read now.
    """
    path, where = file.path, file.where()
    if path.suffix.lower() != ".txt":
        text = file.beside(".txt") or file.beside(".TXT")
        if text is None:
            notes.bad(where, "there is no text beside it (.txt)", "Put the text beside it")
            return None
        return text, [file]
    found = _annotations_of(path)
    if found and found[0].suffix == ".ann":
        notes.decided("each .txt is read with the .ann beside it")
        return None
    if not found and path.stem.lower().startswith(("readme", "license", "licence")):
        notes.add(NO_CORPUS, where)
        return None
    if not found and missing_ann == "error":
        notes.bad(
            where,
            "there are no annotations beside the text (.ann)",
            "Add them, or read it as a text without entities: --read missing_ann=empty",
        )
        return None
    if not found:
        notes.add(NO_ANNOTATION, where)
    return file, [source for beside in found if (source := file.at(beside)) is not None]


def annotations_for(path: Path) -> Path:
    """RETURNS (Path): The .ann beside a text, the file itself if there is none or it is no text."""
    found = _annotations_of(path) if path.suffix.lower() == ".txt" else []
    return found[0] if found and found[0].suffix == ".ann" else path


def _annotations_of(path: Path) -> List[Path]:
    """RETURNS (List[Path]): The annotations beside a text: its .ann, else others."""
    own = path.with_suffix(".ann")
    if own.is_file():
        return [own]
    return [beside for suffix in ANNOTATIONS if (beside := path.with_suffix(suffix)).is_file()]


def _read_annotations(files: List[TextFile], notes: Notes) -> List[Mention]:
    """RETURNS (List[Mention]): The mentions of the annotation files of a text."""
    mentions: Dict[str, Mention] = {}
    references: List[Tuple[Where, str, str, str]] = []
    for file in files:
        for number, line in file.lines(notes):
            if not line.strip() or isinstance(line, BadLine):
                continue
            where = file.where(number)
            reference = REFERENCE.match(line)
            if TEXT_BOUND.match(line):
                _add_mention(line, where, mentions, notes)
            elif reference:
                references.append((where, line, reference[1], reference[2]))
            elif line[0] in PASSED_OVER:
                notes.add(PASSED_OVER[line[0]], where, text=line)
            else:
                notes.bad(
                    where,
                    f"{line[:60]!r} is no annotation of brat",
                    "It should be such as T1<TAB>label start end<TAB>text",
                )
    for where, line, name, kb_id in references:
        if name not in mentions:
            notes.add(PASSED_OVER["N"], where, text=line)
            continue
        known, kb_id = mentions[name].kb_id, unescape(kb_id)
        mentions[name] = mentions[name]._replace(kb_id=f"{known}|{kb_id}" if known else kb_id)
    return list(mentions.values())


def _add_mention(line: str, where: Where, mentions: Dict[str, Mention], notes: Notes) -> None:
    """Add the mention of a T line."""
    found = TEXT_BOUND.match(line)
    assert found is not None  # the caller knows it as a T line by this
    name, label, offsets, surface = found.groups()
    if name in mentions:
        notes.bad(
            where, f"there is a {name} already", "Give each annotation a name (T1) of its own"
        )
        return
    numbers = [int(number) for number in re.findall(r"\d+", offsets)]
    fragments = tuple(zip(numbers[::2], numbers[1::2]))
    mentions[name] = Mention(fragments, unescape(label), "", surface or "", where.line)


def write(records: Iterable[Record], path: Path, notes: Notes) -> None:
    """Write a text file and an annotation file for each record, named after its id. What names of
    files and lines of annotation cannot hold (white space in labels, "/" in ids) is written as the
    UTF-8 bytes of the character, such as %20; so is a "%" before two such digits. Line ends and
    byte order marks of the text stay as they are, and an entity over a line end is one fragment.
    """
    names = Names()
    for record in records:
        _count_losses(record, notes)
        try:
            text = record.text.encode("utf-8")
            lines = "".join(_annotation_lines(record, notes)).encode("utf-8")
            name, is_id = names.make(record.id)
        except UnicodeEncodeError as error:
            notes.bad(
                record.where,
                f"the character {error.object[error.start]!a} cannot be written as UTF-8",
                "Remove it: it is half of a character",
            )
            continue
        if not is_id:
            notes.add(RENAMED, record.where, text=f"{record.id} -> {name}")
        (path / f"{name}.txt").write_bytes(text)
        (path / f"{name}.ann").write_bytes(lines)


def _count_losses(record: Record, notes: Notes) -> None:
    if record.missing:
        notes.add(NO_MISSING, record.where, n=len(record.missing))
    if record.tokens is not None or record.sents is not None:
        notes.add(NO_TOKENS, record.where)
    if record.meta or record.document not in ("", record.id):
        notes.add(NO_META, record.where)


def _annotation_lines(record: Record, notes: Notes) -> Iterator[str]:
    """YIELDS (str): The lines of annotation of a record."""
    n_entities = n_references = 0
    for entity in record.entities:
        if not entity.label:
            notes.add(NO_LABEL, record.where, text=entity.text_in(record.text))
            continue
        n_entities += 1
        offsets = ";".join(f"{start} {end}" for start, end in entity.fragments)
        surface = re.sub(r"[\r\n\t]", " ", entity.text_in(record.text))
        yield f"T{n_entities}\t{escape(entity.label, BLANK)} {offsets}\t{surface}\n"
        for kb_id in _parts(entity):
            n_references += 1
            yield f"N{n_references}\tReference T{n_entities} {escape(kb_id, BLANK)}\n"


def _parts(entity: Entity) -> List[str]:
    """RETURNS (List[str]): What an entity refers to, each in a line of its own if that can be read
    back.
    """
    parts = entity.kb_id.split("|")
    return parts if all(parts) else [entity.kb_id] if entity.kb_id else []


class Name(NamedTuple):
    """The name of a pair of files, without suffix.

    text (str): The name.
    is_id (bool): Whether the id of the document can be read from it.
    """

    text: str
    is_id: bool


class Names:
    """Names of files for ids: safe on all systems, and each once, also where upper case is lower
    case.
    """

    def __init__(self) -> None:
        self.taken: Set[str] = set()
        self.numbers: Dict[str, int] = {}

    def make(self, id: str) -> Name:
        """RETURNS (Name): A name that was not made before."""
        plain = escape(id, UNSAFE)
        ways = [plain, "".join(f"%{byte:02X}" for byte in id.encode("utf-8"))]
        for text in ways if id else []:
            if len(text.encode("utf-8")) <= MAX_NAME_BYTES and self._take(text):
                return Name(text, True)
        stem = plain.encode("utf-8")[:MAX_NAME_BYTES].decode("utf-8", "ignore") or "document"
        while True:
            self.numbers[stem] = self.numbers.get(stem, 0) + 1
            text = f"{stem}-{self.numbers[stem]}"
            if self._take(text):
                return Name(text, not id)

    def _take(self, text: str) -> bool:
        key = unicodedata.normalize("NFC", text).casefold()
        if key in self.taken:
            return False
        self.taken.add(key)
        return True


def escape(text: str, unsafe: "re.Pattern[str]") -> str:
    """RETURNS (str): The text, with the UTF-8 bytes of unsafe characters as %20 and the like."""
    return unsafe.sub(
        lambda match: "".join(f"%{byte:02X}" for byte in match.group().encode("utf-8")), text
    )


def unescape(text: str) -> str:
    """RETURNS (str): The text, with what `escape` has written as it was."""
    return ESCAPED.sub(_characters, text)


def _characters(match: "re.Match[str]") -> str:
    try:
        return bytes.fromhex(match.group().replace("%", "")).decode("utf-8")
    except UnicodeDecodeError:
        return match.group()


FORMAT = Format(
    name="brat",
    about="brat's stand-off annotation, .txt and .ann",
    suffixes=(".ann", ".txt"),
    recognise=recognise,
    read=read,
    write=write,
    to_folder=True,
    instead=annotations_for,
)
