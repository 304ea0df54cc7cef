"""The lines of a file of columns, as sentences."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ...notes import Kind, Notes
from ...records import Stretch
from ...textfile import BadLine, TextFile
from ..shared.spacing import find_in, kb_id_of, spacing_of
from .layout import Layout
from .marks import DOCSTART, DOCUMENT, NAMED_DOCSTART, SENTENCE_ID, SOURCE, TEXT

ORPHAN = Kind("tag that continues nothing: it opens an entity")
UNFINISHED = Kind("entity whose last tag does not end it: it ends there")
BLANK_TOKEN = Kind("token that is white space: in the text, but no token")
BLANK_ENTITY = Kind("entity on white space", is_loss=True)
NO_CLEAR_COMMENT = Kind("line with # in front that is no token, in a file where others are")

# What stands in a column where there is no link, or no remark.
NO_LINK = ("", "_", "-", "O", "NIL")
NO_REMARK = ("", "_")


@dataclass
class Block:
    """Lines without a blank one between them; none if all of them are bad.

    rows (List[List[str]]): The cells of the tokens.
    lines (List[int]): The number of the line of each.
    comments (List[str]): The comments before them.
    starts (bool): Whether a document starts here.
    document (str): Its name, "" if it has none.
    source (Tuple[str, str]): Where the sentence is from, and the day; if it is said.
    is_bad (bool): Whether something is wrong with it, which has been noted.
    """

    rows: List[List[str]] = field(default_factory=list)
    lines: List[int] = field(default_factory=list)
    comments: List[str] = field(default_factory=list)
    starts: bool = False
    document: str = ""
    source: Tuple[str, str] = ("", "")
    is_bad: bool = False


class Mention(NamedTuple):
    """An entity of a sentence.

    start (int): Its first token.
    end (int): The token after its last.
    label (str): The label.
    kb_id (str): What it refers to, "" if that is not known.
    """

    start: int
    end: int
    label: str
    kb_id: str


class Sentence(NamedTuple):
    """A sentence.

    text (str): Its text.
    tokens (List[Stretch]): Its tokens, as offsets in the text.
    mentions (List[Mention]): Its entities.
    before (str): White space before it, if that is said.
    after (Optional[str]): White space behind it; None if it is not said.
    block (Block): The lines.
    id (str): Its name, "" if it has none.
    """

    text: str
    tokens: List[Stretch]
    mentions: List[Mention]
    before: str
    after: Optional[str]
    block: Block
    id: str


class BlockReader:
    """Reads the lines up to each blank one, mark of a document or, in HIPE, end of a sentence.

    file (TextFile): The file.
    layout (Layout): What its columns are.
    notes (Notes): Where bad lines are noted.
    """

    def __init__(self, file: TextFile, layout: Layout, notes: Notes) -> None:
        self.file, self.layout, self.notes = file, layout, notes
        self.block = Block()

    def blocks(self) -> Iterator[Block]:
        """YIELDS (Block): A sentence, usually; never one without rows and comments."""
        layout = self.layout
        n, token, misc, header = layout.n_columns, layout.token, layout.misc, layout.header
        sign = "\t" if layout.tabs else " "
        for number, line in self.file.lines(self.notes):
            if type(line) is BadLine:
                self.block.is_bad = True
                continue
            cells = line.split(sign)
            # Nearly all lines are such. A hash or a dash may be more than a token.
            is_plain = len(cells) == n and line[0] not in "#-" and cells[token].strip()
            if not is_plain or cells == header or (sign == " " and "" in cells):
                finished = self._read_odd_line(number, line)
                if finished is not None:
                    yield finished
                continue
            self.block.rows.append(cells)
            self.block.lines.append(number)
            if misc is not None and cells[misc] != "_" and _ends_sentence(cells[misc]):
                yield self._finish()
        if self.block.rows or self.block.comments or self.block.is_bad:
            yield self._finish()

    def _finish(self) -> Block:
        block, self.block = self.block, Block()
        return block

    def _start(self, name: str) -> Optional[Block]:
        """A document starts. RETURNS (Optional[Block]): What stood before it."""
        finished = self._finish() if self.block.rows or self.block.is_bad else None
        self.block.starts, self.block.document = True, name.strip()
        return finished

    def _read_odd_line(self, number: int, line: str) -> Optional[Block]:
        """RETURNS (Optional[Block]): The block that ends with this line or before it, if any."""
        layout, block = self.layout, self.block
        if not line.strip():
            has_ended = block.rows or block.is_bad or (layout.own and block.comments)
            return self._finish() if has_ended else None
        if line.startswith(DOCSTART) and not layout.own:
            name = NAMED_DOCSTART.match(line)
            return self._start(name[1] if name else "")
        if layout.is_comment(line):
            return self._read_comment(number, line)
        cells = layout.split(line)
        if cells == layout.header:
            return None
        if len(cells) == layout.n_columns:
            block.rows.append(cells)
            block.lines.append(number)
            ends = layout.misc is not None and _ends_sentence(cells[layout.misc])
            return self._finish() if ends else None
        block.is_bad = True
        self.notes.bad(
            self.file.where(number),
            f"{_count(len(cells))} where the others have {layout.width}: {line[:60]!r}",
            "Correct the line; if the columns are parted in another way, say --read separator=tab "
            "or separator=blank, and --read comments=yes if it is a comment",
        )
        return None

    def _read_comment(self, number: int, line: str) -> Optional[Block]:
        layout = self.layout
        source = SOURCE.fullmatch(line)
        if source and not layout.own:
            self.block.source = source[1], source[2]
            return None
        name = None if layout.own else DOCUMENT.fullmatch(line)
        if name:
            return self._start(name[1] or name[2] or name[3] or "")
        if layout.hashes_are_tokens:
            self.notes.add(NO_CLEAR_COMMENT, self.file.where(number), text=line)
        if not self.block.rows:
            self.block.comments.append(line)
        return None


class SentenceReader:
    """Makes sentences of blocks.

    file (TextFile): The file.
    layout (Layout): What its columns are.
    notes (Notes): Where odd tags are noted.
    """

    def __init__(self, file: TextFile, layout: Layout, notes: Notes) -> None:
        self.file, self.layout, self.notes = file, layout, notes

    def read(self, block: Block) -> Optional[Sentence]:
        """RETURNS (Optional[Sentence]): The sentence; None if there is none, or a bad one."""
        layout = self.layout
        if block.rows and block.rows[0][layout.token].startswith(DOCSTART) and not layout.own:
            block.starts = True
            del block.rows[0], block.lines[0]
        if block.is_bad or not block.rows:
            return None
        columns = list(zip(*block.rows))
        mentions = self._mentions(columns, block)
        if mentions is None:
            return None
        id, text = "", None
        for comment in block.comments:
            named, told = SENTENCE_ID.fullmatch(comment), TEXT.fullmatch(comment)
            id = named[1] if named else id
            text = told[1] if told else text
        forms = columns[layout.token]
        if layout.segmentation:
            forms = tuple(form[:-1] for form in forms)
        if layout.misc is not None:
            return self._spaced(forms, columns[layout.misc], mentions, block, id)
        if text is not None and (found := find_in(text, forms)) is not None:
            return Sentence(text, found, mentions, "", None, block, id)
        if any(form != form.strip() for form in forms):
            return self._spaced(forms, None, mentions, block, id)
        if layout.characters:
            return self._spaced(forms, None, mentions, block, id)
        text, tokens = " ".join(forms), []
        start = 0
        for form in forms:
            end = start + len(form)
            tokens.append((start, end))
            start = end + 1
        return Sentence(text, tokens, mentions, "", None, block, id)

    def _mentions(
        self, columns: Sequence[Tuple[str, ...]], block: Block
    ) -> Optional[List[Mention]]:
        """RETURNS (Optional[List[Mention]]): The entities; None if there are bad tags."""
        mentions: List[Mention] = []
        for number in self.layout.tags:
            column, reader = columns[number], self.layout.readers[number]
            if column.count("O") == len(column):
                continue
            for cell, line in zip(column, block.lines):
                if reader.parse(cell) is None:
                    self._refuse(cell, number, line)
                    return None
            spans, odd = reader.spans(column)
            for token, label, is_orphan in odd:
                where = self.file.where(block.lines[token])
                text = columns[self.layout.token][token]
                self.notes.add(ORPHAN if is_orphan else UNFINISHED, where, label, text)
            for start, end, label in spans:
                kb_id = self._kb_id(block.rows[start], number)
                mentions.append(Mention(start, end, label, kb_id))
        return mentions

    def _kb_id(self, cells: List[str], column: int) -> str:
        """RETURNS (str): What the entity that begins here in a column refers to."""
        layout = self.layout
        if layout.own and layout.misc is not None:
            return kb_id_of(cells[layout.misc], column)
        link = layout.links.get(column)
        return "" if link is None or cells[link] in NO_LINK else cells[link]

    def _refuse(self, cell: str, column: int, line: int) -> None:
        self.notes.bad(
            self.file.where(line),
            f"{cell!r} in column {column + 1} is no tag (B-PER, I-PER, O)",
            "Correct it; if another column holds the tags, say --read tags=NUMBER, and if they are "
            "labels without a prefix, --read scheme=IO",
        )

    def _spaced(
        self,
        forms: Sequence[str],
        remarks: Optional[Sequence[str]],
        mentions: List[Mention],
        block: Block,
        id: str,
    ) -> Sentence:
        """Lay out tokens between which there is not always a blank."""
        parts: List[str] = []
        tokens: List[Stretch] = []
        # For each line, how many tokens stand before it: white space is none.
        index: List[int] = []
        at, before, gap, last = 0, "", "", ""
        after: Optional[str] = None
        for i, form in enumerate(forms):
            index.append(len(tokens))
            gap = self._gap(last, form, after) if i else ""
            after, ahead, held = (None, "", None)
            if remarks is not None and remarks[i] not in NO_REMARK:
                after, ahead, held = spacing_of(remarks[i])
            if held is not None and self.layout.own:
                form = held
            elif not self.layout.own:
                form = form.strip()
                if not form:
                    self.notes.add(BLANK_TOKEN, self.file.where(block.lines[i]))
                    after, last = " ", " "
                    continue
            if not parts:
                before, gap = ahead, ""
            else:
                gap += ahead
            parts += (gap, form)
            at += len(gap)
            tokens.append((at, at + len(form)))
            at += len(form)
            last = form
        index.append(len(tokens))
        kept = self._without_blanks(mentions, index, block)
        return Sentence("".join(parts), tokens, kept, before, after, block, id)

    def _gap(self, last: str, form: str, told: Optional[str]) -> str:
        """RETURNS (str): What stands between two tokens."""
        if told is not None:
            return told
        if not self.layout.characters:
            return " "
        if self.layout.segmentation:
            return ""
        # Words of another script among the characters, such as "New York".
        words = last.isascii() and last.isalnum() and form.isascii() and form.isalnum()
        return " " if words and len(last) + len(form) > 2 else ""

    def _without_blanks(
        self, mentions: List[Mention], index: List[int], block: Block
    ) -> List[Mention]:
        kept: List[Mention] = []
        for start, end, label, kb_id in mentions:
            if index[start] < index[end]:
                kept.append(Mention(index[start], index[end], label, kb_id))
            else:
                self.notes.add(BLANK_ENTITY, self.file.where(block.lines[start]), label)
        return kept


@lru_cache(maxsize=65536)
def _ends_sentence(misc: str) -> bool:
    """Whether the remarks of HIPE say that the sentence ends here."""
    return any(part in ("EndOfSentence", "PySBDSegment") for part in misc.split("|"))


def _count(n: int) -> str:
    return "1 column" if n == 1 else f"{n} columns"
