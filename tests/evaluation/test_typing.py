"""Given spans, typed and scored: against counting by hand."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_contrastive_ner.evaluation.evaluate import Annotation
from spacy_contrastive_ner.evaluation.gold import Gold, Source, gold_of
from spacy_contrastive_ner.evaluation.predictor import choose_pipe
from spacy_contrastive_ner.evaluation.typing import (
    Typed,
    describe_typing,
    find_candidates,
    interval_of,
    score_typed,
    sng_convention,
    type_gold,
)
from spacy_contrastive_ner.evaluation.typing_baselines import NaiveBayes, TypingTraining

from ..models.test_span_typer import make
from ..util import TEXTS, make_examples, make_pipeline, train

MENTIONS = [
    Typed(0, "Anna", "PER", "PER"),
    Typed(0, "Paris", "GPE", "PER"),
    Typed(1, "Rome", "GPE", "GPE"),
    Typed(1, "Rome", "ORG", "GPE"),
    Typed(2, "x", "GPE", None),
]


def gold_texts(*texts):
    golds = []
    for text, mentions in texts:
        entities = [
            (((text.index(words), text.index(words) + len(words)),), label)
            for words, label in mentions
        ]
        golds.append(Gold("", text, Annotation(entities, [])))
    return golds


def test_scores():
    scores = score_typed(MENTIONS)
    assert (scores["mentions"], scores["correct"], scores["accuracy"]) == (5, 2, 0.4)
    # PER: 1 right of 2 guesses; GPE: 1 of 3 found, 1 of 2 right; ORG: none.
    assert numpy.isclose(scores["macro_f"], (2 / 3 + 2 / 5 + 0) / 3)
    assert [(c["gold"], c["predicted"]) for c in scores["confusions"]] == [
        ("GPE", "PER"),
        ("ORG", "GPE"),
    ]
    assert scores["labels"]["GPE"]["support"] == 3 and scores["labels"]["GPE"]["predicted"] == 2
    nothing = score_typed([])
    assert nothing["accuracy"] is None and nothing["macro_f"] is None


def test_the_convention_of_sng():
    assert sng_convention(None) is None and sng_convention(1.0) == 1
    assert round(sng_convention(0.6947), 4) == 0.8199  # GermEval, as published
    assert "f" not in describe_typing(_corpus(MENTIONS))


def _corpus(mentions):
    from spacy_contrastive_ner.evaluation.typing import TypedCorpus

    return TypedCorpus(list(mentions), 0, 0, 0)


def test_interval():
    assert interval_of(MENTIONS[:1]) is None
    low, high = interval_of(MENTIONS)
    assert 0 <= low < 0.4 < high <= 1 and interval_of(MENTIONS) == [low, high]
    assert interval_of([m._replace(predicted=m.label) for m in MENTIONS]) == [1, 1]


def test_baselines():
    golds = gold_texts(
        ("Anna met Paris", [("Anna", "PER"), ("Paris", "PER")]),
        ("Paris Paris", [("Paris", "GPE")]),
        ("in Paris", [("Paris", "GPE")]),
        ("Ben", [("Ben", "PER")]),
    )
    training = TypingTraining(golds)
    named = training.baselines()
    assert {name: some("Zoe") for name, some in named.items()}["majority"] == "PER"
    assert named["lexicon"]("Paris") == "GPE" and named["lexicon"]("unseen") == "PER"
    found = describe_typing(
        _corpus([Typed(0, "Paris", "GPE", "PER"), Typed(1, "Oz", "PER", "PER")]), training
    )
    assert found["baselines"]["lexicon"]["accuracy"] == 1
    assert found["baselines"]["majority"]["accuracy"] == 0.5
    assert found["typing"]["seen"]["mentions"] == 1 and found["typing"]["seen"]["accuracy"] == 0
    assert found["typing"]["unseen"]["accuracy"] == 1


def test_naive_bayes_looks_at_the_words():
    golds = gold_texts(
        ("Bank of Rome", [("Bank of Rome", "ORG")]),
        ("Bank of Oslo", [("Bank of Oslo", "ORG")]),
        ("Anna Holm", [("Anna Holm", "PER")]),
        ("Ben Holm", [("Ben Holm", "PER")]),
        ("Ida Holm", [("Ida Holm", "PER")]),
    )
    label = NaiveBayes(TypingTraining(golds)).label
    assert label("Bank of Paris") == "ORG" and label("Zoe Holm") == "PER"
    assert label("?") == "PER"  # the more frequent one


@pytest.mark.parametrize(
    "model", [None, {"@architectures": "spacy-contrastive-ner.BiEncoder.v1", "width": 12}]
)
def test_models_that_find_spans_type_them_too(model):
    nlp = make_pipeline() if model is None else _bi_encoder(model)
    train(nlp, steps=70)
    _require_right(nlp)
    assert find_candidates(nlp, _golds(nlp), choose_pipe(nlp)) is None


def _bi_encoder(model):
    from ..models.test_bi_encoder import make as make_bi_encoder

    return make_bi_encoder(model)


def _golds(nlp):
    return [gold_of(example.reference, Source()) for example in make_examples(nlp)]


def _require_right(nlp):
    typed = type_gold(nlp, _golds(nlp), choose_pipe(nlp), use_tokens=True)
    assert all(m.predicted == m.label for m in typed.mentions)
    assert len(typed.mentions) == 8 and typed[1:] == (0, 0, 0)


def test_the_span_typer():
    nlp = make()
    train(nlp, steps=70)
    _require_right(nlp)
    candidates = find_candidates(nlp, _golds(nlp), choose_pipe(nlp), use_tokens=True)
    # All spans of up to five tokens, which is the widest entity.
    assert candidates.as_dict() == {"proposed": 57, "gold": 8, "found": 8, "recall": 1.0}


def test_gold_that_cannot_be_typed():
    nlp = make()
    train(nlp, steps=1)
    (gold,) = gold_texts(
        ("Annabel left Paris", [("Anna", "PER"), ("Paris", "GPE"), ("Paris", "ORG")])
    )
    typed = type_gold(nlp, [gold], choose_pipe(nlp))
    assert (typed.cut, typed.untyped, typed.several) == (1, 0, 1)
    assert [m.predicted is None for m in typed.mentions] == [True, False, False]


def test_spans_that_a_bi_encoder_does_not_know():
    nlp = _bi_encoder({"max_width": 2})
    with pytest.warns(UserWarning, match="wider"):
        train(nlp, steps=1)
    typed = type_gold(nlp, _golds(nlp), choose_pipe(nlp), use_tokens=True)
    assert typed.untyped == sum(end - start > 2 for _, spans in TEXTS for start, end, _ in spans)


def test_a_pipe_that_cannot():
    nlp = spacy.blank("en")
    nlp.add_pipe("span_ruler", config={"spans_key": "sc"})
    with pytest.raises(ValueError, match=r"cannot type given spans.*--protocol detection"):
        type_gold(nlp, [], choose_pipe(nlp))
    pipe = make().get_pipe("contrastive_ner")
    del pipe.model.attrs["type"]
    with pytest.raises(ValueError, match="Its model cannot type given spans"):
        pipe.type_spans([], [])


def test_type_spans_of_the_pipe():
    nlp = make()
    train(nlp, steps=70)
    pipe = nlp.get_pipe("contrastive_ner")
    doc = Doc(nlp.vocab, words=TEXTS[0][0].split())
    before = doc.to_bytes()
    (values,) = pipe.type_spans([doc], [[(5, 6), Span(doc, 1, 4), (5, 6)]])
    assert numpy.allclose(values.sum(axis=1), 1) and (values[0] == values[2]).all()
    assert [pipe.labels[k] for k in values.argmax(axis=1)] == ["GPE", "ORG", "GPE"]
    assert doc.to_bytes() == before
    assert pipe.type_spans([], []) == []
    for wrong in ((3, 3), (-1, 2), (5, 99)):
        with pytest.raises(ValueError, match="no span of a document of 7 tokens"):
            pipe.type_spans([doc], [[wrong]])
