"""Patterns and gazetteers label what they say, and vouch for no more."""

import json
from pathlib import Path

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span
from srsly.msgpack import msgpack_decoders, msgpack_encoders

from spacy_contrastive_ner.convert import BadInput, Notes, Where
from spacy_contrastive_ner.convert.distant import (
    AMBIGUOUS,
    OTHER_IDS,
    REPLACED_ENTS,
    Labeller,
    label_items,
    unvouched,
)
from spacy_contrastive_ner.convert.docbins import quick_codecs
from spacy_contrastive_ner.convert.documents import Keys
from spacy_contrastive_ner.convert.patterns import TWICE, read_gazetteer, read_patterns
from spacy_contrastive_ner.convert.raw import find_inputs, read_items
from spacy_contrastive_ner.convert.textfile import TextFile

TEXT = "Anna left the Bank of England. She went to Paris.  Nothing else happened."
NLP = spacy.blank("en")
PATTERNS = [
    {"label": "ORG", "pattern": "Bank of England", "id": "Q1"},
    {"label": "GPE", "pattern": "England", "id": ""},
    {"label": "GPE", "pattern": [{"LOWER": "paris"}], "id": ""},
]


@pytest.fixture
def nlp():
    return spacy.blank("en")


def label(nlp, text=TEXT, patterns=PATTERNS, notes=None, **settings):
    labeller = Labeller(nlp, patterns, Notes() if notes is None else notes, **settings)
    doc = text if isinstance(text, Doc) else nlp.make_doc(text)
    return labeller(doc, Where("x")).doc


def found(doc, key="sc"):
    return [(span.text, span.label_) for span in doc.spans[key]]


def missing(doc):
    return found(doc, "missing")


def test_all_matches_are_kept(nlp):
    doc = label(nlp)
    assert found(doc) == [("Bank of England", "ORG"), ("England", "GPE"), ("Paris", "GPE")]
    # Ids of patterns are no ids of spans: these would make fragments of all matches.
    assert [(span.kb_id_, span.id) for span in doc.spans["sc"]] == [("Q1", 0), ("", 0), ("", 0)]
    assert len(doc.ents) == 2 and not nlp.pipe_names


def test_of_one_label_the_longest(nlp):
    patterns = [{"label": "A", "pattern": [{"IS_TITLE": True, "OP": "+"}], "id": ""}]
    patterns += [{"label": "B", "pattern": "York", "id": ""}]
    patterns += [{"label": "B", "pattern": "in New", "id": ""}]
    # "York" alone is ambiguous.
    texts = ["New", "New York", "New York City", "York City", "City"]
    expected = [("in New", "B"), *((text, "A") for text in texts)]
    assert sorted(found(label(nlp, "in New York City", patterns))) == sorted(expected)
    doc = label(spacy.blank("en"), "in New York City", patterns, longest=True)
    assert found(doc) == [("in New", "B"), ("New York City", "A")]


def test_vouch_for_matches(nlp):
    doc = label(nlp)
    assert missing(doc) == [
        ("Anna left the", ""),
        (". She went to", ""),
        (".  Nothing else happened.", ""),
    ]
    assert doc.ents[0].text in ("England", "Bank of England")
    # What is unknown is unknown in doc.ents too.
    assert doc[0].ent_iob == 0


def test_vouch_for_sentences(nlp):
    assert missing(label(nlp, vouch="sentences")) == [("Nothing else happened.", "")]


def test_sentences_that_are_there_are_used(nlp):
    doc = Doc(nlp.vocab, words=["in", "Paris", "or", "not"], sent_starts=[1, 0, 1, 0])
    assert missing(label(nlp, doc, vouch="sentences")) == [("or not", "")]


def test_a_match_across_sentences_vouches_for_both(nlp):
    doc = Doc(nlp.vocab, words=["in", "the", "Bank", "of", "England"], sent_starts=[1, 0, 0, 1, 0])
    assert missing(label(nlp, doc, vouch="sentences")) == []


def test_vouch_for_all(nlp):
    doc = label(nlp, vouch="all")
    assert missing(doc) == [] and "missing" in doc.spans
    assert doc[0].ent_iob == 2


