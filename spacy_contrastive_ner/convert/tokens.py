"""Records are cut into tokens; their text stays as it is."""

from typing import Callable, List, Sequence

from spacy.language import Language
from spacy.tokens import Doc

from .notes import BadInput, Kind, Notes
from .records import Record, Stretch

TOKENIZERS = ("auto", "given", "whitespace", "characters")

UNCOVERED = Kind("text outside of the tokens of the source, which became tokens")
ADVICE_TOKENS = "Use another --tokenizer, for instance whitespace"

Tokenizer = Callable[[Record], Doc]


def make_tokenizer(how: str, nlp: Language, notes: Notes) -> Tokenizer:
    """Make what turns a record into a document without annotation.

    how (str): "given": the tokens of the source; "auto": these if there are any, else those of the
        pipeline; "whitespace", "characters".
    nlp (Language): The pipeline.
    notes (Notes): Where text outside of given tokens is counted.
    RETURNS (Tokenizer): The tokenizer.
    """

    def tokenize(record: Record) -> Doc:
        if record.doc is not None and how in ("auto", "given"):
            return record.doc
        if how == "characters":
            return doc_of_tokens(nlp, record.text, _characters(record.text))
        if how == "whitespace":
            return doc_of_tokens(nlp, record.text, _words(record.text))
        if record.tokens is not None and how in ("auto", "given"):
            return doc_of_tokens(nlp, record.text, _covering(record, notes))
        if how == "given":
            raise BadInput(
                record.where,
                "the source has no tokens here",
                "Use --tokenizer auto, whitespace or characters",
            )
        return nlp.make_doc(record.text)

    def check(record: Record) -> Doc:
        _check_characters(record)
        try:
            doc = tokenize(record)
        except ValueError as error:
            if isinstance(error, BadInput):
                raise
            raise BadInput(
                record.where, f"the text cannot be tokenized: {error}", ADVICE_TOKENS
            ) from error
        if doc.text != record.text:
            raise BadInput(record.where, "the tokenizer changes the text", ADVICE_TOKENS)
        return doc

    return check


def _check_characters(record: Record) -> None:
    """Refuse halves of characters, which JSON can hold, but spaCy cannot."""
    items = (*record.entities, *record.missing)
    for part in (record.text, *(text for item in items for text in item[1:])):
        try:
            part.encode("utf-8")
        except UnicodeEncodeError as error:
            raise BadInput(
                record.where,
                f"the character {part[error.start]!a} is half of one, and no text",
                "Remove it",
            ) from None


def _characters(text: str) -> List[Stretch]:
    return [(i, i + 1) for i, character in enumerate(text) if not character.isspace()]


def _words(text: str) -> List[Stretch]:
    words, end = [], 0
    for word in text.split():
        start = text.index(word, end)
        end = start + len(word)
        words.append((start, end))
    return words


def _covering(record: Record, notes: Notes) -> List[Stretch]:
    """The tokens of the source, and tokens for what they leave out."""
    tokens: List[Stretch] = []
    end = 0
    for token in [*(record.tokens or ()), (len(record.text), len(record.text))]:
        gap = record.text[end : token[0]]
        if gap and not gap.isspace():
            more = [(end + start, end + stop) for start, stop in _words(gap)]
            notes.add(UNCOVERED, record.where, text=gap.strip(), n=len(more))
            tokens.extend(more)
        tokens.append(token)
        end = token[1]
    return tokens[:-1]


def doc_of_tokens(nlp: Language, text: str, tokens: Sequence[Stretch]) -> Doc:
    """Make a document that has these tokens and exactly this text. White space between tokens
    that is more than one blank becomes a token of its own, as with spaCy's tokenizers.

    nlp (Language): The pipeline whose vocabulary the document has.
    text (str): The text.
    tokens (Sequence[Stretch]): The tokens; white space between them only.
    RETURNS (Doc): The document.
    """
    words: List[str] = []
    spaces: List[bool] = []
    end = 0
    for start, stop in [*tokens, (len(text), len(text))]:
        gap = text[end:start]
        if gap.startswith(" ") and words:
            spaces[-1] = True
            gap = gap[1:]
        if gap:
            blank = gap.endswith(" ") and len(gap) > 1
            words.append(gap[:-1] if blank else gap)
            spaces.append(blank)
        if stop > start:
            words.append(text[start:stop])
            spaces.append(False)
        end = stop
    return Doc(nlp.vocab, words=words, spaces=spaces)
