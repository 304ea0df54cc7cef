"""The dialect of CoNLL-U Plus that we write, in which nothing is lost:

    # global.columns = FORM NER NER MISC
    # global.tags = BIO
    # newdoc id = 7
    # sent_id = 7-1
    # text = No "Bank of England"!
    No        O       O       _
    "         O       O       SpaceAfter=No
    Bank      B-ORG   O       _
    of        I-ORG   O       _
    England   I-ORG   B-LOC   SpaceAfter=No
    "         O       O       SpaceAfter=No
    !         O       O       _

Between tokens is one blank, between sentences a line break, behind the last token nothing, unless
MISC says something else: SpaceAfter=No, or SpacesAfter= and SpacesBefore= with the escapes of
UDPipe. There, too, Form= is a token that its column cannot hold, and KB1= says what the entity of
layer 1 refers to. Further comments of a document: document (what it is a part of), sents, missing,
meta (JSON), and discontinuous (label and tokens, counted from 1: LOC 3-4 8-8).
"""

import json
import re
from typing import Dict, Iterator, List, Optional, Tuple
from urllib.parse import unquote

from ...notes import Notes
from ...records import Entity, Record, Stretch
from ...textfile import TextFile
from .blocks import Block, Sentence, SentenceReader

COMMENT = re.compile(r"# ([a-z_ ]+?)(?: = (.*))?", re.DOTALL)
RANGES = re.compile(r" ?((?:\d+-\d+ ?)+)(?:KB=(.*))?", re.DOTALL)
SURROGATE = re.compile("[\ud800-\udfff]")
# What a label in a tag cannot have: blanks at its ends, what ends a line or cannot be seen, and
# what would be read as an escape.
NOT_IN_LABEL = re.compile(r"^ | $|%(?=[0-9A-Fa-f]{2})|[^ -~\xa1-\ud7ff\ue000-\U0010ffff]")


def write_value(text: str) -> str:
    """RETURNS (str): A text as the value of a comment: as it is, or as a JSON string."""
    if text and text.isprintable() and text.strip() == text and text[0] not in '"[{':
        return text
    return write_json(text)


def write_json(value: object) -> str:
    """RETURNS (str): A value in a line of JSON that can be encoded."""
    text = json.dumps(value, ensure_ascii=False)
    return json.dumps(value) if SURROGATE.search(text) else text


def read_value(text: str) -> str:
    """RETURNS (str): The text that the value of a comment stands for."""
    return str(json.loads(text)) if text.startswith('"') else text


def write_label(label: str) -> str:
    """RETURNS (str): A label as it stands in a tag."""
    if not label or label == "%":
        return "%25" if label else "%"
    return NOT_IN_LABEL.sub(_quote, label)


def _quote(match: "re.Match[str]") -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


def read_label(text: str) -> str:
    """RETURNS (str): The label that stands in a tag."""
    if "%" not in text:
        return text
    return "" if text == "%" else unquote(text, errors="surrogatepass")


def write_discontinuous(entity: Entity, ranges: List[Tuple[int, int]]) -> str:
    """RETURNS (str): The value of the comment for a discontinuous entity.

    entity (Entity): The entity.
    ranges (List[Tuple[int, int]]): The first and last token of each fragment, counted from 0.
    """
    bare = write_value(entity.label)
    label = bare if " " not in bare else write_json(entity.label)
    tokens = " ".join(f"{first + 1}-{last + 1}" for first, last in ranges)
    return f"{label} {tokens}" + (f" KB={write_value(entity.kb_id)}" if entity.kb_id else "")


def read_discontinuous(text: str, tokens: List[Stretch]) -> Entity:
    """RETURNS (Entity): The entity that such a value stands for.

    text (str): The value.
    tokens (List[Stretch]): The tokens of the document.
    """
    if text.startswith('"'):
        label, end = json.JSONDecoder().raw_decode(text)
    else:
        label, end = text.partition(" ")[0], len(text.partition(" ")[0])
    match = RANGES.fullmatch(text[end:])
    if match is None:
        raise ValueError("it is not LABEL FIRST-LAST FIRST-LAST")
    fragments = []
    for part in match[1].split():
        first, last = map(int, part.split("-"))
        if not 1 <= first <= last <= len(tokens):
            raise ValueError(f"there are no tokens {part}")
        fragments.append((tokens[first - 1][0], tokens[last - 1][1]))
    return Entity(tuple(fragments), label, read_value(match[2] or ""))


