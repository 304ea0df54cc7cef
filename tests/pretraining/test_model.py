"""The model that `spacy pretrain` trains: updates, epochs, evaluation, and that it learns."""

import numpy
import pytest
import spacy
from spacy.language import DEFAULT_CONFIG_PRETRAIN_PATH
from spacy.schemas import ConfigSchemaPretrain
from spacy.tokens import Doc, Span
from spacy.training.pretrain import create_pretraining_model, make_update
from spacy.util import load_config
from thinc.api import SGD, Adam

from spacy_contrastive_ner.corpora.marks import Mark, set_mark
from spacy_contrastive_ner.losses import make_info_nce
from spacy_contrastive_ner.pretraining.objective import make_contrastive_objective

from ..util import TEXTS, TOK2VEC

PREFIX = "spacy-contrastive-ner."


def contrast(loss, projection=None, **settings):
    block = {
        "@architectures": f"{PREFIX}ContrastiveObjective.v1",
        "loss": loss,
        "projection": None,
        **settings,
    }
    if projection is not None:
        block["projection"] = projection
    return block


def named(registry, name, **settings):
    return {f"@{registry}": f"{PREFIX}{name}.v1", **settings}


MLP = named("layers", "MlpProjection", width=16)
INFO_NCE = contrast(named("losses", "InfoNCE", temperature=0.5), MLP)
TAGGING = {"@architectures": f"{PREFIX}TaggingObjective.v1"}
OBJECTIVES = {
    "InfoNCE": INFO_NCE,
    "SupCon": contrast(named("losses", "SupCon"), units="segments"),
    "GaussianKL": contrast(
        named("losses", "GaussianKL"), named("layers", "GaussianProjection", width=8)
    ),
    "DistanceLogistic": contrast(named("losses", "DistanceLogistic", temperature=0.5)),
    "Tagging": TAGGING,
    "Sum": {
        "@architectures": f"{PREFIX}SumObjective.v1",
        "objectives": {"contrast": INFO_NCE, "tagging": TAGGING},
        "weights": {"tagging": 0.5},
    },
}


def make_nlp(component="tok2vec"):
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    if component == "tok2vec":
        nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    else:
        nlp.add_pipe("contrastive_ner", config={"model": {"tok2vec": TOK2VEC}})
    return nlp


def make_model(objective=INFO_NCE, component="tok2vec", dropout=0.0, **settings):
    """As `spacy pretrain` makes it."""
    nlp = make_nlp(component)
    layer = "" if component == "tok2vec" else "tok2vec"
    config = load_config(DEFAULT_CONFIG_PRETRAIN_PATH)["pretraining"]
    config.update(objective={**objective, **settings}, dropout=dropout)
    config.update(component=component, layer=layer)
    resolved = spacy.registry.resolve(config, schema=ConfigSchemaPretrain)
    spacy.util.fix_random_seed(0)
    return create_pretraining_model(nlp, resolved), nlp


def make_docs(nlp, last=False, space=""):
    docs = []
    for text, spans in TEXTS:
        doc = Doc(nlp.vocab, words=text.split())
        doc.spans["sc"] = [Span(doc, *span) for span in spans]
        doc.set_ents([Span(doc, 0, 1, "FIRST")], default="outside")
        set_mark(doc, Mark(space, space))
        docs.append(doc)
    if last:
        set_mark(docs[-1], Mark(space, space, 0, True))
    return docs


def update(model, docs, optimizer):
    return make_update(model, docs, optimizer, model.attrs["loss"])


def weights(model):
    """All parameters, by their place."""
    nodes = [(node, name) for node in model.walk() for name in node.param_names]
    return [node.get_param(name).copy() for node, name in nodes if node.has_param(name)]


def grads(model):
    nodes = [(node, name) for node in model.walk() for name in node.param_names]
    return [node.get_grad(name).copy() for node, name in nodes if node.has_grad(name)]


