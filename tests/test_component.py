"""The life of the pipe: labels, initialize, update, predict, rehearse, save and load."""

import pickle
import warnings

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_contrastive_ner.checks import require_annotation

from .util import CE, TEXTS, TOK2VEC, found, make_examples, make_pipeline, predict, train

NESTED = TEXTS[0][0]


@pytest.fixture(scope="module")
def trained():
    nlp = make_pipeline()
    train(nlp)
    return nlp


@pytest.mark.parametrize(
    "model",
    [
        {},
        {"crf": None},
        {"crf": {"transitions": "shared"}, "loss": CE},
        {"crf": {"transitions": "constraints"}},
        {"hidden_width": 24, "dropout": 0.1},
        {"crf": None, "loss": {**CE, "beta": 0.5, "scope": "batch"}},
        {"label_weights": {"ORG": 2.0}},
    ],
    ids=str,
)
@pytest.mark.parametrize("decoder", ["viterbi", "posterior"])
def test_learns_nested_entities(model, decoder):
    nlp = make_pipeline(model=model, decoder=decoder)
    _, losses = train(nlp)
    assert losses["contrastive_ner"] < 1.0
    for text, spans in TEXTS:
        doc = predict(nlp, text)
        assert found(doc) == sorted(spans)
        scores = doc.spans["sc"].attrs["scores"]
        assert len(scores) == len(spans) and all(0.5 < p <= 1 for p in scores)
    copy = make_pipeline(model=model, decoder=decoder).from_bytes(nlp.to_bytes())
    assert found(predict(copy, NESTED)) == sorted(TEXTS[0][1])


def test_learns_flat_entities_on_a_joint_track():
    nlp = make_pipeline(model={"heads": "joint"})
    with pytest.warns(UserWarning, match=r"3 of 8 gold entities .*no layer left.*GPE 2, ORG 1"):
        train(nlp)
    assert found(predict(nlp, NESTED)) == [(1, 6, "ORG")]
    assert nlp.get_pipe("contrastive_ner").label_data == {"GPE": 1, "ORG": 1, "PER": 1}


def test_flat_view_and_groups(trained):
    doc = predict(trained, NESTED)
    # Two entities beat the one that covers both.
    assert [(e.text, e.label_) for e in doc.ents] == [
        ("Ministry of Health", "ORG"),
        ("France", "GPE"),
    ]
    group = doc.spans["sc"]
    assert group.name == "sc" and isinstance(group.attrs["scores"], numpy.ndarray)
    assert [s.start for s in group] == sorted(s.start for s in group)
    empty = predict(trained, TEXTS[2][0])
    assert len(empty.spans["sc"]) == 0 and len(empty.spans["sc"].attrs["scores"]) == 0
    assert empty.ents == ()


def test_keeps_entities_of_earlier_components(trained):
    pipe = trained.get_pipe("contrastive_ner")
    doc = Doc(trained.vocab, words=NESTED.split())
    doc.set_ents([Span(doc, 5, 7, "OLD")])
    doc = pipe(doc)
    assert [(e.start, e.label_) for e in doc.ents] == [(1, "ORG"), (5, "OLD")]
    assert found(doc) == sorted(TEXTS[0][1])


def test_own_predictions_are_replaced(trained):
    doc = predict(trained, NESTED)
    group = doc.spans["sc"]
    trained.get_pipe("contrastive_ner")(doc)
    assert doc.spans["sc"] is not group and len(doc.spans["sc"]) == 3


@pytest.mark.parametrize("words", [[], ["x"], [" "], ["\n\n", " "], ["a"] * 1000])
def test_odd_documents(trained, words):
    doc = trained(Doc(trained.vocab, words=words))
    assert "sc" in doc.spans and "scores" in doc.spans["sc"].attrs


def test_batches_of_empty_documents(trained):
    docs = list(trained.pipe([Doc(trained.vocab), Doc(trained.vocab)]))
    assert [len(doc.spans["sc"]) for doc in docs] == [0, 0]
    reference = Doc(trained.vocab)
    reference.spans["sc"] = []
    losses = trained.update([Example(Doc(trained.vocab), reference)], losses={})
    assert losses == {"contrastive_ner": 0.0}


