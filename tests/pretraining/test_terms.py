"""What is learned from the rows of a batch: its gradient, and what it must not depend on."""

import warnings
from itertools import product

import numpy
import pytest
import spacy
import srsly
from spacy.tokens import Doc, Span
from thinc.api import Adam, NumpyOps, noop

from spacy_contrastive_ner.corpora.marks import Mark, get_mark, set_mark
from spacy_contrastive_ner.layers.crf import CRF
from spacy_contrastive_ner.layers.projections import GaussianProjection, MlpProjection
from spacy_contrastive_ner.losses import (
    make_cross_entropy_dice,
    make_distance_logistic,
    make_gaussian_kl,
    make_info_nce,
    make_supcon,
)
from spacy_contrastive_ner.pretraining.model import PretrainModel, split_by_space
from spacy_contrastive_ner.pretraining.objective import (
    make_contrastive_objective,
    make_sum_objective,
    make_tagging_objective,
)
from spacy_contrastive_ner.pretraining.rows import Sampling
from spacy_contrastive_ner.pretraining.terms import ContrastTerm, Reading

from .. import oracle
from ..util import TEXTS

OPS = NumpyOps()
NLP = spacy.blank("en")
WIDTH = 6

OBJECTIVES = {
    "contrast": lambda: make_contrastive_objective(make_info_nce(0.5)),
    "projected": lambda: make_contrastive_objective(
        make_info_nce(0.5), MlpProjection(5), missing_key="gap"
    ),
    "segments": lambda: make_contrastive_objective(
        make_supcon(0.5), MlpProjection(5), units="segments", outside="query"
    ),
    "gaussian": lambda: make_contrastive_objective(
        make_gaussian_kl(), GaussianProjection(4), max_outside=5
    ),
    "distance": lambda: make_contrastive_objective(make_distance_logistic(temperature=0.5)),
    "crf": lambda: make_tagging_objective(missing_key="gap"),
    "tags": lambda: make_tagging_objective(make_cross_entropy_dice(), heads="joint"),
    "sum": lambda: make_sum_objective(
        {
            "near": make_contrastive_objective(make_info_nce(0.5), MlpProjection(5)),
            "far": make_contrastive_objective(make_supcon(0.5), units="segments"),
            "tags": make_tagging_objective(crf=CRF("shared")),
        },
        weights={"near": 0.3, "tags": 2.5},
    ),
}
every_objective = pytest.mark.parametrize("name", OBJECTIVES)


def make_doc(words, spans=None, gap=None, space="", last=False, key="sc"):
    doc = Doc(NLP.vocab, words=words.split())
    if spans is not None:
        doc.spans[key] = [Span(doc, *span) for span in spans]
    if gap is not None:
        doc.spans["gap"] = [Span(doc, *span) for span in gap]
    if space or last:
        set_mark(doc, Mark(space, space, 0, last))
    return doc


def make_docs(space="", n=4):
    docs = [make_doc(text, spans, space=space) for text, spans in TEXTS[:n]]
    docs[0].spans["gap"] = [Span(docs[0], 6, 7, "GPE"), Span(docs[0], 1, 2, "PER")]
    return docs


def make_model(name_or_objective, **settings):
    """A model on an encoder that is of no account: rows are given."""
    spacy.util.fix_random_seed(0)
    objective = name_or_objective
    if isinstance(objective, str):
        objective = OBJECTIVES[objective]()
    for key, value in settings.items():
        setattr(objective, key, value)
    terms = [term.fresh() for term in objective.terms]
    model = PretrainModel(noop(), terms, **settings)
    for term in terms:
        term.initialize(numpy.zeros((1, WIDTH), dtype="float32"))
    return model


def make_rows(docs, seed=0):
    rng = numpy.random.default_rng(seed)
    return rng.normal(size=(sum(map(len, docs)), WIDTH)).astype("float32")


def compute(model, docs, rows, seed=0):
    """The loss and its gradient, with the same chance each time."""
    numpy.random.seed(seed)
    return model.attrs["loss"](OPS, docs, rows)


