"""What is kept of documents, gold and predictions."""

import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_contrastive_ner.evaluation.analysis import study as module
from spacy_contrastive_ner.evaluation.analysis.study import scores_of, study, study_docs
from spacy_contrastive_ner.evaluation.evaluate import Settings
from spacy_contrastive_ner.evaluation.gold import Source, gold_of
from spacy_contrastive_ner.evaluation.predictor import choose_pipe, predict

from ...util import TEXTS, make_pipeline, train

SOURCE = Source()


def golds_of(nlp, texts=TEXTS, missing=()):
    found = []
    for number, (text, spans) in enumerate(texts):
        doc = nlp.make_doc(text)
        doc.spans["sc"] = [Span(doc, *span) for span in spans]
        doc.spans["missing"] = [Span(doc, *span) for where, *span in missing if where == number]
        found.append(gold_of(doc, SOURCE, str(number)))
    return found


@pytest.fixture(scope="module")
def nlp():
    nlp = make_pipeline()
    train(nlp)
    return nlp


def run(nlp, golds, **kwargs):
    return study(nlp, golds, choose_pipe(nlp), SOURCE, **kwargs)


def test_what_is_found(nlp):
    found = run(nlp, golds_of(nlp), settings=Settings())
    assert [case.id for case in found.cases] == ["0", "1", "2", "3"]
    for case, (text, spans) in zip(found.cases, TEXTS):
        doc = nlp(text)
        wanted = {(doc[a:b].start_char, doc[a:b].end_char, label) for a, b, label in spans}
        assert case.text == text and case.words() == case.tokens
        assert case.gold_spans() == case.predicted_spans() == wanted
        # The probabilities are those that the pipe writes.
        scores = dict(zip(doc.spans["sc"], doc.spans["sc"].attrs["scores"].tolist()))
        for span, score in scores.items():
            place = (span.start_char, span.end_char, span.label_)
            assert case.scores[place] == pytest.approx(score, abs=1e-6)
            assert case.candidates[place] == pytest.approx(score, abs=1e-5)
        assert set(case.scores) == wanted
    pipe = nlp.get_pipe("contrastive_ner")
    assert found.threshold == pipe.cfg["threshold"] and found.n_candidates == 4
    assert found.speed.words == sum(len(text.split()) for text, _ in TEXTS)


def test_the_scores_are_those_of_evaluate(nlp):
    golds = golds_of(nlp, [*TEXTS, ("Anna resigned", [(0, 1, "GPE"), (1, 2, "PER")])])
    settings = Settings(rare=2)
    found = run(nlp, golds, settings=settings)
    wanted, _ = predict(nlp, golds, SOURCE, settings)
    assert found.evaluation.as_dict() == wanted.as_dict()
    tp = sum(len(case.gold_spans() & case.predicted_spans()) for case in found.cases)
    assert tp == wanted.as_dict()["micro"]["found"]


def test_documents_in_a_notebook(nlp):
    docs = []
    for text, spans in TEXTS:
        doc = nlp.make_doc(text)
        doc.spans["gold"] = [Span(doc, *span) for span in spans]
        docs.append(doc)
    docs.insert(1, nlp.make_doc("not annotated"))
    found = study_docs(nlp, docs, spans_key="gold")
    assert [case.text for case in found.cases] == [text for text, _ in TEXTS]
    assert found.evaluation.as_dict()["micro"]["f"] == 1.0
    with pytest.raises(ValueError, match="no pipe 'x'"):
        study_docs(nlp, docs, pipe="x")


def test_candidates_are_all_that_a_low_threshold_finds(nlp):
    (case,) = run(nlp, golds_of(nlp, TEXTS[:1])).cases
    pipe = nlp.get_pipe("contrastive_ner")
    before = pipe.cfg["threshold"]
    pipe.cfg["threshold"] = 0.01
    try:
        low = scores_of(nlp(case.text), "sc")
    finally:
        pipe.cfg["threshold"] = before
    assert set(case.candidates) == set(low) and len(low) >= len(case.scores)
    assert case.candidates == pytest.approx(low, abs=1e-5)


