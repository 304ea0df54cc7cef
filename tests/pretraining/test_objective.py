"""What the config makes: every block resolves, settings are checked, models share nothing."""

import numpy
import pytest
import spacy
from thinc.api import Config

from spacy_contrastive_ner.layers.crf import CRF
from spacy_contrastive_ner.layers.projections import MlpProjection
from spacy_contrastive_ner.losses import make_cross_entropy_dice, make_info_nce
from spacy_contrastive_ner.pretraining.model import PretrainModel
from spacy_contrastive_ner.pretraining.objective import (
    Objective,
    make_contrastive_objective,
    make_judge,
    make_sum_objective,
    make_tagging_objective,
)
from spacy_contrastive_ner.pretraining.rows import Sampling
from spacy_contrastive_ner.pretraining.terms import ContrastTerm, TaggingTerm

from ..util import TOK2VEC
from .test_model import OBJECTIVES, contrast, make_docs, named

LOSSES = [
    named("losses", "InfoNCE", temperature=0.2, reduction="labels"),
    named("losses", "SupCon", temperature=0.2),
    named("losses", "GaussianKL", width=4, temperature=2.0),
    named("losses", "DistanceLogistic", margin=2.0, label_smoothing=0.0, temperature=0.25),
]
PROJECTIONS = [
    None,
    named("layers", "MlpProjection", width=8, hidden_width=5, pieces=3),
    named("layers", "GaussianProjection", width=4),
]


def resolve(block):
    """As a config file on the disk would be."""
    config = Config({"objective": block}).to_str()
    return spacy.registry.resolve(Config().from_str(config))["objective"]


def make(objective, seed=0):
    """The model on an encoder of its own."""
    spacy.util.fix_random_seed(seed)
    nlp = spacy.blank("en")
    encoder = spacy.registry.resolve({"model": TOK2VEC})["model"]
    model = objective(nlp.vocab, encoder)
    model.initialize(X=[nlp.make_doc("Give it a doc to infer shapes")])
    return model, make_docs(nlp)


@pytest.mark.parametrize("projection", PROJECTIONS, ids=["none", "mlp", "gaussian"])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss["@losses"].split(".")[1])
def test_every_loss_and_projection_resolves(loss, projection):
    if "Gaussian" in loss["@losses"] and projection is None:
        loss = named("losses", "GaussianKL")
    objective = resolve(contrast(loss, projection))
    assert isinstance(objective, Objective)
    model, docs = make(objective)
    assert isinstance(model, PretrainModel)
    rows = model.rows_of(docs)
    if "Gaussian" in loss["@losses"] and projection is not None and "Mlp" in projection["@layers"]:
        with pytest.raises(ValueError, match="Set projection to GaussianProjection"):
            model.attrs["loss"](model.ops, docs, numpy.abs(rows) + 0.1)
        return
    value, d_rows = model.attrs["loss"](model.ops, docs, numpy.abs(rows) + 0.1)
    assert numpy.isfinite(value) and d_rows.shape == rows.shape and d_rows.any()


def test_settings_arrive():
    block = contrast(
        LOSSES[0],
        spans_key="my",
        use_ents=True,
        missing_key="gap",
        units="segments",
        outside="query",
        merge={"A": "B"},
        max_outside=None,
        near_share=0.1,
        background=0.2,
        hard_share=0.3,
        accumulate_gradient=4,
        judge={"@misc": "spacy-contrastive-ner.Judge.v1", "dev": "not/there.spacy"},
    )
    objective = resolve(block)
    (term,) = objective.terms
    assert isinstance(term, ContrastTerm) and term.projection is None and term.weight == 1.0
    assert term.loss.keywords == {"temperature": 0.2, "reduction": "labels"}
    assert term.sampling == Sampling("segments", "query", {"A": "B"}, None, 0.1, 0.2, 0.3)
    assert term.reading == ("my", "gap", True)
    assert objective.accumulate_gradient == 4
    assert objective.judge.patience == 0 and objective.judge.best is None


def test_defaults():
    (term,) = resolve(contrast(LOSSES[1])).terms
    assert term.sampling == Sampling() and term.reading == ("sc", None, False)
    (term,) = resolve(OBJECTIVES["Tagging"]).terms
    assert term.reading == ("sc", None, False) and term.max_layers == 2
    heads = term.make_heads()
    assert heads.attrs["use_crf"] and heads.attrs["loss"] is None


def test_judge_resolves():
    block = {
        "@misc": "spacy-contrastive-ner.Judge.v1",
        "dev": "some/dev.spacy",
        "best": "some/best.bin",
        "patience": 3,
        "select": "accuracy",
    }
    judge = spacy.registry.resolve({"judge": block})["judge"]
    assert judge == make_judge("some/dev.spacy", "some/best.bin", 3, "accuracy")


def test_resolving_touches_nothing(monkeypatch):
    """`spacy train` resolves the objective too: no file is read before the model is made, and
    chance is left alone."""
    judge = {"@misc": "spacy-contrastive-ner.Judge.v1", "dev": "not/there.spacy"}
    blocks = [{**block, "judge": judge} for block in OBJECTIVES.values()]
    numpy.random.seed(0)
    before = numpy.random.get_state()[1].copy()
    objectives = [resolve(block) for block in blocks]
    assert (numpy.random.get_state()[1] == before).all()
    for objective in objectives:
        with pytest.raises(ValueError, match=r"'not.there\.spacy', but there is no such file"):
            make(objective)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_two_models_of_one_objective_share_nothing(name):
    objective = resolve(OBJECTIVES[name])
    (one, docs), (other, _) = make(objective), make(objective, seed=1)
    rows = one.rows_of(docs)
    for model in (one, other):
        model.attrs["loss"](model.ops, docs, rows)
    ids = [{node.id for node in model.walk()} for model in (one, other)]
    assert ids[0].isdisjoint(ids[1])
    assert one.watch is not other.watch and one.watch.n_docs == len(docs)
    before = other.attrs["loss"](other.ops, docs, rows)[0] if name != "SupCon" else 0.0
    for term in one.terms:
        for layer in term.layers:
            for node in layer.walk():
                for param in filter(node.has_param, node.param_names):
                    node.set_param(param, node.get_param(param) * 0 + 7)
    after = other.attrs["loss"](other.ops, docs, rows)[0] if name != "SupCon" else 0.0
    assert before == after


