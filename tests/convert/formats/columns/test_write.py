"""Columns: what is written is read back as it was."""

from pathlib import Path
from typing import List

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_contrastive_ner.convert.formats.columns.read import read, recognise, write
from spacy_contrastive_ner.convert.formats.shared.tags import Span, layers_of
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.records import Entity, Record, entity
from spacy_contrastive_ner.convert.textfile import TextFile

from .samples import WHERE, counts, found, read_text


def key(record: Record):
    entities = sorted((at.fragments, at.label, at.kb_id) for at in record.entities)
    missing = sorted((at.fragments, at.label, at.kb_id) for at in record.missing)
    rest = (record.id, record.document, record.meta)
    return record.text, entities, record.tokens, record.sents, missing, rest


def write_and_read(tmp_path: Path, records: List[Record], **options):
    path = tmp_path / "out.conllup"
    path.unlink(missing_ok=True)
    notes = Notes()
    write(records, path, notes, **options)
    assert not [at for at in tmp_path.iterdir() if at != path], "left something behind"
    return list(read(TextFile(path), Notes())), notes, path.read_text(encoding="utf8")


STARTS = [1, 4, 5, 10, 13, 20, 21, 24, 27, 29, 34, 38, 44, 48]
LENGTHS = [2, 1, 4, 2, 7, 1, 1, 3, 1, 4, 3, 5, 4, 1]


def test_out_and_in(tmp_path):
    record = Record(
        ' No "Bank of England"!\n\nYes, left and right lung. ',
        [entity(5, 20, "ORG", "Q1"), entity(13, 20, "LOC"), entity(13, 20, "GPE x")],
        WHERE,
        "7",
        document="all",
        tokens=[(s, s + n) for s, n in zip(STARTS, LENGTHS)],
        sents=[(1, 22), (24, 49)],
        missing=[entity(24, 27, "LOC")],
        meta={"lang": "en"},
    )
    record.entities.append(Entity(((29, 33), (44, 48)), "BODY part", "C 1"))
    (back,), notes, text = write_and_read(tmp_path, [record])
    assert key(back) == key(record)
    assert not notes.tallies
    assert text.startswith("# global.columns = FORM NER NER NER MISC\n# global.tags = BIO\n")
    assert '# discontinuous = "BODY part" 10-10 13-13 KB=C 1\n' in text
    assert "Bank\tB-ORG\tO\tO\tKB1=Q1\n" in text
    assert "England\tI-ORG\tB-LOC\tB-GPE x\tSpaceAfter=No\n" in text


def test_out_in_other_schemes(tmp_path):
    record = Record("a b c d", [entity(0, 5, "X"), entity(6, 7, "Y")], WHERE, "1")
    record.tokens = [(0, 1), (2, 3), (4, 5), (6, 7)]
    for scheme, tags in (("BIOES", "BIES"), ("BILOU", "BILU")):
        (back,), _, text = write_and_read(tmp_path, [record], scheme=scheme)
        assert key(back) == key(record)
        assert [line.split("\t")[1][0] for line in text.splitlines() if "\t" in line] == list(tags)


def test_our_files_are_recognised(tmp_path):
    record = Record("a", [], WHERE, "1", tokens=[(0, 1)])
    write([record], tmp_path / "x.tsv", Notes())
    assert "say themselves" in recognise(TextFile(tmp_path / "x.tsv").head())


def test_records_without_tokens_and_files_without_records(tmp_path):
    records = [Record("", [], WHERE, "a", tokens=[]), Record(" \n", [], WHERE, "", tokens=[])]
    records.append(Record("x", [], WHERE, "b", tokens=[(0, 1)], sents=[(0, 1)]))
    back, _, _ = write_and_read(tmp_path, records)
    assert [key(record) for record in back] == [key(record) for record in records]
    assert write_and_read(tmp_path, [])[0] == []


def test_entities_between_tokens_are_counted_as_lost(tmp_path):
    record = Record("abc", [entity(0, 2, "X")], WHERE, "1", tokens=[(0, 3)])
    (back,), notes, _ = write_and_read(tmp_path, [record])
    assert not back.entities
    assert [kind.is_loss for kind in notes.tallies] == [True]


def test_plain_columns_note_what_is_lost(tmp_path):
    record = Record("a, b", [Entity(((0, 1), (3, 4)), "X")], WHERE, "1")
    record.tokens = [(0, 1), (1, 2), (3, 4)]
    record.entities += [entity(1, 2, "Y|B-Z", "Q1")]
    record.missing = [entity(0, 1, "W")]
    (back,), notes, text = write_and_read(tmp_path, [record], header=False)
    assert text == "a\tB-X\n,\tB-Y_B-Z\nb\tB-X\n\n"
    assert {name.split(":")[0] for name in counts(notes)} == {
        "discontinuous entity",
        "text that is not its tokens with a blank between them",
        "stretch of unknown annotation",
        "link to a knowledge base",
        "label with signs that end a cell",
    }
    assert back.text == "a , b"


