"""Columns: reading what real files look like."""

import pytest

from spacy_contrastive_ner.convert.notes import BadInput

from .samples import HIPE, counts, found, lines, read_text

# Layers and columns


def test_layers_innermost_first_are_nested_entities(tmp_path):
    text = lines("Sir B-PER B-PER O", "Walter O I-PER O", "of O I-PER O", "Bath B-GPE I-PER O")
    (record,), _ = read_text(tmp_path, text)
    assert record.text == "Sir Walter of Bath"
    assert found(record) == [("Sir Walter of Bath", "PER"), ("Sir", "PER"), ("Bath", "GPE")]
    assert record.tokens == [(0, 3), (4, 10), (11, 13), (14, 18)]


def test_the_number_of_layers_may_differ_by_file(tmp_path):
    (one,), _ = read_text(tmp_path, lines("Bath B-GPE", "! O"), "one.tsv")
    (four,), _ = read_text(tmp_path, lines("Bath B-GPE O B-LOC B-ORG", "! O O O O"), "four.tsv")
    assert found(one) == [("Bath", "GPE")]
    assert found(four) == [("Bath", "GPE"), ("Bath", "LOC"), ("Bath", "ORG")]


def test_one_column_a_label_named_by_the_header(tmp_path):
    text = lines("TOKEN PER LOC", "Jane B O", "Bath I B", "! O O")
    (record,), _ = read_text(tmp_path, text)
    assert found(record) == [("Jane Bath", "PER"), ("Bath", "LOC")]


def test_mere_tags_get_a_label(tmp_path):
    text = lines("Breast B", "cancer I", "is O", "bad O")
    assert found(read_text(tmp_path, text)[0][0]) == [("Breast cancer", "ENTITY")]
    assert found(read_text(tmp_path, text, label="Disease")[0][0]) == [("Breast cancer", "Disease")]


@pytest.mark.parametrize(
    "row",
    ["{i} {form} {tag}", "{tag} {form}", "NN {form} NN {tag}", "doc7 {i} {form} x {tag}"],
)
def test_the_tokens_may_be_anywhere(tmp_path, row):
    pairs = [
        ("The", "O"),
        ("Royal", "B-ORG"),
        ("Bank", "I-ORG"),
        ("of", "I-ORG"),
        ("Fiji", "I-ORG"),
    ]
    text = lines(*(row.format(i=i, form=f, tag=t) for i, (f, t) in enumerate(pairs, 1)))
    (record,), _ = read_text(tmp_path, text)
    assert record.text == "The Royal Bank of Fiji"
    assert found(record) == [("Royal Bank of Fiji", "ORG")]


def test_columns_can_be_named_or_numbered(tmp_path):
    text = lines("ID LEMMA FORM A B", "1 x Jane B-PER B-X", "2 y ! O O")
    assert read_text(tmp_path, text)[0][0].text == "Jane !"
    (record,), _ = read_text(tmp_path, text, token="LEMMA", tags=["B"])
    assert (record.text, found(record)) == ("x y", [("x", "X")])
    (record,), _ = read_text(tmp_path, text, token="3", tags=["-2"])
    assert found(record) == [("Jane", "PER")]
    with pytest.raises(BadInput, match="no column 'C'"):
        read_text(tmp_path, text, tags=["C"])


def test_chunks_are_not_entities(tmp_path):
    text = "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\nGerman JJ I-NP B-MISC\n"
    (record,), notes = read_text(tmp_path, text)
    assert found(record) == [("EU", "ORG"), ("German", "MISC")]
    assert any("chunks" in text for text in notes.decisions)
    (record,), _ = read_text(tmp_path, text, tags=["3"])
    assert found(record) == [("EU", "NP"), ("rejects", "VP"), ("German", "NP")]


def test_several_tags_in_one_cell(tmp_path):
    text = lines("New B-LOC|B-ORG", "York I-LOC|I-ORG", "Times I-ORG", "of O", "Ur B-ORG|B-LOC")
    (record,), _ = read_text(tmp_path, text)
    expected = [("New York Times", "ORG"), ("New York", "LOC"), ("Ur", "LOC"), ("Ur", "ORG")]
    assert found(record) == expected


