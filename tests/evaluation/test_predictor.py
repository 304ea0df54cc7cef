"""Which pipe is scored, on what, and how fast."""

from types import SimpleNamespace

import pytest
import spacy
from confection import Config
from spacy.tokens import Doc, Span

from spacy_contrastive_ner.evaluation.evaluate import Settings
from spacy_contrastive_ner.evaluation.gold import Source, gold_of
from spacy_contrastive_ner.evaluation.predictor import (
    Clock,
    choose_pipe,
    encoder_weights,
    predict,
    source_of,
)

PATTERNS = [
    {"label": "PER", "pattern": "mayor of Paris"},
    {"label": "GPE", "pattern": "Paris"},
]


def ruler(key="ruler", name="span_ruler", nlp=None):
    nlp = nlp or spacy.blank("en")
    nlp.add_pipe("span_ruler", name=name, config={"spans_key": key}).add_patterns(PATTERNS)
    return nlp


def gold(nlp, text, *spans, key="ruler"):
    doc = nlp.make_doc(text)
    doc.spans[key] = [Span(doc, *span) for span in spans]
    return gold_of(doc, Source(key, key))


@pytest.mark.parametrize(
    "pipes, name, factory, key",
    [
        (["ner", "contrastive_ner", "spancat"], None, "contrastive_ner", "sc"),
        (["ner", "spancat"], None, "spancat", "sc"),
        (["span_ruler", "entity_ruler"], None, "span_ruler", "ruler"),
        (["tok2vec", "ner"], None, "ner", None),
        (["entity_ruler", "ner"], None, "ner", None),
        (["ner", "contrastive_ner"], "ner", "ner", None),
        (["span_finder"], "span_finder", "span_finder", "sc"),
    ],
)
def test_choice(pipes, name, factory, key):
    nlp = spacy.blank("en")
    for pipe in pipes:
        nlp.add_pipe(pipe)
    chosen = choose_pipe(nlp, name)
    assert (chosen.name, chosen.factory, chosen.key) == (factory, factory, key)


def test_choice_of_the_flat_view():
    nlp = spacy.blank("en")
    nlp.add_pipe("ner")
    nlp.add_pipe("contrastive_ner")
    assert choose_pipe(nlp, use_ents=True).name == "ner"
    nlp.remove_pipe("ner")
    assert choose_pipe(nlp, use_ents=True).name == "contrastive_ner"


def test_no_choice():
    nlp = spacy.blank("en")
    with pytest.raises(ValueError, match="no pipe that writes entities"):
        choose_pipe(nlp)
    nlp.add_pipe("tok2vec")
    with pytest.raises(ValueError, match=r"writes no entities.*its pipes are: tok2vec"):
        choose_pipe(nlp, "tok2vec")
    with pytest.raises(ValueError, match="is not there"):
        choose_pipe(nlp, "ner")
    nlp = ruler("a", "one", ruler("b", "two"))
    with pytest.raises(ValueError, match=r"two \('b'\), one \('a'\).*--pipe"):
        choose_pipe(nlp)


def test_labels_and_missing_key():
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("contrastive_ner", config={"missing_key": "gaps"})
    pipe.add_label("B")
    pipe.add_label("A")
    chosen = choose_pipe(nlp)
    assert set(chosen.labels) == {"A", "B"} and chosen.missing_key == "gaps"
    assert source_of(chosen, None, None, False) == ("sc", "sc", "gaps")
    assert source_of(chosen, "gold", "other", False) == ("gold", "sc", "other")
    assert source_of(chosen, None, None, True) == (None, None, "gaps")
    assert choose_pipe(ruler()).missing_key is None
    assert source_of(choose_pipe(ruler()), None, None, False).missing_key == "missing"


@pytest.mark.parametrize("n_process", [1, 2])
def test_predict(n_process):
    nlp = ruler()
    golds = [
        gold(nlp, "The mayor of Paris left.", (1, 4, "PER"), (0, 1, "GPE")),
        gold(nlp, ""),
        gold(nlp, "No  one."),
    ]
    done = []
    evaluation, speed = predict(
        nlp,
        golds,
        Source("ruler", "ruler"),
        Settings(),
        n_process=n_process,
        on_doc=lambda: done.append(1),
    )
    found = evaluation.as_dict()
    micro = found["micro"]
    assert (micro["support"], micro["predicted"], micro["right"]) == (2, 2, 1)
    assert [document["words"] for document in found["documents"]] == [6, 0, 3]
    assert speed.words == 9 and speed.seconds > 0 and speed.other_tokens == 0
    assert len(done) == 3
    assert speed.as_dict()["words_per_second"] == pytest.approx(9 / speed.seconds)


def test_other_tokens():
    nlp = ruler()
    words = Doc(nlp.vocab, words=["Paris", "can't"])
    words.spans["ruler"] = [Span(words, 0, 1, "GPE")]
    golds, source = [gold_of(words, Source("ruler"))], Source("ruler", "ruler")
    assert predict(nlp, golds, source, Settings())[1].other_tokens == 1
    assert predict(nlp, golds, source, Settings(), use_tokens=True)[1].other_tokens == 0


def test_nothing_is_written_to_the_group():
    nlp = ruler()
    with pytest.raises(ValueError, match=r"wrote no group doc.spans\['sc'\]"):
        predict(nlp, [gold(nlp, "Paris", key="sc")], Source("sc", "sc"), Settings())


def test_long_texts():
    nlp = ruler()
    nlp.max_length = 10
    text = "The mayor of Paris left."
    evaluation, _ = predict(nlp, [gold_of_text(text)], Source("ruler", "ruler"), Settings())
    assert evaluation.as_dict()["micro"]["predicted"] == 2


def gold_of_text(text):
    return gold(spacy.blank("en"), text)


def test_clock_measures_only_the_documents():
    clock = Clock(iter([1, 2]))
    assert list(clock.docs()) == [1, 2]
    assert 0 < clock.seconds < 0.5


def test_encoder_weights():
    nlp = spacy.blank("en")
    assert encoder_weights(nlp) == {"init_tok2vec": None, "transformer": None, "vectors": None}
    nlp.config["paths"]["init_tok2vec"] = "pretrained/model-best.bin"
    nlp.config["initialize"]["init_tok2vec"] = "${paths.init_tok2vec}"
    nlp.config["initialize"]["vectors"] = "en_vectors_web_lg"
    # Without it spaCy does not load them.
    assert encoder_weights(nlp)["init_tok2vec"] is None
    nlp.config["pretraining"] = {"component": "tok2vec"}
    found = encoder_weights(nlp)
    assert found["init_tok2vec"] == "pretrained/model-best.bin"
    assert found["vectors"] == "en_vectors_web_lg" and found["transformer"] is None


def test_name_of_the_transformer():
    """Any architecture of spacy-transformers will do, wherever it is."""
    blocks = {
        "tok2vec": {"model": {"@architectures": "spacy.Tok2Vec.v2", "name": "no"}},
        "contrastive_ner": {
            "model": {
                "tok2vec": {
                    "@architectures": "spacy-transformers.Tok2VecTransformer.v3",
                    "name": "bert-base-cased",
                }
            }
        },
    }
    nlp = SimpleNamespace(config=Config({"components": blocks}))
    assert encoder_weights(nlp)["transformer"] == "bert-base-cased"
