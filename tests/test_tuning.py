"""Thresholds: of all labels, of some, and how they are chosen."""

from functools import partial

import pytest
import spacy
from spacy.tokens import Span, SpanGroup

from spacy_contrastive_ner.evaluation.thresholds import TRIED

from .models.test_bi_encoder import make as make_bi_encoder
from .models.test_span_typer import make as make_span_typer
from .util import TEXTS, TOK2VEC, found, make_examples, make_pipeline, predict, train

NAME = "contrastive_ner"
# Like what was trained, and unlike.
OTHERS = [
    ("the Ministry of Paris met Anna", [(1, 4, "ORG"), (3, 4, "GPE"), (5, 6, "PER")]),
    ("Anna resigned today", [(0, 1, "PER")]),
    ("the mayor of France left", [(0, 4, "PER"), (3, 4, "GPE")]),
    ("Health resigned", [(0, 1, "ORG")]),
    ("today the mayor met Paris of France", [(1, 3, "PER"), (4, 5, "PER"), (6, 7, "GPE")]),
]


def make(steps=12, **settings):
    nlp = make_pipeline(**settings)
    train(nlp, steps=steps)
    return nlp, nlp.get_pipe(NAME)


@pytest.fixture
def little():
    """A pipeline that was trained so little that thresholds matter."""
    return make()


def all_scores(nlp, texts=OTHERS):
    examples = make_examples(nlp, texts)
    return nlp.evaluate(examples)


def scores_of_each(nlp, name, texts=OTHERS, own=()):
    """The score of each threshold, predicted and scored one after the other."""
    pipe = nlp.get_pipe(NAME)
    before = dict(pipe.cfg)
    rows = []
    for threshold in TRIED:
        pipe.cfg.update(threshold=float(threshold), thresholds=dict(own))
        rows.append(all_scores(nlp, texts)[name])
    pipe.cfg.update(before)
    return rows


@pytest.mark.parametrize("score, name", [("micro", f"{NAME}_f"), ("macro", f"{NAME}_macro_f")])
def test_the_best_threshold_is_chosen(little, score, name):
    nlp, pipe = little
    expected = scores_of_each(nlp, name)
    assert max(expected) > expected[TRIED.tolist().index(0.35)]
    before = all_scores(nlp)[name]
    tuned = pipe.tune_threshold(make_examples(nlp, OTHERS), score=score)
    assert list(tuned.by_threshold) == TRIED.tolist()
    assert list(tuned.by_threshold.values()) == pytest.approx(expected)
    assert tuned.before == pytest.approx(before)
    assert tuned.after == pytest.approx(max(expected)) == pytest.approx(all_scores(nlp)[name])
    assert tuned.threshold == pipe.cfg["threshold"] != 0.35
    assert tuned.gold == {"GPE": 3, "ORG": 2, "PER": 5}


MAKERS = {
    "tagger": make_pipeline,
    "joint": partial(make_pipeline, model={"heads": "joint"}),
    "bi-encoder": make_bi_encoder,
    "nested": partial(make_bi_encoder, decoder="nested"),
    "span-typer": make_span_typer,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_labels_have_thresholds_of_their_own(kind):
    """What is found is, label by label, what is found with that threshold for all."""
    nlp = MAKERS[kind]()
    train(nlp, steps=15 if kind in ("tagger", "joint") else 30)
    pipe = nlp.get_pipe(NAME)
    own = {"GPE": 0.02, "ORG": 0.3, "PER": 0.6}
    expected = {text: {} for text, _ in (*TEXTS, *OTHERS)}
    for label, threshold in own.items():
        pipe.cfg["threshold"] = threshold
        for text, _ in (*TEXTS, *OTHERS):
            doc = predict(nlp, text)
            for span, p in zip(doc.spans["sc"], doc.spans["sc"].attrs["scores"]):
                if span.label_ == label:
                    expected[text][span.start, span.end, label] = float(p)
    n_found = [sum(label == k for some in expected.values() for *_, k in some) for label in own]
    assert all(n_found)
    del own["ORG"]
    pipe.cfg.update(threshold=0.3, thresholds=own)
    for text, _ in (*TEXTS, *OTHERS):
        some = found(predict(nlp, text))
        if kind == "nested":
            # Those of one label take part where they did not, and may be in the way of others.
            assert set(some) <= set(expected[text])
        else:
            assert some == sorted(expected[text])


def test_thresholds_of_labels_stay(little):
    nlp, pipe = little
    pipe.cfg["thresholds"] = {"PER": 0.9}
    expected = scores_of_each(nlp, f"{NAME}_f", own={"PER": 0.9})
    tuned = pipe.tune_threshold(make_examples(nlp, OTHERS))
    assert list(tuned.by_threshold.values()) == pytest.approx(expected)
    assert pipe.cfg["thresholds"] == {"PER": 0.9}
    assert tuned.after == pytest.approx(all_scores(nlp)[f"{NAME}_f"])
    pipe.cfg["thresholds"] = {}
    assert pipe.tune_threshold(make_examples(nlp, OTHERS)).by_threshold != tuned.by_threshold


def test_what_is_not_known_does_not_count():
    """A stretch whose annotation is missing changes nothing, but for gold in it."""
    nlp, pipe = make(missing_key="missing")
    text, spans = TEXTS[3]
    plain = make_examples(nlp, OTHERS)
    expected = pipe.tune_threshold(plain)
    pipe.cfg["threshold"] = 0.35
    examples = make_examples(nlp, [*OTHERS, (text, []), (text, spans[:1])])
    examples += make_examples(nlp, [(text, spans)], key="other")
    for example in examples[len(OTHERS) : -1]:
        doc = example.reference
        doc.spans["missing"] = SpanGroup(doc, spans=[Span(doc, 0, len(doc), "")])
    tuned = pipe.tune_threshold(examples)
    assert tuned.gold == {**expected.gold, "PER": expected.gold["PER"] + 1}
    # The one entity is found with low thresholds, and nothing else that is found there is judged.
    assert tuned.by_threshold != expected.by_threshold
    few = pipe.tune_threshold(examples[: len(OTHERS) + 1] + examples[-1:])
    assert few.by_threshold == expected.by_threshold and few.gold == expected.gold


@pytest.mark.parametrize("decoder", ["posterior", "nested", "flat"])
def test_bi_encoder(decoder):
    """Where spans compete, each threshold is tried by itself."""
    nlp = make_bi_encoder(decoder=decoder)
    train(nlp, steps=15)
    pipe = nlp.get_pipe(NAME)
    # Every other example, for time's sake.
    expected = scores_of_each(nlp, f"{NAME}_f", OTHERS[::2])
    tuned = pipe.tune_threshold(make_examples(nlp, OTHERS[::2]))
    assert list(tuned.by_threshold.values()) == pytest.approx(expected)
    assert tuned.after == pytest.approx(max(expected))


def test_shared_encoder():
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "*"}
    pipe = nlp.add_pipe(NAME, config={"model": {"tok2vec": listener}})
    train(nlp, steps=5)
    examples = make_examples(nlp, OTHERS)
    with pytest.raises(ValueError, match=r"'the Ministry .*did not go through the encoder"):
        pipe.tune_threshold(examples)
    assert pipe.cfg["threshold"] == 0.35
    for example in examples:
        nlp.get_pipe("tok2vec")(example.predicted)
    assert pipe.tune_threshold(examples).after == pytest.approx(all_scores(nlp)[f"{NAME}_f"])