def test_several_tags_of_one_label_in_one_cell(tmp_path):
    text = lines("Bank B-ORG", "of I-ORG", "Bath I-ORG|U-ORG", "Ltd L-ORG", "! O")
    (record,), _ = read_text(tmp_path, text)
    assert found(record) == [("Bank of Bath Ltd", "ORG"), ("Bath", "ORG")]


def test_blanks_between_columns_may_be_many(tmp_path):
    (record,), notes = read_text(tmp_path, "Jane   NNP  B-PER\nsleeps VBZ  O\n")
    assert (record.text, found(record)) == ("Jane sleeps", [("Jane", "PER")])
    assert "blanks" in notes.decisions[0]


def test_labels_without_prefix(tmp_path):
    rows = ["Jane\tperson-artist", "Austen\tperson-artist"] + ["x\tO"] * 8 + ["Bath\tloc"]
    (record,), _ = read_text(tmp_path, "\n".join(rows))
    assert found(record) == [("Jane Austen", "person-artist"), ("Bath", "loc")]


# Schemes


@pytest.mark.parametrize(
    "scheme, tags",
    [
        ("BIO", "B-A I-A I-A B-A B-B O B-A"),
        ("IOB1", "I-A I-A I-A B-A I-B O I-A"),
        ("BIOES", "B-A I-A E-A S-A S-B O S-A"),
        ("BMES", "B-A M-A E-A S-A S-B O S-A"),
        ("BILOU", "B-A I-A L-A U-A U-B O U-A"),
    ],
)
def test_schemes_are_found(tmp_path, scheme, tags):
    rows = [f"{form} {tag}" for form, tag in zip("abcdefg", tags.split())]
    (record,), notes = read_text(tmp_path, lines(*rows))
    assert found(record) == [("a b c", "A"), ("d", "A"), ("e", "B"), ("g", "A")]
    assert f"tags: {scheme}" in notes.decisions
    assert not notes.tallies


def test_orphans_open_an_entity_and_are_counted(tmp_path):
    text = lines("a B-PER", "b O", "c I-PER", "d I-PER", "e O")
    (record,), notes = read_text(tmp_path, text)
    assert found(record) == [("a", "PER"), ("c d", "PER")]
    ((kind, tally),) = notes.tallies.items()
    assert "continues nothing" in kind.name and not kind.is_loss
    assert dict(tally.labels) == {"PER": 1} and "line 3" in tally.examples[0]


def test_a_switch_of_labels_closes_and_opens(tmp_path):
    (record,), notes = read_text(tmp_path, lines("a B-LOC", "b I-PER", "c I-PER", "d O"))
    assert found(record) == [("a", "LOC"), ("b c", "PER")]
    assert sum(counts(notes).values()) == 1


def test_adjacent_entities_of_one_label_are_two(tmp_path):
    (record,), _ = read_text(tmp_path, lines("a B-LOC", "b B-LOC", "c I-LOC", "d O"))
    assert found(record) == [("a", "LOC"), ("b c", "LOC")]


def test_entities_without_an_end_are_counted(tmp_path):
    (record,), notes = read_text(tmp_path, lines("a B-LOC", "b I-LOC", "c O", "d S-PER"))
    assert found(record) == [("a b", "LOC"), ("d", "PER")]
    assert any("does not end it" in name for name in counts(notes))


def test_labels_are_split_at_the_first_hyphen(tmp_path):
    (record,), _ = read_text(tmp_path, lines("It B-creative-work", "2 I-creative-work", "! O"))
    assert found(record) == [("It 2", "creative-work")]


# Lines that are no tokens


def test_hashes_are_tokens(tmp_path):
    text = lines("see O O", "#Bath B-LOC O", "# O O", "## O O")
    (record,), notes = read_text(tmp_path, text)
    assert record.text == "see #Bath # ##"
    assert "lines with # in front are tokens" in notes.decisions
    (record,), _ = read_text(tmp_path, text, comments="yes")
    assert record.text == "see"


def test_hashes_are_comments(tmp_path):
    text = "# a remark\nBath\tB-LOC\n#\tO\n# sent_id = s9\n!\tO\n\n# sent_id = s2\nUr\tB-LOC\n"
    records, notes = read_text(tmp_path, text)
    assert [record.text for record in records] == ["Bath # !", "Ur"]
    assert records[1].id == "s2"
    assert any("one is a token" in decision for decision in notes.decisions)
    with pytest.raises(BadInput, match="line 1: 1 column where the others have 2"):
        read_text(tmp_path, text, comments="no")


