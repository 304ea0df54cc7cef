"""The page shows the text exactly, and each entity where it is."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_contrastive_ner.convert import Entity, Record, Where, entity
from spacy_contrastive_ner.convert.page import colour_of, direction_of, render_page
from spacy_contrastive_ner.convert.summary import Summary

WHERE = Where(Path("some.spacy"))


def page_of(*records, title="some.spacy"):
    summary = Summary()
    for record in records:
        summary.add(record)
    return render_page([record for record in records if record.entities], summary, title)


class Reader(HTMLParser):
    """The text of the documents without what displaCy adds, and where labels stand."""

    def __init__(self):
        super().__init__()
        self.stack, self.text, self.labels, self.unknown = [], [], [], []
        self.tags = 0

    def handle_starttag(self, tag, attributes):
        kind = dict(attributes).get("class") or tag
        if kind == "piece":
            self.piece = sum(map(len, self.text))
        if tag not in ("meta", "br"):
            self.stack.append((tag, kind))

    def handle_endtag(self, tag):
        assert self.stack.pop()[0] == tag

    def handle_data(self, data):
        kinds = [kind for _, kind in self.stack]
        if any(kind == "label" for kind in kinds):
            if kinds[-1] == "label" and data.strip():
                self.labels.append((self.piece, data.strip()))
        elif "spans" in kinds:
            self.text.append(data)
            if "unknown" in kinds:
                self.unknown.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.stack
    return reader


@st.composite
def records(draw):
    text = draw(st.text("aé ̈病שא👍<&>\"'\n\r{}\x00\x01#", min_size=1, max_size=30))
    place = st.integers(0, len(text))

    def stretches(max_size):
        return st.lists(st.tuples(place, place).map(sorted).map(tuple), max_size=max_size).map(
            lambda some: [(a, b) for a, b in some if a < b]
        )

    labels = st.sampled_from(["A", "<b>", "病 院", "a&b", "{x}"])
    entities = [entity(a, b, draw(labels)) for a, b in draw(stretches(6))]
    missing = [entity(a, b, "") for a, b in draw(stretches(3))]
    return Record(text, [entity(0, 1, "A"), *entities], WHERE, missing=missing)


@settings(deadline=None, max_examples=60)
@given(records())
def test_text_and_labels_are_exact(record):
    found = read(page_of(record))
    expected = re.sub("[\x00-\x02]", "\ufffd", record.text)
    # Within entities a sign stands for a line end; the parser makes every line end of HTML one.
    shown = "".join(found.text)
    if "\r\n" not in expected:  # an entity may end in the middle of that
        assert re.sub("\r|\n|\u21b5", "\n", shown) == expected.replace("\r", "\n")
    assert re.sub("[\r\n\u21b5]", "", shown) == re.sub("[\r\n]", "", expected)
    assert sorted(label for _, label in found.labels) == sorted(e.label for e in record.entities)
    if "\r" not in record.text:
        by_place = sorted((e.start, e.label) for e in record.entities)
        assert sorted(found.labels) == by_place
        unknown = {i for m in record.missing for i in range(m.start, m.end)}
        grey = "".join(expected[i] for i in sorted(unknown)).replace("\n", "\u21b5")
        assert "".join(found.unknown).replace("\n", "\u21b5") == grey


def test_nested_entities_are_drawn_below_each_other():
    text = "the mayor of Paris"
    page = page_of(Record(text, [entity(0, 18, "PER"), entity(13, 18, "GPE")], WHERE))
    tops = dict(re.findall(r'class="bar first".*?top: (\d+)px"><span.*?>(\w+)</span>', page))
    places = {label: int(top) for top, label in tops.items()}
    assert places["GPE"] > places["PER"]


def test_fragments_bear_the_same_number():
    text = "heart and lung disease"
    entities = [
        Entity(((0, 5), (15, 22)), "DIS"),
        entity(10, 22, "DIS"),
        Entity(((0, 5), (10, 14)), "ORGAN"),
    ]
    labels = [label for _, label in read(page_of(Record(text, entities, WHERE))).labels]
    assert sorted(labels) == ["DIS", "DIS #1", "DIS #1", "ORGAN #2", "ORGAN #2"]


def test_nothing_is_taken_for_html():
    evil = "<script>alert('x')</script>&amp;"
    record = Record(evil, [entity(0, 8, evil, evil)], WHERE._replace(id=evil), id=evil)
    page = page_of(record, title=evil)
    assert "<script" not in page
    assert page.count(html.escape(evil)) >= 4
    assert 'content="' not in page and "http" not in page


def test_stands_alone_and_names_its_encoding():
    page = page_of(Record("a", [entity(0, 1, "A")], WHERE))
    assert page.startswith("<!DOCTYPE html>") and '<meta charset="utf-8">' in page
    assert "src=" not in page and "<link" not in page


def test_counts_are_on_top():
    entities = [entity(0, 3, "<A>"), entity(0, 1, "<A>"), entity(2, 3, "B")]
    page = page_of(Record("a b", entities, WHERE), Record("c", [], WHERE))
    top = page[: page.index("<h2>")]
    rows = [re.sub("<[^>]+>", " ", row).split() for row in re.findall("<tr>(.*?)</tr>", top)]
    assert ["Documents", "2"] in rows
    assert ["&lt;A&gt;", "2", "66.7", "%", "1", "1", "2"] in rows
    assert f"background: {colour_of('<A>')}" in top
    assert "The first 1 of 1 documents with entities." in top


def test_colours_are_stable():
    assert colour_of("ORG") == colour_of("org") == "#7aecec"
    assert colour_of("protein") == "hsl(0, 60%, 72%)"
    assert len({colour_of(f"label {i}") for i in range(50)}) > 40


@pytest.mark.parametrize(
    "text, direction",
    [("abc אב", "ltr"), ("אבג ab", "rtl"), ("مرحبا 12", "rtl"), ("病院", "ltr"), ("12", "ltr")],
)
def test_direction(text, direction):
    assert direction_of(text) == direction
    page = page_of(Record(text, [entity(0, 1, "A")], WHERE))
    assert f'<div dir="{direction}">' in page and f"direction: {direction}" in page


def test_a_long_document():
    n = 1_000
    entities = [entity(4 * i, 4 * i + 3, f"L{i % 7}") for i in range(n)]
    found = read(page_of(Record("abc " * n, entities, WHERE)))
    assert "".join(found.text) == "abc " * n
    assert len(found.labels) == n