@pytest.mark.parametrize("vouch", ["matches", "sentences", "all"])
def test_without_any_match(nlp, vouch):
    doc = label(nlp, "nothing here", vouch=vouch)
    assert "sc" in doc.spans and found(doc) == []
    assert missing(doc) == ([] if vouch == "all" else [("nothing here", "")])


@pytest.mark.parametrize("vouch", ["matches", "sentences", "all"])
@pytest.mark.parametrize("text", ["", "  \n"])
def test_without_words(nlp, vouch, text):
    doc = label(nlp, text, vouch=vouch)
    assert "sc" in doc.spans and missing(doc) == []


AMBIGUOUS_ONES = [
    {"label": "ORG", "pattern": "Washington Post", "id": ""},
    {"label": "PER", "pattern": "Washington", "id": "1"},
    {"label": "GPE", "pattern": [{"LOWER": "washington"}], "id": "2"},
]


@pytest.mark.parametrize(
    "vouch, expected",
    [
        ("all", [("Washington", "GPE"), ("Washington", "PER")] * 2),
        # Said once if nothing is known there anyway.
        ("matches", [("or Washington", ""), ("Washington", "GPE"), ("Washington", "PER")]),
    ],
)
def test_ambiguous_phrases_are_unknown(nlp, vouch, expected):
    notes = Notes()
    doc = label(nlp, "Washington Post or Washington", AMBIGUOUS_ONES, notes, vouch=vouch)
    assert found(doc) == [("Washington Post", "ORG")]
    assert missing(doc) == expected
    assert dict(notes.tallies[AMBIGUOUS].labels) == {"GPE or PER": 2}


def test_a_sentence_with_ambiguous_phrases_only_is_unknown(nlp):
    doc = label(nlp, "In Washington. No.", AMBIGUOUS_ONES, vouch="sentences")
    assert missing(doc) == [("In Washington. No.", "")]


def test_several_ids(nlp):
    notes = Notes()
    patterns = [{"label": "PER", "pattern": "Anna", "id": id} for id in ("1", "2", "")]
    doc = label(nlp, "Anna", patterns, notes)
    assert [(span.label_, span.kb_id_) for span in doc.spans["sc"]] == [("PER", "")]
    assert notes.tallies[OTHER_IDS].total == 1
    doc = label(spacy.blank("en"), "Anna", patterns[1:], notes)
    assert doc.spans["sc"][0].kb_id_ == "2" and notes.tallies[OTHER_IDS].total == 1


def test_case(nlp):
    assert found(label(nlp, "ENGLAND paris")) == [("paris", "GPE")]
    doc = label(spacy.blank("en"), "ENGLAND paris", attr="LOWER")
    assert found(doc) == [("ENGLAND", "GPE"), ("paris", "GPE")]


def test_white_space_is_no_part_of_an_entity(nlp):
    patterns = [{"label": "A", "pattern": [{"IS_SPACE": True}, {"LOWER": "b"}], "id": ""}]
    patterns += [{"label": "A", "pattern": [{"IS_SPACE": True}], "id": ""}]
    assert found(label(nlp, "a  b", patterns)) == [("b", "A")]


def test_an_attribute_that_is_not_set(nlp):
    with pytest.raises(ValueError, match=r"LEMMA.*--pipeline"):
        label(nlp, attr="LEMMA")
    with pytest.raises(ValueError, match=r"NONSENSE.*--attr ORTH"):
        label(spacy.blank("en"), attr="NONSENSE")
    patterns = [{"label": "A", "pattern": [{"POS": "NOUN"}], "id": ""}]
    with pytest.raises(BadInput, match=r"x: the patterns cannot be looked for.*--pipeline"):
        label(spacy.blank("en"), patterns=patterns)


def test_phrases_are_prepared_by_the_pipeline():
    nlp = spacy.blank("en")
    lemmas = nlp.add_pipe("attribute_ruler")
    lemmas.add([[{"LOWER": {"IN": ["house", "houses"]}}]], {"LEMMA": "house"})
    patterns = [{"label": "A", "pattern": "house", "id": ""}]
    labeller = Labeller(nlp, patterns, Notes(), attr="LEMMA")
    assert found(labeller(nlp("two houses"), Where("x")).doc) == [("houses", "A")]