def test_a_late_comment_among_hash_tokens_is_counted(tmp_path):
    text = lines("#Bath B-LOC", "! O") * 10000 + "# a remark\n"
    records, notes = read_text(tmp_path, text)
    assert len(records[0].tokens) == 20000
    assert sum(counts(notes).values()) == 1


def test_germeval(tmp_path):
    text = (
        "#\thttp://de.wikipedia.org/wiki/Bad\t[2009-10-23]\t\n"
        "1\tBad\tB-LOC\tO\n2\t#\tO\tO\n3\tNauheimer\tB-ORG\tB-LOCderiv\n\n"
        "#\thttp://a.de/b [2010-01-01]\t\n1\t1951\tO\tO\n\n"
    )
    records, _ = read_text(tmp_path, text)
    assert [record.text for record in records] == ["Bad # Nauheimer", "1951"]
    assert found(records[0]) == [("Bad", "LOC"), ("Nauheimer", "LOCderiv"), ("Nauheimer", "ORG")]
    assert records[0].meta == {"source": "http://de.wikipedia.org/wiki/Bad", "date": "2009-10-23"}
    assert records[0].document == "http://de.wikipedia.org/wiki/Bad"
    assert records[1].meta["source"] == "http://a.de/b"


def test_hipe(tmp_path):
    records, notes = read_text(tmp_path, HIPE)
    assert [record.id for record in records] == ["NZZ-1", "NZZ-2"]
    assert records[0].text == "Dr. Bern.\nEnde"
    assert records[0].sents == [(0, 9), (10, 14)]
    assert set(found(records[0])) == {
        ("Dr. Bern", "pers"),
        ("Dr. Bern", "pers.ind"),
        ("Dr.", "comp.title"),
        ("Bern", "loc"),
    }
    assert {at.label: at.kb_id for at in records[0].entities}["pers"] == "Q7"
    assert {at.label: at.kb_id for at in records[1].entities} == {"loc": "", "org": "Q9"}
    assert "NE-COARSE-LIT" in notes.decisions[0]


def test_hipe_columns_by_name_and_sentences(tmp_path):
    tags = ["NE-COARSE-LIT", "NE-NESTED"]
    records, _ = read_text(tmp_path, HIPE, tags=tags, document="sentence")
    assert [record.text for record in records] == ["Dr. Bern.", "Ende", "Ur"]
    assert [record.document for record in records] == ["NZZ-1", "NZZ-1", "NZZ-2"]
    assert found(records[0]) == [("Dr. Bern", "pers"), ("Bern", "loc")]


def test_spacing_of_the_text_comment(tmp_path):
    text = "# text = Don't go.\nDo\tO\nn't\tO\ngo\tB-X\n.\tO\n\n# text = other\nYes\tO\n"
    records, _ = read_text(tmp_path, text)
    assert [record.text for record in records] == ["Don't go.", "Yes"]
    assert found(records[0]) == [("go", "X")]


def test_space_after_no(tmp_path):
    text = "Do\tO\tSpaceAfter=No\nn't\tO\t_\ngo\tB-X\tSpaceAfter=No|x=y\n.\tO\t_\n"
    (record,), _ = read_text(tmp_path, text)
    assert (record.text, found(record)) == ("Don't go.", [("go", "X")])


# Documents


DOCSTART = (
    "-DOCSTART- -X- O O\n\nEU NNP B-NP B-ORG\n\nNo DT B-NP O\n. . O O\n\n"
    "-DOCSTART- -X- O O\n\nBonn NNP B-NP B-LOC\n"
)


def test_docstart(tmp_path):
    records, notes = read_text(tmp_path, DOCSTART)
    assert [record.text for record in records] == ["EU\nNo .", "Bonn"]
    assert records[0].sents == [(0, 2), (3, 7)]
    assert records[0].tokens == [(0, 2), (3, 5), (6, 7)]
    assert found(records[1]) == [("Bonn", "LOC")]
    assert records[0].id != records[1].id
    assert "a record is a document between two marks" in notes.decisions


