"""Stage 1 and 2 at once: the objective's gradient reaches the encoder, predictions stay."""

import pickle

import numpy
import pytest
import spacy
from spacy.tokens import Doc

from spacy_contrastive_ner.annotations import Gold
from spacy_contrastive_ner.models.memory import layout_of

from ..util import TOK2VEC, found, make_examples, predict, train

TAGGER = {
    "@architectures": "spacy-contrastive-ner.MultiHeadTagger.v1",
    "tok2vec": TOK2VEC,
    "crf": {"@layers": "spacy-contrastive-ner.CRF.v1"},
}
OBJECTIVE = {
    "@architectures": "spacy-contrastive-ner.ContrastiveObjective.v1",
    "loss": {"@losses": "spacy-contrastive-ner.InfoNCE.v1", "temperature": 0.5},
    "projection": {"@layers": "spacy-contrastive-ner.MlpProjection.v1", "width": 8},
}


def make_joint(objective=OBJECTIVE, tagger=TAGGER, seed=0):
    spacy.util.fix_random_seed(seed)
    nlp = spacy.blank("en")
    model = {
        "@architectures": "spacy-contrastive-ner.JointTagger.v1",
        "tagger": tagger,
        "objective": objective,
    }
    nlp.add_pipe("contrastive_ner", config={"model": model})
    return nlp


def test_it_learns_to_tag_and_to_contrast():
    nlp = make_joint()
    examples = make_examples(nlp)
    train(nlp, examples)
    gold = examples[0].reference
    assert found(predict(nlp, gold.text)) == found(gold)
    # Rows of one label lie close together, those of different labels do not.
    rows = (
        nlp.get_pipe("contrastive_ner")
        .model.get_ref("tok2vec")
        .predict([eg.reference for eg in examples])
    )
    unit = [row / numpy.linalg.norm(row, axis=1, keepdims=True) for row in rows]
    anna, paris = unit[1][0], unit[1][2]
    other_anna, other_paris = unit[3][5], unit[3][3]
    assert anna @ other_anna > anna @ paris and paris @ other_paris > paris @ other_anna


def test_the_gradient_is_the_sum_of_both():
    """On the encoder's rows, by finite differences of the joint loss."""
    nlp = make_joint()
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe("contrastive_ner")
    docs = [eg.predicted for eg in examples]
    both, _ = pipe.model.begin_update(docs)
    width = layout_of(pipe.model.get_ref("tagger")).width
    assert both.dataXd.shape[1] == width + 32

    def loss_of(both):
        numpy.random.seed(0)
        return pipe.get_loss(examples, both)

    _, d_both = loss_of(both)
    rng = numpy.random.default_rng(0)
    for _ in range(20):
        at = tuple(rng.integers(size) for size in both.dataXd.shape)
        values = []
        for step in (1e-2, -1e-2):
            moved = pickle.loads(pickle.dumps(both))
            moved.dataXd[at] += step
            values.append(loss_of(moved)[0])
        slope = (values[0] - values[1]) / 2e-2
        assert d_both.dataXd[at] == pytest.approx(slope, rel=0.05, abs=2e-2)


def test_the_objective_reaches_the_encoder():
    """With a weight of nothing the encoder learns as without an objective."""
    weights = {}
    for weight in (0.0, 1.0):
        objective = {
            "@architectures": "spacy-contrastive-ner.SumObjective.v1",
            "objectives": {"contrast": OBJECTIVE},
            "weights": {"contrast": weight},
        }
        nlp = make_joint(objective)
        examples = make_examples(nlp)
        optimizer = nlp.initialize(lambda examples=examples: examples)
        nlp.update(examples, sgd=optimizer)
        weights[weight] = nlp.get_pipe("contrastive_ner").model.get_ref("tok2vec").to_bytes()
    assert weights[0.0] != weights[1.0]


def test_predictions_are_those_of_the_tagger():
    nlp = make_joint()
    train(nlp, steps=20)
    pipe = nlp.get_pipe("contrastive_ner")
    docs = [eg.predicted for eg in make_examples(nlp)] + [Doc(nlp.vocab)]
    tagger = pipe.model.get_ref("tagger")
    assert (pipe.model.predict(docs).dataXd == tagger.predict(docs).dataXd).all()


def test_empty_documents_and_evaluation():
    nlp = make_joint()
    examples = make_examples(nlp) + make_examples(nlp, [("", [])])
    _, losses = train(nlp, examples, steps=2)
    assert numpy.isfinite(losses["contrastive_ner"])
    nlp.update(make_examples(nlp, [("", [])]))
    pipe = nlp.get_pipe("contrastive_ner")
    # The loss of mere predictions is that of the tagger.
    scores = pipe.model.predict([eg.predicted for eg in examples])
    loss, d_scores = pipe.get_loss(examples, scores)
    assert d_scores.dataXd.shape == scores.dataXd.shape and loss > 0


def test_save_load_pickle_add_label_rehearse(tmp_path):
    nlp = make_joint()
    examples = make_examples(nlp)
    train(nlp, examples, steps=40)
    nlp.to_disk(tmp_path / "model")
    text = examples[0].reference.text
    expected = found(predict(nlp, text))
    assert expected
    for other in (spacy.load(tmp_path / "model"), pickle.loads(pickle.dumps(nlp))):
        assert found(predict(other, text)) == expected
    nlp.resume_training()
    nlp.get_pipe("contrastive_ner").add_label("NEW")
    assert found(predict(nlp, text)) == expected
    assert nlp.rehearse(examples)["contrastive_ner"] >= 0


def test_taggers_without_tracks():
    bi_encoder = {"@architectures": "spacy-contrastive-ner.BiEncoder.v1", "tok2vec": TOK2VEC}
    with pytest.raises(ValueError, match="tagger of JointTagger must be a MultiHeadTagger"):
        make_joint(tagger=bi_encoder)


def test_objectives_without_use():
    tagging = {"@architectures": "spacy-contrastive-ner.TaggingObjective.v1"}
    with pytest.raises(ValueError, match="tagging is what the tagger learns anyway"):
        make_joint(tagging)
    with pytest.raises(ValueError, match="accumulate_gradient and judge"):
        make_joint({**OBJECTIVE, "accumulate_gradient": 2})


def test_what_is_unknown_for_no_label_of_the_pipe_is_unknown_for_all(monkeypatch):
    nlp = make_joint()
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    model = nlp.get_pipe("contrastive_ner").model
    (term,) = model.attrs["terms"]
    (label, *_) = model.attrs["labels"](model)
    docs = [eg.predicted for eg in examples[:1]]
    missing = [(0, 1, label), (1, 2, "?"), (2, 3, "")]
    gold = [Gold(len(docs[0]), [(0, 1, label)], missing, [])]
    seen = []
    learn = term.learn

    def listen(ops, part, *args, **kwargs):
        seen.extend(part.gold)
        return learn(ops, part, *args, **kwargs)

    monkeypatch.setattr(term, "learn", listen)
    both, _ = model(docs, True)
    model.attrs["learn"](model, gold, both)
    assert seen == [gold[0]._replace(missing=[(0, 1, label), (1, 2, ""), (2, 3, "")])]


def test_the_objective_reads_what_the_pipe_reads():
    with pytest.raises(ValueError, match="spans_key, use_ents and missing_key"):
        make_joint({**OBJECTIVE, "spans_key": "other"})