def test_gold_is_not_overwritten_unasked(nlp):
    doc = nlp.make_doc(TEXT)
    doc.spans["sc"] = [Span(doc, 0, 1, "PER")]
    doc.ents = [Span(doc, 0, 1, "PER")]
    notes = Notes()
    with pytest.raises(BadInput, match=r"doc.spans\['sc'\] already.*--overwrite"):
        label(nlp, doc)
    assert found(doc) == [("Anna", "PER")]
    doc = label(spacy.blank("en"), doc, notes=notes, keys=Keys("distant", "unknown"))
    assert found(doc) == [("Anna", "PER")] and len(found(doc, "distant")) == 3
    assert notes.tallies[REPLACED_ENTS].total == 1
    assert len(found(label(spacy.blank("en"), doc, overwrite=True))) == 3


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(["a", "b", ".", "\n"]), max_size=12), st.data())
def test_what_is_not_vouched_for(words, data):
    doc = Doc(NLP.vocab, words=words)
    place = st.integers(0, len(words))
    pairs = data.draw(st.lists(st.tuples(place, place), max_size=4))
    spans = [Span(doc, a, b) for a, b in pairs if a < b]
    gaps = unvouched(doc, spans, "matches")
    inside = {i for span in spans for i in range(span.start, span.end)}
    covered = [i for start, end in gaps for i in range(start, end)]
    assert len(covered) == len(set(covered)) and not inside & set(covered)
    lacking = set(range(len(doc))) - inside - set(covered)
    assert all(doc[i].is_space for i in lacking)


