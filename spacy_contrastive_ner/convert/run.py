"""A conversion from beginning to end."""

from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from spacy.language import Language

from .detect import Found
from .documents import Keys, annotate
from .format import Format
from .labels import Labels
from .mending import mend
from .notes import BadInput, Kind, Notes
from .output import beside, check_left_over, check_output, is_shard, write_records
from .records import Record, Where
from .sentences import make_splitter
from .shots import Mentions, Mode, Shots, plan_shots
from .splits import Groups, Split, plan_split
from .summary import Summary
from .textfile import TextFile, names_of
from .tokens import make_tokenizer

# A single file of documents is held in memory until it is written. What is made of more bytes
# than these has to go to a folder.
LARGE = 200_000_000


NOTHING = Kind("Files without any document in them")


@dataclass
class Conversion:
    """How a corpus is converted.

    found (Found): The files and their format.
    output (Path): The file or folder to write; with several parts a folder.
    target (Format): The format to write.
    nlp (Language): The pipeline whose tokenizer and vocabulary are used.
    encoding (str): The encoding of the files.
    read, write (Mapping[str, Any]): Options of the reader and the writer.
    keys (Keys): Where documents hold what.
    tokenizer (str): See `make_tokenizer`.
    alignment (Optional[str]): What becomes of entities that cut a token; see `annotate`. None is
        "expand" where there are tokens.
    sentences (str): See `make_splitter`.
    labels (Labels): What is done to labels.
    ratios (Optional[Mapping[str, float]]): The parts and their shares, to split the corpus.
    shots (int): How many mentions of a label stay known in the first part; 0 for all.
    shot_labels (Sequence[str]): Of which labels; all if it is empty.
    shot_mode (Mode): Whether other mentions are masked, or documents are drawn.
    seed (int): What draws depend on.
    overwrite (bool): Whether files of the same names are replaced in a folder that is not empty, or
        the input itself.
    """

    found: Found
    output: Path
    target: Format
    nlp: Language
    encoding: str = "utf-8"
    read: Mapping[str, Any] = field(default_factory=dict)
    write: Mapping[str, Any] = field(default_factory=dict)
    keys: Keys = field(default_factory=Keys)
    tokenizer: str = "auto"
    alignment: Optional[str] = None
    sentences: str = "keep"
    labels: Labels = field(default_factory=Labels)
    ratios: Optional[Mapping[str, float]] = None
    shots: int = 0
    shot_labels: Sequence[str] = ()
    shot_mode: Mode = "mentions"
    seed: int = 0
    overwrite: bool = False

    @property
    def n_passes(self) -> int:
        """RETURNS (int): How often the files are read."""
        n_parts = len(self.ratios or [""])
        return n_parts + bool(self.ratios) + bool(self.shots)

    @property
    def needs_docs(self) -> bool:
        """RETURNS (bool): Whether tokens are asked for, so that documents of spaCy are made."""
        asked = self.tokenizer != "auto" or self.alignment is not None or self.sentences != "keep"
        return asked or self.target.needs_tokens

    def n_bytes(self) -> int:
        """RETURNS (int): The size of the files."""
        return sum(file.stat().st_size for file in self.found.files)

    def outputs(self, place: Path) -> Dict[str, Path]:
        """RETURNS (Dict[str, Path]): The file or folder of each part, in the output or its place;
        of the only one, "".
        """
        if self.ratios is None:
            return {"": place}
        suffix = "" if self.has_folders else self.target.suffixes[0]
        return {part: place / f"{part}{suffix}" for part in self.ratios}

    @property
    def has_folders(self) -> bool:
        """RETURNS (bool): Whether each part is a folder."""
        return self.target.to_folder or self._is_large()

    @property
    def is_folder(self) -> bool:
        """RETURNS (bool): Whether the output is a folder: of several files, one that is there, or a
        name without suffix.
        """
        several = self.ratios is not None or self.target.to_folder
        return several or self.output.is_dir() or not self.output.suffix

    def check(self) -> None:
        """Stop if the output cannot be written, before anything is read."""
        check_output(self.output, self.is_folder, self.overwrite)
        is_input = any(self.output.resolve() == file.resolve() for file in self.found.files)
        if is_input and not self.overwrite:
            raise BadInput(
                Where(self.output),
                "it is the input as well",
                "Name another output, or say --overwrite to replace it",
            )
        if self.is_folder and self.output.is_dir():
            self._check_folder()
        if not self.is_folder and self._is_large():
            raise BadInput(
                Where(self.output),
                f"{self.n_bytes() // 1_000_000} MB are too much for one file of documents",
                "Name a folder as output: several files are written to it",
            )

    def _check_folder(self) -> None:
        """Stop if the output would come between the input, or between files of an older output."""
        output = self.output.resolve()
        for file in self.found.files:
            if output in file.resolve().parents:
                raise BadInput(
                    Where(self.output), f"{file} in it is input as well", "Name another output"
                )
        check_left_over(self.output, self.suffixes, self._can_be_new)

    @property
    def suffixes(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): How the files are called that are written."""
        return self.target.suffixes if self.target.to_folder else self.target.suffixes[:1]

    def _can_be_new(self, file: Path) -> bool:
        """Whether a file of this name may be written, as far as that is known before."""
        if self.ratios is not None and not self.has_folders:
            return self.output / file in self.outputs(self.output).values()
        is_there = str(file.parent) in (self.ratios or ["."])
        return is_there and (self.target.to_folder or is_shard(file.name, self.target))

    def _is_large(self) -> bool:
        return self.target.name == "spacy" and self.n_bytes() > LARGE

    def records(self, notes: Notes, on_bytes: Optional[Callable[[int], None]]) -> Iterator[Record]:
        """Read the corpus: records that are mended, and have their final labels.

        notes (Notes): Where it is counted what happens.
        on_bytes (Optional[Callable[[int], None]]): Told how many bytes more have been read.
        YIELDS (Record): The records.
        """
        names, together = names_of(self.found.files), frozenset(self.found.files)
        for path in self.found.files:
            file = TextFile(path, self.encoding, on_bytes, names.get(path, ""), together)
            n_read, n_skipped = 0, notes.n_skipped
            # A reader that skips what is bad in a file may stop at what concerns all of it.
            try:
                read: Any = self.found.format.read(file, notes, **self.read)
                with closing(read):
                    for record in read:
                        n_read += 1
                        yield self.labels.apply(mend(record, notes, refuse=True), notes)
            except BadInput as error:
                rest = "; what comes after it in the file is not read" if n_read else ""
                found = error.found + rest * notes.skip_bad
                notes.bad(error.where, found, error.advice)
            # Where a document is several files, one of them yields it.
            if not n_read and notes.n_skipped == n_skipped and not self.found.format.instead:
                notes.add(NOTHING, file.where())

    def finish(self, records: Iterable[Record], summary: Summary, notes: Notes) -> Iterator[Record]:
        """Make documents, if there have to be any, cut them into sentences, and count them.

        records (Iterable[Record]): The records.
        summary (Summary): Where they are counted.
        notes (Notes): Where it is counted what happens.
        YIELDS (Record): What is to be written.
        """
        tokenize = make_tokenizer(self.tokenizer, self.nlp, notes)
        split = make_splitter(self.sentences, self.nlp, self.keys, notes)
        alignment = self.alignment or "expand"
        for record in records:
            pieces = [record]
            try:
                if self.needs_docs:
                    doc = tokenize(record)
                    record = annotate(record, doc, self.nlp, self.keys, alignment, notes)
                    pieces = [record] if split is None else list(split(record))
            except BadInput as error:
                notes.bad(error.where, error.found, error.advice)
                continue
            for piece in pieces:
                summary.add(piece)
                yield piece


class Result:
    """What came of a conversion.

    summary (Summary): What was written.
    outputs (List[Path]): The files or folders that were written.
    split (Optional[Split]): Which record went where.
    shots (Optional[Shots]): What stayed known.
    """

    def __init__(self) -> None:
        self.summary = Summary()
        self.outputs: List[Path] = []
        self.split: Optional[Split] = None
        self.shots: Optional[Shots] = None


def convert(
    conversion: Conversion, notes: Notes, on_bytes: Optional[Callable[[int], None]] = None
) -> Result:
    """Convert a corpus. The output is there when all of it is; after an error nothing is.

    conversion (Conversion): How.
    notes (Notes): Where it is counted what happens.
    on_bytes (Optional[Callable[[int], None]]): Told how many bytes more have been read, in all
        passes together.
    RETURNS (Result): What came of it.
    """
    conversion.check()
    result = Result()
    # What happens while reading is counted once, however often that is done.
    again = Notes(skip_bad=notes.skip_bad)
    reading = notes
    if conversion.ratios is not None:
        groups = Groups()
        for record in conversion.records(reading, on_bytes):
            groups.add(record)
        if not len(groups):
            _stop_empty(conversion, notes)
        reading = again
        result.split = plan_split(groups, conversion.ratios, conversion.seed)
    assert conversion.target.write is not None
    write = partial(conversion.target.write, **conversion.write)
    with beside(conversion.output, conversion.is_folder, conversion.suffixes) as place:
        for number, (part, path) in enumerate(conversion.outputs(place).items()):
            if conversion.ratios is not None and conversion.has_folders:
                path.mkdir()
            select = partial(_part, conversion, result.split, part, on_bytes)
            records = select(reading)
            if conversion.shots and not number:
                result.shots = _plan_shots(conversion, records)
                reading = again
                records = result.shots.deal(select(reading), notes)
            finished = conversion.finish(records, result.summary, notes)
            if conversion.ratios is None:
                finished = _not_empty(finished, conversion, notes)
            write_records(finished, path, conversion.target, write, notes)
    result.outputs = list(conversion.outputs(conversion.output).values())
    return result


def _part(
    conversion: Conversion,
    split: Optional[Split],
    part: str,
    on_bytes: Optional[Callable[[int], None]],
    notes: Notes,
) -> Iterator[Record]:
    """The records of a part."""
    records = conversion.records(notes, on_bytes)
    if split is None:
        return records
    return (record for name, record in split.deal(records) if name == part)


def _plan_shots(conversion: Conversion, records: Iterable[Record]) -> Shots:
    mentions = Mentions()
    for record in records:
        mentions.add(record)
    return plan_shots(
        mentions, conversion.shots, conversion.shot_labels, conversion.seed, conversion.shot_mode
    )


def _not_empty(records: Iterator[Record], conversion: Conversion, notes: Notes) -> Iterator[Record]:
    """The records, if there is one at least."""
    first = next(records, None)
    if first is None:
        _stop_empty(conversion, notes)
        return iter(())
    return chain([first], records)


def _stop_empty(conversion: Conversion, notes: Notes) -> None:
    place = Where(conversion.found.files[0])
    name = conversion.found.format.name
    if notes.n_skipped:
        error, n_more = notes.skipped[0], notes.n_skipped - 1
        more = f"; {n_more} more could not be read (--report lists them)" if n_more else ""
        raise BadInput(
            error.where, f"{error.found}{more}; of the other documents none is left", error.advice
        )
    raise BadInput(
        place, f"there are no documents in it, read as {name}", "Check the file, or use --from"
    )
