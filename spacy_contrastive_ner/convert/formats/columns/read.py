"""Columns: a token a line, beside it tags in one or more layers (CoNLL and its kin)."""

from pathlib import Path
from typing import Iterable, Iterator, List, Literal, Optional

from ...format import Format
from ...notes import Notes
from ...records import Entity, Record, Stretch
from ...textfile import Head, TextFile
from ..conllu.layout import is_conllu
from .blocks import Block, BlockReader, Sentence, SentenceReader
from .guess import find_layout
from .layout import Layout, NotColumns, Wanted
from .plus import read_own
from .write import write_plain, write_plus

# What stands between sentences of a document if the file does not say it.
OWN_SUFFIXES = (".conll", ".iob", ".iob2", ".bio", ".bioes", ".bmes")
BETWEEN_SENTENCES = "\n"


def recognise(head: Head) -> Optional[str]:
    """RETURNS (Optional[str]): What says that a file is made of columns with tags, or None."""
    if not head.lines or "\0" in head.text or is_conllu(head):
        return None
    # A name that says what it is leaves room for more lines that are wrong, and then told.
    least = 0.6 if head.path.suffix.lower() in OWN_SUFFIXES else 0.9
    try:
        layout = find_layout(head.lines, Wanted(), least)
    except NotColumns:
        return None
    # A column of tags has an O somewhere; words of other formats may look like other tags.
    if not layout.own and not any("O" in layout.split(line) for line in head.lines):
        return None
    return ", ".join(layout.told[:2])


def read(
    file: TextFile,
    notes: Notes,
    *,
    token: str = "auto",
    tags: Optional[List[str]] = None,
    misc: str = "auto",
    separator: Literal["auto", "tab", "blank"] = "auto",
    comments: Literal["auto", "yes", "no"] = "auto",
    document: Literal["auto", "sentence", "docstart", "file"] = "auto",
    scheme: Literal["auto", "BIO", "IOB1", "BIOES", "BMES", "BILOU", "IO"] = "auto",
    label: str = "ENTITY",
    joiner: Literal["auto", "blank", "none"] = "auto",
    segmentation: Literal["auto", "yes", "no"] = "auto",
) -> Iterator[Record]:
    """Read a file of columns.

    file (TextFile): The file.
    notes (Notes): Where odd tags and bad lines are noted.
    token (str): The column of the tokens, by its name in the header or its number (from 1; from
        the end if negative).
    tags (Optional[List[str]]): The columns with tags, likewise. Otherwise, all that hold tags, but
        not those of a chunker.
    misc (str): The column with remarks such as "SpaceAfter=No", or "none".
    separator (Literal): What parts columns: single tabs, or any number of blanks and tabs.
    comments (Literal): Whether lines that begin with "#" are comments; "auto": if they cannot be
        the line of a token.
    document (Literal): What one record is: the "sentence"; the document between two marks
        ("docstart": -DOCSTART-, # newdoc, # document_id = ..., and so on); the "file"; "auto": the
        document if there are marks, else the sentence.
    scheme (Literal): The scheme of the tags. IO is for labels without a prefix; the others mean the
        same entities, and only say what is odd.
    label (str): The label of tags without one (B, I, O).
    joiner (Literal): What stands between tokens; "auto": nothing if they are characters.
    segmentation (Literal): Whether tokens end in a digit that is cut off.
    YIELDS (Record): The documents or sentences.
    """
    wanted = Wanted(token, tags, misc, separator, comments, scheme, label, joiner, segmentation)
    layout = _find_layout(file, notes, wanted)
    if layout is None:
        return
    for text in layout.told:
        notes.decided(text)
    blocks = BlockReader(file, layout, notes).blocks()
    sentences = SentenceReader(file, layout, notes)
    if layout.own:
        if document in ("sentence", "file"):
            advice = "Leave out --read document"
            notes.bad(file.where(), "it says itself what its documents are", advice)
            return
        yield from read_own(blocks, sentences, file, notes)
        return
    unit = ("docstart" if layout.marks else "sentence") if document == "auto" else document
    words = {"docstart": "document between two marks", "file": "file"}
    notes.decided(f"a record is a {words.get(unit, unit)}")
    if unit == "sentence":
        yield from _read_sentences(blocks, sentences, file)
    else:
        yield from _read_documents(blocks, sentences, file, whole=unit == "file")


