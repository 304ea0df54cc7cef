"""Documents and records, read and scored; spaCy's own scorer is the oracle."""

import json
import re
from pathlib import Path

import pytest
import spacy
from hypothesis import given, settings
from spacy.scorer import Scorer
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.evaluation.evaluate import Settings
from spacy_contrastive_ner.evaluation.gold import (
    Source,
    bare_docs,
    digest_of,
    evaluate_docs,
    gold_of,
    read_annotation,
    read_corpus,
    read_records,
    training_of,
)

from .random_mentions import mentions

NLP = spacy.blank("en")
PAGE = Path(__file__).parents[2] / "docs" / "evaluation.md"


def doc_of(words, spans=None, key="sc", ents=None, ids=()):
    doc = Doc(NLP.vocab, words=words)
    if spans is not None:
        ids = [*ids, *[0] * len(spans)]
        doc.spans[key] = [Span(doc, *span, span_id=id) for span, id in zip(spans, ids)]
    if ents is not None:
        doc.ents = [Span(doc, *ent) for ent in ents]
    return doc


def spacy_scores(pairs):
    examples = [Example(predicted, gold) for gold, predicted in pairs]
    return Scorer.score_spans(
        examples,
        "spans_sc",
        getter=lambda doc, _: doc.spans.get("sc", []),
        has_annotation=lambda doc: "sc" in doc.spans,
        allow_overlap=True,
    )


def compare_with_spacy(pairs):
    found, theirs = evaluate_docs(pairs).as_dict(), spacy_scores(pairs)
    for ours, part in (("precision", "p"), ("recall", "r"), ("f", "f")):
        value = theirs[f"spans_sc_{part}"] or 0.0
        assert (found["micro"][ours] or 0.0) == pytest.approx(value)
        for label, scores in (theirs["spans_sc_per_type"] or {}).items():
            assert (found["labels"][label][ours] or 0.0) == pytest.approx(scores[part])


@settings(max_examples=60, deadline=None)
@given(mentions(), mentions())
def test_the_same_as_spacy(gold, predicted):
    words = list("abcdefgh")
    compare_with_spacy([(doc_of(words, sorted(gold)), doc_of(words, sorted(predicted)))])


@settings(max_examples=60, deadline=None)
@given(mentions(), mentions(4))
def test_the_same_as_spacy_with_other_tokens(gold, predicted):
    """The prediction has two tokens of the gold in each of its own."""
    reference = Doc(NLP.vocab, words=list("abcdefgh"), spaces=[False] * 8)
    reference.spans["sc"] = [Span(reference, *span) for span in sorted(gold)]
    coarse = Doc(NLP.vocab, words=["ab", "cd", "ef", "gh"], spaces=[False] * 4)
    coarse.spans["sc"] = [Span(coarse, *span) for span in sorted(predicted)]
    compare_with_spacy([(reference, coarse)])
    found = evaluate_docs([(reference, coarse)]).as_dict()
    cut = [span for span in gold if span[0] % 2 or span[1] % 2]
    assert found["unreachable"]["count"] == len(cut)


def test_not_annotated_documents_do_not_count():
    pairs = [
        (doc_of(["a"]), doc_of(["a"], [(0, 1, "A")])),
        (doc_of(["a"], []), doc_of(["a"], [(0, 1, "A")])),
    ]
    found = evaluate_docs(pairs).as_dict()
    assert found["micro"]["predicted"] == 1 and len(found["documents"]) == 1


def test_other_texts():
    with pytest.raises(ValueError, match="different texts"):
        evaluate_docs([(doc_of(["a"], []), doc_of(["b"], []))])


def test_sources():
    gold = doc_of(["a", "b"], [(0, 1, "A")], key="gold", ents=[(1, 2, "A")])
    predicted = doc_of(["a", "b"], [(0, 1, "A")], key="sc", ents=[(1, 2, "A")])
    found = evaluate_docs([(gold, predicted)], Source("gold", "sc")).as_dict()
    assert found["micro"]["f"] == 1.0 and found["flat"]["micro"]["f"] == 1.0
    found = evaluate_docs([(gold, predicted)], Source(None, None)).as_dict()
    assert found["micro"]["f"] == 1.0 and found["flat"] is None
    found = evaluate_docs([(gold, predicted)], Source("gold", None)).as_dict()
    assert found["micro"]["f"] == 0.0


def test_fragments_are_told_by_their_ids():
    spans = [(0, 1, "A"), (2, 3, "A"), (4, 5, "A")]
    doc = doc_of(list("abcde"), spans, ids=["x", "x"])
    assert read_annotation(doc, "sc", "missing").entities == [
        (((0, 1), (4, 5)), "A"),
        (((8, 9),), "A"),
    ]


def test_unknown_annotation():
    doc = doc_of(list("abc"), [])
    doc.spans["missing"] = [Span(doc, 0, 2, "A")]
    assert read_annotation(doc, "sc", "missing").missing == [(0, 3, "A")]
    assert read_annotation(doc, "sc", "other").missing == []
    assert read_annotation(doc, None, "missing") is None
    doc.set_ents([Span(doc, 0, 1, "A")], missing=[doc[2:3]], default="outside")
    assert read_annotation(doc, None, "missing") == ([(((0, 1),), "A")], [(4, 5, "")])


