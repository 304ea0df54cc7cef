"""How the offsets of stand-off annotation count."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.records import Entity, Where
from spacy_contrastive_ner.convert.standoff import (
    COUNTED,
    MOVED,
    UNLIKE,
    Mention,
    are_alike,
    fit,
    parts_of_types,
    settle,
)

WHERE = Where(Path("a.ann"))


def mention(start, end, surface, label="X"):
    return Mention(((start, end),), label, "", surface)


def settled(text, *mentions):
    notes = Notes()
    fitted = fit(text, mentions)
    entities = settle(fitted, WHERE, notes)
    return fitted.text, [e.text_in(fitted.text) for e in entities], notes


@pytest.mark.parametrize(
    "text",
    [
        "Ann\r\nlives in\r\nUlm.",
        "Ann\nlives\nin Ulm.",
        "\ufeffAnn lives in Ulm.",
        "😀 Ann lives in Ulm",
        "é Ann ĝ in Ulm 中x",
    ],
)
@pytest.mark.parametrize(
    "counting", ["plain", "one", "two", "no mark", "utf-16-le", "utf-8"], ids=str
)
def test_countings(text, counting):
    def offset(at):
        before = text[:at]
        if counting == "one":
            return len(before.replace("\r\n", "\n"))
        if counting == "two":
            return len(before.replace("\r\n", "\n").replace("\n", "\r\n"))
        if counting == "no mark":
            return len(before.removeprefix("\ufeff"))
        if counting.startswith("utf"):
            return len(before.encode(counting)) // (2 if counting == "utf-16-le" else 1)
        return at

    mentions = []
    for word in ("Ann", "in", "Ulm"):
        at = text.index(word)
        mentions.append(mention(offset(at), offset(at + len(word)), word))
    new, found, notes = settled(text, *mentions)
    assert found == ["Ann", "in", "Ulm"]
    assert MOVED not in notes.tallies
    assert new in (text, text.removeprefix("\ufeff"))
    # The mark is a part of the text if it is counted.
    if text.startswith("\ufeff") and counting == "plain":
        assert new == text
    if text.startswith("\ufeff") and counting == "no mark":
        assert new == text[1:] and notes.tallies[COUNTED].total == 1
        assert "byte order mark" in notes.decisions[0]


@given(st.text(st.sampled_from("aé😀\r\n 中"), min_size=1, max_size=20), st.data())
def test_all_offsets_of_a_counting(text, data):
    """Whatever way is chosen, what is found is alike what was annotated."""
    code = data.draw(st.sampled_from(["utf-16-le", "utf-8"]))
    unit = 2 if code == "utf-16-le" else 1
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    offsets = [len(text[:at].encode(code)) // unit for at in (start, end)]
    fitted = fit(text, [mention(*offsets, text[start:end])])
    if not fitted.unlike:
        assert are_alike(fitted.mentions[0].entity().text_in(fitted.text), text[start:end])


def test_all_mentions_are_moved_alike():
    text = "0123456789" * 5 + " Anna met Bert and Anna in Ulm"
    at = [(text.index(w), w) for w in ("Anna", "Bert", "Ulm")]
    _, found, notes = settled(text, *(mention(i - 40, i - 40 + len(w), w) for i, w in at))
    assert found == ["Anna", "Bert", "Ulm"]
    assert notes.tallies[MOVED].total == 3 and UNLIKE not in notes.tallies


def test_one_mention_is_moved_to_a_near_place_only():
    text = "Anna met Bert and went to Ulm" + " x" * 50
    good = [mention(0, 4, "Anna"), mention(9, 13, "Bert")]
    _, found, notes = settled(text, *good, mention(24, 27, "Ulm"))
    assert found == ["Anna", "Bert", "Ulm"] and notes.tallies[MOVED].total == 1
    _, found, notes = settled(text, *good, mention(80, 83, "Ulm"))
    assert found[2] != "Ulm" and notes.tallies[UNLIKE].total == 1 and MOVED not in notes.tallies
    assert not UNLIKE.is_loss and "Ulm" in notes.tallies[UNLIKE].examples[0]


def test_a_mention_between_two_places_stays():
    _, found, notes = settled("Ulm  x Ulm Anna", mention(3, 6, "Ulm"), mention(11, 15, "Anna"))
    assert found[0] != "Ulm" or notes.tallies[MOVED].total == 1
    text = "xUlm...Ulm Anna Bert"
    _, found, notes = settled(
        text, mention(4, 7, "Ulm"), mention(11, 15, "Anna"), mention(16, 20, "Bert")
    )
    assert found[0] == "..." and UNLIKE in notes.tallies


def test_most_mentions_that_do_not_fit_are_bad_input():
    mentions = [mention(0, 4, "Anna"), mention(5, 8, "Rome"), mention(9, 13, "Paris")]
    with pytest.raises(BadInput, match=r"2 of 3 mentions are not what stands.*'Rome' is 'met'"):
        settle(fit("Anna met Bert in Ulm", mentions), WHERE, Notes())
    notes = Notes(skip_bad=True)
    assert settle(fit("Anna met Bert in Ulm", mentions), WHERE, notes) is None
    assert notes.n_skipped == 1


def test_fragments_in_any_order():
    text = "left and right lung"
    for fragments in (((0, 4), (15, 19)), ((15, 19), (0, 4))):
        fitted = fit(text, [Mention(fragments, "X", "", "left lung")])
        assert fitted.unlike == []
        assert fitted.mentions[0].entity() == Entity(((0, 4), (15, 19)), "X")


def test_offsets_beyond_the_text_stay_beyond():
    fitted = fit("é Anna", [mention(3, 7, "Anna"), mention(90, 95, "")])
    assert fitted.mentions[0].fragments == ((2, 6),)
    assert fitted.mentions[1].fragments[0][1] > len("é Anna")


def test_what_is_alike():
    assert are_alike("a\r\nb", "a b") and are_alike("a  b", "a b")
    assert are_alike('"x" y', '"""x"" y"') and are_alike("ﬁx", "fix") and are_alike("É", "e\u0301")
    assert not are_alike("ab", "ac")


def test_types():
    assert parts_of_types("T1,T2") == ["T1", "T2"] == parts_of_types("T1|T2|T1")
    assert parts_of_types("Disease, rare") == ["Disease, rare"] and parts_of_types(",") == [","]
