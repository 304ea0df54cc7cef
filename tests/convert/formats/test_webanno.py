"""WebAnno TSV 3."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_contrastive_ner.convert.formats.shared.annotators import (
    NO_ANNOTATOR,
    NO_MAJORITY,
    OTHER_ANNOTATOR,
)
from spacy_contrastive_ner.convert.formats.webanno.lines import MISMATCH
from spacy_contrastive_ner.convert.formats.webanno.read import (
    CHAIN,
    FORMAT,
    NO_LABEL,
    NO_LAYER,
    OTHER_LAYER,
    RELATION,
    read,
)
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.textfile import TextFile

NER = "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity"
POS = "de.tudarmstadt.ukp.dkpro.core.api.lexmorph.type.pos.POS"
HEADER = f"#FORMAT=WebAnno TSV 3.3\n#T_SP={NER}|identifier|value\n\n\n"


def put(folder, content, name="doc.txt.tsv"):
    path = folder / name
    path.write_bytes(content.encode())
    return TextFile(path)


def convert(folder, content, notes=None, **options):
    return list(read(put(folder, content), notes or Notes(), **options))


def spans(record):
    return [(found.text_in(record.text), found.label) for found in record.entities]


def totals(notes):
    return {kind: tally.total for kind, tally in notes.tallies.items()}


def test_sentences_tokens_and_entities(tmp_path):
    notes = Notes()
    text = HEADER + (
        "#Text=Ms. Haag plays Elianti .\n"
        "1-1\t0-3\tMs.\t*[1]\tPER[1]|PERpart[2]\t\n"
        "1-2\t4-8\tHaag\t*[1]\tPER[1]\t\n"
        "1-3\t9-14\tplays\t_\t_\t\n"
        "1-4\t15-22\tElianti\thttp://x/Q\\_1\tOTH\t\n"
        "1-5\t23-24\t.\t_\t_\t\n"
        "\n"
        "#Sentence.id=s2\n"
        "#Text=So.\n"
        "2-1\t27-29\tSo\t*\tMISC\t\n"
        "2-2\t29-30\t.\t_\t_\t\n"
    )
    (record,) = convert(tmp_path, text, notes)
    assert record.id == "doc.txt" and record.where.line == 1
    # Between the sentences there are three characters, which the file does not tell.
    assert record.text == "Ms. Haag plays Elianti .\n  So."
    assert spans(record) == [
        ("Ms. Haag", "PER"),
        ("Ms.", "PERpart"),
        ("Elianti", "OTH"),
        ("So", "MISC"),
    ]
    assert [found.kb_id for found in record.entities] == ["", "", "http://x/Q_1", ""]
    words = ["Ms.", "Haag", "plays", "Elianti", ".", "So", "."]
    assert [record.text[s:e] for s, e in record.tokens] == words
    assert record.sents == [(0, 24), (27, 30)]
    assert not notes.tallies
    assert notes.decisions == [
        f"entities are read from the layer {NER}",
        f"the label is the feature 'value' of the layer {NER}",
    ]


def test_offsets_are_utf_16(tmp_path):
    text = HEADER + (
        "#Text=😊 it 😊😊 x\n"
        "1-1\t0-2\t😊\t*\tA\t\n"
        "1-2\t3-5\tit\t_\t_\t\n"
        "1-3\t6-10\t😊😊\t*\tB\t\n"
        "1-3.1\t8-10\t😊\t*\tC\t\n"
        "1-4\t11-12\tx\t_\t_\t\n"
        "\n"
        "#Text=y\n"
        "2-1\t13-14\ty\t*\tD\t\n"
    )
    notes = Notes()
    (record,) = convert(tmp_path, text, notes)
    assert record.text == "😊 it 😊😊 x\ny"
    assert [found.fragments for found in record.entities] == [
        ((0, 1),),
        ((5, 7),),
        ((6, 7),),
        ((10, 11),),
    ]
    assert not notes.tallies and len(notes.decisions) == 2


def test_offsets_of_tools_that_count_characters(tmp_path):
    text = HEADER + (
        "#Text=😊 it x\n1-1\t0-1\t😊\t*\tA\t\n1-2\t2-4\tit\t*\tB\t\n1-3\t5-6\tx\t_\t_\t\n\n"
        "#Text=y\n2-1\t7-8\ty\t*\tD\t\n"
    )
    notes = Notes()
    (record,) = convert(tmp_path, text, notes)
    assert spans(record) == [("😊", "A"), ("it", "B"), ("y", "D")]
    assert any("count characters" in text for text in notes.decisions)


def test_sub_tokens(tmp_path):
    # As INCEpTION writes it: 1 is within a token, 2 to 4 go from or to the middle of one.
    text = (
        "#FORMAT=WebAnno TSV 3.3\n#T_SP=webanno.custom.Span|value\n\n\n"
        "#Text=aaaaaa bbbbbb cccccc\n"
        "1-1\t0-6\taaaaaa\tw[4]\t\n"
        "1-1.1\t3-6\taaa\tx[2]|y[3]\t\n"
        "1-2\t7-13\tbbbbbb\tx[2]\t\n"
        "1-2.1\t7-10\tbbb\ty[3]|w[4]\t\n"
        "1-2.2\t9-13\tbbbb\tz\t\n"
        "1-3\t14-20\tcccccc\t_\t\n"
        "1-3.1\t14-17\tccc\tx[2]\t\n"
    )
    (record,) = convert(tmp_path, text)
    assert {(found.label, found.fragments) for found in record.entities} == {
        ("x", ((3, 17),)),
        ("y", ((3, 10),)),
        ("w", ((0, 10),)),
        ("z", ((9, 13),)),
    }
    assert record.tokens == [(0, 6), (7, 13), (14, 20)]


def test_same_number_with_a_gap_is_discontinuous(tmp_path):
    text = HEADER + (
        "#Text=left and right hand\n"
        "1-1\t0-4\tleft\t*[1]\tBODY[1]\t\n"
        "1-2\t5-8\tand\t_\t_\t\n"
        "1-3\t9-14\tright\t*[2]\tBODY[2]\t\n"
        "1-4\t15-19\thand\t*[1]|*[2]\tBODY[1]|BODY[2]\t\n"
    )
    (record,) = convert(tmp_path, text)
    assert [found.fragments for found in record.entities] == [((0, 4), (15, 19)), ((9, 19),)]


def test_across_sentences(tmp_path):
    text = HEADER + (
        "#Text=He said\n1-1\t0-2\tHe\t_\t_\t\n1-2\t3-7\tsaid\t*[1]\tX[1]\t\n\n"
        "#Text=so .\n2-1\t8-10\tso\t*[1]\tX[1]\t\n2-2\t11-12\t.\t_\t_\t\n"
    )
    (record,) = convert(tmp_path, text)
    assert spans(record) == [("said\nso", "X")]


def test_escapes(tmp_path):
    text = HEADER + (
        "#Text=a\\tb \\\\ c\\rd\n#Text=_ *\n"
        "1-1\t0-3\ta\tb\t*\tA\\[1\\]\\|\\_\\;\\*\\->\\\\\\t\\n[7]\t\n"
        "1-2\t4-5\t\\\t*\tA\\[1\\]\t\n"
        "1-3\t6-9\tc d\t*\tx\\\\|y\\|z\t\n"
        "1-4\t10-11\t_\t_\t_\t\n"
        "1-5\t12-13\t*\t_\t_\t\n"
    )
    (record,) = convert(tmp_path, text)
    assert record.text == "a\tb \\ c\rd\n_ *"
    assert [found.label for found in record.entities] == [
        "A[1]|_;*->\\\t\n",
        "A[1]",
        "x\\",
        "y|z",
    ]
    assert record.sents == [(0, 13)]


def test_escapes_of_older_versions(tmp_path):
    text = (
        HEADER.replace("3.3", "3.1") + "#Text=\\u00e9\\uD83D\\uDE0A\\\\\n1-1\t0-4\té😊\\\t_\t_\t\n"
    )
    (record,) = convert(tmp_path, text)
    assert record.text == "é😊\\"
    (record,) = convert(tmp_path, text.replace("3.1", "3.2").replace("0-4", "0-19"))
    assert record.text == "\\u00e9\\uD83D\\uDE0A\\"


LAYERS = (
    f"#FORMAT=WebAnno TSV 3.2\n#T_SP={POS}|PosValue|value\n"
    "#T_SP=webanno.custom.Host|ROLE_webanno.custom.Host:links_webanno.custom.Link|webanno.custom.X|"
    "kind\n"
    "#T_SP=webanno.custom.Mention|comment|value\n#T_SP=webanno.custom.Bare|\n"
    "#T_CH=de.tudarmstadt.ukp.dkpro.core.api.coref.type.CoreferenceLink|referenceType|"
    "referenceRelation\n"
    "#T_RL=webanno.custom.Relation|value|BT_webanno.custom.Mention\n\n\n"
    "#Text=He saw him\n"
    "1-1\t0-2\tHe\tPRP\tv\tp1;p2\t1-2;1-3[4]\tK\tno\tPER\t*\tpr[1]\tcoref->1-1\t_\t_\t\n"
    "1-2\t3-6\tsaw\tVBD\tv\t_\t_\t_\t_\t_\t*[9]\t_\t_\t*|a\t1-1|1-3\t\n"
    "1-3\t7-10\thim\tPRP\tv\t_\t_\t_\t*\t*\t*[9]\tpr[1]\t*->1-2\t_\t_\t\n"
)


def test_several_layers(tmp_path):
    notes = Notes()
    (record,) = convert(tmp_path, LAYERS, notes)
    assert spans(record) == [("He", "PER")]
    assert totals(notes) == {NO_LABEL: 1, OTHER_LAYER: 6, CHAIN: 2, RELATION: 2}
    assert notes.tallies[OTHER_LAYER].labels == {"POS": 3, "Host": 1, "Bare": 2}
    assert (
        "the layer webanno.custom.Mention (other layers of spans: POS, Host, Bare"
        in (notes.decisions[0])
    )
    assert NO_LABEL.is_loss


def test_layer_and_feature_can_be_named(tmp_path):
    (record,) = convert(tmp_path, LAYERS, layer="webanno.custom.Mention", feature="comment")
    assert spans(record) == [("He", "no")]
    (record,) = convert(tmp_path, LAYERS, layer="Host")
    assert spans(record) == [("He", "K")]
    (record,) = convert(tmp_path, LAYERS, layer="Bare")
    assert spans(record) == [("He", "Bare"), ("saw him", "Bare")]
    # Documents without such an annotation do not name the layer.
    notes = Notes()
    (record,) = convert(tmp_path, LAYERS, notes, layer="NamedEntity")
    assert not record.entities and notes.tallies[NO_LAYER].total == 1
    with pytest.raises(BadInput, match="has no feature 'x'; it has: comment, value"):
        convert(tmp_path, LAYERS, layer="Mention", feature="x")


def test_numbers_of_link_targets_hold_nothing_together(tmp_path):
    text = (
        "#FORMAT=WebAnno TSV 3.3\n#T_SP=c.Host|kind|ROLE_c.Host:links_c.Link|c.X\n\n\n#Text=a b\n"
        "1-1\t0-1\ta\tK\tp\t1-2[4]\t\n1-2\t2-3\tb\tL\tp\t1-2[4]\t\n"
    )
    (record,) = convert(tmp_path, text)
    assert spans(record) == [("a", "K"), ("b", "L")]


def test_document_without_layers(tmp_path):
    text = "#FORMAT=WebAnno TSV 3.3\n\n\n#Text=a b\n1-1\t0-1\ta\t\n1-2\t2-3\tb\t\n"
    (record,) = convert(tmp_path, text)
    assert record.text == "a b" and not record.entities and record.tokens == [(0, 1), (2, 3)]


def test_carriage_returns_and_no_tab_at_the_end(tmp_path):
    text = HEADER + "#Text=a b\n1-1\t0-1\ta\t*\tX\n1-2\t2-3\tb\t_\t_\n"
    (record,) = convert(tmp_path, text.replace("\n", "\r\n"))
    assert record.text == "a b" and spans(record) == [("a", "X")]


def test_tokens_unlike_the_text_are_counted(tmp_path):
    notes = Notes()
    text = HEADER + "#Text=a bc\n1-1\t0-1\ta\t*\tX\t\n1-2\t2-4\tbd\t_\t_\t\n"
    convert(tmp_path, text, notes)
    assert totals(notes) == {MISMATCH: 1}
    assert "line 7" in notes.tallies[MISMATCH].examples[0]


# What can be marked in a text of two sentences: each is a label by token.
MARKS = [{0: "PER[1]", 1: "PER[1]"}, {1: "PER"}, {2: "OTH"}, {3: "LOC"}]
MARKED = [("Ms. Haag", "PER"), ("Haag", "PER"), ("😊", "OTH"), ("Rome", "LOC")]


def marked(numbers, word="Rome"):
    """A document in which some of the marks are set."""
    cells = [
        "|".join(MARKS[number][token] for number in numbers if token in MARKS[number]) or "_"
        for token in range(4)
    ]
    end = 17 + len(word)
    return (
        f"#FORMAT=WebAnno TSV 3.3\n#T_SP={NER}|value\n\n\n#Text=Ms. Haag 😊.\n"
        f"1-1\t0-3\tMs.\t{cells[0]}\t\n1-2\t4-8\tHaag\t{cells[1]}\t\n"
        f"1-3\t9-11\t😊\t{cells[2]}\t\n1-4\t11-12\t.\t_\t\n\n"
        f"#Text=of  {word}\n2-1\t13-15\tof\t_\t\n2-2\t17-{end}\t{word}\t{cells[3]}\t\n"
    )


def annotators(folder, **marks):
    folder.mkdir(parents=True)
    for name, numbers in marks.items():
        put(folder, marked(numbers), f"{name}.tsv")
    return sorted(folder.glob("*.tsv"))


def convert_all(paths, notes, **options):
    return [
        record
        for path in paths
        for record in read(TextFile(path, together=paths), notes, **options)
    ]


def test_curation_is_read_of_several_annotators(tmp_path):
    paths = annotators(tmp_path / "doc.txt", CURATION_USER=[0], INITIAL_CAS=[], ann=[1], bob=[2, 3])
    notes = Notes()
    (record,) = convert_all(paths, notes)
    assert record.id == "doc.txt" and record.document == "" and spans(record) == MARKED[:1]
    assert totals(notes) == {OTHER_ANNOTATOR: 3}
    assert any("CURATION_USER is read" in text for text in notes.decisions)


def test_first_annotator_is_read_without_curation(tmp_path):
    paths = annotators(tmp_path / "doc.txt", INITIAL_CAS=[], ann=[1], bob=[2, 3])
    notes = Notes()
    (record,) = convert_all(paths, notes)
    assert spans(record) == MARKED[1:2] and totals(notes) == {OTHER_ANNOTATOR: 2}


def test_annotator_by_name(tmp_path):
    paths = annotators(tmp_path / "one.txt", ann=[1], bob=[2, 3])
    paths += annotators(tmp_path / "two.txt", ann=[1], cy=[2])
    notes = Notes()
    (record,) = convert_all(paths, notes, annotator="bob")
    assert record.id == "one.txt" and spans(record) == MARKED[2:]
    assert totals(notes) == {OTHER_ANNOTATOR: 2, NO_ANNOTATOR: 1}


def test_majority(tmp_path):
    paths = annotators(tmp_path / "d", CURATION_USER=[3], ann=[0, 1], bob=[0, 2], cy=[0, 1])
    notes = Notes()
    (record,) = convert_all(paths, notes, annotator="majority")
    assert record.id == "d" and spans(record) == MARKED[:2]
    assert totals(notes) == {NO_MAJORITY: 1, OTHER_ANNOTATOR: 1}
    # Half is no majority.
    paths = annotators(tmp_path / "e", ann=[0, 1], bob=[0])
    (record,) = convert_all(paths, Notes(), annotator="majority")
    assert spans(record) == MARKED[:1]


def test_every_annotator(tmp_path):
    paths = annotators(tmp_path / "d", ann=[0], bob=[1])
    notes = Notes()
    first, second = convert_all(paths, notes, annotator="every")
    assert [first.document, second.document] == ["d", "d"]
    assert [first.id, second.id] == ["d/ann", "d/bob"] and not notes.tallies


@pytest.mark.parametrize("annotator", ["auto", "majority", "every"])
def test_folder_of_documents_is_not_of_annotators(tmp_path, annotator):
    paths = [put(tmp_path, marked([3], f"Rome{n}"), f"{n}.tsv").path for n in range(4)]
    notes = Notes()
    records = convert_all(paths, notes, annotator=annotator)
    assert [record.id for record in records] == ["0", "1", "2", "3"]
    assert [spans(record) for record in records] == [[(f"Rome{n}", "LOC")] for n in range(4)]
    assert not notes.tallies and not any(record.document for record in records)


def test_annotation_and_curation_of_a_project(tmp_path):
    paths = annotators(tmp_path / "annotation" / "one.txt", ann=[1], bob=[2, 3])
    paths += annotators(tmp_path / "annotation" / "two.txt", ann=[1], bob=[2])
    paths += annotators(tmp_path / "curation" / "one.txt", CURATION_USER=[0])
    notes = Notes()
    one, two = sorted(convert_all(paths, notes), key=lambda record: record.id)
    assert [one.id, two.id] == ["one.txt", "two.txt"]
    assert [spans(one), spans(two)] == [MARKED[:1], MARKED[1:2]]
    assert totals(notes) == {OTHER_ANNOTATOR: 3}


def test_damaged_file_of_an_annotator(tmp_path):
    paths = annotators(tmp_path / "d", ann=[0], bob=[1], cy=[0])
    paths[1].write_text(marked([1])[:-30])
    with pytest.raises(BadInput, match=r"bob\.tsv"):
        convert_all(paths, Notes(), annotator="majority")
    notes = Notes(skip_bad=True)
    (record,) = convert_all(paths, notes, annotator="majority")
    assert spans(record) == MARKED[:1] and notes.n_skipped == 1


@pytest.mark.parametrize(
    ("content", "found", "line"),
    [
        (HEADER + "#Text=a\n1-1\t0-1\ta\t_", "has 4 columns, and the header names 5", 6),
        (HEADER + "#Text=a\nhello\n", "is no token", 6),
        (HEADER + "1-1\t0-1\ta\t_\t_\t\n", "before the text of its sentence", 5),
        (HEADER + "#Text=a\n1-1\t0-1\ta\t_\t_\t\n\n#Text=b\n", "has no tokens", 8),
        (
            HEADER + "#Text=abc\n1-1\t0-3\tabc\t_\t_\t\n\n#Text=b\n2-1\t2-3\tb\t_\t_\t\n",
            "starts at 2, but what stands before it ends at 3",
            8,
        ),
        (HEADER, "no sentences", 0),
        ("#FORMAT=WebAnno TSV 2\n", "not with #FORMAT=WebAnno TSV 3", 1),
    ],
)
def test_bad_input(tmp_path, content, found, line):
    with pytest.raises(BadInput, match=found) as caught:
        convert(tmp_path, content)
    assert caught.value.where.line == line
    notes = Notes(skip_bad=True)
    assert convert(tmp_path, content, notes) == [] and notes.n_skipped == 1


def test_undecodable_bytes(tmp_path):
    (tmp_path / "a.tsv").write_bytes(HEADER.encode() + b"#Text=\xe9\n")
    with pytest.raises(BadInput, match="line 5: the bytes e9"):
        list(read(TextFile(tmp_path / "a.tsv"), Notes()))


def test_recognise(tmp_path):
    assert "WebAnno TSV 3.3" in FORMAT.recognise(put(tmp_path, HEADER).head())
    for content in (
        "",
        "#FORMAT=WebAnno TSV 2\n",
        "# FORMAT\na\tO\n",
        "#Text=a\n",
        "1-1\t0-1\ta\n",
    ):
        assert FORMAT.recognise(put(tmp_path, content).head()) is None


def escaped(value):
    for char in "\\[]|_;*":
        value = value.replace(char, "\\" + char)
    return value.replace("->", "\\->").replace("\t", "\\t").replace("\n", "\\n")


def escaped_text(text):
    text = "".join(
        "\\" + char if ord(char) < 32 and char not in "\t\n\r\f\b" else char
        for char in text.replace("\\", "\\\\")
    )
    for char, name in (("\t", "t"), ("\r", "r"), ("\f", "f"), ("\b", "b")):
        text = text.replace(char, "\\" + name)
    return text


def units(text):
    return len(text.encode("utf-16-le")) // 2


WORD = st.text(
    st.characters(exclude_categories=("Cs", "Z", "Cc")) | st.sampled_from("😀e\u0301中אב*_|[]\\"),
    min_size=1,
    max_size=4,
).filter(lambda text: not any(char.isspace() for char in text))
LABEL = st.text(
    st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\t|[]_*;\\->"),
    min_size=1,
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_random_documents(tmp_path_factory, data):
    sentences = data.draw(
        st.lists(
            st.lists(
                st.tuples(WORD, st.sampled_from([" ", "", "  ", "\t", "\r\n", "\x1f "])),
                min_size=1,
                max_size=4,
            ),
            min_size=1,
            max_size=3,
        )
    )
    parts, tokens, blocks = [], [], []
    for sentence in sentences:
        start = len("".join(parts))
        for index, (word, space) in enumerate(sentence):
            at = len("".join(parts))
            tokens.append((at, at + len(word), len(blocks)))
            parts += [word, space if index + 1 < len(sentence) else ""]
        blocks.append((start, len("".join(parts))))
        parts.append("\n")
    text = "".join(parts[:-1])
    count = len(tokens)
    found = data.draw(
        st.lists(st.tuples(st.integers(0, count - 1), st.integers(1, 3), LABEL), max_size=5)
    )
    rows, expected = [[] for _ in tokens], []
    for number, (first, length, label) in enumerate(found, 1):
        last = min(count, first + length)
        expected.append((tokens[first][0], tokens[last - 1][1], label))
        for row in rows[first:last]:
            row.append(f"{escaped(label)}[{number}]")
    lines = ["#FORMAT=WebAnno TSV 3.3", "#T_SP=webanno.custom.Span|value", "", ""]
    for number, (start, end) in enumerate(blocks):
        lines += ["#Text=" + escaped_text(line) for line in text[start:end].split("\n")]
        for index, (begin, stop, block) in enumerate(tokens):
            if block == number:
                cell = "|".join(rows[index]) or "_"
                offsets = f"{units(text[:begin])}-{units(text[:stop])}"
                lines.append(f"{number + 1}-{index + 1}\t{offsets}\t{text[begin:stop]}\t{cell}\t")
        lines.append("")
    notes = Notes()
    content = "\n".join(lines)
    (record,) = convert(tmp_path_factory.mktemp("tsv"), content, notes)
    assert record.text == text
    assert [(s, e) for s, e in record.tokens] == [(s, e) for s, e, _ in tokens]
    assert sorted((one.start, one.end, one.label) for one in record.entities) == sorted(expected)
    assert all(len(one.fragments) == 1 for one in record.entities)
    assert not notes.tallies


@pytest.mark.parametrize("start", [10**6, 10**20])
def test_offsets_far_beyond_the_text(tmp_path, start):
    content = f"#FORMAT=WebAnno TSV 3.3\n\n\n#Text=Anna\n1-1\t{start}-{start + 4}\tAnna\t\n"
    with pytest.raises(BadInput, match=f"'Anna' starts at {start}, but what stands before"):
        convert(tmp_path, content)