def test_plain_columns_of_documents(tmp_path):
    records = [
        Record("a\nb", [entity(0, 1, "X")], WHERE, tokens=[(0, 1), (2, 3)], sents=[(0, 1), (2, 3)]),
        Record("c", [entity(0, 1, "Y")], WHERE, tokens=[(0, 1)], sents=[(0, 1)]),
    ]
    back, notes, _ = write_and_read(tmp_path, records, header=False)
    assert [(record.text, found(record)) for record in back] == [
        ("a\nb", [("a", "X")]),
        ("c", [("c", "Y")]),
    ]
    assert not notes.tallies


def test_a_wrong_comment_in_our_file(tmp_path):
    text = (
        "# global.columns = FORM NER MISC\n# global.tags = BIO\n# newdoc id = 1\n"
        "# discontinuous = X 1-1 9-9\na\tO\t_\n\n# newdoc id = 2\nb\tO\t_\n"
    )
    with pytest.raises(BadInput, match="no tokens 9-9"):
        read_text(tmp_path, text)
    notes = Notes(skip_bad=True)
    records, _ = read_text(tmp_path, text, notes=notes)
    assert [record.id for record in records] == ["2"] and notes.n_skipped == 1
    with pytest.raises(BadInput, match="what its documents are"):
        read_text(tmp_path, text, document="sentence")


SIGNS = st.characters(exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"])
WORDS = st.text(
    alphabet=st.one_of(SIGNS, st.sampled_from("#-_O\\|%\"'()北京😀e\u0301של\u00ad\u200d")),
    min_size=1,
    max_size=5,
).filter(lambda word: word.strip() == word)
GAPS = st.sampled_from(["", " ", " ", " ", "\n", "\r\n", "\t", "\u00a0", "\u2028 ", "\x85", "\n\n"])
LABELS = st.one_of(
    st.sampled_from(["PER", "LOC", "creative-work", "人名", "a b", "a|B-c", "100%", "%41", " x"]),
    st.text(min_size=1, max_size=6).filter(lambda text: text.strip() != ""),
)


@st.composite
def records(draw):
    words = draw(st.lists(WORDS, max_size=12))
    text, tokens = draw(GAPS), []
    for word in words:
        tokens.append((len(text), len(text) + len(word)))
        text += word + draw(GAPS)
    record = Record(text, [], WHERE, draw(st.text(max_size=5)), draw(st.text(max_size=5)))
    record.tokens = tokens
    if not tokens:
        return record
    token = st.integers(0, len(tokens) - 1)
    for points, label, kb_id in draw(
        st.lists(
            st.tuples(st.lists(token, min_size=2, max_size=6), LABELS, st.text(max_size=4)),
            max_size=6,
        )
    ):
        points = sorted(points)[: len(points) // 2 * 2]
        pairs = zip(points[::2], points[1::2])
        fragments = {tokens[a][0]: tokens[b][1] for a, b in pairs}
        parts = tuple(
            at
            for i, at in enumerate(sorted(fragments.items()))
            if not i or at[0] >= sorted(fragments.items())[i - 1][1]
        )
        record.entities.append(Entity(parts, label, kb_id))
    cuts = sorted({0, *draw(st.lists(token, max_size=3)), len(tokens)})
    if draw(st.booleans()):
        ends = zip(cuts, cuts[1:])
        record.sents = [(tokens[a][0], tokens[b - 1][1]) for a, b in ends]
    if draw(st.booleans()):
        record.missing = [Entity((tokens[0],), "")]
        record.meta = {"genre": draw(st.text(max_size=4))}
    return record


@given(st.lists(records(), max_size=3), st.sampled_from(["BIO", "BIOES", "BILOU"]))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None
)
def test_out_and_in_is_identical(tmp_path, made, scheme):
    back, notes, _ = write_and_read(tmp_path, made, scheme=scheme)
    assert [key(record) for record in back] == [key(record) for record in made]
    assert not notes.tallies


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 6)), max_size=8))
def test_layers_do_not_overlap_and_the_outermost_come_first(pairs):
    spans = [Span(start, start + length, "X") for start, length in pairs]
    layers = layers_of(spans)
    assert sorted(i for layer in layers for i in layer) == list(range(len(spans)))
    layer_of = {i: n for n, layer in enumerate(layers) for i in layer}
    for i, a in enumerate(spans):
        for j, b in enumerate(spans):
            if i != j and layer_of[i] == layer_of[j]:
                assert a.end <= b.start or b.end <= a.start
            if a.start <= b.start and b.end <= a.end and a[:2] != b[:2]:
                assert layer_of[i] < layer_of[j]