def _find_layout(file: TextFile, notes: Notes, wanted: Wanted) -> Optional[Layout]:
    """RETURNS (Optional[Layout]): What the columns are; None if that cannot be found out."""
    head = file.head()
    lines = head.lines
    if head.data and not lines:
        # It is no text: that is told with its bytes.
        next(file.lines(), None)
    try:
        return find_layout(lines, wanted)
    except NotColumns as error:
        if any(line.strip() for line in lines):
            advice = "Say which they are: --read token=1 --read tags=2,3"
            notes.bad(file.where(), str(error), advice)
        else:
            notes.bad(file.where(), "it is empty", "Check whether it was written to its end")
        return None


def _read_sentences(
    blocks: Iterator[Block], sentences: SentenceReader, file: TextFile
) -> Iterator[Record]:
    """Make each sentence a record. The marks say which document it is of."""
    stem = file.name
    n = n_documents = 0
    document = ""
    for block in blocks:
        sentence = sentences.read(block)
        if block.starts:
            n_documents += 1
            document = block.document or f"{stem}-document-{n_documents}"
        if sentence is None:
            continue
        n += 1
        url, day = block.source
        id = sentence.id or f"{stem}-{n}"
        yield Record(
            sentence.text,
            [
                Entity(((sentence.tokens[start][0], sentence.tokens[end - 1][1]),), label, kb_id)
                for start, end, label, kb_id in sentence.mentions
            ],
            file.where(block.lines[0], id),
            id,
            document or url,
            sentence.tokens,
            meta={"source": url, "date": day} if url else {},
        )


class Growing:
    """A document that is being read.

    file (TextFile): The file.
    id (str): Its name.
    """

    def __init__(self, file: TextFile, id: str) -> None:
        self.file, self.id, self.line = file, id, 0
        self.parts: List[str] = []
        self.tokens: List[Stretch] = []
        self.sents: List[Stretch] = []
        self.entities: List[Entity] = []
        self.length = 0
        self.after: Optional[str] = None

    def add(self, sentence: Sentence) -> None:
        """Add a sentence behind the others."""
        if self.parts:
            gap = BETWEEN_SENTENCES if self.after is None else self.after
            self._write(gap)
        else:
            self.line = sentence.block.lines[0]
        self._write(sentence.before)
        at, tokens = self.length, sentence.tokens
        for start, end, label, kb_id in sentence.mentions:
            stretch = (at + tokens[start][0], at + tokens[end - 1][1])
            self.entities.append(Entity((stretch,), label, kb_id))
        self.tokens += [(at + start, at + end) for start, end in tokens]
        self._write(sentence.text)
        self.sents.append((at, self.length))
        self.after = sentence.after

    def _write(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)

    def finish(self) -> Record:
        """RETURNS (Record): The document."""
        return Record(
            "".join(self.parts),
            self.entities,
            self.file.where(self.line, self.id),
            self.id,
            tokens=self.tokens,
            sents=self.sents,
        )


def _read_documents(
    blocks: Iterator[Block], sentences: SentenceReader, file: TextFile, whole: bool
) -> Iterator[Record]:
    """Make the sentences of a document, or of the whole file, a record."""
    stem = file.name
    n = 1
    growing = Growing(file, stem if whole else f"{stem}-{n}")
    for block in blocks:
        sentence = sentences.read(block)
        # The same name again, before each sentence or line of a page, is no new document.
        if block.starts and not whole and (block.document or "") != growing.id:
            if growing.tokens:
                yield growing.finish()
                n += 1
            growing = Growing(file, block.document or f"{stem}-{n}")
        if sentence is not None and sentence.tokens:
            growing.add(sentence)
    if growing.tokens:
        yield growing.finish()


def write(
    records: Iterable[Record],
    path: Path,
    notes: Notes,
    *,
    scheme: Literal["BIO", "BIOES", "BILOU"] = "BIO",
    header: bool = True,
) -> None:
    """Write columns: the token, as many layers of tags as are needed, outermost entities first, and
    remarks.

    records (Iterable[Record]): The records.
    path (Path): Where to.
    notes (Notes): Where losses are noted.
    scheme (Literal): The scheme of the tags.
    header (bool): Whether the file says what its columns are (CoNLL-U Plus), so that texts, names
        and discontinuous entities are read back as they were. Otherwise there are tokens and
        tags only; what is lost by that is noted.
    """
    (write_plus if header else write_plain)(records, path, notes, scheme)


FORMAT = Format(
    name="columns",
    about="A token a line and columns of tags (CoNLL and its kin)",
    suffixes=(
        ".conll",
        ".tsv",
        ".iob",
        ".iob2",
        ".bio",
        ".bioes",
        ".bmes",
        ".conllup",
        ".col",
        ".txt",
        ".train",
        ".dev",
        ".test",
        ".annotated",
        ".testa",
        ".testb",
        ".ner",
    ),
    recognise=recognise,
    read=read,
    write=write,
    needs_tokens=True,
)