def test_sentences_of_the_prediction_will_do():
    gold, predicted = doc_of(list("abc"), [(2, 3, "A")]), doc_of(list("abc"), [])
    assert evaluate_docs([(gold, predicted)]).as_dict()["sentence_length"] is None
    predicted[1].is_sent_start = True
    assert evaluate_docs([(gold, predicted)]).as_dict()["sentence_length"]["1-10"]["support"] == 1


def test_the_same_tokens():
    doc = NLP.make_doc(" New  York's mayor  can't\n")
    doc.spans["sc"] = []
    gold = gold_of(doc, Source())
    (bare,) = bare_docs([gold], spacy.blank("xx"), use_tokens=True)
    assert bare.text == doc.text and [t.text for t in bare] == [t.text for t in doc]
    (own,) = bare_docs([gold], spacy.blank("xx"), use_tokens=False)
    assert [t.text for t in own] != [t.text for t in doc] and own.text == doc.text


def test_a_tokenizer_that_changes_the_text():
    nlp = spacy.blank("en")
    nlp.tokenizer = lambda text: Doc(nlp.vocab, words=text.split())
    with pytest.raises(ValueError, match="changes the text"):
        list(bare_docs([gold_of(doc_of(["a"], []), Source())._replace(text="a  b")], nlp, False))


@pytest.fixture
def corpus(tmp_path):
    docs = [
        doc_of(["a", "b"], [(0, 1, "A")], key="x"),
        doc_of(["a"], ents=[(0, 1, "A")]),
        doc_of(["a"], [], key="y"),
    ]
    docs[0].user_data["id"] = "first"
    path = tmp_path / "corpus.spacy"
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return path


def test_read_corpus(corpus):
    golds, survey = read_corpus(corpus.parent, NLP.vocab, Source("x", "sc"), "The data")
    assert [gold.id for gold in golds] == ["first"]
    assert (survey.documents, survey.not_annotated) == (3, 2)
    assert training_of(golds).counts == {"A": 1}


@pytest.mark.parametrize(
    "key, words",
    [
        ("sc", ["No document", "'sc'", "'x' (1), 'y' (1)", "--spans-key", "--ents"]),
        ("y", ["no gold entities", "'x' (1)"]),
    ],
)
def test_no_gold(corpus, key, words):
    with pytest.raises(ValueError) as error:
        read_corpus(corpus, NLP.vocab, Source(key, "sc"), "The data")
    assert all(word in str(error.value) for word in words)


def test_no_documents(tmp_path):
    DocBin().to_disk(tmp_path / "a.spacy")
    with pytest.raises(ValueError, match="holds no documents"):
        read_corpus(tmp_path, NLP.vocab, Source(), "The data")


def write_lines(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf8")
    return path


def test_read_records(tmp_path):
    spans = [
        {"start": 1, "end": 3, "label": "A"},
        {"fragments": [[0, 1], [4, 5]], "label": "B"},
        {"start": 3, "end": 99, "label": "C"},
    ]
    path = write_lines(
        tmp_path / "g.jsonl", {"text": "abc de", "spans": spans}, {"text": "x", "spans": []}
    )
    notes = Notes()
    golds = read_records(path, notes)
    assert [gold.id for gold in golds] == ["1", "2"]
    assert set(golds[0].annotation.entities) == {(((1, 3),), "A"), (((0, 1), (4, 5)), "B")}
    assert [tally.total for tally in notes.tallies.values()] == [1]


def test_bad_records(tmp_path):
    with pytest.raises(ValueError, match="holds no records"):
        read_records(write_lines(tmp_path / "a.jsonl"), Notes())
    with pytest.raises(ValueError, match="no gold entities"):
        read_records(write_lines(tmp_path / "b.jsonl", {"text": "a", "spans": []}), Notes())
    (tmp_path / "c.jsonl").write_text("{", "utf8")
    with pytest.raises(BadInput, match="line 1"):
        read_records(tmp_path / "c.jsonl", Notes())


def test_digest():
    def digest(text, *spans):
        return digest_of([gold_of(doc_of(list(text), spans), Source())])

    assert digest("abc", (0, 1, "A"), (1, 2, "A")) == digest("abc", (1, 2, "A"), (0, 1, "A"))
    others = [digest("abc"), digest("abd"), digest("abc", (0, 1, "A")), digest("abc", (0, 1, "B"))]
    assert len(set(others)) == 4


def test_the_example_of_the_page():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf8"), flags=re.DOTALL)
    assert "assert" in code
    exec(compile(code, str(PAGE), "exec"), {})


def test_the_page_names_every_key():
    page = PAGE.read_text(encoding="utf8")
    empty = evaluate_docs([], settings=Settings()).as_dict()
    names = [*empty, *empty["structure"], *empty["partial"], *empty["outcomes"], *empty["micro"]]
    assert [name for name in names if name not in page] == []