def test_predictions_do_not_depend_on_the_batch(trained):
    texts = [text for text, _ in TEXTS] * 5
    docs = [Doc(trained.vocab, words=text.split()) for text in texts]
    alone = [predict(trained, text) for text in texts]
    for size in (1, 3, 20):
        batched = trained.pipe(
            [Doc(trained.vocab, words=t.split()) for t in texts], batch_size=size
        )
        for a, b in zip(alone, batched):
            assert found(a) == found(b)
            assert numpy.allclose(
                a.spans["sc"].attrs["scores"], b.spans["sc"].attrs["scores"], atol=1e-5
            )
    assert len(docs) == 20


def test_labels_and_layers_are_read_from_the_data(trained):
    pipe = trained.get_pipe("contrastive_ner")
    assert pipe.labels == ("GPE", "ORG", "PER")
    assert pipe.label_data == {"GPE": 1, "ORG": 2, "PER": 1}
    again = make_pipeline()
    examples = make_examples(again)
    again.get_pipe("contrastive_ner").initialize(lambda: examples[:1], labels=pipe.label_data)
    assert again.get_pipe("contrastive_ner").label_data == pipe.label_data


def test_labels_may_be_a_list():
    nlp = make_pipeline()
    examples = make_examples(nlp)
    pipe = nlp.get_pipe("contrastive_ner")
    with pytest.warns(UserWarning, match=r"2 of 8 .*unknown label.*PER 3|3 of 8"):
        pipe.initialize(lambda: examples, labels=["NEW", "ORG", "GPE"])
    # Layers come from the data, or are max_layers for a label that is not in it.
    assert pipe.label_data == {"NEW": 2, "ORG": 2, "GPE": 1}


def test_labels_that_are_none():
    nlp = make_pipeline()
    examples = make_examples(nlp)
    pipe = nlp.get_pipe("contrastive_ner")
    with pytest.raises(ValueError, match="must be a list"):
        pipe.initialize(lambda: examples, labels="ORG")
    with pytest.raises(ValueError, match="is not a label"):
        pipe.initialize(lambda: examples, labels=["ORG", ""])
    with pytest.raises(ValueError, match="'ORG' is to have 'two' layers"):
        pipe.initialize(lambda: examples, labels={"ORG": "two"})


def test_add_label_before_initialize():
    nlp = make_pipeline()
    pipe = nlp.get_pipe("contrastive_ner")
    assert pipe.add_label("LAW") == 1 and pipe.add_label("LAW") == 0
    assert pipe.add_label("ORG") == 1 and pipe.add_label("GPE", layers=3) == 1
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    assert pipe.label_data == {"LAW": 2, "ORG": 2, "GPE": 3, "PER": 1}
    with pytest.raises(ValueError):
        pipe.add_label(3)


@pytest.mark.parametrize("model", [{"crf": None}, {}], ids=str)
def test_add_label_to_a_trained_pipe(model):
    nlp = make_pipeline(model=model)
    optimizer, _ = train(nlp)
    pipe = nlp.get_pipe("contrastive_ner")
    docs = [Doc(nlp.vocab, words=text.split()) for text, _ in TEXTS]
    before = pipe.predict(docs).dataXd
    pipe.add_label("DATE", layers=1)
    after = pipe.predict(docs).dataXd
    assert numpy.array_equal(after[:, : before.shape[1]], before)
    assert found(predict(nlp, NESTED)) == sorted(TEXTS[0][1])
    # The old optimizer goes on, and the new label is learned.
    texts = [*TEXTS, ("nothing happened on Monday", [(3, 4, "DATE")])]
    examples = make_examples(nlp, texts)
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    assert found(predict(nlp, texts[-1][0])) == [(3, 4, "DATE")]
    assert found(predict(nlp, NESTED)) == sorted(TEXTS[0][1])
    copy = make_pipeline(model=model).from_bytes(nlp.to_bytes())
    assert copy.get_pipe("contrastive_ner").labels == ("GPE", "ORG", "PER", "DATE")


