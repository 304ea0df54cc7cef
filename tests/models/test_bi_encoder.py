"""The bi-encoder as the model of the pipe: its life from fitting to saving."""

import warnings
from copy import deepcopy

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_contrastive_ner.annotations import Gold
from spacy_contrastive_ner.corpora.marks import Mark, set_mark
from spacy_contrastive_ner.models.label_vectors import vectors_of

from ..oracle import require_slopes
from ..util import (
    TEXTS,
    TOK2VEC,
    collect_gradients,
    found,
    make_examples,
    predict,
    require_memorised,
    require_same,
    require_same_as_alone,
    train,
)

BI = "spacy-contrastive-ner.BiEncoder.v1"
WRITTEN = {
    "ORG": "an organisation such as a ministry",
    "GPE": "a country or a city",
    "PER": "a person, known by name or office",
}
ALL_TYPES = [
    {},
    {"types": "descriptions", "descriptions": WRITTEN},
    {"types": "descriptions", "descriptions": WRITTEN, "description_encoder": TOK2VEC},
    {"types": "prototypes", "n_examples": 2},
]
types = pytest.mark.parametrize(
    "model", ALL_TYPES, ids=["learned", "descriptions", "two encoders", "prototypes"]
)


def make(model=None, seed=0, **settings):
    spacy.util.fix_random_seed(seed)
    nlp = spacy.blank("en")
    config = {"@architectures": BI, "tok2vec": TOK2VEC, "width": 12, **(model or {})}
    nlp.add_pipe("contrastive_ner", config={"model": config, "threshold": 0.5, **settings})
    return nlp


@types
def test_it_learns_nested_entities(model):
    nlp = make(model)
    train(nlp, steps=90)
    require_memorised(nlp)
    for text, spans in TEXTS:
        scores = predict(nlp, text).spans["sc"].attrs["scores"]
        assert len(scores) == len(spans) and (scores >= 0.5).all() and (scores <= 1).all()


@types
def test_saved_and_loaded(model, tmp_path):
    nlp = make(model)
    train(nlp, steps=30)
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    fresh = make(model)
    fresh.get_pipe("contrastive_ner").from_bytes(nlp.get_pipe("contrastive_ner").to_bytes())
    for other in (again, fresh):
        require_same(nlp, other)
    # What was loaded can be trained on.
    losses = again.update(make_examples(again), sgd=again.resume_training())
    assert 0 < losses["contrastive_ner"] < 100


@types
def test_results_do_not_depend_on_the_batch(model):
    nlp = make(model, threshold=0.02)
    train(nlp, steps=5)
    texts = [*(text.split() for text, _ in TEXTS), [], ["x"]]
    for size in (1, 3):
        require_same_as_alone(nlp, texts, batch_size=size)


@types
def test_gradient_of_everything(model):
    """From the loss to the parameters, against differences; also through what labels are made of."""
    nlp = make({**model, "fit_width": 4, "dropout": 0.0})
    examples = make_examples(nlp)
    train(nlp, examples, steps=2)
    pipe = nlp.get_pipe("contrastive_ner")
    network, loss = pipe.model, collect_gradients(pipe, examples)
    rng = numpy.random.default_rng(0)
    space = network.get_ref("space").layers[0]
    nodes = [(space, "widths"), (space, "scales")]
    if not model:
        nodes.append((space, "types"))
    if network.has_ref("describer"):
        linear = network.get_ref("describer").layers[-1]
        nodes += [(linear, "W"), (linear, "b")]
    nodes += [(node, "W") for node in network.walk() if node.name in ("text_row", "linear")]
    for node, name in nodes:
        gradient = node.get_grad(name).copy()
        assert gradient.any()
        require_slopes(loss, node.get_param(name), gradient, rng, tolerance=0.02)


def test_fit_reads_labels_and_width():
    nlp = make({"coverage": 0.7})
    with pytest.warns(UserWarning, match="2 of 8 gold entities .*wider.*ORG 1, PER 1.*max_width"):
        nlp.initialize(lambda: make_examples(nlp))
    pipe = nlp.get_pipe("contrastive_ner")
    assert pipe.labels == ("GPE", "ORG", "PER")
    assert pipe.label_data == {"GPE": 1, "ORG": 1, "PER": 1}
    assert len(vectors_of(pipe.model).widths) == 3
    # Initialised again, it starts anew.
    nlp = make({"max_width": 9})
    nlp.initialize(lambda: make_examples(nlp))
    assert len(vectors_of(nlp.get_pipe("contrastive_ner").model).widths) == 9


def test_without_data_entities_of_several_tokens_can_be_learned():
    nlp = make()
    pipe = nlp.get_pipe("contrastive_ner")
    for label in WRITTEN:
        pipe.add_label(label)
    nlp.initialize()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nlp.update(make_examples(nlp))