def same(some, others):
    return all(numpy.array_equal(a, b) for a, b in zip(some, others, strict=True))


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_the_loss_falls(name, dropout):
    model, nlp = make_model(OBJECTIVES[name], dropout=dropout)
    docs = make_docs(nlp)
    optimizer = Adam(0.01)
    before = model.evaluate(docs, model.rows_of(docs))
    losses = [update(model, docs, optimizer) for _ in range(20)]
    # Heads are there only after the first update.
    first = before if any(before.values()) else {"tagging": losses[0]}
    assert losses[0] > 0 and numpy.mean(losses[-3:]) < 0.7 * losses[0]
    after = model.evaluate(docs, model.rows_of(docs))
    assert sum(after.values()) < 0.7 * sum(first.values())
    assert model.n_updates == 20 and model.n_epochs == 0


@pytest.mark.parametrize("component", ["tok2vec", "contrastive_ner"])
def test_shared_and_inline_encoders(component):
    model, nlp = make_model(component=component)
    pipe = nlp.get_pipe(component).model
    encoder = model.get_ref("tok2vec")
    assert encoder is (pipe if component == "tok2vec" else pipe.get_ref("tok2vec"))
    before = weights(encoder)
    update(model, make_docs(nlp), Adam(0.01))
    assert not same(before, weights(encoder))
    docs = make_docs(nlp)
    rows = model.rows_of([docs[0], Doc(nlp.vocab), docs[1]])
    assert numpy.array_equal(rows, numpy.concatenate(encoder.predict(docs[:2])))


def test_ents_can_be_read():
    """By the labels of doc.ents, documents are alike in their first words."""
    model, nlp = make_model(use_ents=True)
    docs = make_docs(nlp)
    for doc in docs:
        del doc.spans["sc"]
    losses = [update(model, docs, Adam(0.01)) for _ in range(3)]
    assert losses[0] > 0


def test_the_same_seed_gives_the_same_weights():
    runs = []
    for seed in (0, 0, 1):
        model, nlp = make_model(OBJECTIVES["SupCon"], dropout=0.2)
        spacy.util.fix_random_seed(seed)
        optimizer = Adam(0.01)
        for _ in range(3):
            update(model, make_docs(nlp), optimizer)
        runs.append(weights(model))
    assert same(runs[0], runs[1]) and not same(runs[0], runs[2])


def test_dropout_reaches_the_encoder():
    model, nlp = make_model(dropout=0.5)
    docs = make_docs(nlp)
    rows = model.rows_of(docs)
    assert numpy.array_equal(rows, model.rows_of(docs))
    assert not numpy.array_equal(rows, model.begin_update(docs)[0])


@pytest.mark.parametrize("name", ["InfoNCE", "Sum"])
def test_two_batches_for_one_update(name):
    """With gradients accumulated, two batches change the parameters once, by their mean."""
    model, nlp = make_model(OBJECTIVES[name], accumulate_gradient=2)
    docs = make_docs(nlp)
    optimizer = SGD(0.1, L2=0.0, grad_clip=0.0, use_averages=False)
    update(model, docs, optimizer)
    update(model, docs, optimizer)
    start = weights(model)
    update(model, docs, optimizer)
    assert same(start, weights(model)) and model.n_updates == 1 and model.n_batches == 1
    update(model, docs, optimizer)
    twice = weights(model)
    assert not same(start, twice) and model.n_updates == 2 and model.n_batches == 0
    # The same batch twice is as good as once without accumulation.
    nodes = [(node, key) for node in model.walk() for key in node.param_names]
    nodes = [(node, key) for node, key in nodes if node.has_param(key)]
    for (node, key), value in zip(nodes, start, strict=True):
        node.set_param(key, value.copy())
    model.accumulate_gradient = 1
    update(model, docs, optimizer)
    moved = 0
    for a, b, before in zip(twice, weights(model), start, strict=True):
        assert numpy.allclose(a, b, atol=1e-5)
        moved += not numpy.array_equal(b, before)
    assert moved > 5


def test_loss_that_is_told_does_not_depend_on_accumulation():
    told = []
    for n in (1, 3):
        model, nlp = make_model(accumulate_gradient=n)
        told.append(update(model, make_docs(nlp), Adam(0.01)))
    assert told[0] == pytest.approx(told[1])