def test_rehearsal_keeps_what_new_examples_lack():
    """A new label is learned from text on which the old labels are not annotated."""
    new = ("yesterday Bob came to Rome on Monday", [(6, 7, "DATE")])
    kept = {}
    for rehearse in (False, True):
        nlp = make_pipeline()
        train(nlp)
        pipe = nlp.get_pipe("contrastive_ner")
        optimizer = nlp.resume_training()
        pipe.add_label("DATE", layers=1)
        optimizer.learn_rate = 0.01
        wrong = [("Anna left Paris on Monday", [(4, 5, "DATE")]), new]
        old = make_examples(nlp)
        for _ in range(60):
            nlp.update(make_examples(nlp, wrong), sgd=optimizer)
            if rehearse:
                losses = pipe.rehearse(old, sgd=optimizer, losses={})
                assert losses["contrastive_ner"] >= 0
        assert (6, 7, "DATE") in found(predict(nlp, new[0]))
        kept[rehearse] = sum(
            len(set(found(predict(nlp, text))) & set(spans)) for text, spans in TEXTS
        )
    assert kept[True] > kept[False] and kept[True] >= 7


def test_rehearsal_leaves_new_labels_alone():
    nlp = make_pipeline()
    train(nlp)
    pipe = nlp.get_pipe("contrastive_ner")
    nlp.resume_training()
    pipe.add_label("DATE", layers=1)
    pipe.rehearse(make_examples(nlp), sgd=False)
    gradient = pipe.model.get_ref("heads").layers[0].get_grad("b")
    assert not gradient[20:].any()


def test_new_label_is_not_predicted_before_it_is_learned():
    for heads in ("per_label", "joint"):
        nlp = make_pipeline(model={"heads": heads}, threshold=0.01)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            train(nlp)
        before = found(predict(nlp, NESTED))
        nlp.get_pipe("contrastive_ner").add_label("LAW")
        assert found(predict(nlp, NESTED)) == before


def test_rehearsal_needs_an_encoder_of_its_own():
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "*"}
    nlp.add_pipe("contrastive_ner", config={"model": {"tok2vec": listener}})
    train(nlp, steps=1)
    nlp.resume_training()
    with pytest.raises(ValueError, match="replace_listeners"):
        nlp.get_pipe("contrastive_ner").rehearse(make_examples(nlp))


def test_rehearsal_without_a_teacher_does_nothing(trained):
    losses = trained.get_pipe("contrastive_ner").rehearse(make_examples(trained), losses={})
    assert losses == {"contrastive_ner": 0.0}


@pytest.mark.parametrize("model", [{"crf": None}, {}], ids=str)
def test_missing_annotation_is_no_annotation_of_o(model):
    """Half of the examples mark their entities as unknown instead of annotating them."""
    nlp = make_pipeline(model=model, missing_key="unknown")
    examples = make_examples(nlp)
    half = make_examples(nlp)
    for eg in half:
        doc = eg.reference
        doc.spans["unknown"] = [Span(doc, s.start, s.end, s.label_) for s in doc.spans["sc"]]
        doc.spans["sc"] = []
    train(nlp, examples + 8 * half)
    assert found(predict(nlp, NESTED)) == sorted(TEXTS[0][1])
    # Without the key the same data says that there are no entities.
    other = make_pipeline(model=model, decoder="viterbi")
    train(other, examples + 8 * half)
    assert found(predict(other, NESTED)) == []


def test_unannotated_documents_teach_nothing():
    nlp = make_pipeline()
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    bare = Example(Doc(nlp.vocab, words=["Anna"]), Doc(nlp.vocab, words=["Anna"]))
    pipe = nlp.get_pipe("contrastive_ner")
    scores, _ = pipe.model.begin_update([bare.predicted])
    loss, d_scores = pipe.get_loss([bare], scores)
    assert abs(loss) < 1e-5 and numpy.abs(d_scores.dataXd).max() < 1e-6