def gradients(model):
    """The gradients that the layers of the terms have collected."""
    nodes = [node for term in model.terms for layer in term.layers for node in layer.walk()]
    return [
        (node, name, node.get_grad(name))
        for node in nodes
        for name in node.param_names
        if node.has_grad(name)
    ]


def clear(model):
    for node, name, gradient in gradients(model):
        node.set_grad(name, gradient * 0)


def require_gradients(model, docs, rows):
    """The gradient of the rows, and of all that the terms learn."""
    rng = numpy.random.default_rng(0)
    compute(model, docs, rows)
    clear(model)
    value, d_rows = compute(model, docs, rows)
    known = [(node.get_param(name), grad.copy()) for node, name, grad in gradients(model)]

    def loss():
        return compute(model, docs, rows)[0] / model.accumulate_gradient

    assert d_rows.dtype == rows.dtype and d_rows.any() and value > 0
    oracle.require_slopes(loss, rows, d_rows, rng)
    for array, gradient in known:
        oracle.require_slopes(loss, array, gradient, rng)
    return known


@every_objective
def test_gradients(name):
    docs = make_docs()
    known = require_gradients(make_model(name), docs, make_rows(docs))
    n_params = {"contrast": 0, "projected": 6, "segments": 6, "gaussian": 2, "distance": 0}
    assert len(known) == {**n_params, "crf": 5, "tags": 2, "sum": 11}[name]


@pytest.mark.parametrize("name", ["projected", "gaussian", "crf", "sum"])
def test_gradients_of_two_spaces(name):
    """Layers that are shared by spaces learn from the mean, too."""
    docs = [doc for pair in zip(make_docs("a"), make_docs("b")) for doc in pair]
    require_gradients(make_model(name), docs, make_rows(docs))


@pytest.mark.parametrize("name", ["projected", "crf", "sum"])
def test_gradients_that_are_accumulated(name):
    """Each batch counts its share, for the rows and for the layers alike."""
    docs = make_docs()
    require_gradients(make_model(name, accumulate_gradient=4), docs, make_rows(docs))


# Objectives that draw nothing on few documents.
CERTAIN = ["contrast", "projected", "distance", "crf", "tags"]


@pytest.mark.parametrize("name", CERTAIN)
def test_spaces_are_learned_apart(name):
    """The loss of a mixed batch is the mean over its spaces, and so are the gradients."""
    some, others = make_docs("a"), make_docs("b", 2)
    model = make_model(name)
    mixed = [some[0], others[0], some[1], some[2], others[1], some[3]]
    rows = make_rows(mixed)
    bounds = numpy.cumsum([0, *map(len, mixed)])
    at = {id(doc): slice(*pair) for doc, pair in zip(mixed, zip(bounds, bounds[1:]))}
    compute(model, mixed, rows)
    clear(model)
    loss, d_rows = compute(model, mixed, rows)
    own = [gradient.copy() for _, _, gradient in gradients(model)]
    clear(model)
    alone = []
    for docs in (some, others):
        where = numpy.concatenate([numpy.arange(len(rows))[at[id(doc)]] for doc in docs])
        part, d_part = compute(model, docs, rows[where])
        assert numpy.allclose(d_rows[where], d_part / 2, atol=1e-6)
        alone.append(part)
    assert loss == pytest.approx(sum(alone) / 2, rel=1e-5)
    for a, (_, _, b) in zip(own, gradients(model), strict=True):
        assert numpy.allclose(a, b / 2, atol=1e-5)


@pytest.mark.parametrize("name", CERTAIN)
def test_no_gradient_between_spaces(name):
    some, others = make_docs("a"), make_docs("b")
    model, rows = make_model(name), make_rows(some + others)
    n = len(rows) // 2
    compute(model, some + others, rows)
    _, before = compute(model, some + others, rows)
    rows[n:] = make_rows(others, seed=7)
    _, after = compute(model, some + others, rows)
    assert numpy.allclose(before[:n], after[:n], atol=1e-7)
    assert not numpy.allclose(before[n:], after[n:], atol=1e-3)


