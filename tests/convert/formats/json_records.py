"""Help for the tests of formats in JSON: reading what a test writes, and random records."""

import json
from pathlib import Path

from hypothesis import strategies as st

from spacy_contrastive_ner.convert.formats import (
    binder,
    jsonl,
    label_studio,
    runne,
    spacy_json,
)
from spacy_contrastive_ner.convert.notes import Notes
from spacy_contrastive_ner.convert.records import Entity, Record, Where
from spacy_contrastive_ner.convert.textfile import TextFile

FORMATS = [module.FORMAT for module in (binder, jsonl, label_studio, runne, spacy_json)]
# Emoji, combining marks, CJK, right to left, line ends, and what JSON has to escape.
LETTERS = 'aé b\u0301 🦊\u200d👩 中文 שלום \r\n\t"\\\u2028\ufeff. '
TEXTS = st.text(st.sampled_from(LETTERS) | st.characters(exclude_categories=("Cs",)), max_size=30)
LABELS = st.sampled_from(["PER", "creative-work", "B-X", "人名", "a b", "x|y", "-", 'q"\\'])
NAMES = st.sampled_from(["", "7", "007", "d-1", "ж"])


def lines(path, *values):
    """Write JSON lines."""
    path.write_text("".join(json.dumps(v, ensure_ascii=False) + "\n" for v in values), "utf-8")
    return path


def array(path, *values, **options):
    """Write a JSON array."""
    path.write_text(json.dumps(list(values), ensure_ascii=False, **options), "utf-8")
    return path


def read(format, path, notes=None, **options):
    return list(format.read(TextFile(path), notes or Notes(), **options))


def recognised(path):
    """The formats in JSON that a file is said to be of."""
    head = TextFile(path).head()
    return [format.name for format in FORMATS if format.recognise(head)]


def spans(record):
    """The entities as text and label."""
    return [(item.text_in(record.text), item.label) for item in record.entities]


def counts(notes):
    return {kind: tally.total for kind, tally in notes.tallies.items()}


def everything(record):
    return (
        record.text,
        record.entities,
        record.id,
        record.document,
        record.tokens,
        record.sents,
        record.missing,
        record.meta,
    )


@st.composite
def stretches(draw, length):
    start = draw(st.integers(0, length - 1))
    return start, draw(st.integers(start + 1, length))


@st.composite
def entities(draw, length, max_fragments, kb_ids=("",)):
    fragments = sorted(draw(st.lists(stretches(length), min_size=1, max_size=max_fragments)))
    kept = fragments[:1]
    for start, end in fragments[1:]:
        if start > kept[-1][1]:
            kept.append((start, end))
    return Entity(tuple(kept), draw(LABELS), draw(st.sampled_from(kb_ids)))


@st.composite
def records(draw, max_fragments=1, is_full=False):
    """Random records; full ones have all that a record can have."""
    text = draw(TEXTS)
    some = st.lists(entities(len(text), max_fragments), max_size=6) if text else st.just([])
    record = Record(text, draw(some), Where(Path("random")), draw(NAMES))
    if not is_full:
        return record
    if text:
        record.entities += draw(st.lists(entities(len(text), 2, ("Q1", "a b")), max_size=2))
        record.missing = [
            item._replace(label="") if draw(st.booleans()) else item
            for item in draw(st.lists(entities(len(text), 1), max_size=2))
        ]
    if draw(st.booleans()):
        words = text.split()
        record.tokens, place = [], 0
        for word in words:
            place = text.index(word, place)
            record.tokens.append((place, place + len(word)))
            place += len(word)
        record.sents = [(0, len(text))] if text else []
    record.document = draw(NAMES)
    keys = st.sampled_from(
        ["lang", "text", "spans", "label", "meta", "offsets", "id", "answer", ""]
    )
    values = st.sampled_from(["en", None, 3, ["x"], [[1, 2, "A"]], {"a": 1}, "accept"])
    record.meta = draw(st.dictionaries(keys, values, max_size=3))
    return record
