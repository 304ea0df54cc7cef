"""Variants of documents, with other mentions of the same labels in them."""

import copy
import random
import warnings
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

import numpy
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example
from spacy.vocab import Vocab

from .cutting import is_list
from .donors import TOKEN_ATTRS, Donor, Inner, Labels, find_donors, find_outermost
from .marks import get_mark, is_marked
from .sources import read_docs, require_path

TITLE = "[MentionReplacement] The corpus of mentions"
HINT = "in the config that is [corpora.train.augmenter] path, or paths.train"


def make_mention_replacement(
    path: Optional[Path],
    level: float = 0.5,
    mention_level: float = 0.5,
    keep: bool = False,
    spans_key: str = "sc",
    missing_key: Optional[str] = None,
    seed: int = 0,
) -> "MentionReplacement":
    """Make an augmenter, for the config.

    path (Path): The training set whose mentions are used: a .spacy file or a folder of them.
    level (float): The probability that an example is varied.
    mention_level (float): The probability that a mention of such an example is replaced.
    keep (bool): Whether the example itself is there too, before its variant.
    spans_key (str): The key of the mentions in `doc.spans`.
    missing_key (Optional[str]): The key of stretches whose annotation is unknown; mentions in them
        do not replace others.
    seed (int): What the draws depend on, besides the epoch and the visit with the reader `Corpus`,
        and Python's `random` with others, as those of spaCy's augmenters.
    RETURNS (MentionReplacement): The augmenter.
    """
    return MentionReplacement(
        path,
        level=level,
        mention_level=mention_level,
        keep=keep,
        spans_key=spans_key,
        missing_key=missing_key,
        seed=seed,
    )


class Replacement(NamedTuple):
    """What takes the place of a stretch.

    start, end (int): The tokens that go, end exclusive.
    donor (Donor): The mention that comes.
    """

    start: int
    end: int
    donor: Donor


class MentionReplacement:
    """Replaces mentions by others of the same label. The settings are those of
    `make_mention_replacement`."""

    def __init__(
        self,
        path: Optional[Path],
        *,
        level: float = 0.5,
        mention_level: float = 0.5,
        keep: bool = False,
        spans_key: str = "sc",
        missing_key: Optional[str] = None,
        seed: int = 0,
    ) -> None:
        self.path = require_path(path, TITLE, HINT)
        for name, value in (("level", level), ("mention_level", mention_level)):
            if not 0 <= value <= 1:
                raise ValueError(
                    f"[MentionReplacement] {name} is {value}, but is a probability: 0 to 1."
                )
        self.level = level
        self.mention_level = mention_level
        self.keep = keep
        self.spans_key = spans_key
        self.missing_key = missing_key
        self.seed = seed
        self._donors: Optional[Dict[Labels, List[Donor]]] = None

    def __call__(self, nlp: Language, example: Example) -> Iterator[Example]:
        """Vary an example, or leave it as it is.

        nlp (Language): The pipeline.
        example (Example): The example.
        YIELDS (Example): The example, its variant, or both. If no mention is replaced, it is the
            example.
        """
        variant: Optional[Example] = None
        # So that a run that goes on draws what it would have drawn: without marks as spaCy's own
        # augmenters do, from a source of chance that is saved.
        mark = get_mark(example.reference)
        visit = f"{mark.epoch}-{mark.number}"
        if not is_marked(example.reference):
            visit = str(random.getrandbits(64))
        rng = random.Random(f"{self.seed}-{visit}")
        if rng.random() < self.level:
            chosen = self._choose(example.reference, nlp.vocab, rng)
            variant = replace(nlp, example.reference, chosen) if chosen else None
        if self.keep or variant is None:
            yield example
        if variant is not None:
            yield variant

    def _choose(self, doc: Doc, vocab: Vocab, rng: random.Random) -> List[Replacement]:
        """Draw the mentions that are replaced, and what replaces them."""
        donors = self._read(vocab)
        keys = {key for key in doc.spans if key != self.missing_key}
        chosen: List[Replacement] = []
        for start, end, labels in find_outermost(doc, self.spans_key):
            if rng.random() < self.mention_level:
                words = tuple(token.text for token in doc[start:end])
                donor = _draw(donors.get(labels, []), words, keys, rng)
                if donor is not None:
                    chosen.append(Replacement(start, end, donor))
        return chosen

    def _read(self, vocab: Vocab) -> Dict[Labels, List[Donor]]:
        """Read the mentions, once."""
        if self._donors is not None:
            return self._donors
        docs = read_docs(self.path, vocab, TITLE, hint=HINT)
        donors = find_donors(docs, self.spans_key, self.missing_key)
        if not donors:
            keys = sorted({key for doc in docs for key in doc.spans})
            there = ", ".join(map(repr, keys)) or "none"
            raise ValueError(
                f"{TITLE}, {str(self.path)!r}, has no mentions that could replace others in doc.spans"
                f"[{self.spans_key!r}]. Span groups that are there: {there}. Set spans_key of the "
                "augmenter."
            )
        alone = [
            "+".join(labels)
            for labels, found in sorted(donors.items())
            if len({donor.words for donor in found}) == 1
        ]
        if alone:
            warnings.warn(
                f"[MentionReplacement] {len(alone)} labels of {str(self.path)!r} have one mention "
                f"only that can be used, for example {alone[0]}: it is never replaced. Annotate "
                "more of them, or use a larger corpus as path.",
                stacklevel=2,
            )
        self._donors = donors
        return donors