def read_own(
    blocks: Iterator[Block], sentences: SentenceReader, file: TextFile, notes: Notes
) -> Iterator[Record]:
    """Read a file in this dialect.

    blocks (Iterator[Block]): Its blocks.
    sentences (SentenceReader): What makes sentences of them.
    file (TextFile): The file, for messages.
    notes (Notes): Where bad input is noted.
    YIELDS (Record): The records.
    """
    document: Optional[Document] = None
    for block in blocks:
        matches = map(COMMENT.fullmatch, block.comments)
        comments = [(match[1], match[2] or "") for match in matches if match]
        if document is None or any(key in ("newdoc", "newdoc id") for key, _ in comments):
            if document is not None:
                yield from document.finish(notes)
            # The comments about the columns stand before the first document.
            document = Document(file)
        document.add(block, sentences.read(block), comments)
    if document is not None:
        yield from document.finish(notes)


class Document:
    """A document that is being read.

    file (TextFile): The file.
    """

    def __init__(self, file: TextFile) -> None:
        self.file = file
        self.line = 0
        self.values: Dict[str, str] = {}
        self.discontinuous: List[str] = []
        self.parts: List[str] = []
        self.length = 0
        self.tokens: List[Stretch] = []
        self.sents: List[Stretch] = []
        self.entities: List[Entity] = []
        self.after: Optional[str] = None
        self.is_bad = False

    def add(
        self, block: Block, sentence: Optional[Sentence], comments: List[Tuple[str, str]]
    ) -> None:
        """Add a block.

        block (Block): The block.
        sentence (Optional[Sentence]): What it holds.
        comments (List[Tuple[str, str]]): The names and values of its comments.
        """
        self.line = self.line or (block.lines[0] if block.lines else 0)
        self.is_bad = self.is_bad or block.is_bad or (sentence is None and bool(block.rows))
        self.discontinuous += [value for key, value in comments if key == "discontinuous"]
        values = dict(comments)
        self.values = {**values, **self.values}
        if sentence is None:
            return
        if self.parts:
            self._write("\n" if self.after is None else self.after)
        self._write(sentence.before)
        at, tokens = self.length, sentence.tokens
        self.tokens += [(at + start, at + end) for start, end in tokens]
        for start, end, label, kb_id in sentence.mentions:
            stretch = (at + tokens[start][0], at + tokens[end - 1][1])
            self.entities.append(Entity((stretch,), read_label(label), kb_id))
        self._write(sentence.text)
        if "sent_id" in values:
            self.sents.append((at, self.length))
        self.after = sentence.after

    def finish(self, notes: Notes) -> Iterator[Record]:
        """YIELDS (Record): The record, if nothing is wrong with it."""
        values = self.values
        # Comments alone, before the first document.
        if self.is_bad or not (self.tokens or "newdoc" in values or "newdoc id" in values):
            return
        self._write(self.after or "")
        try:
            id = read_value(values.get("newdoc id", ""))
            where = self.file.where(self.line, id)
            text = "".join(self.parts) if self.tokens else read_value(values.get("text", ""))
            record = Record(text, self.entities, where, id)
            record.document = read_value(values.get("document", ""))
            record.tokens = self.tokens
            sents = json.loads(values.get("sents", "null"))
            record.sents = self.sents or None if sents is None else [(s, e) for s, e in sents]
            record.entities += [read_discontinuous(at, self.tokens) for at in self.discontinuous]
            record.missing = [
                Entity(tuple((start, end) for start, end in fragments), label, kb_id)
                for fragments, label, kb_id in json.loads(values.get("missing", "[]"))
            ]
            record.meta = json.loads(values.get("meta", "{}"))
        except (ValueError, TypeError) as error:
            found = f"a comment of the document is not as we write it: {error}"
            notes.bad(self.file.where(self.line), found, "Correct it, or take it out")
            return
        yield record

    def _write(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)