def test_candidates_on_a_shared_encoder():
    spacy.util.fix_random_seed(0)
    from ...test_encoders import shared_pipeline

    nlp = shared_pipeline()
    train(nlp)
    for case in run(nlp, golds_of(nlp)).cases:
        for place, score in case.scores.items():
            assert case.candidates[place] == pytest.approx(score, abs=1e-5)


def test_not_more_candidates_than_wanted(nlp):
    found = run(nlp, golds_of(nlp), candidate_words=8)
    assert [case.candidates is not None for case in found.cases] == [True, True, False, False]
    assert found.n_candidates == 2


def test_without_gold(nlp):
    found = run(nlp, golds_of(nlp), annotated=False)
    assert found.evaluation is None
    assert [case.gold for case in found.cases] == [None] * 4
    assert found.cases[1].gold_spans() == set() and len(found.cases[1].predicted_spans()) == 2


@pytest.mark.parametrize("label, judged", [("", 0), ("PER", 1), ("NOWHERE", 0), ("GPE", 2)])
def test_what_is_not_known_is_not_judged(nlp, label, judged):
    """Unknown for a label that nobody knows is unknown for all, as for `evaluate`."""
    texts = [("Anna left Paris", [])]
    golds = golds_of(
        nlp, texts, missing=[(0, 0, 2, label), (0, 2, 3, label if label != "GPE" else "PER")]
    )
    settings = Settings(labels={"PER", "GPE", "ORG"})
    (case,) = (found := run(nlp, golds, settings=settings)).cases
    assert len(case.predicted_spans()) == judged
    assert found.evaluation.as_dict()["micro"]["predicted"] == judged


def test_empty_documents_and_words(nlp):
    found = run(nlp, golds_of(nlp, [("", []), ("  ", []), ("Anna", [(0, 1, "PER")])]))
    assert [len(case.words()) for case in found.cases] == [0, 0, 1]
    assert found.cases[0].candidates == {} and found.speed.words == 1


def test_other_pipes_have_no_candidates():
    nlp = spacy.blank("en")
    nlp.add_pipe("span_ruler", config={"spans_key": "sc"}).add_patterns(
        [{"label": "PER", "pattern": "Anna"}]
    )
    found = run(nlp, golds_of(nlp))
    assert [case.candidates for case in found.cases] == [None] * 4
    assert [case.scores for case in found.cases] == [{}] * 4 and found.threshold is None
    assert len(found.cases[1].predicted_spans()) == 1


def test_viterbi_has_no_threshold(nlp):
    pipe = nlp.get_pipe("contrastive_ner")
    before = pipe.cfg["decoder"]
    pipe.cfg["decoder"] = "viterbi"
    try:
        found = run(nlp, golds_of(nlp))
    finally:
        pipe.cfg["decoder"] = before
    assert found.threshold is None and all(case.candidates is not None for case in found.cases)


def test_the_same_span_twice():
    nlp = spacy.blank("en")
    doc = Doc(nlp.vocab, words=["Anna"])
    doc.spans["sc"] = [Span(doc, 0, 1, "PER"), Span(doc, 0, 1, "PER")]
    doc.spans["sc"].attrs["scores"] = [0.2, 0.7]
    assert scores_of(doc, "sc") == {(0, 4, "PER"): 0.7}
    doc.spans["sc"].attrs["scores"] = [0.2]
    assert scores_of(doc, "sc") == scores_of(doc, "x") == scores_of(doc, None) == {}


def test_places_of_tokens_are_there_once(nlp):
    """They take more memory than all else."""
    golds = golds_of(nlp)
    golds[0] = golds[0]._replace(tokens=golds[0].tokens[1:])
    golds[1] = golds[1]._replace(tokens=None)
    found = run(nlp, golds)
    same = [case.tokens is gold.tokens for case, gold in zip(found.cases, golds)]
    assert same == [False, False, True, True] and found.speed.other_tokens == 1
    assert [len(case.tokens) for case in found.cases] == [len(t.split()) for t, _ in TEXTS]


def test_not_more_candidates_than_there_is_memory_for(nlp, monkeypatch):
    monkeypatch.setattr(module, "MOST_CANDIDATES", 4)
    found = run(nlp, golds_of(nlp))
    assert len(found.cases[0].candidates) < 4
    assert [case.candidates is not None for case in found.cases] == [True, True, False, False]
    assert found.n_candidates == 2
