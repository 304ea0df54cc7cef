"""XML without its dangers: no entity is declared, nothing is fetched."""

import codecs
import re
from html.entities import name2codepoint
from itertools import chain
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from .notes import BadInput
from .records import Where
from .textfile import TextFile

# The names of HTML ("&eacute;") are known in every file: many corpora use them with a DTD that is
# not there, and it would not be fetched if it were.
PREDEFINED = frozenset(("amp", "apos", "gt", "lt", "quot"))
NAMES_OF_HTML = "".join(
    f'<!ENTITY {name} "&#{code};">'
    for name, code in name2codepoint.items()
    if name not in PREDEFINED
).encode("ascii")
KNOWN_NAMES = PREDEFINED | frozenset(name2codepoint)

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\0?\0", "utf-16-le"),
    (b"\0<\0?", "utf-16-be"),
)
DECLARED = re.compile(rb"""\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._:-]+)""")
# Python's own, in which no file is written.
NO_ENCODINGS = ("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape")
REFERENCE = re.compile(r"&([A-Za-z_:][\w.:-]*);")


class BadXML(BadInput):
    """XML that is not well-formed.

    code (int): The number of expat's error.
    """

    def __init__(self, where: Where, found: str, advice: str, code: int = 0) -> None:
        super().__init__(where, found, advice)
        self.code = code


class Event(NamedTuple):
    """A piece of XML in its order.

    kind (str): "start" or "end" of an element, or "text", which may come in several pieces.
    name (str): The name of the element, as "URI}name" if namespaces are asked for.
    attrs (Dict[str, str]): The attributes of a start.
    text (str): The text.
    line (int): The line.
    """

    kind: str
    name: str
    attrs: Dict[str, str]
    text: str
    line: int


def events(
    file: TextFile, data: Optional[bytes] = None, namespaces: bool = False
) -> Iterator[Event]:
    """Read XML piece by piece, in bounded memory. What is not XML, or declares entities, raises
    BadInput, after the pieces before it.

    file (TextFile): The file.
    data (Optional[bytes]): Its contents, if they have been read.
    namespaces (bool): Whether prefixes of names are replaced by what they stand for.
    YIELDS (Event): The pieces.
    """
    yield from text_events(
        file, decode(file, file.chunks() if data is None else [data]), namespaces
    )


def elements(
    file: TextFile, names: Iterable[str], data: Optional[bytes] = None, namespaces: bool = False
) -> Iterator[Tuple[Element, int]]:
    """Read the elements of some names, one after the other, in bounded memory.

    file (TextFile): The file.
    names (Iterable[str]): The names. Of elements inside each other the outermost is read.
    data (Optional[bytes]): The contents of the file, if they have been read.
    namespaces (bool): Whether prefixes of names are replaced by what they stand for.
    YIELDS (Tuple[Element, int]): An element and the line in which it begins.
    """
    wanted, depth, begin = frozenset(names), 0, 0
    builder = TreeBuilder()
    for kind, name, attrs, text, line in events(file, data, namespaces):
        if kind == "start" and (depth or name in wanted):
            if not depth:
                builder, begin = TreeBuilder(), line
            builder.start(name, attrs)
            depth += 1
        elif depth and kind == "text":
            builder.data(text)
        elif depth and kind == "end":
            builder.end(name)
            depth -= 1
            if not depth:
                yield builder.close(), begin


def encoding_of(data: bytes, encoding: str) -> str:
    """Find the encoding of XML.

    data (bytes): How it begins.
    encoding (str): The encoding that holds where the file does not name one. One that is not UTF-8
        was asked for, and holds whatever the file names.
    RETURNS (str): The encoding.
    """
    for mark, name in MARKS:
        if data.startswith(mark):
            return name
    declared = DECLARED.match(data)
    if codecs.lookup(encoding).name not in ("utf-8", "utf-8-sig") or declared is None:
        return encoding
    name = declared[1].decode("ascii")
    # A declaration that can be read byte by byte is not in UTF-16, whatever it says.
    return encoding if name.lower().startswith(("utf-16", "ucs-2", "utf16")) else name


def decode(file: TextFile, chunks: Iterable[bytes]) -> Iterator[str]:
    """Decode XML by the encoding that it names.

    file (TextFile): The file, for its encoding where it does not name one, and for errors.
    chunks (Iterable[bytes]): Its contents.
    YIELDS (str): The text, without a byte order mark.
    """
    decoder: Optional[codecs.IncrementalDecoder] = None
    lines, encoding = 1, file.encoding
    for data in chain(chunks, [None]):
        first = decoder is None
        if decoder is None:
            encoding = encoding_of(data or b"", file.encoding)
            decoder = _decoder(file, encoding)
        try:
            text = decoder.decode(data or b"", final=data is None)
        except UnicodeDecodeError as error:
            bad = error.object[error.start : error.start + 4].hex(" ")
            raise BadInput(
                file.where(lines + error.object[: error.start].count(b"\n")),
                f"the bytes {bad} are no {encoding}",
                "Correct the encoding in the XML declaration, or say another one, for instance "
                "--encoding latin-1",
            ) from None
        lines += text.count("\n")
        yield text.removeprefix("\ufeff") if first else text