def test_pickle(trained):
    copy = pickle.loads(pickle.dumps(trained.get_pipe("contrastive_ner").model))
    doc = Doc(trained.vocab, words=NESTED.split())
    assert numpy.array_equal(
        copy.predict([doc]).dataXd, trained.get_pipe("contrastive_ner").predict([doc]).dataXd
    )


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_several_processes(trained, method):
    import multiprocessing

    if method not in multiprocessing.get_all_start_methods():
        method = "spawn"
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method(method, force=True)
    try:
        docs = list(trained.pipe([text for text, _ in TEXTS] * 2, n_process=2, batch_size=2))
    finally:
        multiprocessing.set_start_method(before, force=True)
    assert [found(doc) for doc in docs] == [sorted(spans) for _, spans in TEXTS] * 2
    assert all("scores" in doc.spans["sc"].attrs for doc in docs)


def test_save_and_load(trained, tmp_path):
    trained.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    doc = predict(loaded, NESTED)
    assert found(doc) == sorted(TEXTS[0][1])
    assert loaded.get_pipe("contrastive_ner").label_data == {"GPE": 1, "ORG": 2, "PER": 1}
    again = spacy.load(tmp_path)
    again.to_disk(tmp_path / "again")
    assert found(predict(spacy.load(tmp_path / "again"), NESTED)) == sorted(TEXTS[0][1])


def test_settings_can_be_overridden_at_load(trained, tmp_path):
    trained.to_disk(tmp_path)
    override = {
        "spans_key": "other",
        "decoder": "posterior",
        "threshold": 0.999999,
        "set_ents": False,
    }
    nlp = spacy.load(tmp_path, config={"components": {"contrastive_ner": override}})
    pipe = nlp.get_pipe("contrastive_ner")
    assert {name: pipe.cfg[name] for name in override} == override
    doc = predict(nlp, NESTED)
    assert "sc" not in doc.spans and "other" in doc.spans and doc.ents == ()
    # Saved again, the override is what was saved.
    nlp.to_disk(tmp_path / "again")
    assert spacy.load(tmp_path / "again").get_pipe("contrastive_ner").key == "other"


@pytest.mark.parametrize("configured", [0.3, 0.35, 0.5, 0.7])
def test_tuned_threshold_survives_any_configured_one(configured, tmp_path):
    nlp = make_pipeline(threshold=configured)
    train(nlp, steps=0)
    nlp.get_pipe("contrastive_ner").cfg["threshold"] = 0.25
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path).get_pipe("contrastive_ner").cfg["threshold"] == 0.25


def test_settings_that_were_tuned_are_saved(trained, tmp_path):
    pipe = trained.get_pipe("contrastive_ner")
    pipe.cfg["threshold"] = 0.3
    try:
        trained.to_disk(tmp_path)
        loaded = spacy.load(tmp_path)
        assert loaded.get_pipe("contrastive_ner").cfg["threshold"] == pytest.approx(0.3)
        config = {"components": {"contrastive_ner": {"threshold": 0.7}}}
        over = spacy.load(tmp_path, config=config)
        assert over.get_pipe("contrastive_ner").cfg["threshold"] == pytest.approx(0.7)
    finally:
        pipe.cfg["threshold"] = 0.5


def test_arrays_that_do_not_fit_the_labels(trained, tmp_path):
    pipe = trained.get_pipe("contrastive_ner")
    layout = pipe.model.attrs["layout"]
    pipe.model.attrs["layout"] = {**layout, "layers": [1, 1, 1]}
    try:
        trained.to_disk(tmp_path)
    finally:
        pipe.model.attrs["layout"] = layout
    with pytest.raises(ValueError, match=r"20 outputs, but its 3 labels on 3 tracks need 15"):
        spacy.load(tmp_path)


def test_use_params(trained):
    model = trained.get_pipe("contrastive_ner").model
    heads = model.get_ref("heads").layers[0]
    params = {(heads.id, "W"): numpy.zeros_like(heads.get_param("W"))}
    with trained.use_params(params):
        assert found(predict(trained, NESTED)) == []
    assert found(predict(trained, NESTED)) == sorted(TEXTS[0][1])


def test_scores(trained):
    examples = make_examples(trained)
    scores = trained.evaluate(examples)
    for name in ("p", "r", "f", "macro_f"):
        assert scores[f"contrastive_ner_{name}"] == 1.0
    assert scores["spans_sc_f"] == 1.0 and scores["spans_sc_per_type"]["GPE"]["f"] == 1.0
    weights = trained.config["training"]["score_weights"]
    assert weights["contrastive_ner_f"] == 1.0


