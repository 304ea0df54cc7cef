"""CoNLL-U with entities as brackets in its last column, as in CorefUD and GUM:

# global.Entity = eid-etype-head-other
1   Bank      ...   Entity=(e1-organization-1-
2   of        ...   _
3   England   ...   Entity=(e2-place-1-)e1)

or as tags there (name=B-ORG), as in NorNE.
"""

from dataclasses import dataclass, field
from typing import Callable, Iterator, List, Literal, Optional, Tuple

from ...format import Format
from ...notes import Kind, Notes
from ...records import Entity, Record, Stretch
from ...textfile import BadLine, Head, TextFile
from ..shared.spacing import spacing_of
from ..shared.tags import TagReader
from .brackets import Brackets, Mention, fields_of
from .layout import GLOBAL, ID, TAG, is_conllu

NO_SURFACE = Kind("entity of empty nodes only: it is not in the text", is_loss=True)
PART_OF_TOKEN = Kind("entity that cuts a multiword token: it gets all of it", is_loss=True)
UNTYPED = Kind("entity without a type")
ORPHAN = Kind("tag that continues nothing: it opens an entity")

SPLIT = "Correct it; CoNLL-U has 10 columns with single tabs between them"


@dataclass
class Sentence:
    """A sentence.

    lines (List[int]): The numbers of its lines.
    rows (List[List[str]]): Their cells.
    comments (List[str]): The comments before them.
    is_bad (bool): Whether something is wrong with it, which has been noted.
    """

    lines: List[int] = field(default_factory=list)
    rows: List[List[str]] = field(default_factory=list)
    comments: List[str] = field(default_factory=list)
    is_bad: bool = False

    def value(self, *keys: str) -> Optional[str]:
        """RETURNS (Optional[str]): The value of a comment, "" if it has none; None if it is not
        there.
        """
        for comment in self.comments:
            key, _, value = comment[1:].partition("=")
            if key.strip() in keys:
                return value.strip()
        return None


def recognise(head: Head) -> Optional[str]:
    """RETURNS (Optional[str]): What says that a file is CoNLL-U with entities, or None."""
    return is_conllu(head)


def read(
    file: TextFile,
    notes: Notes,
    *,
    key: str = "auto",
    type_field: str = "auto",
    label: str = "ENTITY",
    document: Literal["auto", "sentence", "newdoc", "file"] = "auto",
) -> Iterator[Record]:
    """Read CoNLL-U. Multiword tokens are one token; empty nodes are left out.

    file (TextFile): The file.
    notes (Notes): Where bad lines and brackets are noted.
    key (str): The attribute in the last column that holds the entities; "auto": Entity, or one
        whose values are tags.
    type_field (str): Which field of a bracket is the label, by its name in "# global.Entity" or its
        number (from 1).
    label (str): The label of entities without a type.
    document (Literal): What one record is: the "sentence", the document from one "# newdoc" to the
        next, the "file"; "auto": the document if there is such a mark, else the sentence.
    YIELDS (Record): The documents or sentences.
    """
    head = file.head()
    if key == "auto":
        key = _find_key(head)
    declared = next((match[1] for line in head.lines if (match := GLOBAL.match(line))), "")
    fields = fields_of(declared, type_field)
    if fields is None:
        found = f"a bracket has no field {type_field!r}, only {declared or '(not declared)'}"
        notes.bad(file.where(), found, "Say another one with --read type_field=NAME or NUMBER")
        return
    notes.decided(f"entities are in {key}=" + (f" ({declared})" if declared else ""))
    if document == "auto":
        has_marks = any(line.startswith("# newdoc") for line in head.lines)
        document = "newdoc" if has_marks else "sentence"
    words = {"newdoc": "document from one # newdoc to the next"}
    notes.decided(f"a record is a {words.get(document, document)}")
    brackets = Brackets(fields, notes, file)
    tags = TagReader(label) if key != "Entity" else None

    def start() -> Document:
        return Document(file, notes, key, brackets, tags, label)

    yield from _read_documents(file, notes, document, start)