class Rates:
    """A schedule that can be watched."""

    def __init__(self):
        self.n = 0

    def __iter__(self):
        while True:
            self.n += 1
            yield 0.01 / self.n


def test_schedules_step_once_an_update():
    rates = Rates()
    model, nlp = make_model(accumulate_gradient=3)
    docs = make_docs(nlp)
    optimizer = Adam(iter(rates))
    before = rates.n
    for _ in range(7):
        update(model, docs, optimizer)
    assert rates.n - before == model.n_updates == 2 and model.n_batches == 1


def test_batches_that_are_left_are_learned_when_the_epoch_ends():
    model, nlp = make_model(accumulate_gradient=3)
    ends = []
    model.at_epoch_end = lambda *given: ends.append((given, model.n_updates, model.n_batches))
    optimizer = Adam(0.01)
    for _ in range(4):
        update(model, make_docs(nlp), optimizer)
    before = weights(model)
    update(model, make_docs(nlp, last=True), optimizer)
    assert not same(before, weights(model))
    # The hook is called once, after the update.
    assert ends == [((model, optimizer), 2, 0)]
    assert model.n_epochs == 1 and not model.n_ends
    # The next epoch starts from zero.
    for _ in range(2):
        update(model, make_docs(nlp), optimizer)
    assert (model.n_updates, model.n_batches, model.n_epochs) == (2, 2, 1)


def test_an_epoch_that_ends_on_time_makes_no_further_update():
    model, nlp = make_model(accumulate_gradient=2)
    optimizer = Adam(0.01)
    update(model, make_docs(nlp), optimizer)
    update(model, make_docs(nlp, last=True), optimizer)
    assert (model.n_updates, model.n_batches, model.n_epochs) == (1, 0, 1)
    # A driver may end epochs that the reader did not mark.
    model.end_epoch(optimizer)
    assert (model.n_updates, model.n_epochs) == (1, 2)


def test_an_epoch_whose_last_document_never_comes_ends_with_the_next(recwarn):
    """As if a batcher had left it out."""
    model, nlp = make_model()
    ends = []
    model.at_epoch_end = lambda *given: ends.append(model.n_updates)
    optimizer = Adam(0.01)

    def batch(epoch, last=False):
        docs = make_docs(nlp)
        for doc in docs:
            set_mark(doc, Mark(epoch=epoch))
        set_mark(docs[-1], Mark(epoch=epoch, last=last))
        update(model, docs, optimizer)

    for epoch, last in ((0, False), (0, True), (1, False), (1, True), (3, False)):
        batch(epoch, last)
    assert ends == [2, 4] and not recwarn
    with pytest.warns(UserWarning, match="judged one batch late.*max_length"):
        batch(4)
    assert ends == [2, 4, 6]
    # Told once. The next is late, and one batch long.
    batch(5, last=True)
    assert ends == [2, 4, 6, 7, 7] and model.n_epochs == 5
    assert not recwarn


def test_use_params():
    model, nlp = make_model()
    docs = make_docs(nlp)
    optimizer = Adam(0.01, use_averages=True)
    for _ in range(3):
        update(model, docs, optimizer)
    rows, now = model.rows_of(docs), weights(model)
    for nothing in (None, {}):
        with model.use_params(nothing):
            assert numpy.array_equal(model.rows_of(docs), rows)
    with model.use_params(optimizer.averages):
        assert not numpy.array_equal(model.rows_of(docs), rows)
    assert numpy.array_equal(model.rows_of(docs), rows) and same(now, weights(model))


def test_parameters_come_back_after_an_error():
    model, nlp = make_model()
    optimizer = Adam(0.01, use_averages=True)
    for _ in range(3):
        update(model, make_docs(nlp), optimizer)
    now = weights(model)
    with pytest.raises(KeyError), model.use_params(optimizer.averages):
        raise KeyError("anything")
    assert same(now, weights(model))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_evaluation_changes_nothing(name):
    model, nlp = make_model(OBJECTIVES[name], dropout=0.3)
    docs = make_docs(nlp)
    update(model, docs, Adam(0.01))
    # Half way through an accumulation, gradients wait.
    rows, backprop = model.begin_update(docs)
    backprop(model.attrs["loss"](model.ops, docs, rows)[1])
    waiting, now, counts = grads(model), weights(model), (model.n_batches, model.n_updates)
    state = numpy.random.get_state()[1].copy()
    first = model.evaluate(docs, model.rows_of(docs))
    assert model.evaluate(docs, model.rows_of(docs)) == first
    assert all(value > 0 for value in first.values())
    assert same(waiting, grads(model)) and same(now, weights(model))
    assert (model.n_batches, model.n_updates) == counts
    assert (numpy.random.get_state()[1] == state).all()