class TestBadInput:
    def test_no_gold_under_the_key(self):
        nlp = make_pipeline(spans_key="mine")
        examples = make_examples(nlp)
        examples[0].reference.set_ents([Span(examples[0].reference, 0, 1, "X")])
        with pytest.raises(ValueError) as error:
            nlp.initialize(lambda: examples)
        message = str(error.value)
        assert "'mine'" in message and "'sc' (4 docs)" in message and "spans_key" in message
        assert "list(doc.ents)" in message

    def test_no_labels(self):
        nlp = make_pipeline()
        with pytest.raises(ValueError, match="no labels"):
            predict(nlp, "a b")
        with pytest.raises(ValueError, match="There are no labels"):
            nlp.initialize(lambda: make_examples(nlp, TEXTS[2:3]))

    def test_empty_corpus(self):
        nlp = make_pipeline()
        pipe = nlp.get_pipe("contrastive_ner")
        with pytest.raises(ValueError, match="corpus is empty"):
            require_annotation("x", [], "sc")
        # Without data, labels that are known are enough.
        pipe.add_label("PER")
        nlp.initialize()
        assert "sc" in predict(nlp, "a b").spans and pipe.labels == ("PER",)

    def test_some_documents_lack_the_group(self):
        nlp = make_pipeline()
        examples = make_examples(nlp)
        del examples[2].reference.spans["sc"]
        with pytest.warns(UserWarning, match="1 of 4 training examples lack"):
            nlp.initialize(lambda: examples)

    def test_no_group_at_all(self):
        nlp = make_pipeline()
        bare = [Example(Doc(nlp.vocab, words=["a"]), Doc(nlp.vocab, words=["a"]))] * 2
        with pytest.raises(ValueError, match=r"Either write the entities .*doc.spans\['sc'\]\.$"):
            nlp.initialize(lambda: bare)

    def test_spans_without_a_label(self):
        nlp = make_pipeline()
        texts = [("Anna left Paris", [(0, 1, "PER"), (2, 3, "")])]
        with pytest.warns(UserWarning, match=r"1 of 2 .*unknown label.*\(no label\) 1"):
            train(nlp, make_examples(nlp, texts), steps=1)
        assert nlp.get_pipe("contrastive_ner").labels == ("PER",)

    def test_labels_that_no_gold_has(self):
        nlp = make_pipeline()
        examples = make_examples(nlp)
        with (
            pytest.raises(ValueError, match="None of the 8 gold entities"),
            pytest.warns(UserWarning, match="unknown label"),
        ):
            nlp.get_pipe("contrastive_ner").initialize(lambda: examples, labels=["X"])

    def test_wrong_key_with_given_labels(self):
        nlp = make_pipeline(spans_key="mine")
        examples = make_examples(nlp)[:1]
        with pytest.raises(ValueError, match="those that are there: 'sc'"):
            nlp.get_pipe("contrastive_ner").initialize(lambda: examples, labels=["ORG"])

    def test_update_goes_on_with_unknown_labels_only(self):
        nlp = make_pipeline()
        optimizer, _ = train(nlp, steps=1)
        examples = make_examples(nlp, [("on Monday", [(1, 2, "DATE")])])
        with pytest.warns(UserWarning, match="unknown label"):
            nlp.update(examples, sgd=optimizer)

    def test_only_empty_documents_with_given_labels(self):
        nlp = make_pipeline()
        examples = make_examples(nlp, [("", []), ("", [])])
        nlp.get_pipe("contrastive_ner").initialize(lambda: examples, labels=["ORG"])
        assert "sc" in predict(nlp, NESTED).spans

    def test_transitions_that_are_not_finite(self):
        nlp = make_pipeline()
        optimizer, _ = train(nlp, steps=1)
        layer = nlp.get_pipe("contrastive_ner").model.get_ref("crf").layers[0]
        layer.get_param("closed")[0, 0] = numpy.nan
        words = " ".join([NESTED] * 40)
        with pytest.raises(ValueError, match="not finite"):
            nlp.update(make_examples(nlp, [(words, [(0, 1, "PER")])]), sgd=optimizer)
        with pytest.raises(ValueError, match="not finite"):
            predict(nlp, words)

    def test_layers_that_are_none(self):
        nlp = make_pipeline()
        train(nlp, steps=0)
        pipe = nlp.get_pipe("contrastive_ner")
        for layers in (-1, 0, 4):
            with pytest.raises(ValueError, match="has 1 to 3"):
                pipe.add_label("NEW", layers=layers)
        assert "NEW" not in pipe.labels
        predict(nlp, NESTED)

    def test_update_tells_once_what_it_cannot_learn(self):
        nlp = make_pipeline()
        optimizer, _ = train(nlp, steps=1)
        examples = make_examples(nlp, [("on Monday Anna", [(1, 2, "DATE"), (2, 3, "PER")])])
        with pytest.warns(UserWarning, match=r"unknown label\): DATE 1.*'Monday'.*add_label"):
            nlp.update(examples, sgd=optimizer)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            nlp.update(examples, sgd=optimizer)

    def test_damaged_folder(self, trained, tmp_path):
        trained.to_disk(tmp_path)
        model = tmp_path / "contrastive_ner" / "model"
        model.write_bytes(model.read_bytes()[:1000])
        with pytest.raises(ValueError, match=r"\[contrastive_ner\] Cannot load .*damaged"):
            spacy.load(tmp_path)

    def test_all_o_corpus_with_given_labels(self):
        nlp = make_pipeline()
        nlp.get_pipe("contrastive_ner").add_label("PER")
        train(nlp, make_examples(nlp, TEXTS[2:3]), steps=5)
        assert found(predict(nlp, TEXTS[2][0])) == []

    def test_gold_that_does_not_align(self):
        nlp = make_pipeline()
        reference = Doc(nlp.vocab, words=["Acme", "Inc", "."], spaces=[True, False, False])
        reference.spans["sc"] = [Span(reference, 0, 2, "ORG"), Span(reference, 0, 3, "ORG")]
        examples = [Example(Doc(nlp.vocab, words=["Acme", "Inc."]), reference)]
        with pytest.warns(UserWarning) as record:
            train(nlp, examples, steps=3)
        messages = [str(item.message) for item in record if "gold entities" in str(item.message)]
        assert len(messages) == 1
        assert "1 of 2 gold entities" in messages[0] and "'Acme Inc' (ORG)" in messages[0]

    def test_labels_with_odd_characters(self, tmp_path):
        texts = [("Anna left", [(0, 1, "PER name|ä-x.y 人")])]
        nlp = make_pipeline()
        train(nlp, make_examples(nlp, texts))
        nlp.to_disk(tmp_path)
        assert found(predict(spacy.load(tmp_path), "Anna left")) == texts[0][1]

    def test_nan_scores(self):
        nlp = make_pipeline()
        optimizer, _ = train(nlp, steps=1)
        heads = nlp.get_pipe("contrastive_ner").model.get_ref("heads").layers[0]
        heads.get_param("b")[0] = numpy.nan
        with pytest.raises(ValueError, match="not finite"):
            predict(nlp, NESTED)
        with pytest.raises(ValueError, match="not finite"):
            nlp.update(make_examples(nlp), sgd=optimizer)

    @pytest.mark.parametrize(
        "settings, message",
        [
            ({"decoder": "beam"}, "viterbi, posterior"),
            ({"max_layers": 4}, "between 1 and 3"),
            ({"spans_key": ""}, "spans_key"),
            ({"threshold": 1.5}, "threshold"),
            ({"model": {"heads": "flat"}}, "per_label, joint"),
        ],
    )
    def test_settings(self, settings, message):
        with pytest.raises(ValueError, match=message):
            make_pipeline(**settings)


def test_same_seed_same_model():
    models = []
    for _ in range(2):
        nlp = make_pipeline(seed=3)
        train(nlp, steps=5)
        models.append(nlp.get_pipe("contrastive_ner").model.to_bytes())
    assert models[0] == models[1]


def test_nothing_is_reported_when_nothing_is_lost():
    nlp = make_pipeline()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(nlp, steps=1)
