"""What offsets count, and where ends are."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_contrastive_ner.convert.formats.shared.offsets import (
    Evidence,
    Reading,
    Ruler,
    Sample,
    judge,
    stated,
)
from spacy_contrastive_ner.convert.records import Where

from ..json_records import TEXTS

USUAL = Reading("characters", "exclusive")
ALL = stated("auto", "auto", USUAL)
ENCODINGS = {"bytes": ("utf-8", 1), "utf-16": ("utf-16-le", 2)}


def counted(text, place, units):
    """An offset, in other units."""
    if units == "characters":
        return place
    encoding, size = ENCODINGS[units]
    return len(text[:place].encode(encoding)) // size


def samples(text, words, reading, with_surface=False):
    found, place = [], 0
    for word in words:
        start = text.index(word, place)
        place = start + len(word)
        end = counted(text, place, reading.units) - (reading.ends == "inclusive")
        start = counted(text, start, reading.units)
        found.append(Sample(start, end, word if with_surface else None))
    return [Evidence(text, found, Where(Path("file")))]


@given(TEXTS, st.sampled_from(["characters", "bytes", "utf-16"]), st.data())
def test_ruler(text, units, data):
    place = data.draw(st.integers(0, len(text)))
    ruler = Ruler(text, units)
    assert ruler.at(counted(text, place, units)) == place
    assert ruler.at(counted(text, len(text), units) + 3) == len(text) + 3
    assert ruler.at(-1) == -1


def test_ruler_within_a_character():
    ruler = Ruler("aé🦊b", "bytes")
    assert [ruler.at(i) for i in range(9)] == [0, 1, None, 2, None, None, None, 3, 4]
    assert ruler.around(2, 5) == (1, 3)
    assert Ruler("🦊b", "utf-16").around(1, 2) == (0, 1)


def test_ruler_where_line_ends_are_one():
    text = "a\r\nb\r\n🦊\nc"
    ruler = Ruler(text, "utf-16", crlf_is_one=True)
    other = text.replace("\r\n", "\n")
    for sign in "ab🦊c":
        assert ruler.at(counted(other, other.index(sign), "utf-16")) == text.index(sign)


@pytest.mark.parametrize("with_surface", [False, True])
@pytest.mark.parametrize("reading", ALL)
def test_found_out(reading, with_surface):
    text = "Vorüber 🦊 sind Zoë und Köln, die Anna Müller und Zürich sah."
    words = ["Zoë", "Köln", "Anna Müller", "Zürich"]
    verdict = judge(samples(text, words, reading, with_surface), ALL)
    assert (verdict.reading, verdict.fitting, verdict.total) == (reading, 4, 4)
    assert verdict.by_surface == with_surface and not verdict.rival


@pytest.mark.parametrize("reading", ALL)
def test_found_out_without_blanks(reading):
    text = "🦊松友美佐紀は、日本のバドミントン選手。東京の人は、京都へ行く。" * 2
    words = ["松友美佐紀", "日本", "東京", "京都"] * 2
    verdict = judge(samples(text, words, reading, with_surface=True), ALL)
    assert verdict.reading == reading
    if reading.ends == "exclusive" and reading.units != "utf-16":
        assert judge(samples(text, words, reading), ALL).reading == reading


def test_what_makes_no_difference_stays_possible():
    verdict = judge(samples("Anna saw Zoë in Rom.", ["Anna"], USUAL), ALL)
    assert verdict.reading == USUAL
    assert verdict.alike == [
        Reading(units, "exclusive") for units in ("characters", "utf-16", "bytes")
    ]


def test_particles_are_no_inclusive_ends():
    text = "서울은 크다. 부산은 작다. 대구가 좋다. 민수는 갔다."
    assert judge(samples(text, ["서울", "부산", "대구", "민수"], USUAL), ALL).reading == USUAL


def test_combining_marks_belong_to_words():
    text = "दिल्ली और मुंबई और पुणे"
    reading = Reading("characters", "inclusive")
    assert judge(samples(text, ["दिल्ली", "मुंबई", "पुणे"], reading), ALL).reading == reading


def test_little_evidence_is_not_followed_but_told():
    text = "The Brits met the Scots."
    verdict = judge(samples(text, ["Brit", "Scot"], USUAL), ALL)
    assert verdict.reading == USUAL
    assert verdict.rival == Reading("characters", "inclusive") and not verdict.is_contradictory
    assert "2 would only if" in str(verdict)


def test_contradiction():
    text = " ".join(f"Name{i}" for i in range(12))
    words = text.split()
    both = samples(text, words[:6], USUAL)[0].samples
    both += samples(text, words[6:], Reading("characters", "inclusive"))[0].samples
    verdict = judge([Evidence(text, both, Where(Path("file")))], ALL)
    assert verdict.is_contradictory and set(verdict.apart) == {6}
    assert {verdict.reading.ends, verdict.rival.ends} == {"exclusive", "inclusive"}


def test_surfaces_that_are_nowhere_are_no_evidence():
    evidence = samples("Anna saw Zoë in Rom.", ["Anna", "Zoë", "Rom"], USUAL)[0]
    other = [sample._replace(surface="norm") for sample in evidence.samples]
    verdict = judge([evidence._replace(samples=other)], ALL)
    assert verdict.reading == USUAL and not verdict.by_surface


def test_surfaces_with_other_white_space():
    text = "Anna\n Lee ran. Bob\tDoe, too."
    evidence = samples(text, ["Anna\n Lee", "Bob\tDoe"], Reading("characters", "inclusive"))[0]
    joined = [
        sample._replace(surface=surface)
        for sample, surface in zip(evidence.samples, ["Anna Lee", "bob doe"])
    ]
    verdict = judge([evidence._replace(samples=joined)], ALL)
    assert verdict.reading.ends == "inclusive" and verdict.by_surface


def test_options():
    assert stated("bytes", "exclusive", USUAL) == [Reading("bytes", "exclusive")]
    assert stated("auto", "inclusive", USUAL)[0] == Reading("characters", "inclusive")
    assert ALL[0] == USUAL and len(ALL) == 6