def test_projections_are_part_of_the_model_but_not_of_the_encoder():
    model, _ = make(resolve(OBJECTIVES["InfoNCE"]))
    names = [node.name for node in model.walk()]
    assert "maxout" in names
    inside = {node.id for node in model.get_ref("tok2vec").walk()}
    assert all(node.id not in inside for node in model.terms[0].projection.walk())


def test_sum_resolves():
    objective = resolve(OBJECTIVES["Sum"])
    kinds = [(type(term), term.weight) for term in objective.terms]
    assert kinds == [(ContrastTerm, 1.0), (TaggingTerm, 0.5)]
    # Sums of sums weigh what both say.
    outer = make_sum_objective({"sum": objective, "more": objective}, {"sum": 3.0})
    assert [term.weight for term in outer.terms] == [3.0, 1.5, 1.0, 0.5]
    projections = [term.projection for term in outer.terms[::2]]
    assert projections[0] is not projections[1]


def test_sum_is_checked():
    part = make_contrastive_objective(make_info_nce())
    with pytest.raises(ValueError, match="SumObjective has no objectives"):
        make_sum_objective({})
    with pytest.raises(ValueError, match="weights names c, d, but the objectives are a, b"):
        make_sum_objective({"a": part, "b": part}, {"c": 1.0, "a": 2.0, "d": 1.0})
    with pytest.raises(ValueError, match="weight of a is nan, but must be finite"):
        make_sum_objective({"a": make_contrastive_objective(make_info_nce())}, {"a": float("nan")})
    with pytest.raises(ValueError, match="weight of b is -1"):
        make_sum_objective({"a": part, "b": part}, {"b": -1.0})
    for settings in ({"accumulate_gradient": 2}, {"judge": make_judge("dev.spacy")}):
        other = make_contrastive_objective(make_info_nce(), **settings)
        with pytest.raises(ValueError, match="belong to the sum, not to its part 'b'"):
            make_sum_objective({"a": part, "b": other})
        assert make_sum_objective({"a": part}, **settings).terms


@pytest.mark.parametrize(
    "make_objective",
    [
        lambda **settings: make_contrastive_objective(make_info_nce(), **settings),
        make_tagging_objective,
        lambda **settings: make_sum_objective({"a": make_tagging_objective()}, **settings),
    ],
)
def test_accumulation_is_checked(make_objective):
    assert make_objective(accumulate_gradient=8).accumulate_gradient == 8
    for n in (0, -1):
        with pytest.raises(ValueError, match=f"accumulate_gradient is {n}, but must be at least 1"):
            make_objective(accumulate_gradient=n)


@pytest.mark.parametrize(
    "name, value",
    [
        ("units", "words"),
        ("outside", "none"),
        ("merge", "suffix"),
        ("near_share", 2.0),
        ("background", -1.0),
        ("hard_share", -0.5),
        ("max_outside", -3),
    ],
)
def test_contrast_is_checked(name, value):
    with pytest.raises(ValueError, match=f"{name} is "):
        make_contrastive_objective(make_info_nce(), **{name: value})


@pytest.mark.parametrize(
    "name, value",
    [
        ("heads", "flat"),
        ("dropout", 1.0),
        ("merge", "suffix"),
        ("max_layers", 0),
        ("max_layers", 4),
    ],
)
def test_tagging_is_checked(name, value):
    with pytest.raises(ValueError, match=f"{name}.*{value}"):
        make_tagging_objective(**{name: value})


def test_tagging_takes_what_the_tagger_takes():
    block = {
        **OBJECTIVES["Tagging"],
        "loss": named("losses", "CrossEntropyDice", beta=1.0),
        "crf": named("layers", "CRF", transitions="shared"),
        "heads": "joint",
        "dropout": 0.2,
        "max_layers": 1,
        "merge": "prefix",
    }
    (term,) = resolve(block).terms
    heads = term.make_heads()
    assert heads.attrs["use_crf"] and heads.attrs["loss"] is not None
    assert heads.attrs["layout"]["heads"] == "joint"
    assert "fixed_dropout" in [node.name for node in heads.walk()]
    # Each set of heads has transitions of its own.
    assert heads.get_ref("crf").layers[0].id != term.make_heads().get_ref("crf").layers[0].id
    # A loss alone brings no CRF.
    (term,) = make_tagging_objective(make_cross_entropy_dice()).terms
    assert not term.make_heads().attrs["use_crf"]


def test_a_projection_given_is_copied():
    projection = MlpProjection(4)
    objective = make_contrastive_objective(make_info_nce(), projection)
    model, _ = make(objective)
    assert model.terms[0].projection is not projection
    assert not any(node.has_param(name) for node in projection.walk() for name in node.param_names)
    crf = CRF()
    model, docs = make(make_tagging_objective(crf=crf))
    model.attrs["loss"](model.ops, docs, model.rows_of(docs))
    assert not crf.has_param("closed")