def test_sentences_of_docstart_documents_know_theirs(tmp_path):
    records, _ = read_text(tmp_path, DOCSTART, document="sentence")
    assert [record.text for record in records] == ["EU", "No .", "Bonn"]
    assert records[0].document == records[1].document != records[2].document != ""
    assert len({record.id for record in records}) == 3


@pytest.mark.parametrize(
    "mark", ["# newdoc id = {}", "# document_id = {}", "#begin document ({}); part 000", "###{}"]
)
def test_names_of_documents(tmp_path, mark):
    text = f"{mark.format('d1')}\n\na\tO\n\n{mark.format('d2')}\nb\tB-X\n\nc\tO\n"
    records, _ = read_text(tmp_path, text)
    assert [(record.id, record.text) for record in records] == [("d1", "a"), ("d2", "b\nc")]


def test_named_docstart(tmp_path):
    text = "-DOCSTART- (1 EU)\nEU\tB\tEU\n-DOCSTART- (2 Rare)\nUr\tO\tx\n"
    records, _ = read_text(tmp_path, text)
    assert [(record.id, record.text) for record in records] == [("1 EU", "EU"), ("2 Rare", "Ur")]


def test_a_file_as_one_document(tmp_path):
    text = "a\tB-X\tO\t\n\nb\tI-X\tO\t\n \t \nc\tO\tO\t"
    (record,), notes = read_text(tmp_path, text, "emma.tsv", document="file")
    assert (record.id, record.text) == ("emma", "a\nb\nc")
    assert record.sents == [(0, 1), (2, 3), (4, 5)]
    # No entity goes over the end of a sentence.
    assert found(record) == [("a", "X"), ("b", "X")]


def test_blank_lines_of_all_kinds_and_no_last_one(tmp_path):
    text = "a\tB-X\r\n\t\r\n\r\nb\tO\t\r\n \r\nc\tB-X"
    records, _ = read_text(tmp_path, text)
    assert [record.text for record in records] == ["a", "b", "c"]
    assert found(records[2]) == [("c", "X")]


# Characters


def test_characters_have_nothing_between_them(tmp_path):
    (record,), notes = read_text(
        tmp_path, lines("我 O", "在 O", "北 B-LOC", "京 I-LOC", "New O", "York O")
    )
    assert record.text == "我在北京New York"
    assert found(record) == [("北京", "LOC")]
    assert any("characters" in text for text in notes.decisions)
    (record,), _ = read_text(tmp_path, lines("我 O", "在 B-X"), joiner="blank")
    assert record.text == "我 在"


def test_words_of_chinese_have_blanks(tmp_path):
    (record,), _ = read_text(tmp_path, lines("我 O", "北京 B-LOC", "天气 O", "很 O", "好看 O"))
    assert record.text == "我 北京 天气 很 好看"


def test_segmentation_digits_are_cut_once(tmp_path):
    text = lines(
        "口0 B-X", "10 O", "#0 O", "腔1 I-X", "x12 O", "p0 O", "好0 O", "人1 O", "我0 O", "在0 O"
    )
    (record,), notes = read_text(tmp_path, text)
    assert record.text == "口1#腔x1p好人我在"
    assert any("digit" in decision for decision in notes.decisions)
    (record,), _ = read_text(tmp_path, text, segmentation="no", joiner="none")
    assert record.text.startswith("口010#0")


def test_a_blank_as_a_token_is_text_but_no_token(tmp_path):
    (record,), notes = read_text(tmp_path, "서\tB-LC\n울\tI-LC\n \tI-LC\n시\tI-LC\n \tB-X\n에\tO\n")
    assert record.text == "서울 시 에"
    assert len(record.tokens) == 4
    assert found(record) == [("서울 시", "LC")]
    assert sorted(counts(notes).values()) == [1, 2]


def test_offsets_are_code_points(tmp_path):
    text = lines("😀 O", "e\u0301\u00ad B-X", "\ue123 O", "שלום B-Y")
    (record,), _ = read_text(tmp_path, "\ufeff" + text)
    assert record.text == "😀 e\u0301\u00ad \ue123 שלום"
    assert [(at.start, at.end) for at in record.entities] == [(2, 5), (8, 12)]