def test_initialised_again_it_starts_anew():
    nlp = make()
    train(nlp, steps=3)
    pipe = nlp.get_pipe("contrastive_ner")
    pipe.add_label("LAW", examples=[predict(nlp, "the Health Act")[1:3]])
    assert pipe.model.attrs["offsets"]
    nlp.initialize(lambda: make_examples(nlp))
    assert not pipe.model.attrs["offsets"] and not pipe.model.attrs["taught"]
    (row,) = (node for node in pipe.model.walk() if node.name == "text_row")
    assert (row.get_param("W") == numpy.eye(32)).all() and not row.get_param("b").any()


def test_the_default_reaches_all_but_the_widest():
    nlp = make()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nlp.initialize(lambda: make_examples(nlp))
    assert len(vectors_of(nlp.get_pipe("contrastive_ner").model).widths) == 5


def test_width_one():
    nlp = make({"max_width": 1})
    with pytest.warns(UserWarning, match="wider"):
        train(nlp, steps=60)
    assert found(predict(nlp, "Anna left Paris")) == [(0, 1, "PER"), (2, 3, "GPE")]


def test_one_label_and_texts_without_entities():
    nlp = make()
    texts = [("Anna left Paris", [(0, 1, "PER")]), ("nothing happened", []), ("x", [])]
    train(nlp, make_examples(nlp, texts), steps=60)
    assert found(predict(nlp, "Anna left Paris")) == [(0, 1, "PER")]
    assert found(predict(nlp, "nothing happened")) == []


def test_decoders():
    words = ["a", "b", "c", "d"]
    spans = [(0, 3, "A"), (1, 4, "A"), (2, 3, "B")]
    nlp = make()
    train(nlp, make_examples(nlp, [("a b c d", spans)]), steps=60)
    pipe = nlp.get_pipe("contrastive_ner")
    assert found(nlp(Doc(nlp.vocab, words=words))) == spans
    pipe.cfg["decoder"] = "nested"
    nested = found(nlp(Doc(nlp.vocab, words=words)))
    assert (2, 3, "B") in nested and len(nested) == 2
    pipe.cfg["decoder"] = "flat"
    assert len(found(nlp(Doc(nlp.vocab, words=words)))) == 1
    with pytest.raises(ValueError, match="posterior, nested, flat"):
        make(decoder="viterbi")


def test_offsets_move_the_probability():
    nlp = make({"offsets": {"PER": 100.0}})
    train(nlp)
    assert found(predict(nlp, "Anna left Paris")) == [(2, 3, "GPE")]
    nlp = make({"offsets": {"GHOST": 1.0}})
    with pytest.raises(ValueError, match=r"offsets names GHOST.*GPE, ORG, PER"):
        train(nlp)