def _draw(
    donors: List[Donor], words: Tuple[str, ...], keys: Set[str], rng: random.Random
) -> Optional[Donor]:
    """Draw a mention with other words, from a document with the same span groups: what is not
    annotated there is not known."""
    first = rng.randrange(len(donors)) if donors else 0
    for i in range(len(donors)):
        donor = donors[(first + i) % len(donors)]
        if donor.words != words and keys <= {key for key, _ in donor.groups}:
            return donor
    return None


def replace(nlp: Language, doc: Doc, replacements: List[Replacement]) -> Example:
    """Replace stretches of a document. Spans around them are stretched, others are moved; what is
    annotated within them goes, and what is annotated within their donors comes. The dependency
    parse is not kept.

    nlp (Language): The pipeline.
    doc (Doc): The document, which is not changed.
    replacements (List[Replacement]): The stretches, by start; see `find_stretches` for which can
        be replaced.
    RETURNS (Example): The new document as the reference. The prediction has the same words.
    """
    new, moved = _new_tokens(doc, replacements)
    for key, group in doc.spans.items():
        spans = [_span(new, span, moved) for span in group if not _within(span, replacements)]
        kept = len(spans)
        for start, _, donor in replacements:
            for inner in dict(donor.groups).get(key, ()):
                spans.append(_inner_span(new, inner, moved[start]))
        # Nothing is known that a list, one item a span, could hold about other spans.
        attrs = {
            name: copy.copy(value)
            for name, value in group.attrs.items()
            if kept == len(group) == len(spans) or not is_list(value, len(group))
        }
        new.spans[key] = SpanGroup(new, name=group.name, spans=spans, attrs=attrs)
    _set_ents(doc, new, moved, replacements)
    return Example(_prediction(nlp, new), new)


def _prediction(nlp: Language, doc: Doc) -> Doc:
    """The same words without annotation. If the tokenizer makes the same of the text, it is what
    the tokenizer makes, whose tokens know their norms."""
    words = [token.text for token in doc]
    if not doc.has_unknown_spaces:
        made = nlp.make_doc(doc.text)
        if [token.text for token in made] == words:
            return made
    return Doc(nlp.vocab, words=words, spaces=[bool(token.whitespace_) for token in doc])