def patterns_of(tmp_path, nlp, *lines, notes=None):
    path = tmp_path / "p.jsonl"
    path.write_text(
        "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    )
    return read_patterns(TextFile(path), nlp, Notes() if notes is None else notes)


def test_patterns(tmp_path, nlp):
    notes = Notes()
    ruler = nlp.add_pipe("span_ruler")
    ruler.add_patterns([{"label": "A", "pattern": "x  y", "id": "1"}])
    ruler.add_patterns([{"label": "B", "pattern": [{"LOWER": {"FUZZY": "abc"}}]}])
    ruler.to_disk(tmp_path / "ruler")
    saved = (tmp_path / "ruler" / "patterns").read_text().splitlines()
    found = patterns_of(tmp_path, nlp, *saved, "", saved[0], notes=notes)
    assert found == [
        {"label": "A", "pattern": "x y", "id": "1"},
        {"label": "B", "pattern": [{"LOWER": {"FUZZY": "abc"}}], "id": ""},
    ]
    assert notes.tallies[TWICE].total == 1
    assert notes.decisions == ["p.jsonl: 1 phrases and 1 token patterns for 2 labels"]


@pytest.mark.parametrize(
    "line, message",
    [
        ('{"label": "A", "pat', "no valid JSON"),
        ("[1]", "no JSON object"),
        ({"pattern": "x"}, "has no 'label'"),
        ({"label": " ", "pattern": "x"}, "has no 'label'"),
        ({"label": "A"}, "no phrase and no list of tokens: None"),
        ({"label": "A", "pattern": " "}, "no phrase and no list"),
        ({"label": "A", "pattern": []}, "no phrase and no list"),
        ({"label": "A", "pattern": {"LOWER": "x"}}, "no phrase and no list"),
        ({"label": "A", "pattern": [{"LOVER": "x"}]}, "no valid token pattern.*LOVER"),
        ({"label": "A", "pattern": ["x"]}, "no valid token pattern"),
        ({"label": "A", "pattern": [{"TEXT": {"REGEX": "("}}]}, "no valid token pattern"),
        ({"label": "A", "pattern": [{"OP": "??"}]}, "no valid token pattern"),
    ],
)
def test_bad_patterns(tmp_path, nlp, line, message):
    with pytest.raises(BadInput, match=rf"p\.jsonl, line 2: .*{message}"):
        patterns_of(tmp_path, nlp, {"label": "A", "pattern": "x"}, line)


def gazetteer_of(tmp_path, text, notes=None):
    path = tmp_path / "g.tsv"
    path.write_bytes(text.encode("utf8"))
    return read_gazetteer(TextFile(path), Notes() if notes is None else notes)


def test_gazetteer(tmp_path):
    notes = Notes()
    text = (
        "\ufeff# comment\r\nTerm\tType\tID\r\nBank  of England\tORG\tQ1\r\n\r\n"
        "#\tSIGN\r\nEngland\tGPE\r\nEngland\tGPE\r\nEngland\tTEAM\nname\tlabel\n"
    )
    assert gazetteer_of(tmp_path, text, notes) == [
        {"label": "ORG", "pattern": "Bank of England", "id": "Q1"},
        {"label": "SIGN", "pattern": "#", "id": ""},
        {"label": "GPE", "pattern": "England", "id": ""},
        {"label": "TEAM", "pattern": "England", "id": ""},
        {"label": "label", "pattern": "name", "id": ""},
    ]
    assert notes.decisions[0] == "g.tsv: the first line is a header"
    assert notes.tallies[TWICE].examples == [f"'England' (GPE), {tmp_path / 'g.tsv'}, line 7"]


@pytest.mark.parametrize(
    "line, message",
    [
        ("Paris", "1 columns instead of 2 or 3"),
        ("Paris\tGPE\tQ90\tx", "4 columns instead of 2 or 3"),
        ("Paris\t ", "the label is empty"),
        ("\tGPE", "the phrase is empty"),
    ],
)
def test_bad_gazetteers(tmp_path, line, message):
    with pytest.raises(BadInput, match=rf"g\.tsv, line 2: {message}"):
        gazetteer_of(tmp_path, f"England\tGPE\n{line}\n")


@pytest.mark.parametrize("text", ["", "# comment\n\n", "phrase\tlabel\n"])
def test_nothing_to_look_for(tmp_path, nlp, text):
    with pytest.raises(BadInput, match="nothing in it to look for"):
        gazetteer_of(tmp_path, text)
    with pytest.raises(BadInput, match="nothing in it to look for"):
        patterns_of(tmp_path, nlp)


def items_of(tmp_path, nlp, name, data):
    (tmp_path / name).write_bytes(data)
    return list(read_items(tmp_path / name, nlp, "utf-8"))


def test_texts(tmp_path, nlp):
    read = []
    (tmp_path / "a.txt").write_bytes("\ufeffAnna\r\nleft 👍".encode())
    (item,) = read_items(tmp_path / "a.txt", nlp, "utf-8", read.append)
    assert (item.content, item.id) == ("Anna\r\nleft 👍", "a")
    assert sum(read) == (tmp_path / "a.txt").stat().st_size


def test_json_lines(tmp_path, nlp):
    lines = '{"text": "Anna\\nleft", "id": 7, "meta": {"a": 1}}\n\n{"text": ""}\n'
    items = items_of(tmp_path, nlp, "a.jsonl", lines.encode())
    assert [(i.content, i.id, i.meta, i.where.line) for i in items] == [
        ("Anna\nleft", "7", {"a": 1}, 1),
        ("", "", None, 3),
    ]
    records = list(label_items(items, nlp, Labeller(nlp, PATTERNS, Notes())))
    assert [(r.text, r.id, r.meta) for r in records] == [
        ("Anna\nleft", "7", {"a": 1}),
        ("", "", {}),
    ]


@pytest.mark.parametrize(
    "line, message",
    [
        ('{"text": "a', "no valid JSON"),
        ('{"text": "\\ud800"}', "no valid JSON .*surrogates"),
        ("3", "no JSON object"),
        ('{"words": 1}', "there is no 'text' in the object, only 'words'"),
        ('{"text": ["a"]}', "'text' is no string"),
    ],
)
def test_bad_json_lines(tmp_path, nlp, line, message):
    with pytest.raises(BadInput, match=rf"a\.jsonl, line 2: {message}"):
        items_of(tmp_path, nlp, "a.jsonl", f'{{"text": "a"}}\n{line}\n'.encode())


def test_documents_keep_their_tokens(tmp_path, nlp):
    doc = Doc(nlp.vocab, words=["Par", "is", "Paris"], spaces=[False, True, False])
    doc.user_data["id"] = "x"
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "a.spacy")
    read = []
    items = list(read_items(tmp_path / "a.spacy", nlp, "utf-8", read.append))
    (record,) = label_items(items, nlp, Labeller(nlp, PATTERNS, Notes()))
    assert [token.text for token in record.doc] == ["Par", "is", "Paris"]
    assert found(record.doc) == [("Paris", "GPE")] and record.id == "x"
    assert sum(read) == (tmp_path / "a.spacy").stat().st_size