def test_saving(little, tmp_path):
    nlp, pipe = little
    tuned = pipe.tune_threshold(make_examples(nlp, OTHERS))
    pipe.cfg["thresholds"] = {"PER": 0.123456789012345}
    nlp.to_disk(tmp_path)
    copy = make_pipeline()
    train(copy, steps=1)
    copy.from_bytes(nlp.to_bytes())
    for other in (spacy.load(tmp_path), copy):
        cfg = other.get_pipe(NAME).cfg
        assert cfg["threshold"] == pytest.approx(tuned.threshold)
        assert cfg["thresholds"] == pytest.approx({"PER": 0.123456789012345})
        for text, _ in OTHERS:
            assert found(predict(other, text)) == found(predict(nlp, text))
    config = {"components": {NAME: {"thresholds": {"PER": 0.9}}}}
    assert spacy.load(tmp_path, config=config).get_pipe(NAME).cfg["thresholds"] == {"PER": 0.9}
    config = {"components": {NAME: {"thresholds": {"PERSON": 0.9}}}}
    with pytest.raises(
        ValueError, match="thresholds names 'PERSON', but the labels are GPE, ORG, PER"
    ):
        spacy.load(tmp_path, config=config)


def test_bad_input(little):
    nlp, pipe = little
    examples = make_examples(nlp, OTHERS)
    with pytest.raises(ValueError, match="score is 'recall', but must be micro or macro"):
        pipe.tune_threshold(examples, score="recall")
    with pytest.raises(
        ValueError, match="None of the 5 examples to choose by has the span group 'sc'"
    ):
        pipe.tune_threshold(make_examples(nlp, OTHERS, key="other"))
    with pytest.raises(ValueError, match="There are no examples to choose by"):
        pipe.tune_threshold([])
    for some in ([("nothing happened", [])], [("Anna left", [(0, 1, "DOG")])]):
        with pytest.raises(ValueError, match="nothing to choose by: none of the 1 examples holds"):
            pipe.tune_threshold(make_examples(nlp, some))
    pipe.cfg["decoder"] = "viterbi"
    with pytest.raises(ValueError, match="The decoder 'viterbi' has no threshold to choose"):
        pipe.tune_threshold(examples)
    assert pipe.cfg["threshold"] == 0.35 and pipe.cfg["thresholds"] == {}
    with pytest.raises(
        ValueError, match=r"thresholds has 1.5 for 'PER', but it must lie in \[0, 1\]"
    ):
        make_pipeline(thresholds={"PER": 1.5})
    nlp = make_pipeline(thresholds={"PERSON": 0.5})
    with pytest.raises(ValueError, match="thresholds names 'PERSON', but the labels are GPE"):
        train(nlp, steps=1)


def test_empty_documents_and_many(little, monkeypatch):
    """Blocks do not show, nor do documents without tokens."""
    nlp, pipe = little
    expected = pipe.tune_threshold(make_examples(nlp, OTHERS))
    monkeypatch.setattr("spacy_contrastive_ner.pipe_part.BLOCK", 2)
    examples = make_examples(nlp, [("", []), ("", []), *OTHERS, ("", [])])
    assert pipe.tune_threshold(examples).by_threshold == pytest.approx(expected.by_threshold)
