"""The JSON that spaCy 2 trained from: documents of paragraphs of sentences of tokens with tags."""

from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from ..format import Format
from ..notes import Kind, Notes
from ..records import Entity, Record, Stretch, Where, entity
from ..textfile import Head, TextFile
from .shared.json_lines import Wrong, first_value, kind_of, name_of, objects
from .shared.json_spans import read_spans
from .shared.spacing import find_in
from .shared.tags import TagReader

ORPHAN = Kind("tag that continues nothing, read as the first of an entity")
NO_END = Kind("entity without an end (L-), ended where its tags do")
OTHER_RAW = Kind('"raw" that is not the text of the tokens, which are joined instead')
UNTAGGED = Kind('entity of "entities" that the tags do not have, passed over', True)
NOT_THIS = Kind("tag that only says what is not there, read as unknown")

MISSING = (None, "", "-")
ADVICE = 'Each document is {"id", "paragraphs": [{"raw", "sentences": [{"tokens": [...]}]}]}'
ADVICE_TAG = "Write the tags as BILUO: B-X, I-X, L-X, U-X, O, or - where it is not known"


class Token(NamedTuple):
    """A token.

    word (str): Its text.
    space (str): The white space after it.
    tag (Optional[str]): Its tag, None if it is not known.
    """

    word: str
    space: str
    tag: Optional[str]


def recognise(head: Head) -> Optional[str]:
    """RETURNS (Optional[str]): The reason why this is training data of spaCy 2."""
    value = first_value(head)
    paragraphs = value.get("paragraphs") if isinstance(value, dict) else None
    if not isinstance(paragraphs, list) or not paragraphs or not isinstance(paragraphs[0], dict):
        return None
    keys = [key for key in ("raw", "sentences", "entities") if key in paragraphs[0]]
    return f'JSON documents with "paragraphs" that have "{keys[0]}"' if keys else None


def read(file: TextFile, notes: Notes) -> Iterator[Record]:
    """Read training data of spaCy 2. Each paragraph is a record.

    file (TextFile): The file.
    notes (Notes): Told about decisions, and what cannot be read.
    YIELDS (Record): The records.
    """
    reader = TagReader(split=False, scheme="BILOU")
    items = objects(file, notes)
    first, second = next(items, None), next(items, None)
    # A file that is a single document is one that a whole corpus was written to.
    is_several = second is not None
    for line, value in (item for group in ((first, second), items) for item in group if item):
        where = file.where(line, name_of(value.get("id")))
        paragraphs = value.get("paragraphs")
        if not isinstance(paragraphs, list):
            notes.bad(where, f'"paragraphs" is {kind_of(paragraphs)}, not a list', ADVICE)
            continue
        for number, paragraph in enumerate(paragraphs, 1):
            is_part = len(paragraphs) > 1
            id = f"{where.id}-{number}" if is_part and where.id else where.id
            try:
                record = _record(paragraph, where._replace(id=id), reader, notes)
            except Wrong as error:
                found = f"paragraph {number}: {error.found}" if is_part else error.found
                notes.bad(where, found, error.advice)
                continue
            record.document = where.id if is_part and is_several else ""
            yield record


def _record(paragraph: Any, where: Where, reader: TagReader, notes: Notes) -> Record:
    if not isinstance(paragraph, dict):
        raise Wrong(f"a paragraph is {kind_of(paragraph)}, not an object", ADVICE)
    raw = paragraph.get("raw", paragraph.get("text"))
    if raw is not None and not isinstance(raw, str):
        raise Wrong(f'"raw" is {kind_of(raw)}, not a text', ADVICE)
    given = [
        Entity(span.places, span.label, span.kb_id)
        for span in read_spans(paragraph.get("entities"), "entities")
    ]
    meta = {}
    if isinstance(paragraph.get("cats"), list) and paragraph["cats"]:
        meta["cats"] = paragraph["cats"]
    sentences = [list(_tokens(sentence)) for sentence in _list(paragraph, "sentences")]
    if not any(sentences):
        if raw is None:
            raise Wrong('a paragraph has neither "raw" nor tokens', ADVICE)
        record = Record(raw, given, where, id=where.id, meta=meta)
        if "entities" not in paragraph and raw:
            record.missing = [entity(0, len(raw), "")]
        return record
    text, places = _align(
        raw, [token for sentence in sentences for token in sentence], where, notes
    )
    record = Record(text, [], where, id=where.id, meta=meta)
    record.tokens = [place for place in places if not text[slice(*place)].isspace()]
    record.sents = list(_sents(sentences, places, text))
    _read_tags(record, sentences, places, given, reader, notes)
    return record