def test_damaged_documents(tmp_path, nlp):
    DocBin(docs=[nlp(TEXT)]).to_disk(tmp_path / "a.spacy")
    data = (tmp_path / "a.spacy").read_bytes()
    for some in (b"", b"text", data[:-20]):
        with pytest.raises(BadInput, match=r"a\.spacy: is no file of spaCy documents"):
            items_of(tmp_path, nlp, "a.spacy", some)


def test_a_text_that_is_too_long(nlp, tmp_path):
    nlp.max_length = 20
    items = items_of(tmp_path, nlp, "a.txt", TEXT.encode())
    with pytest.raises(BadInput, match=r"a\.txt.*cannot be tokenized: .*E088"):
        list(label_items(items, nlp, Labeller(nlp, PATTERNS, Notes())))


def test_inputs(tmp_path):
    for name in ("b/2.txt", "a.txt", ".hidden/x.txt", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert find_inputs(tmp_path) == [tmp_path / "a.txt", tmp_path / "b" / "2.txt"]
    assert find_inputs(tmp_path / "a.txt") == [tmp_path / "a.txt"]
    with pytest.raises(BadInput, match="no such file"):
        find_inputs(tmp_path / "c")
    with pytest.raises(BadInput, match=r"does not tell what it holds \(\.md\)"):
        find_inputs(tmp_path / "README.md")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"the folder is empty"):
        find_inputs(tmp_path / "empty")
    (tmp_path / "empty" / "a.md").write_text("x")
    with pytest.raises(BadInput, match=r"no files of \.txt"):
        find_inputs(tmp_path / "empty")
    (tmp_path / "c.jsonl").write_text("{}")
    with pytest.raises(BadInput, match=r"files of several kinds \(\.jsonl, \.txt\)"):
        find_inputs(tmp_path)


def test_codecs_are_looked_for_once(monkeypatch):
    asked = []
    for registry in (msgpack_decoders, msgpack_encoders):
        look = registry.get_entry_points
        monkeypatch.setattr(
            registry, "get_entry_points", lambda look=look: asked.append(1) or look()
        )
    doc = Doc(NLP.vocab, words=["a"])
    doc.spans["sc"] = [Span(doc, 0, 1, "A")]

    def there_and_back():
        data = DocBin(docs=[doc, doc], store_user_data=True).to_bytes()
        docs = list(DocBin(store_user_data=True).from_bytes(data).get_docs(NLP.vocab))
        assert found(docs[1]) == [("a", "A")]

    with quick_codecs():
        there_and_back()
        assert len(asked) == 2
        # When an inner one ends, nothing is put back too early.
        with quick_codecs():
            pass
        there_and_back()
    assert len(asked) == 2
    with pytest.raises(ZeroDivisionError), quick_codecs():
        raise ZeroDivisionError
    asked.clear()
    there_and_back()
    assert len(asked) > 10


def test_what_is_unknown_in_two_ways_is_said_once_in_long_texts():
    """As many ambiguous matches as stretches without any: this took time for each pair of them."""
    patterns = [{"label": label, "pattern": "Bob"} for label in ("PER", "DOG")]
    nlp = spacy.blank("en")
    labeller = Labeller(nlp, [*patterns, {"label": "PER", "pattern": "Anna"}], Notes())
    record = labeller(nlp.make_doc("Anna saw Bob . " * 3000), Where(Path("a")))
    assert len(record.entities) == 3000 and len(record.missing) == 3000
    labeller = Labeller(nlp := spacy.blank("en"), patterns, Notes(), vouch="all")
    assert len(labeller(nlp.make_doc("Anna saw Bob . " * 3000), Where(Path("a"))).missing) == 6000
