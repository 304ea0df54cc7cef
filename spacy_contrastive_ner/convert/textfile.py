"""Reading text files: encodings, lines, what stands beside them."""

import codecs
import io
import os
from pathlib import Path
from typing import (
    Callable,
    Collection,
    Dict,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from .notes import BadInput, Notes
from .records import Where

# How much of a file is looked at to find out what it is.
HEAD = 1 << 16


class BadLine(str):
    """A line that cannot be decoded, as far as it can be. It has been noted, and whoever reads it
    leaves out what it is a part of.
    """


class Head(NamedTuple):
    """The beginning of a file, to recognise it by.

    path (Path): The file.
    data (bytes): Its first bytes.
    text (str): These as text, up to the first line that cannot be decoded; "" if that is the first
        one.
    lines (List[str]): Its first lines, without their ends; cut off ones are left out.
    complete (bool): Whether this is the whole file.
    """

    path: Path
    data: bytes
    text: str
    lines: List[str]
    complete: bool


class TextFile:
    """A file that is being read.

    path (Path): The file.
    encoding (str): Its encoding. A byte order mark at its beginning is no part of the text, except
        in `text`, if that is wanted.
    on_bytes (Optional[Callable[[int], None]]): Told how many bytes more have been read.
    name (str): What documents are named after; by default the name of the file without its suffix.
    together (Collection[Path]): The files that are read along with it, as far as they are known.
    """

    def __init__(
        self,
        path: Path,
        encoding: str = "utf-8",
        on_bytes: Optional[Callable[[int], None]] = None,
        name: str = "",
        together: Collection[Path] = (),
    ) -> None:
        self.name, self.together = name or path.stem, frozenset(together)
        self.path, self.encoding, self.on_bytes = path, known_encoding(encoding), on_bytes

    def where(self, line: int = 0, id: str = "") -> Where:
        """RETURNS (Where): A place in the file."""
        return Where(self.path, line, id)

    def head(self) -> Head:
        """RETURNS (Head): The beginning of the file."""
        with self._open() as file:
            data = file.read(HEAD)
            complete = not file.read(1)
        text, is_all = self._head_text(data, complete)
        if not is_all:
            # What cannot be decoded is told with its line by whoever reads the file.
            return Head(self.path, data, text, _split(text)[:-1], False)
        lines = _split(text)
        if (complete and lines and not lines[-1]) or (not complete and len(lines) > 1):
            lines.pop()
        return Head(self.path, data, text, lines, complete)

    def _head_text(self, data: bytes, complete: bool) -> Tuple[str, bool]:
        """RETURNS (Tuple[str, bool]): The beginning of the file as text, as whole lines up to the
        first that cannot be decoded, and whether there is no such line.
        """
        try:
            # A character that is cut in two is no error.
            return decode_head(data, self.encoding, complete), True
        except UnicodeDecodeError as error:
            end = b"\n" if b"\n" in data else b"\r"
            sound = 0 if self._is_wide() else data.rfind(end, 0, error.start) + 1
        try:
            return decode_head(data[:sound], self.encoding, True), False
        except UnicodeDecodeError:
            return "", False

    def lines(self, notes: Optional[Notes] = None) -> Iterator[Tuple[int, str]]:
        """Read line by line, in bounded memory; files of UTF-16 and UTF-32 are read whole. Lines end
        with LF or CRLF; with CR if there is no other end in the beginning of the file (old Mac).

        notes (Optional[Notes]): Told about lines that cannot be decoded. If these are skipped, each
            is a `BadLine`. Without notes they are an error, which is the end of the file.
        YIELDS (Tuple[int, str]): The number of the line, from 1, and the line without its end.
        """
        if self._is_wide():
            text = self.text()
            lines = _split(text)
            _tell_ends("\r" in text and "\n" not in text, notes)
            for number, line in enumerate(lines if lines[-1] else lines[:-1], 1):
                yield number, line.rstrip("\r")
            return
        with self._open() as file:
            # What is cut off may be the half of a line end.
            start = file.peek()[:HEAD].removesuffix(b"\r")
            is_old = b"\r" in start and b"\n" not in start
            _tell_ends(is_old, notes)
            for number, data in enumerate(_lines_of_any_end(file) if is_old else file, 1):
                self._count(len(data))
                if number == 1 and data.startswith(b"\xef\xbb\xbf"):
                    data = data[3:]
                try:
                    line = self._decode(data, number)
                except BadInput as error:
                    if notes is None:
                        raise
                    notes.bad(error.where, error.found, error.advice)
                    line = data.decode(self.encoding, errors="replace")
                    yield number, BadLine(line.rstrip("\n").rstrip("\r"))
                    continue
                yield number, line.rstrip("\n").rstrip("\r")

    def text(self, keep_mark: bool = False) -> str:
        """Read all of it, with its line ends as they are.

        keep_mark (bool): Whether a byte order mark stays, as U+FEFF.
        RETURNS (str): The text.
        """
        with self._open() as file:
            data = file.read()
        self._count(len(data))
        text = self._decode(data, 0)
        return text if keep_mark else text.removeprefix("\ufeff")

    def raw(self) -> bytes:
        """RETURNS (bytes): The contents, undecoded; for XML, which names its encoding itself."""
        with self._open() as file:
            data: bytes = file.read()
        self._count(len(data))
        return data

    def chunks(self, size: int = 1 << 18) -> Iterator[bytes]:
        """YIELDS (bytes): The contents, undecoded, piece by piece."""
        with self._open() as file:
            while data := file.read(size):
                self._count(len(data))
                yield data

    def beside(self, suffix: str) -> Optional["TextFile"]:
        """RETURNS (Optional[TextFile]): The file of the same name with another suffix, if there is
        one.
        """
        return self.at(self.path.with_suffix(suffix))

    def at(self, path: Path) -> Optional["TextFile"]:
        """RETURNS (Optional[TextFile]): Another file that is read in the same way, if it is there."""
        return TextFile(path, self.encoding, self.on_bytes) if path.is_file() else None

    def _open(self) -> io.BufferedReader:
        try:
            return io.BufferedReader(self.path.open("rb", buffering=0), HEAD)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise BadInput(
                self.where(), f"cannot be opened: {reason}", "Check the path and its rights"
            ) from None

    def _is_wide(self) -> bool:
        """Whether a line end may be more than one byte, so that bytes cannot be cut at it."""
        return "\n".encode(self.encoding) != b"\n"

    def _count(self, n: int) -> None:
        if self.on_bytes is not None:
            self.on_bytes(n)

    def _decode(self, data: bytes, line: int) -> str:
        try:
            return data.decode(self.encoding)
        except UnicodeDecodeError as error:
            line = line or line_at(data, error.start)
            raise BadInput(
                self.where(line),
                f"the bytes {data[error.start : error.start + 4].hex(' ')} are no {self.encoding}",
                f"Say which encoding it is, for instance --encoding {likely_encoding(data)}",
            ) from None


def line_at(data: bytes, place: int) -> int:
    """RETURNS (int): The number of the line at a place in a file."""
    return data.count(b"\n" if b"\n" in data else b"\r", 0, place) + 1


def _split(text: str) -> List[str]:
    """RETURNS (List[str]): The lines of a text, without their ends; the last is "" if it has one."""
    text = text.replace("\r\n", "\n")
    return text.split("\n" if "\n" in text else "\r")


def _lines_of_any_end(file: io.BufferedReader) -> Iterator[bytes]:
    """YIELDS (bytes): The lines of a file, with "\\n" as their end, whatever it was."""
    # In this encoding every byte is a character.
    with io.TextIOWrapper(file, "latin-1", newline=None) as lines:
        for line in lines:
            yield line.encode("latin-1")


def _tell_ends(is_old: bool, notes: Optional[Notes]) -> None:
    if is_old and notes is not None:
        notes.decided("lines end with carriage returns (old Mac)")


def names_of(paths: Sequence[Path]) -> Dict[Path, str]:
    """Name files that are called alike, but for their suffix, in several folders.

    paths (Sequence[Path]): The files that are read together.
    RETURNS (Dict[Path, str]): Their paths in the folder that holds all of them, without suffix.
        Files of other names are not in it.
    """
    folders: Dict[str, Set[Path]] = {}
    for path in paths:
        folders.setdefault(path.stem, set()).add(path.parent)
    alike = [path for path in paths if len(folders[path.stem]) > 1]
    if not alike:
        return {}
    above = os.path.commonpath([path.parent for path in paths])
    return {path: path.relative_to(above).with_suffix("").as_posix() for path in alike}


def known_encoding(name: str) -> str:
    """Check an encoding.

    name (str): The encoding.
    RETURNS (str): The same encoding, by a name that says nothing about byte order marks.
    """
    try:
        "".encode(name)
    except (LookupError, UnicodeError):
        raise ValueError(
            f"There is no encoding {name!r}. It is for instance utf-8, latin-1, cp1252 or utf-16."
        ) from None
    return "utf-8" if codecs.lookup(name).name == "utf-8-sig" else name


def likely_encoding(data: bytes) -> str:
    """RETURNS (str): What data may be that is not what was expected."""
    return "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "latin-1"


def decode_head(data: bytes, encoding: str, complete: bool) -> str:
    """Decode the beginning of a file, in which the last character may be cut off.

    data (bytes): The first bytes.
    encoding (str): The encoding.
    complete (bool): Whether this is the whole file.
    RETURNS (str): The text, without a byte order mark.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    return decoder.decode(data, final=complete).removeprefix("\ufeff")