def _list(value: Dict[str, Any], key: str) -> List[Any]:
    items = value.get(key)
    if items is None or isinstance(items, list):
        return items or []
    raise Wrong(f'"{key}" is {kind_of(items)}, not a list', ADVICE)


def _tokens(sentence: Any) -> Iterator[Token]:
    if not isinstance(sentence, dict):
        raise Wrong(f"a sentence is {kind_of(sentence)}, not an object", ADVICE)
    for token in _list(sentence, "tokens"):
        word = token.get("orth") if isinstance(token, dict) else None
        if not isinstance(word, str) or not word:
            raise Wrong(f"a token is {token!r:.60}", 'Write tokens as {"orth": "word", "ner": "O"}')
        tag, space = token.get("ner"), token.get("space")
        if tag is not None and not isinstance(tag, str):
            raise Wrong(f"a tag is {kind_of(tag)}", ADVICE_TAG)
        yield Token(word, space if isinstance(space, str) else " ", None if tag in MISSING else tag)


def _align(
    raw: Optional[str], tokens: List[Token], where: Where, notes: Notes
) -> Tuple[str, List[Stretch]]:
    """RETURNS (Tuple[str, List[Stretch]]): The text, and where its tokens are."""
    if raw is not None:
        found = find_in(raw, [token.word for token in tokens])
        if found is not None:
            return raw, found
        notes.add(OTHER_RAW, where, text=raw)
    places, length = [], 0
    for token in tokens:
        places.append((length, length + len(token.word)))
        length += len(token.word) + len(token.space)
    return "".join(token.word + token.space for token in tokens).rstrip(" "), places


def _sents(sentences: Iterable[List[Token]], places: List[Stretch], text: str) -> Iterator[Stretch]:
    at = 0
    for sentence in sentences:
        own = [place for place in places[at : at + len(sentence)] if text[slice(*place)].strip()]
        at += len(sentence)
        if own:
            yield own[0][0], own[-1][1]


def _read_tags(
    record: Record,
    sentences: Iterable[List[Token]],
    places: List[Stretch],
    given: List[Entity],
    reader: TagReader,
    notes: Notes,
) -> None:
    """Read the entities, and where they are not known, from the tags."""
    at = 0
    unknown: List[bool] = []
    for sentence in sentences:
        cells = [_cell(token.tag, reader, record.where, notes) for token in sentence]
        unknown += [cell is None for cell in cells]
        spans, odd = reader.spans([cell or "O" for cell in cells])
        for first, last, label in spans:
            record.entities.append(entity(places[at + first][0], places[at + last - 1][1], label))
        for token, label, is_orphan in odd:
            kind = ORPHAN if is_orphan else NO_END
            notes.add(kind, record.where, label, sentence[token].word)
        at += len(sentence)
    if given and all(unknown):
        record.entities = given
        return
    record.missing = [entity(start, end, "") for start, end in _runs(unknown, places)]
    there = {(item.fragments, item.label) for item in record.entities}
    for item in given:
        if (item.fragments, item.label) not in there:
            notes.add(UNTAGGED, record.where, item.label, item.text_in(record.text))


def _cell(tag: Optional[str], reader: TagReader, where: Where, notes: Notes) -> Optional[str]:
    if tag is not None and tag.startswith("!"):
        notes.add(NOT_THIS, where, text=tag)
        return None
    if tag is not None and reader.parse(tag) is None:
        raise Wrong(f"{tag!r} is no tag", ADVICE_TAG)
    return tag


def _runs(unknown: List[bool], places: List[Stretch]) -> Iterator[Stretch]:
    """Join tokens whose annotation is not known."""
    start: Optional[int] = None
    for index, is_unknown in enumerate((*unknown, False)):
        if is_unknown and start is None:
            start = index
        elif not is_unknown and start is not None:
            yield places[start][0], places[index - 1][1]
            start = None


FORMAT = Format(
    name="spacy-json",
    about="training data of spaCy 2, in JSON",
    suffixes=(".json", ".jsonl"),
    recognise=recognise,
    read=read,
)
