"""Entities of several fragments, where predictions are written and read."""

import json

import spacy
from spacy.cli._util import app
from spacy.tokens import Doc, DocBin, Span
from typer.testing import CliRunner

import spacy_contrastive_ner.cli.app  # noqa: F401
from spacy_contrastive_ner.convert.documents import read_doc_record
from spacy_contrastive_ner.convert.page import render_page
from spacy_contrastive_ner.convert.records import Where
from spacy_contrastive_ner.convert.summary import Summary
from spacy_contrastive_ner.evaluation.gold import evaluate_docs
from spacy_contrastive_ner.models.linking import get_linker

from .linked import bare, entities, trained


def test_fragments_are_no_entities_of_the_flat_view():
    nlp, examples = trained()
    doc = nlp(bare(examples[0], nlp))
    whole = [(span.start, span.end) for span in doc.spans["sc"] if not span.id]
    assert [(ent.start, ent.end) for ent in doc.ents] == sorted(whole)


def test_ids_live_in_files(tmp_path):
    nlp, examples = trained()
    docs = [nlp(bare(eg, nlp)) for eg in examples[:3]]
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "found.spacy")
    again = DocBin().from_disk(tmp_path / "found.spacy").get_docs(spacy.blank("en").vocab)
    assert [entities(doc) for doc in again] == [entities(doc) for doc in docs]


def test_batches_do_not_matter():
    nlp, examples = trained()
    docs = [bare(eg, nlp) for eg in examples]
    docs.insert(3, Doc(nlp.vocab))
    docs.insert(5, Doc(nlp.vocab, words=["a0"]))
    results = []
    for size in (1, 3, 100):
        found = list(nlp.pipe([doc.copy() for doc in docs], batch_size=size))
        results.append([[(s.start, s.end, s.label_, s.id_) for s in d.spans["sc"]] for d in found])
    assert results[0] == results[1] == results[2]
    found = list(nlp.pipe([doc.copy() for doc in docs], batch_size=20, n_process=2))
    assert [[(s.start, s.end, s.label_, s.id_) for s in d.spans["sc"]] for d in found] == results[0]


def test_ids_are_numbers_and_scores_those_of_the_fragments():
    nlp, examples = trained()
    doc = nlp(bare(examples[0], nlp))
    ids = [span.id_ for span in doc.spans["sc"]]
    assert sorted(ids) == ["", "", "1", "1", "2", "2"]
    first = [i for i in ids if i]
    assert first[0] == "1"
    assert len(doc.spans["sc"].attrs["scores"]) == 6
    pipe = nlp.get_pipe("contrastive_ner")
    linker = get_linker(pipe.model)
    b = linker.get_param("b")
    saved = b.copy()
    b -= 1000
    apart = nlp(bare(examples[0], nlp))
    b[...] = saved
    assert not any(span.id_ for span in apart.spans["sc"])
    scores = [d.spans["sc"].attrs["scores"].tolist() for d in (doc, apart)]
    assert scores[0] == scores[1]


def test_whole_entities_are_scored():
    nlp, examples = trained()
    pairs = [(eg.reference, nlp(bare(eg, nlp))) for eg in examples[:5]]
    scores = evaluate_docs(pairs).as_dict()
    found = scores["structure"]["discontinuous"]
    assert (found["support"], found["predicted"], found["f"]) == (10, 10, 1.0)
    # Tied together in another way, fragments are all right, and entities are not.
    for _, doc in pairs:
        spans = list(doc.spans["sc"])
        firsts = [next(span for span in spans if span.id_ == id) for id in ("1", "2")]
        doc.spans["sc"] = [
            Span(
                doc, s.start, s.end, s.label, span_id="21"[int(s.id_) - 1] if s in firsts else s.id_
            )
            for s in spans
        ]
    assert [entities(doc) for _, doc in pairs] != [entities(gold) for gold, _ in pairs]
    scores = evaluate_docs(pairs).as_dict()
    assert scores["micro"]["f"] == 1.0 and scores["structure"]["discontinuous"]["f"] == 0.0
    assert scores["entities"]["micro"]["f"] < 1.0


def test_evaluate_reads_them(tmp_path):
    nlp, examples = trained()
    nlp.to_disk(tmp_path / "model")
    DocBin(docs=[eg.reference for eg in examples[:5]]).to_disk(tmp_path / "gold.spacy")
    arguments = [str(tmp_path / "model"), str(tmp_path / "gold.spacy")]
    arguments += ["--output", str(tmp_path / "scores.json"), "--gold-tokens"]
    result = CliRunner().invoke(app, ["contrastive", "evaluate", *arguments])
    assert result.exit_code == 0, result.output
    scores = json.loads((tmp_path / "scores.json").read_text("utf8"))
    assert scores["structure"]["discontinuous"]["f"] == 1.0
    assert "discontinuous" in result.output


def test_they_are_exported(tmp_path):
    nlp, examples = trained()
    doc = nlp(bare(examples[0], nlp))
    DocBin(docs=[doc]).to_disk(tmp_path / "found.spacy")
    wanted = {
        tuple(sorted((doc[a:b].start_char, doc[a:b].end_char) for a, b in fragments))
        for _, fragments in entities(doc)
        if len(fragments) > 1
    }
    assert len(wanted) == 2
    for to in ("found.jsonl", "brat"):
        arguments = [str(tmp_path / "found.spacy"), str(tmp_path / to), "--to", to[-5:]]
        result = CliRunner().invoke(app, ["contrastive", "convert", *arguments])
        assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "found.jsonl").read_text("utf8"))
    found = [span["fragments"] for span in record["spans"] if "fragments" in span]
    assert {tuple(map(tuple, fragments)) for fragments in found} == wanted
    (file,) = (tmp_path / "brat").glob("*.ann")
    places = [line.split("\t")[1].split(" ", 1)[1] for line in file.read_text("utf8").splitlines()]
    found = [tuple(tuple(map(int, p.split())) for p in place.split(";")) for place in places]
    assert {fragments for fragments in found if len(fragments) > 1} == wanted


def test_they_are_drawn(tmp_path):
    nlp, examples = trained()
    record = read_doc_record(nlp(bare(examples[0], nlp)), Where(tmp_path))
    summary = Summary()
    summary.add(record)
    page = render_page([record], summary, "found")
    assert [page.count(f">X #{number}<") for number in (1, 2, 3)] == [2, 2, 0]