def text_events(file: TextFile, texts: Iterable[str], namespaces: bool = False) -> Iterator[Event]:
    """Read XML from text.

    file (TextFile): The file, for errors.
    texts (Iterable[str]): Its contents.
    namespaces (bool): Whether prefixes of names are replaced by what they stand for.
    YIELDS (Event): The pieces.
    """
    parser = _Parser(file, namespaces)
    for text in chain(texts, [None]):
        error = parser.feed(text)
        yield from parser.found
        parser.found.clear()
        if error is not None:
            raise error


def _decoder(file: TextFile, encoding: str) -> codecs.IncrementalDecoder:
    try:
        found = codecs.lookup(encoding)
        # Python also calls what is no encoding of text so: zip, base64.
        if getattr(found, "_is_text_encoding", True) and found.name not in NO_ENCODINGS:
            return codecs.getincrementaldecoder(encoding)()
    except LookupError:
        pass
    raise BadInput(
        file.where(1),
        f"its encoding {encoding!r} is not known",
        "Correct it in the XML declaration, or say --encoding",
    )


class _Parser:
    """An expat parser that refuses declarations of entities and collects events."""

    def __init__(self, file: TextFile, namespaces: bool) -> None:
        self.file = file
        self.found: List[Event] = []
        self.open: List[Tuple[str, int]] = []
        self.lines = 1
        self.parser = parser = expat.ParserCreate("utf-8", "}" if namespaces else None)
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = self._declared
        parser.SkippedEntityHandler = self._skipped
        # Where a file has no DTD, and in place of the one that it has, it gets the names of HTML.
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_UNLESS_STANDALONE)
        parser.UseForeignDTD(True)
        parser.ExternalEntityRefHandler = self._external

    def feed(self, text: Optional[str]) -> Optional[BadInput]:
        """Go on.

        text (Optional[str]): The next text, None at the end.
        RETURNS (Optional[BadInput]): What is wrong with it, if anything. What stands before that is
            in `found`.
        """
        try:
            if text is None:
                self.parser.Parse(b"", True)
            else:
                self._check_references(text)
                self.lines += text.count("\n")
                self.parser.Parse(text.encode("utf-8", "surrogatepass"), False)
        except expat.ExpatError as error:
            return self._error(error)
        except BadInput as error:
            return error
        return None

    def _start(self, name: str, attrs: Dict[str, str]) -> None:
        line = self.parser.CurrentLineNumber
        self.open.append((name, line))
        self.found.append(Event("start", name, attrs, "", line))

    def _end(self, name: str) -> None:
        self.open.pop()
        self.found.append(Event("end", name, {}, "", self.parser.CurrentLineNumber))

    def _text(self, text: str) -> None:
        self.found.append(Event("text", "", {}, text, self.parser.CurrentLineNumber))

    def _external(self, context: str, *_: Any) -> int:
        inner = self.parser.ExternalEntityParserCreate(context, "utf-8")
        inner.EntityDeclHandler = None
        inner.Parse(NAMES_OF_HTML, True)
        return 1

    def _declared(self, name: str, *_: Any) -> None:
        raise BadXML(
            self.file.where(self.parser.CurrentLineNumber),
            f"it declares the entity {name!r}. Entities can read other files and fill the memory, "
            "so they are refused",
            "Write what the entity stands for in its places, and delete its declaration",
        )

    def _skipped(self, name: str, *_: Any) -> None:
        raise self._unknown(name, self.parser.CurrentLineNumber)

    def _check_references(self, text: str) -> None:
        """Refuse entities that are not known in values of attributes, where expat drops them
        without a word if the file has a DTD."""
        for name in set(REFERENCE.findall(text)) - KNOWN_NAMES:
            used = re.search(rf"""=\s*(?:"[^"<]*&{name};|'[^'<]*&{name};)""", text)
            if used and "<![CDATA[" not in text and "<!--" not in text:
                raise self._unknown(name, self.lines + text[: used.end()].count("\n"))

    def _unknown(self, name: str, line: int) -> BadXML:
        return BadXML(
            self.file.where(line),
            f"the entity &{name}; is not known",
            "Write the character that it stands for, or &amp; for a & that is meant as such",
            expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY],
        )

    def _error(self, error: expat.ExpatError) -> BadXML:
        name, line = self.open[-1] if self.open else ("", 0)
        name = name.rpartition("}")[2]
        found = f"the XML is not well-formed: {expat.ErrorString(error.code)}"
        advice = "Correct it there"
        at_end = (
            expat.errors.XML_ERROR_NO_ELEMENTS,
            expat.errors.XML_ERROR_UNCLOSED_TOKEN,
            expat.errors.XML_ERROR_PARTIAL_CHAR,
        )
        if name and error.code in [expat.errors.codes[text] for text in at_end]:
            found = f"the XML ends here, but <{name}> of line {line} is not closed"
            advice = "The file may be cut off: get it again, or close the element"
        elif error.code == expat.errors.codes[expat.errors.XML_ERROR_TAG_MISMATCH]:
            found = f"an end tag does not fit: <{name}> of line {line} is still open"
            advice = f"Close it with </{name}> before, or delete the end tag"
        elif error.code == expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS]:
            found, advice = "there is no XML in it", "Give a file with XML"
        return BadXML(self.file.where(error.lineno), found, advice, error.code)
