"""CoNLL-U: brackets of several dialects, tokens that are no words, and bad input."""

from pathlib import Path
from typing import Dict, List, Tuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_contrastive_ner.convert.formats.conllu.read import read, recognise
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.records import Record
from spacy_contrastive_ner.convert.textfile import TextFile


def rows(*words: str) -> str:
    """Lines of words, each "id form misc"."""
    made = []
    for word in words:
        id, form, misc = word.split(" ")
        made.append("\t".join([id, form, *["_"] * 7, misc]))
    return "\n".join(made) + "\n\n"


def read_text(tmp_path: Path, text: str, **options):
    path = tmp_path / "sample.conllu"
    path.write_bytes(text.encode("utf8"))
    notes = options.pop("notes", None) or Notes()
    return list(read(TextFile(path), notes, **options)), notes


def found(record: Record) -> List[Tuple[str, str]]:
    entities = sorted(record.entities, key=lambda at: (at.start, -at.end, at.label))
    return [(at.text_in(record.text), at.label) for at in entities]


def counts(notes: Notes) -> Dict[str, int]:
    return {kind.name.partition(":")[0]: tally.total for kind, tally in notes.tallies.items()}


BANK = [("Bank of Bath", "organization"), ("Bath", "place")]


@pytest.mark.parametrize(
    "declared, opens, single, closes",
    [
        ("eid-etype-head-other", "(e1-organization-1-", "(e2-place-1-)", "e1)"),
        (
            "GRP-etype-infstat-minspan-link-identity",
            "(1-organization-new-1-coref",
            "(2-place)",
            "1)",
        ),
        ("entity-GRP-infstat-MIN-coref_type-identity", "(organization-1-new", "(place-2)", "1)"),
        (
            "entity-GRP-infstat-MIN-coref_type-identity",
            "(organization-1",
            "(place-2)",
            "organization-1)",
        ),
        ("etype-identity", "(organization-Bank", "(place)", "organization)"),
        ("", "(organization-1", "(place-2)", "1)"),
        ("", "(e1-organization-new", "(e2-place)", "e1)"),
        ("", "(organization", "(place)", "organization)"),
    ],
)
def test_dialects_of_brackets(tmp_path, declared, opens, single, closes):
    text = f"# global.Entity = {declared}\n" if declared else ""
    text += rows(
        "1 The _", f"2 Bank Entity={opens}", "3 of _", f"4 Bath x=y|Entity={single}{closes}"
    )
    (record,), notes = read_text(tmp_path, text)
    assert record.text == "The Bank of Bath"
    assert found(record) == BANK
    assert not notes.tallies


def test_links(tmp_path):
    text = "# global.Entity = GRP-etype-identity\n" + rows(
        "1 Paris Entity=(1-place-Paris_%28a-b%29)"
    )
    (record,), _ = read_text(tmp_path, text)
    assert record.entities[0].kb_id == "Paris_(a-b)"


def test_another_field_as_label(tmp_path):
    text = "# global.Entity = eid-etype-head-other\n" + rows("1 Bath Entity=(e1-place-1-city)")
    assert found(read_text(tmp_path, text, type_field="other")[0][0]) == [("Bath", "city")]
    assert found(read_text(tmp_path, text, type_field="4")[0][0]) == [("Bath", "city")]
    with pytest.raises(BadInput, match="no field 'shape'"):
        read_text(tmp_path, text, type_field="shape")


def test_entities_without_a_type(tmp_path):
    text = "# global.Entity = eid-etype-head\n" + rows("1 It Entity=(e1--1)", "2 is _")
    (record,), notes = read_text(tmp_path, text, label="X")
    assert found(record) == [("It", "X")]
    assert counts(notes) == {"entity without a type": 1}


def test_nested_mentions_of_one_entity(tmp_path):
    text = "# global.Entity = eid-etype\n"
    text += rows("1 Jane Entity=(e1-person", "2 's _", "3 self Entity=(e1-person)e1)")
    assert found(read_text(tmp_path, text)[0][0]) == [
        ("Jane 's self", "person"),
        ("self", "person"),
    ]


def test_discontinuous_entities(tmp_path):
    text = "# global.Entity = eid-etype-head\n" + rows(
        "1 left Entity=(e1[1/2]-lung-1)",
        "2 and _",
        "3 right Entity=(e2-lung-1",
        "4 lung Entity=(e1[2/2]-lung-1)e2)",
    )
    (record,), notes = read_text(tmp_path, text)
    assert found(record) == [("left lung", "lung"), ("right lung", "lung")]
    assert record.entities[0].fragments in (((0, 4), (15, 19)), ((9, 19),))
    assert not notes.tallies


def test_a_discontinuous_entity_that_lacks_a_part(tmp_path):
    text = "# global.Entity = eid-etype\n" + rows("1 left Entity=(e1[1/2]-lung)")
    (record,), notes = read_text(tmp_path, text)
    assert found(record) == [("left", "lung")]
    assert counts(notes) == {"discontinuous entity that lacks a part": 1}


def test_spacing_and_sentences(tmp_path):
    text = (
        "# newdoc id = d1\n# newpar\n"
        + rows("1 Do SpaceAfter=No", "2 n't _", "3 go SpaceAfter=No", "4 . _")
        + rows("1 Yes SpacesAfter=\\s\\s", "2 ! SpaceAfter=No")
        + rows("1 So Entity=(person-1", "2 x Entity=person-1)")
        + "# newpar id = p2\n"
        + rows("1 End _")
        + "# newdoc id = d2\n"
        + rows("1 New _")
    )
    records, _ = read_text(tmp_path, text)
    assert [(record.id, record.text) for record in records] == [
        ("d1", "Don't go. Yes  !So x\nEnd"),
        ("d2", "New"),
    ]
    assert records[0].sents == [(0, 9), (10, 16), (16, 20), (21, 24)]
    assert found(records[0]) == [("So x", "person")]
    records, _ = read_text(tmp_path, text, document="sentence")
    assert [record.text for record in records] == ["Don't go.", "Yes  !", "So x", "End", "New"]
    assert [record.document for record in records] == ["d1"] * 4 + ["d2"]
    (record,), _ = read_text(tmp_path, text, document="file")
    assert record.id == "sample" and record.text.endswith("End New")