def test_evaluation_draws_by_its_seed():
    model, nlp = make_model(OBJECTIVES["SupCon"])
    docs = make_docs(nlp)
    rows = model.rows_of(docs)
    assert model.evaluate(docs, rows, seed=1) == model.evaluate(docs, rows, seed=1)
    assert model.evaluate(docs, rows, seed=1) != model.evaluate(docs, rows, seed=2)


def test_each_training_batch_draws_anew():
    """Rows of the same documents differ from batch to batch, but not from run to run."""
    told = []
    for _ in range(2):
        model, nlp = make_model(OBJECTIVES["SupCon"])
        spacy.util.fix_random_seed(3)
        docs = make_docs(nlp)
        rows = model.rows_of(docs)
        told.append([model.attrs["loss"](model.ops, docs, rows)[0] for _ in range(4)])
    assert told[0] == told[1] and len(set(told[0])) > 1


def test_batches_of_empty_documents():
    model, nlp = make_model()
    empty = Doc(nlp.vocab)
    empty.spans["sc"] = []
    before = weights(model)
    assert update(model, [empty, Doc(nlp.vocab)], Adam(0.01)) == 0
    assert model.n_updates == 1 and same(before, weights(model))
    assert model.rows_of([empty]).shape[0] == 0
    assert model.evaluate([empty], model.rows_of([empty])) == {}
    # In between they do no harm.
    docs = make_docs(nlp)
    rows = model.rows_of(docs)
    assert numpy.array_equal(model.rows_of([docs[0], empty, *docs[1:], empty]), rows)
    assert model.evaluate([docs[0], empty, *docs[1:]], rows) == model.evaluate(docs, rows)


def test_loss_needs_no_gold_of_a_space_it_does_not_know():
    """Documents of several label spaces, one of them without annotation."""
    model, nlp = make_model(OBJECTIVES["Sum"])
    docs = [*make_docs(nlp, space="a"), *make_docs(nlp, space="b"), *make_docs(nlp, space="c")]
    for doc in docs[-len(TEXTS) :]:
        del doc.spans["sc"]
    losses = [update(model, docs, Adam(0.01)) for _ in range(2)]
    assert numpy.isfinite(losses).all()
    assert set(model.terms[1].heads) == {"a", "b"}


def test_width_is_known():
    model, _ = make_model()
    assert model.width == TOK2VEC["width"]


def test_whole_pipes_are_refused():
    """Plain `spacy pretrain` hands one over if layer is empty."""
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("contrastive_ner", config={"model": {"tok2vec": TOK2VEC}})
    create = make_contrastive_objective(make_info_nce())
    with pytest.raises(ValueError, match=r'layer is empty.* Write layer = "tok2vec"'):
        create(nlp.vocab, pipe.model)
    # Before, spaCy has it infer its shapes, and tells this by the name of the component.
    with pytest.raises(ValueError, match=r'no labels yet.* layer = "tok2vec"'):
        pipe.model.initialize(X=[nlp.make_doc("Anna left")])


def test_listeners_are_refused():
    nlp = spacy.blank("en")
    listener = {
        "@architectures": "spacy.Tok2VecListener.v1",
        "width": TOK2VEC["width"],
        "upstream": "*",
    }
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    pipe = nlp.add_pipe("contrastive_ner", config={"model": {"tok2vec": listener}})
    create = make_contrastive_objective(make_info_nce())
    with pytest.raises(ValueError, match='component = "tok2vec" and layer = ""'):
        create(nlp.vocab, pipe.model.get_ref("tok2vec"))