def test_contrast_is_the_loss_of_the_token_rows():
    """Nested labels and missing annotation, against naive loops from end to end."""
    docs = make_docs()
    rows = make_rows(docs)
    objective = make_contrastive_objective(make_info_nce(0.5), missing_key="gap")
    value, _ = compute(make_model(objective), docs, rows)
    offsets = numpy.cumsum([0, *map(len, docs)])[:-1]
    triples = [(len(doc), *(triples_of(doc, key) for key in ("sc", "gap"))) for doc in docs]
    found = oracle.token_rows(triples, offsets, "negative")
    names = sorted({label for row in found for label in row[2]})
    labels, maybe = (
        numpy.asarray([[name in row[field] for name in names] for row in found]) for field in (2, 3)
    )
    at = [row[0] for row in found]
    assert maybe.any()
    assert value == pytest.approx(oracle.info_nce(rows[at], labels, maybe, 0.5), rel=1e-5)
    # It matters that something is missing.
    objective = make_contrastive_objective(make_info_nce(0.5))
    assert compute(make_model(objective), docs, rows)[0] != pytest.approx(value, rel=1e-3)


def triples_of(doc, key):
    return [(span.start, span.end, span.label_) for span in doc.spans.get(key, ())]


def test_segments_are_pooled_before_they_are_projected():
    docs = make_docs()
    rows = make_rows(docs)
    objective = make_contrastive_objective(
        make_supcon(0.5), MlpProjection(5), units="segments", background=0.0
    )
    model = make_model(objective)
    value, d_rows = compute(model, docs, rows)
    gold, offset = {}, 0
    for doc in docs:
        for start, end, label in triples_of(doc, "sc"):
            gold.setdefault((offset + start, offset + end), set()).add(label)
        offset += len(doc)
    pooled = oracle.pool(rows, *zip(*gold)).astype("float32")
    projected = model.terms[0].projection.predict(pooled).astype("float64")
    labels = numpy.asarray(
        [[name in some for name in ("GPE", "ORG", "PER")] for some in gold.values()]
    )
    assert value == pytest.approx(oracle.supcon(projected, labels, None, 0.5), rel=1e-4)
    covered = {token for start, end in gold for token in range(start, end)}
    assert set(numpy.flatnonzero(d_rows.any(axis=1)).tolist()) == covered


@every_objective
def test_documents_without_annotation_add_nothing(name):
    docs = make_docs()
    model = make_model(name)
    rows = make_rows(docs)
    compute(model, docs, rows)
    loss, d_rows = compute(model, docs, rows)
    odd = [
        make_doc("Anna of Paris"),
        make_doc(""),
        make_doc("", []),
        make_doc("Oslo", [(0, 1, "GPE")], key="x"),
    ]
    more = numpy.concatenate((make_rows(odd, seed=3), rows))
    value, d_more = compute(model, [*odd, *docs], more)
    assert value == pytest.approx(loss, rel=1e-6)
    assert not d_more[: len(more) - len(rows)].any()
    assert numpy.allclose(d_more[len(more) - len(rows) :], d_rows, atol=1e-6)


@every_objective
@pytest.mark.parametrize("kind", ["empty", "unannotated", "no entities", "none", "one of each"])
def test_batches_that_teach_nothing(name, kind):
    docs = {
        "empty": [make_doc("", []), make_doc("")],
        "unannotated": [make_doc("Anna left"), make_doc("Paris")],
        "no entities": [make_doc("nothing happened today", []), make_doc("so", [])],
        "none": [],
        "one of each": [make_doc("Anna left Paris", [(0, 1, "PER"), (2, 3, "GPE")])],
    }[kind]
    model, rows = make_model(name), make_rows(docs)
    value, d_rows = compute(model, docs, rows)
    assert d_rows.shape == rows.shape
    tagging = name in ("crf", "tags", "sum")
    if kind == "one of each" and (tagging or name == "segments"):
        # Tags can be learned, and there may be two segments that are none.
        assert numpy.isfinite(value)
    else:
        assert value == pytest.approx(0.0, abs=1e-6)
        assert numpy.allclose(d_rows, 0, atol=1e-6)