def test_entities_over_the_end_of_a_sentence(tmp_path):
    text = "# newdoc id = d\n# global.Entity = eid-etype\n"
    text += rows("1 A Entity=(e1-quote") + rows("1 b Entity=e1)", "2 c _")
    assert found(read_text(tmp_path, text)[0][0]) == [("A b", "quote")]


def test_multiword_tokens_are_one_token(tmp_path):
    text = "# global.Entity = eid-etype\n" + rows(
        "1-2 del SpaceAfter=No",
        "1 de Entity=(e1-x",
        "2 el Entity=(e2-y",
        "3 mar Entity=e2)e1)",
        "4-5 du _",
        "4 de Entity=(e3-z",
        "5 le Entity=e3)",
    )
    (record,), notes = read_text(tmp_path, text)
    assert record.text == "delmar du"
    assert record.tokens == [(0, 3), (3, 6), (7, 9)]
    assert found(record) == [("delmar", "x"), ("delmar", "y"), ("du", "z")]
    assert counts(notes) == {"entity that cuts a multiword token": 1}


def test_empty_nodes_are_not_in_the_text(tmp_path):
    text = "# global.Entity = eid-etype\n" + rows(
        "1 sees _",
        "1.1 _ Entity=(e1-person)",
        "1.2 _ Entity=(e2-place",
        "2 Bath Entity=e2)(e3-thing",
        "2.1 _ Entity=e3)",
    )
    (record,), notes = read_text(tmp_path, text)
    assert record.text == "sees Bath"
    assert found(record) == [("Bath", "place"), ("Bath", "thing")]
    assert counts(notes) == {"entity of empty nodes only": 1}


def test_brackets_that_do_not_match(tmp_path):
    text = "# global.Entity = eid-etype\n"
    text += rows("1 a Entity=(e1-x", "2 b Entity=e9)", "3 c Entity=(e2-y)oops")
    (record,), notes = read_text(tmp_path, text)
    assert found(record) == [("c", "y")]
    assert set(counts(notes)) == {
        "bracket that closes nothing",
        "bracket that is never closed",
        "something beside the brackets",
    }
    assert all(kind.is_loss for kind in notes.tallies)


def test_tags_in_the_last_column(tmp_path):
    text = rows("1 Jane name=B-PER", "2-3 del SpaceAfter=No", "2 de name=I-PER", "3 el name=O")
    text += rows("1 Ur name=I-LOC|x=y", "2 ! name=O")
    records, notes = read_text(tmp_path, text)
    assert [found(record) for record in records] == [[("Jane del", "PER")], [("Ur", "LOC")]]
    assert counts(notes) == {
        "tag that continues nothing": 1,
        "entity that cuts a multiword token": 1,
    }
    assert "entities are in name=" in notes.decisions


def test_crlf_byte_order_mark_and_no_last_line_end(tmp_path):
    text = "\ufeff" + rows("1 Ünïx Entity=(person-1)").strip().replace("\n", "\r\n") + "\r"
    (record,), _ = read_text(tmp_path, text)
    assert found(record) == [("Ünïx", "person")]


@pytest.mark.parametrize(
    "line, message",
    [
        ("1\tb\t_", "line 3: 3 columns, not 10"),
        ("\t".join(["x", "b", *["_"] * 8]), "line 3: 'x' is no number of a word"),
    ],
)
def test_bad_lines(tmp_path, line, message):
    text = rows("1 a Entity=(person-1)") + line + "\n\n" + rows("1 c Entity=(person-1)")
    with pytest.raises(BadInput, match=message):
        read_text(tmp_path, text)
    notes = Notes(skip_bad=True)
    records, _ = read_text(tmp_path, text, notes=notes)
    assert [record.text for record in records] == ["a", "c"]
    assert notes.n_skipped == 1


def test_recognising(tmp_path):
    path = tmp_path / "x"
    for text, expected in [
        (rows("1 a Entity=(person-1)"), "brackets"),
        ("# global.Entity = eid\n" + rows("1 a _"), "brackets"),
        (rows("1 a name=B-PER"), "name="),
        (rows("1 a _"), None),
        ("a\tB-PER\n", None),
        ('{"text": "Entity=(person-1)"}\n', None),
        ("", None),
    ]:
        path.write_text(text, encoding="utf8")
        reason = recognise(TextFile(path).head())
        assert (expected in reason) if expected else reason is None


@given(st.text(alphabet="()[]e12/-x", max_size=12), st.text(alphabet="()e1-x", max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_no_bracket_makes_it_fail(tmp_path, one, two):
    read_text(tmp_path, rows(f"1 a Entity={one}", f"2 b Entity={two}"))


def test_sentences_with_undecodable_lines_are_passed_over(tmp_path):
    path = tmp_path / "sample.conllu"
    good = rows("1 Ann Entity=(1-PER)", "2 ran _").encode()
    path.write_bytes(good + rows("1 Zo\u00eb Entity=(2-PER)", "2 ran _").encode("latin-1") + good)
    notes = Notes(skip_bad=True)
    records = list(read(TextFile(path), notes))
    text = " ".join(record.text for record in records)
    assert text.count("Ann") == 2 and "Zo" not in text and notes.n_skipped == 1
