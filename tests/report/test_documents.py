import random

import pytest

from spacy_contrastive_ner.report.documents import (
    CHANGES,
    CHUNK_CHARACTERS,
    CHUNK_DOCUMENTS,
    KINDS,
    SIDES,
    encode,
    utf16_places,
)

from .sample import HOSTILE, NESTED, compared_documents, hostile_documents, plain_documents

UNKNOWN = (None, True, False)


def decode(encoded):
    """Documents as they were, as the script reads them."""
    index, chunks = encoded
    texts = [each for chunk in chunks for each in chunk]
    found, at = [], 0
    for name, n, (text, places) in zip(index["ids"], index["marks"], texts):
        units = text.encode("utf-16-le", "surrogatepass")

        def point(unit, units=units):
            return len(units[: 2 * unit].decode("utf-16-le", "surrogatepass"))

        marks = []
        for k in range(n):
            start, end, group, *partner = places[6 * k : 6 * k + 6]
            flags, score = index["flags"][at + k], index["score"][at + k]
            if partner == [-1, -1, -1]:
                partner = None
            else:
                partner = [point(partner[0]), point(partner[1]), index["labels"][partner[2]]]
            marks.append(
                {
                    "start": point(start),
                    "end": point(end),
                    "label": index["labels"][index["label"][at + k]],
                    "side": SIDES[flags & 3],
                    "kind": KINDS[flags >> 2 & 15],
                    "label_right": UNKNOWN[flags >> 6 & 3],
                    "score": None if score == -1 else score,
                    "group": None if group < 0 else group,
                    "nested": bool(flags & 256),
                    "new": UNKNOWN[flags >> 9 & 3],
                    "partner": partner,
                    "change": CHANGES[flags >> 11],
                }
            )
        at += n
        found.append((name, text, marks))
    assert at == len(index["flags"]) == len(index["label"]) == len(index["score"])
    return found


def order(mark):
    return mark["start"], -mark["end"], SIDES.index(mark["side"]), mark["label"]


def random_document(seed):
    rng = random.Random(seed)
    text = "".join(rng.choice("ab 😀é") for _ in range(30))
    marks = []
    for _ in range(8):
        start, end = sorted(rng.sample(range(31), 2))
        marks.append(
            {
                "start": start,
                "end": end,
                "label": rng.choice("XYZ"),
                "side": rng.choice(SIDES[:2]),
                "kind": rng.choice(KINDS),
                "label_right": rng.choice(UNKNOWN),
                "score": rng.choice([None, 0.0, 0.25, 1.0]),
                "group": rng.choice([None, 0, 5]),
                "nested": rng.choice([True, False]),
                "new": rng.choice(UNKNOWN),
                "partner": rng.choice([None, [1, 3, "new"]]),
                "change": rng.choice(CHANGES),
            }
        )
    return {"id": str(seed), "text": text, "marks": marks}


def test_nothing_is_lost():
    documents = [NESTED, *plain_documents(3), *(random_document(seed) for seed in range(40))]
    wanted = [(d["id"], d["text"], sorted(d["marks"], key=order)) for d in documents]
    for found, each in zip(decode(encode(documents)), wanted):
        assert found == each
    assert len(decode(encode(documents))) == len(wanted)


def test_hostile_texts_are_kept():
    documents = hostile_documents()
    assert [text for _, text, _ in decode(encode(documents))] == HOSTILE


def test_places_in_utf16():
    assert utf16_places("plain é 東") is None
    assert utf16_places("") is None
    assert utf16_places("a😀b").tolist() == [0, 1, 3, 4]
    # Halves that stand side by side are two signs in Python and two units in JavaScript.
    assert utf16_places("\ud83d\ude00😀").tolist() == [0, 1, 2, 4]


def test_other_model_has_its_own_side():
    [*_, (_, _, marks)] = decode(encode(compared_documents()))
    assert [mark["side"] for mark in marks] == ["before", "gold", "predicted"]


def test_scores_that_are_no_numbers_are_unknown():
    marks = [{**NESTED["marks"][0], "score": float("nan")}]
    [(_, _, [mark])] = decode(encode([{**NESTED, "marks": marks}]))
    assert mark["score"] is None


def test_unknown_kinds_are_refused():
    with pytest.raises(KeyError):
        encode([{**NESTED, "marks": [{**NESTED["marks"][0], "kind": "odd"}]}])


def test_chunks_are_small():
    documents = [{"id": str(i), "text": "x" * (i % 7 * 500), "marks": []} for i in range(1000)]
    documents.insert(300, {"id": "big", "text": "y" * (3 * CHUNK_CHARACTERS), "marks": []})
    index, chunks = encode(documents)
    sizes = [sum(len(text) for text, _ in chunk) for chunk in chunks]
    assert all(len(chunk) <= CHUNK_DOCUMENTS for chunk in chunks)
    assert sorted(sizes)[-2] <= CHUNK_CHARACTERS < sorted(sizes)[-1]
    firsts = [sum(len(chunk) for chunk in chunks[:i]) for i in range(len(chunks))]
    assert index["first"] == firsts
    assert len(chunks) < 20


def test_nothing_to_write():
    index, chunks = encode([])
    assert chunks == index["ids"] == index["flags"] == []


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -1.0])
def test_scores_that_are_none(score):
    """The page is read as JSON, which has no such numbers."""
    document = {**NESTED, "marks": [{**NESTED["marks"][2], "score": score}]}
    assert encode([document]).table["score"] == [-1]
