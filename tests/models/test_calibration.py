"""Probabilities that mean what they say."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example

from spacy_contrastive_ner.models.calibration import fit_logistic

from ..util import TEXTS, TOK2VEC, found, make_examples, make_pipeline, predict, train
from .test_bi_encoder import BI, make


@pytest.mark.parametrize("slope, shift", [(1.0, 0.0), (0.3, -1.0), (2.5, 4.0)])
def test_a_logistic_function_is_found_again(slope, shift):
    rng = numpy.random.default_rng(0)
    x = rng.normal(0, 4, 40000)
    y = rng.random(len(x)) < 1 / (1 + numpy.exp(-(slope * x + shift)))
    found_slope, found_shift = fit_logistic(x, y)
    assert found_slope == pytest.approx(slope, rel=0.05)
    assert found_shift == pytest.approx(shift, abs=0.1 + 0.05 * abs(shift))


def test_it_is_the_most_likely_one():
    rng = numpy.random.default_rng(1)
    x = rng.normal(0, 2, 50)
    y = x + rng.normal(0, 2, 50) > 0
    slope, shift = fit_logistic(x, y)
    target = numpy.where(y, (y.sum() + 1) / (y.sum() + 2), 1 / ((~y).sum() + 2))

    def loss(a, b):
        z = a * x + b
        return (numpy.logaddexp(0, z) - target * z).sum()

    best = loss(slope, shift)
    for _ in range(200):
        a, b = rng.normal(0, 0.3, 2)
        assert loss(slope + a, shift + b) >= best - 1e-6


def test_classes_that_can_be_told_apart_stay_finite():
    slope, shift = fit_logistic(
        numpy.asarray([-30.0, -29.0, 30.0, 31.0]), numpy.asarray([0, 0, 1, 1]) > 0
    )
    assert 0 < slope < 1 and numpy.isfinite(shift)


def test_probabilities_of_a_pipe_are_fitted():
    """Trained on gold, calibrated on copies in which only half of the entities are true: an entity
    that was sure is so no more."""
    nlp = make()
    train(nlp)
    pipe = nlp.get_pipe("contrastive_ner")
    sure = predict(nlp, TEXTS[1][0]).spans["sc"].attrs["scores"].tolist()
    empty = [(text, []) for text, _ in TEXTS]
    examples = make_examples(nlp, [*TEXTS, *empty] * 5)
    counts = pipe.calibrate(examples)
    assert counts == {"GPE": 15, "ORG": 10, "PER": 15}
    pipe.cfg["threshold"] = 0.3
    doc = predict(nlp, TEXTS[1][0])
    assert min(sure) > 0.8 and found(doc) == [(0, 1, "PER"), (2, 3, "GPE")]
    assert doc.spans["sc"].attrs["scores"].tolist() == pytest.approx([0.5, 0.5], abs=0.1)
    # The threshold means the calibrated probability, and all of it is saved.
    pipe.cfg["threshold"] = 0.7
    assert found(predict(nlp, TEXTS[1][0])) == []
    again = make(threshold=0.3)
    again.get_pipe("contrastive_ner").from_bytes(pipe.to_bytes())
    pipe.cfg["threshold"] = again.get_pipe("contrastive_ner").cfg["threshold"] = 0.3
    same = predict(again, TEXTS[1][0]).spans["sc"].attrs["scores"].tolist()
    assert same == doc.spans["sc"].attrs["scores"].tolist()


def test_too_few_entities_change_nothing():
    nlp = make()
    train(nlp)
    pipe = nlp.get_pipe("contrastive_ner")
    assert pipe.calibrate(make_examples(nlp)) == {}
    assert pipe.model.attrs["calibration"] == {}


def test_without_annotation():
    nlp = make()
    train(nlp, steps=1)
    pipe = nlp.get_pipe("contrastive_ner")
    with pytest.raises(ValueError, match="There are no examples to calibrate with"):
        pipe.calibrate([])
    with pytest.raises(ValueError, match=r"None of the 4 examples to calibrate with has .*'sc'"):
        pipe.calibrate(make_examples(nlp, key="other"))


def test_shared_encoder():
    """Documents that the encoder has not seen have rows of zeros, from which nothing is to be learned."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "*"}
    config = {"@architectures": BI, "tok2vec": listener, "width": 12}
    pipe = nlp.add_pipe("contrastive_ner", config={"model": config})
    train(nlp)
    with pytest.raises(
        ValueError, match=r"'the Ministry .*did not go through the encoder.*'tok2vec'.*nlp\(gold"
    ):
        pipe.calibrate(make_examples(nlp, TEXTS * 5))
    assert pipe.model.attrs["calibration"] == {}
    examples = [
        Example(nlp(Doc(nlp.vocab, words=[t.text for t in eg.reference])), eg.reference)
        for eg in make_examples(nlp, TEXTS * 5)
    ]
    assert pipe.calibrate(examples) == {"GPE": 15, "ORG": 10, "PER": 15}
    for text, spans in TEXTS:
        assert found(predict(nlp, text)) == sorted(spans)


def test_text_that_is_not_annotated_is_left_out():
    nlp = make()
    train(nlp)
    pipe = nlp.get_pipe("contrastive_ner")
    examples = make_examples(nlp, TEXTS * 8)
    bare = make_examples(nlp, [(text, []) for text, _ in TEXTS] * 8)
    for example in bare:
        del example.reference.spans["sc"]
    pipe.calibrate(examples)
    alone = dict(pipe.model.attrs["calibration"])
    pipe.calibrate([*examples, *bare])
    for label, curve in pipe.model.attrs["calibration"].items():
        assert curve == pytest.approx(alone[label], rel=1e-6)


def test_a_tagger_has_nothing_to_calibrate():
    nlp = make_pipeline()
    with pytest.raises(ValueError, match="BiEncoder"):
        nlp.get_pipe("contrastive_ner").calibrate([])