def _new_tokens(doc: Doc, replacements: List[Replacement]) -> Tuple[Doc, List[int]]:
    """Make the new document without its spans, and say where each border of tokens has moved."""
    strings = doc.vocab.strings
    old = doc.to_array([*TOKEN_ATTRS, "SENT_START"])
    inner_start = numpy.int64(-1 if doc.has_annotation("SENT_START") else 0).astype("uint64")
    words: List[str] = []
    spaces: List[bool] = []
    rows: List[Any] = []
    moved = [0] * (len(doc) + 1)
    ends = {start: (end, donor) for start, end, donor in replacements}
    i = 0
    while i < len(doc):
        moved[i] = len(words)
        end, donor = ends.get(i, (i + 1, None))
        if donor is None:
            words.append(doc[i].text)
            rows.append(old[i])
        else:
            words.extend(donor.words)
            spaces.extend(donor.spaces[:-1])
            for values in donor.attrs:
                first = len(rows) == moved[i]
                row = [strings.add(value) if value else 0 for value in values]
                rows.append(
                    numpy.array([*row, old[i, -1] if first else inner_start], dtype="uint64")
                )
        spaces.append(bool(doc[end - 1].whitespace_))
        i = end
    moved[len(doc)] = len(words)
    new = Doc(doc.vocab, words=words, spaces=spaces, user_data=_of_the_doc(doc.user_data))
    new.from_array([*TOKEN_ATTRS, "SENT_START"], numpy.array(rows, dtype="uint64"))
    new.has_unknown_spaces = doc.has_unknown_spaces or any(
        donor.unknown_spaces for _, _, donor in replacements
    )
    new.cats = dict(doc.cats)
    return new, moved


def _set_ents(doc: Doc, new: Doc, moved: List[int], replacements: List[Replacement]) -> None:
    """Carry the entities over, and what is missing or blocked among them."""
    if not doc.has_annotation("ENT_IOB"):
        return
    ents = [_span(new, ent, moved) for ent in doc.ents if not _within(ent, replacements)]
    taken = {i for ent in ents for i in range(ent.start, ent.end)}
    missing: List[Span] = []
    blocked: List[Span] = []
    gone = {i for start, end, _ in replacements for i in range(start, end)}
    for token in doc:
        if token.i not in gone and (
            token.ent_iob == 0 or (token.ent_iob_ == "B" and not token.ent_type)
        ):
            place = missing if token.ent_iob == 0 else blocked
            place.append(new[moved[token.i] : moved[token.i] + 1])
    for start, end, donor in replacements:
        if moved[start] in taken:
            continue  # within a larger entity
        if donor.ents is None or all(token.ent_iob == 0 for token in doc[start:end]):
            missing.append(new[moved[start] : moved[end]])
        else:
            ents.extend(_inner_span(new, inner, moved[start]) for inner in donor.ents)
    new.set_ents(ents, missing=missing, blocked=blocked, default="outside")


def _within(span: Span, replacements: List[Replacement]) -> bool:
    """Whether a span goes with what is replaced."""
    return any(start <= span.start and span.end <= end for start, end, _ in replacements)


def _span(new: Doc, span: Span, moved: List[int]) -> Span:
    start, end = moved[span.start], moved[span.end]
    return Span(new, start, end, label=span.label, kb_id=span.kb_id, span_id=span.id)


def _inner_span(new: Doc, inner: Inner, start: int) -> Span:
    return Span(new, start + inner.start, start + inner.end, label=inner.label, kb_id=inner.kb_id)


def _of_the_doc(user_data: Dict[Any, Any]) -> Dict[Any, Any]:
    """What is known about the whole document, not about some of its characters."""

    def is_about_all(key: Any) -> bool:
        is_extension = isinstance(key, tuple) and len(key) == 4 and key[0] == "._."
        return not is_extension or (key[2] is None and key[3] is None)

    return {key: copy.copy(value) for key, value in user_data.items() if is_about_all(key)}