def _read_documents(
    file: TextFile, notes: Notes, unit: str, start: Callable[[], "Document"]
) -> Iterator[Record]:
    """YIELDS (Record): The sentences, documents or the file, each begun by `start`."""
    stem = file.name
    name, n_documents, n = "", 0, 0
    growing = start()
    for sentence in _sentences(file, notes):
        starts = sentence.value("newdoc id", "newdoc")
        if starts is not None:
            n_documents += 1
            name = starts or f"{stem}-{n_documents}"
        new = unit == "sentence" or (unit == "newdoc" and starts is not None)
        if new and growing.tokens:
            yield growing.finish()
        if new or not growing.id:
            n += 1
            growing = start()
            growing.id = {"file": stem, "newdoc": name}.get(unit) or f"{stem}-{n}"
            if unit == "sentence":
                growing.id = sentence.value("sent_id") or growing.id
                growing.document = name
        if not sentence.is_bad:
            growing.add(sentence)
    if growing.tokens:
        yield growing.finish()


def _find_key(head: Head) -> str:
    """RETURNS (str): Which attribute holds the entities."""
    if not any("Entity=" in line for line in head.lines):
        for line in head.lines:
            tag = TAG.search(line.rpartition("\t")[2])
            if tag and not line.startswith("#"):
                return tag[1]
    return "Entity"


def _sentences(file: TextFile, notes: Notes) -> Iterator[Sentence]:
    """YIELDS (Sentence): The sentences."""
    sentence = Sentence()
    for number, line in file.lines(notes):
        if isinstance(line, BadLine):
            sentence.is_bad = True
        elif not line.strip():
            if sentence.rows or sentence.is_bad:
                yield sentence
                sentence = Sentence()
        elif line.startswith("#"):
            sentence.comments.append(line)
        else:
            cells = line.split("\t")
            if len(cells) == 10 and ID.fullmatch(cells[0]):
                sentence.rows.append(cells)
                sentence.lines.append(number)
                continue
            found = (
                f"{len(cells)} columns, not 10: {line[:60]!r}"
                if len(cells) != 10
                else f"{cells[0]!r} is no number of a word"
            )
            notes.bad(file.where(number), found, SPLIT)
            sentence.is_bad = True
    if sentence.rows:
        yield sentence