@pytest.mark.parametrize("weight", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("name", ["projected", "gaussian", "crf", "tags"])
def test_weights_scale_loss_and_gradients(name, weight):
    docs = make_docs()
    rows = make_rows(docs)
    results = []
    for factor in (1.0, weight):
        model = make_model(make_sum_objective({"only": OBJECTIVES[name]()}, {"only": factor}))
        compute(model, docs, rows)
        clear(model)
        value, d_rows = compute(model, docs, rows)
        grads = [gradient for _, _, gradient in gradients(model)]
        results.append([numpy.asarray(value), d_rows, *grads])
    assert len(results[0]) > 2
    for one, other in zip(*results, strict=True):
        assert numpy.allclose(one * weight, other, rtol=1e-3, atol=1e-6)
    if not weight:
        assert not any(array.any() for array in results[1])


def test_a_sum_is_the_sum_of_its_terms():
    docs = make_docs()
    model, rows = make_model("sum"), make_rows(docs)
    value, d_rows = compute(model, docs, rows)
    assert list(model.losses) == ["contrast", "contrast 2", "tagging"]
    assert value == pytest.approx(sum(model.losses.values()))
    assert [term.weight for term in model.terms] == [0.3, 1.0, 2.5]


def tagging_term(model):
    return model.terms[-1]


def heads_of(model):
    return {
        space: heads.attrs["labels"](heads) for space, heads in tagging_term(model).heads.items()
    }


@pytest.mark.parametrize("name", ["crf", "tags"])
def test_tagging_is_the_mean_over_tokens(name):
    docs = make_docs()
    model, rows = make_model(name), make_rows(docs)
    value, _ = compute(model, docs, rows)
    (heads,) = tagging_term(model).heads.values()
    bounds = numpy.cumsum([0, *map(len, docs)])
    scores = heads.predict([rows[a:b] for a, b in zip(bounds, bounds[1:])])
    gold = [tagging_term(model).reading(doc) for doc in docs]
    total, _, lost = heads.attrs["learn"](heads, gold, scores)
    # Joint heads cannot hold what overlaps.
    assert value == pytest.approx(total / len(rows), rel=1e-6)
    assert bool(lost) == (name == "tags")


def test_each_space_has_heads_of_its_own():
    model = make_model("crf")
    docs = [
        make_doc("Anna left", [(0, 1, "PER")], space="a"),
        make_doc("Anna left", [(0, 1, "NAME")], space="b"),
    ]
    compute(model, docs, make_rows(docs))
    assert heads_of(model) == {"a": {"PER": 2}, "b": {"NAME": 2}}
    assert len(model.terms[0].layers[0].layers) == 2
    ids = [{node.id for node in heads.walk()} for heads in model.terms[0].heads.values()]
    assert ids[0].isdisjoint(ids[1])


@pytest.mark.parametrize("name", ["crf", "tags"])
def test_heads_grow_when_a_label_is_first_seen(name):
    model = make_model(name)
    # Nothing is known before the first entity.
    docs = [make_doc("nothing happened", [])]
    assert compute(model, docs, make_rows(docs))[0] == 0 and not heads_of(model)
    docs = [make_doc("Anna left Paris", [(0, 1, "PER")])]
    rows = make_rows(docs)
    compute(model, docs, rows)
    assert list(heads_of(model)[""]) == ["PER"]
    heads = tagging_term(model).heads[""]
    before = heads.predict([rows]).dataXd
    docs = [make_doc("Anna left Paris", [(0, 1, "PER"), (2, 3, "GPE")])]
    value, d_rows = compute(model, docs, rows)
    assert tagging_term(model).heads[""] is heads
    assert list(heads_of(model)[""]) == ["PER", "GPE"]
    assert numpy.isfinite(value) and numpy.isfinite(d_rows).all()
    after = heads.predict([rows]).dataXd
    assert after.shape[1] > before.shape[1]
    assert numpy.allclose(after[:, : before.shape[1]], before)
    # What is grown can be learned.
    optimizer = Adam(0.05)
    for _ in range(60):
        last, _ = compute(model, docs, rows)
        model.finish_update(optimizer)
    assert last < 0.2 * value


def test_evaluation_makes_no_heads_and_learns_no_labels():
    model = make_model("crf")
    docs = [make_doc("Anna left Paris", [(0, 1, "PER")])]
    rows = make_rows(docs)
    assert model.evaluate(docs, rows) == {} and not heads_of(model)
    compute(model, docs, rows)
    more = [make_doc("Anna left Paris", [(0, 1, "PER"), (2, 3, "GPE")])]
    assert model.evaluate(more, rows)["tagging"] == pytest.approx(
        model.evaluate(docs, rows)["tagging"]
    )
    assert list(heads_of(model)[""]) == ["PER"]


def test_labels_of_heads_are_merged():
    objective = make_tagging_objective(merge={"PER": "NAME", "GPE": "NAME"})
    model = make_model(objective)
    docs = make_docs()
    compute(model, docs, make_rows(docs))
    assert set(heads_of(model)[""]) == {"NAME", "ORG"}


@pytest.mark.parametrize("name", ["projected", "crf", "sum"])
def test_state(name):
    """A fresh model that is given the state has all parameters, in the same places."""
    first = make_model(name)
    docs = [*make_docs("a"), *make_docs("b", 2)]
    rows = make_rows(docs)
    compute(first, docs, rows)
    other = make_model(name)
    state = srsly.msgpack_loads(srsly.msgpack_dumps([term.get_state() for term in first.terms]))
    # What the other knew before is forgotten.
    compute(other, [make_doc("Anna left", [(0, 1, "OLD")], space="old")], make_rows([docs[1]])[:2])
    for term, known in zip(other.terms, state, strict=True):
        term.set_state(known, WIDTH)
    pairs = list(zip(first.walk(order="dfs_pre"), other.walk(order="dfs_pre"), strict=True))
    for one, two in pairs:
        assert one.name == two.name
        for param in one.param_names:
            assert one.has_param(param) == two.has_param(param)
            if one.has_param(param):
                assert one.get_param(param).shape == two.get_param(param).shape
                two.set_param(param, one.get_param(param).copy())
    assert compute(other, docs, rows)[0] == pytest.approx(compute(first, docs, rows)[0])
    if name != "projected":
        assert heads_of(other) == heads_of(first)


@every_objective
def test_fresh_terms_share_no_parameters(name):
    objective = OBJECTIVES[name]()
    docs = make_docs()
    rows = make_rows(docs)
    one, other = make_model(objective), make_model(objective)
    for model in (one, other):
        compute(model, docs, rows)
    before, _ = compute(other, docs, rows)
    optimizer = Adam(0.1)
    for _ in range(3):
        compute(one, docs, rows)
        one.finish_update(optimizer)
    assert compute(other, docs, rows)[0] == before
    assert [term.weight for term in one.terms] == [term.weight for term in objective.terms]
    # Nor has the objective learned anything itself.
    assert not any(
        node.has_param(param)
        for term in objective.terms
        for layer in term.layers
        for node in layer.walk()
        for param in node.param_names
    )


def test_split_by_space():
    docs = [
        make_doc("a b", [(0, 1, "X")], space="one"),
        make_doc("c"),
        make_doc("d e f", [], space="two"),
        make_doc("g", [(0, 1, "X")], space="one"),
        make_doc("h", [(0, 1, "X")]),
    ]
    term = make_model("contrast").terms[0]
    parts = split_by_space(docs, term)
    assert [(part.space, part.offsets) for part in parts] == [
        ("one", [0, 6]),
        ("two", [3]),
        ("", [7]),
    ]
    assert [[doc.n_tokens for doc in part.gold] for part in parts] == [[2, 1], [3], [1]]
    assert split_by_space([], term) == []


def test_copies_are_not_compared():
    """But tagged: a weight of 3 means that they are learned three times."""
    docs = [make_doc(words, [(0, 1, "X")], space="one") for words in ("a b", "a b", "c", "d", "e")]
    for doc, source in zip(docs, ("one:0:0", "one:0:0", "one:1:0", "", "")):
        set_mark(doc, get_mark(doc)._replace(source=source))
    docs.insert(0, make_doc("f", None, space="one"))
    set_mark(docs[0], Mark("one", "one", source="one:0:0"))
    contrast, tagging = (make_model(name).terms[0] for name in ("contrast", "tags"))
    assert [part.offsets for part in split_by_space(docs, contrast)] == [[1, 5, 6, 7]]
    assert [part.offsets for part in split_by_space(docs, tagging)] == [[1, 3, 5, 6, 7]]


@pytest.mark.parametrize("units", ["tokens", "segments"])
@pytest.mark.parametrize("outside", ["negative", "query", "ignore"])
def test_what_a_contrast_learns_from(units, outside):
    """As the rows tell: some are alike, and some are not."""
    for spans in product([None, (0, 1, "X"), (0, 2, "X"), (0, 1, "Y")], repeat=3):
        docs = [make_doc("a b c d e f", [s] if s else [], space="one") for s in spans]
        term = ContrastTerm(
            make_info_nce(), None, Sampling(units, outside, background=2.0), Reading()
        )
        (part,) = split_by_space(docs, term)
        labels = term._draw(part, numpy.random.default_rng(0)).labels.astype(int)
        alike = labels @ labels.T
        useful = any(sum(row > 0) > 1 and (row == 0).any() for row in alike)
        assert term.learns_from(part) == useful, spans


def test_reading():
    doc = make_doc("a b c", [(0, 2, "X"), (1, 1, "X")], gap=[(2, 3, "")])
    assert Reading()(doc)[:4] == (3, [(0, 2, "X")], [], [])
    assert Reading("sc", "gap")(doc).missing == [(2, 3, "")]
    assert Reading("sc", "other")(doc).missing == []
    assert Reading("gap")(doc).spans == [(2, 3, "")]
    assert Reading("other")(doc)[:4] == (3, [], [(0, 3, "")], [])
    assert Reading().annotates(doc) and not Reading("other").annotates(doc)
    assert not Reading(use_ents=True).annotates(doc)
    assert str(Reading("my")) == "doc.spans['my']" and str(Reading(use_ents=True)) == "doc.ents"


def test_reading_ents():
    doc = make_doc("a b c d", gap=[(3, 4, "X")])
    reading = Reading(use_ents=True, missing_key="gap")
    doc.set_ents([Span(doc, 1, 3, "X")], missing=[doc[0:1]], default="outside")
    assert reading.annotates(doc)
    assert reading(doc)[:4] == (4, [(1, 3, "X")], [(3, 4, "X"), (0, 1, "")], [])
    doc.set_ents([], default="outside")
    assert reading.annotates(doc) and Reading(use_ents=True)(doc)[:4] == (4, [], [], [])
    assert not reading.annotates(make_doc(""))


def test_heads_have_all_layers_whatever_the_first_batch_holds():
    """Nested entities of one label may come later; what never fits is told, once for a label."""
    flat = [make_doc("Anna left Paris", [(0, 1, "PER")])]
    nested = [make_doc("Anna of Paris left", [(0, 3, "PER"), (0, 1, "PER")])]
    model = make_model("crf")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for docs in (flat, nested):
            compute(model, docs, make_rows(docs))
    assert heads_of(model) == {"": {"PER": 2}}
    deep = [make_doc("Anna of Paris left", [(0, 4, "PER"), (0, 3, "PER"), (0, 1, "PER")])]
    with pytest.warns(UserWarning, match="label PER are left out of tagging .*max_layers") as told:
        for _ in range(3):
            compute(model, deep, make_rows(deep))
    assert len(told) == 1