def test_thresholds_filter_by_probability():
    nlp = make(threshold=0.0)
    train(nlp, steps=3)
    pipe = nlp.get_pipe("contrastive_ner")
    doc = predict(nlp, TEXTS[0][0])
    scores = doc.spans["sc"].attrs["scores"]
    assert (scores >= 0.01).all() and len(set(scores.tolist())) > 3
    border = float(numpy.sort(scores)[len(scores) // 2])
    pipe.cfg["threshold"] = border
    kept = predict(nlp, TEXTS[0][0]).spans["sc"].attrs["scores"]
    assert len(kept) == (scores >= border - 1e-6).sum() and (kept >= border - 1e-6).all()


def test_missing_annotation():
    nlp = make(missing_key="missing")
    examples = make_examples(nlp, [("Anna left Paris", [(0, 1, "PER"), (2, 3, "GPE")])] * 2)
    reference = examples[1].reference
    reference.spans["sc"] = [Span(reference, 0, 1, "PER")]
    reference.spans["missing"] = [Span(reference, 1, 3, "")]
    train(nlp, examples)
    assert found(predict(nlp, "Anna left Paris")) == [(0, 1, "PER"), (2, 3, "GPE")]
    # Without the mark, the second copy says that Paris is none.
    nlp = make()
    train(nlp, examples)
    scores = dict(
        zip(found(doc := predict(nlp, "Anna left Paris")), doc.spans["sc"].attrs["scores"])
    )
    assert scores.get((2, 3, "GPE"), 0) < 0.9


def test_a_label_that_is_added_is_silent_until_it_is_learned():
    nlp = make(threshold=0.0)
    train(nlp)
    pipe = nlp.get_pipe("contrastive_ner")
    doc = predict(nlp, TEXTS[0][0])
    optimizer = nlp.resume_training()
    assert pipe.add_label("LAW") == 1 and pipe.add_label("LAW") == 0
    again = predict(nlp, TEXTS[0][0])
    assert found(again) == found(doc)
    assert again.spans["sc"].attrs["scores"].tolist() == doc.spans["sc"].attrs["scores"].tolist()
    pipe.cfg["threshold"] = 0.5
    optimizer.learn_rate = 0.01
    texts = [*TEXTS, ("the Health Act passed", [(1, 3, "LAW")])]
    for _ in range(60):
        nlp.update(make_examples(nlp, texts), sgd=optimizer)
    assert found(predict(nlp, "the Health Act passed")) == [(1, 3, "LAW")]


def test_rehearsal_keeps_what_was_known():
    nlp = make()
    train(nlp)
    nlp.resume_training()
    pipe = nlp.get_pipe("contrastive_ner")
    examples = make_examples(nlp)
    docs = [example.predicted for example in examples]
    rows, _ = pipe.model(docs, False)
    teacher = pipe._rehearsal_model
    loss, d_rows = pipe.model.attrs["imitate"](pipe.model, rows, teacher, teacher.predict(docs))
    assert abs(loss) < 1e-4 and numpy.abs(d_rows.dataXd).max() < 1e-5
    pipe.add_label("LAW")
    optimizer = nlp.create_optimizer()
    new = [("the Health Act passed", [(1, 3, "LAW")])]
    for _ in range(10):
        nlp.update(make_examples(nlp, new), sgd=optimizer)
        losses = nlp.rehearse(examples, sgd=optimizer)
    assert losses["contrastive_ner"] > 0
    old = [span for span in found(predict(nlp, "Anna left Paris")) if span[2] != "LAW"]
    assert old == [(0, 1, "PER"), (2, 3, "GPE")]


def test_gradient_of_imitation():
    nlp = make({"fit_width": 2})
    train(nlp, steps=2)
    pipe = nlp.get_pipe("contrastive_ner")
    teacher = deepcopy(pipe.model)
    pipe.add_label("LAW")
    docs = [example.predicted for example in make_examples(nlp)]
    rng = numpy.random.default_rng(0)
    rows, wanted = pipe.model.predict(docs), teacher.predict(docs)
    rows.dataXd[:] += rng.normal(0, 0.5, rows.dataXd.shape)
    imitate = pipe.model.attrs["imitate"]
    _, d_rows = imitate(pipe.model, rows, teacher, wanted)

    def loss():
        return imitate(pipe.model, rows, teacher, wanted)[0]

    require_slopes(loss, rows.dataXd, d_rows.dataXd, rng, tolerance=0.02)


def test_a_model_whose_arrays_do_not_fit_is_refused(tmp_path):
    nlp = make()
    train(nlp, steps=1)
    pipe = nlp.get_pipe("contrastive_ner")
    pipe.model.attrs["names"] = ["GPE"]
    with pytest.raises(ValueError, match="3 labels, but it is to have 1"):
        make().get_pipe("contrastive_ner").from_bytes(pipe.to_bytes())


def test_labels_of_a_corpus_can_count_less():
    model = {"corpus_weights": {"theirs": {"PER": 0.0}}}
    nlp = make(model)
    examples = make_examples(nlp, [("Anna left Paris", [(0, 1, "PER"), (2, 3, "GPE")])] * 2)
    with pytest.raises(ValueError, match=r"corpus theirs, but .* without names.*Corpus\.v1"):
        nlp.initialize(lambda: examples)
    # Theirs says that Anna is none, which counts for nothing.
    theirs = make_examples(nlp, [("Anna left Paris", [(2, 3, "GPE")])] * 4)
    for example in theirs:
        set_mark(example.reference, Mark("theirs"))
    train(nlp, [*examples, *theirs])
    assert found(predict(nlp, "Anna left Paris")) == [(0, 1, "PER"), (2, 3, "GPE")]
    with pytest.raises(ValueError, match=r"corpus_weights\.theirs names GHOST"):
        train(make({"corpus_weights": {"theirs": {"GHOST": 0.5}}}), theirs, steps=0)


@pytest.mark.parametrize(
    "model, message",
    [
        ({"width": 0}, "width is 0"),
        ({"fit_width": -1}, "fit_width"),
        ({"dropout": 1.0}, "dropout"),
        ({"max_width": 0}, "max_width"),
        ({"coverage": 0.0}, "coverage"),
        ({"others": "some"}, "negative, ignore"),
        ({"label_weights": {"A": -1.0}}, "not negative"),
        ({"corpus_weights": {"x": {"A": -1.0}}}, "not negative"),
        ({"types": "guessed"}, "learned, descriptions, prototypes"),
        ({"types": "descriptions"}, "goes with types"),
        ({"descriptions": WRITTEN}, "goes with types"),
        ({"description_encoder": TOK2VEC}, "description_encoder"),
        ({"types": "prototypes", "n_examples": 0}, "n_examples"),
        ({"loss": {"@losses": "spacy-contrastive-ner.SpanContrast.v1", "span": -1.0}}, "span is"),
    ],
)
def test_settings_that_make_no_sense(model, message):
    with pytest.raises(ValueError, match=message):
        make(model)


def test_documents_that_are_not_annotated_teach_nothing():
    nlp = make()
    examples = make_examples(nlp)
    train(nlp, examples, steps=1)
    bare = [Example(Doc(nlp.vocab, words=["a", "b"]), Doc(nlp.vocab, words=["a", "b"]))]
    assert nlp.update(bare)["contrastive_ner"] == 0
    empty = [Example(Doc(nlp.vocab), Doc(nlp.vocab))]
    assert nlp.update(empty)["contrastive_ner"] == 0
    pipe = nlp.get_pipe("contrastive_ner")
    gold = [Gold(2, [], [], [])]
    rows = pipe.model.predict([Doc(nlp.vocab, words=["a", "b"])])
    assert pipe.model.attrs["learn"](pipe.model, gold, rows)[0] > 0