class Document:
    """A document that is being read.

    file (TextFile): The file.
    notes (Notes): Where odd entities are noted.
    key (str): The attribute that holds the entities.
    brackets (Brackets): What reads brackets.
    tags (Optional[TagReader]): What reads tags instead, if it is these.
    label (str): The label of entities without a type.
    """

    def __init__(
        self,
        file: TextFile,
        notes: Notes,
        key: str,
        brackets: Brackets,
        tags: Optional[TagReader],
        label: str,
    ) -> None:
        self.file, self.notes, self.key, self.label = file, notes, f"{key}=", label
        self.brackets, self.tags = brackets, tags
        self.id = self.document = ""
        self.line = 0
        self.parts: List[str] = []
        self.length = 0
        self.tokens: List[Stretch] = []
        self.sents: List[Stretch] = []
        # For each word, its token, and whether it is the first and the last in it.
        self.words: List[Tuple[int, bool, bool]] = []
        self.mentions: List[Mention] = []
        self.after: Optional[str] = None

    def add(self, sentence: Sentence) -> None:
        """Add a sentence."""
        self.line = self.line or sentence.lines[0]
        is_paragraph = sentence.value("newpar", "newpar id") is not None
        if self.tokens:
            if self.after is None:
                self.after = "\n" if is_paragraph else " "
            self._write(self.after)
        start, first_word = self.length, len(self.words)
        last_of_token = ""
        cells_of_words: List[str] = []
        for i, cells in enumerate(sentence.rows):
            id, form, misc = cells[0], cells[1], cells[9]
            value = self._value(misc)
            if "." in id:
                # An empty node: what opens there begins with the next word.
                self._read_brackets(value, len(self.words), sentence.lines[i])
                continue
            if "-" in id:
                self._token(form, misc, is_first=i == 0)
                last_of_token = id.partition("-")[2]
                first_of_token = id.partition("-")[0]
                self._read_brackets(value, len(self.words), sentence.lines[i])
                continue
            inside = bool(last_of_token)
            if not inside:
                self._token(form, misc, is_first=i == 0)
            is_first = not inside or id == first_of_token
            is_last = not inside or id == last_of_token
            self.words.append((len(self.tokens) - 1, is_first, is_last))
            last_of_token = "" if is_last else last_of_token
            if self.tags is not None:
                cells_of_words.append(value or "O")
            else:
                self._read_brackets(value, len(self.words) - 1, sentence.lines[i], is_word=True)
        self.sents.append((start, self.length))
        if self.tags is not None:
            self._read_tags(cells_of_words, first_word, sentence)

    def finish(self) -> Record:
        """RETURNS (Record): The document."""
        self.mentions += self.brackets.finish()
        entities: List[Entity] = []
        for mention in self.mentions:
            entity = self._entity(mention)
            if entity is not None:
                entities.append(entity)
        where = self.file.where(self.line, self.id)
        record = Record("".join(self.parts), entities, where, self.id, self.document)
        record.tokens = self.tokens
        record.sents = self.sents
        return record

    def _value(self, misc: str) -> str:
        if self.key not in misc:
            return ""
        parts = misc.split("|")
        return next((at[len(self.key) :] for at in parts if at.startswith(self.key)), "")

    def _write(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)

    def _token(self, form: str, misc: str, is_first: bool) -> None:
        """Write a token, and what stands before it."""
        after, before, _ = spacing_of(misc) if misc != "_" else (None, "", None)
        if not is_first:
            self._write(" " if self.after is None else self.after)
        self._write(before if before.isspace() else "")
        self.tokens.append((self.length, self.length + len(form)))
        self._write(form)
        self.after = after if after is None or not after or after.isspace() else None

    def _read_brackets(self, value: str, word: int, line: int, is_word: bool = False) -> None:
        if value and self.tags is None:
            self.mentions += self.brackets.read(value, word, word + is_word, line)

    def _read_tags(self, cells: List[str], first_word: int, sentence: Sentence) -> None:
        assert self.tags is not None
        lines = [n for n, row in zip(sentence.lines, sentence.rows) if row[0].isdigit()]
        for i, cell in enumerate(cells):
            if self.tags.parse(cell) is None:
                found = f"{self.key}{cell} is no tag (B-PER, I-PER, O)"
                self.notes.bad(self.file.where(lines[i]), found, "Correct it, or say --read key=")
                cells[i] = "O"
        spans, odd = self.tags.spans(cells)
        for at in odd:
            self.notes.add(ORPHAN, self.file.where(lines[at.token]), at.label)
        for start, end, label in spans:
            ranges = [(first_word + start, first_word + end)]
            self.mentions.append(Mention(ranges, label, "", lines[start]))

    def _entity(self, mention: Mention) -> Optional[Entity]:
        """RETURNS (Optional[Entity]): An entity, from words to characters."""
        where = self.file.where(mention.line, self.id)
        label = mention.label
        if not label:
            label = self.label
            self.notes.add(UNTYPED, where, label)
        fragments: List[Stretch] = []
        is_cut = False
        for start, end in mention.ranges:
            if start < end:
                first, begins, _ = self.words[start]
                last, _, ends = self.words[end - 1]
                is_cut = is_cut or not (begins and ends)
                fragments.append((self.tokens[first][0], self.tokens[last][1]))
        if not fragments:
            self.notes.add(NO_SURFACE, where, label)
            return None
        entity = Entity(tuple(fragments), label, mention.kb_id)
        if is_cut:
            self.notes.add(PART_OF_TOKEN, where, label, entity.text_in("".join(self.parts)))
        return entity


FORMAT = Format(
    name="conllu",
    about="CoNLL-U with Entity= brackets or tags in MISC (CorefUD, GUM, NorNE)",
    suffixes=(".conllu",),
    recognise=recognise,
    read=read,
)
