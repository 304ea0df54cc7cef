"""The configs that `init-config` writes, and those in configs/: whole, right, and they run."""

import itertools
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import numpy
import pytest
import spacy
from spacy.cli._util import app
from spacy.language import DEFAULT_CONFIG_PRETRAIN_PATH
from spacy.schemas import ConfigSchemaInit, ConfigSchemaPretrain, ConfigSchemaTraining
from spacy.tokens import DocBin, Span
from spacy.training.initialize import init_nlp
from spacy.util import load_config, load_config_from_str, load_model_from_config, registry
from thinc.api import Config
from typer.testing import CliRunner

from spacy_contrastive_ner.cli import init_config
from spacy_contrastive_ner.cli.init_config import (
    ONE_STAGE,
    SYSTEMS,
    WEIGHTS,
    Choice,
    choose,
    next_steps,
    render,
    stage_one,
)

from .pretraining.tiny import make_bert, make_docs, write

FOLDER = Path(__file__).parent.parent / "configs"
CONFIGS = sorted(FOLDER.glob("*.cfg"))
# The component that holds each kind of encoder.
SHARED = {"cnn": "tok2vec", "transformer": "transformer"}
COMBINATIONS = list(itertools.product(SYSTEMS, SHARED))

# The CNN as small as it can be.
SMALL = {"components.tok2vec.model.encode.width": 8, "components.tok2vec.model.encode.depth": 1}


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """The folder of a transformer; None where there is nothing to make it with."""
    if find_spec("spacy_transformers") is None:
        return None
    return make_bert(tmp_path_factory.mktemp("configs") / "bert")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Where train.spacy and dev.spacy are."""
    folder = tmp_path_factory.mktemp("data")
    write(folder / "train.spacy", make_docs(12))
    write(folder / "dev.spacy", make_docs(5))
    return folder


def encoder_of(kind, bert):
    if kind == "transformer" and bert is None:
        pytest.skip("needs the extra transformers")
    return str(bert) if kind == "transformer" else kind


def overrides(data, kind="cnn"):
    paths = {f"paths.{part}": str(data / f"{part}.spacy") for part in ("train", "dev")}
    return {**paths, **(SMALL if kind == "cnn" else {})}


def load(choice: Choice, **values) -> Config:
    return load_config_from_str(render(choice), overrides=values, interpolate=False)


def test_configs_are_there():
    assert {path.stem for path in CONFIGS} >= {*SYSTEMS, "transformer"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configs_are_what_the_command_writes(path, monkeypatch):
    monkeypatch.setattr(init_config, "find_spec", lambda name: True)
    text = path.read_text("utf8")
    options = shlex.split(re.search(r"OUTPUT\n# +(.*)\n", text)[1])
    result = CliRunner().invoke(app, ["contrastive", "init-config", "-", *options])
    assert result.exit_code == 0, result.output
    assert result.output == text, f"Write it again: init-config configs/{path.name} {options}"


@pytest.mark.parametrize("name", [*SYSTEMS, "transformer"])
def test_configs_have_what_their_name_says(name):
    config = Config().from_disk(FOLDER / f"{name}.cfg")
    gpu = config["system"]["gpu_allocator"] == "pytorch"
    assert gpu == (name not in ("default", "sng"))
    model = config["components"]["contrastive_ner"]["model"]
    loss = config["pretraining"]["objective"]["loss"]["@losses"].split(".")[1]
    losses = {"nerco": "InfoNCE", "gaussian": "GaussianKL", "transformer": "SupCon"}
    assert loss == losses.get(name, "DistanceLogistic")
    decoder = config["components"]["contrastive_ner"]["decoder"]
    assert decoder == ("viterbi" if name in ("coner", "nerco", "gaussian") else "posterior")
    assert ("BiEncoder" in model["@architectures"]) == (name == "binder")
    assert ("SubwordTagger" in model["@architectures"]) == (name == "coner")
    assert ("SpanTyper" in model["@architectures"]) == (name == "sng")
    if name not in ("binder", "sng"):
        heads = "joint" if name in ("nerco", "gaussian") else "per_label"
        assert model["heads"] == heads
        assert (model["crf"] is None) == (name in ("coner", "gaussian"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configs_explain_themselves(path):
    lines = path.read_text("utf8").splitlines()
    comments = [line for line in lines if line.startswith("#")]
    assert len(comments) > 0.2 * len(lines)
    assert max(map(len, lines)) <= 100
    for setting in ("decoder = ", "max_layers = ", "max_length = ", "max_epochs = ", "patience = "):
        at = next(i for i, line in enumerate(lines) if line.startswith(setting))
        assert lines[at - 1].startswith("#"), setting
    published = path.stem in SYSTEMS and path.stem != "default"
    assert ("Differs: " in path.read_text("utf8")) == published
    assert any("skip" in line and "leave it out" in line for line in comments)


@pytest.mark.parametrize(
    "system, kind, options",
    [
        *((system, kind, {}) for system, kind in COMBINATIONS),
        ("default", "cnn", {"optimize": "accuracy", "gpu": True}),
        ("default", "transformer", {"optimize": "accuracy"}),
        ("default", "transformer", {"pretraining": False}),
        ("coner", "transformer", {"optimize": "accuracy"}),
        ("gaussian", "cnn", {"pretraining": False}),
    ],
)
def test_every_combination_is_whole(system, kind, options, bert, data):
    """Nothing is left to be filled in, so that `spacy pretrain` takes it; and all of it exists."""
    choice = choose("en", encoder_of(kind, bert), system, **options)
    config = load(choice)
    nlp = load_model_from_config(config.copy(), auto_fill=False, validate=True)
    assert load_model_from_config(config.copy(), auto_fill=True).config == config
    plain = load(choice, **overrides(data, kind)).interpolate()
    registry.resolve(plain["training"], schema=ConfigSchemaTraining)
    registry.resolve(plain["initialize"], schema=ConfigSchemaInit)
    for corpus in registry.resolve(plain["corpora"]).values():
        assert list(corpus(nlp))
    if choice.pretraining:
        registry.resolve(plain["pretraining"], schema=ConfigSchemaPretrain)
        defaults = load_config(DEFAULT_CONFIG_PRETRAIN_PATH)["pretraining"]
        assert config["pretraining"].keys() == defaults.keys()
    else:
        assert plain["pretraining"] == {}


@pytest.mark.parametrize("system, kind", COMBINATIONS)
def test_the_encoder_is_wired(system, kind, bert):
    config = load(choose("en", encoder_of(kind, bert), system))
    nlp = load_model_from_config(config.copy())
    shared = SHARED[kind]
    assert nlp.pipe_names == [shared, "contrastive_ner"]
    assert nlp.get_pipe(shared).listening_components == ["contrastive_ner"]
    # The span typer has the encoder in what proposes spans; on a CNN, only there.
    listener = nlp.get_pipe("contrastive_ner").model
    assert {n.upstream_name for n in listener.walk() if hasattr(n, "upstream_name")} == {shared}
    assert (config["pretraining"]["component"], config["pretraining"]["layer"]) == (shared, "")


@pytest.mark.parametrize("system, kind", COMBINATIONS)
def test_keys_agree(system, kind, bert):
    """What reads the same documents reads the same groups."""
    config = load(choose("en", encoder_of(kind, bert), system))
    keys = {"spans_key": set(), "missing_key": set()}
    todo = [config]
    while todo:
        block = todo.pop()
        for name, value in block.items():
            if name in keys:
                keys[name].add(value)
            if isinstance(value, dict):
                todo.append(value)
    assert keys == {"spans_key": {"sc"}, "missing_key": {"missing"}}


def test_debug_config(data, tmp_path):
    path = tmp_path / "a.cfg"
    path.write_text(render(choose()), encoding="utf8")
    result = CliRunner().invoke(app, ["debug", "config", str(path), *flags(overrides(data))])
    assert result.exit_code == 0 and "Config is valid" in result.output


def flags(values):
    return [text for name, value in values.items() for text in (f"--{name}", str(value))]


def run(command):
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"


def parameters(model):
    """All weights of an encoder, by their place."""
    found = []
    for node in model.walk():
        found += [node.get_param(name) for name in sorted(node.param_names) if node.has_param(name)]
        for shim in node.shims:
            found += [tensor.detach().numpy() for tensor in shim._model.state_dict().values()]
    return found


# What published systems do not learn of nested entities is told.
@pytest.mark.filterwarnings("ignore:.*left out of training:UserWarning")
@pytest.mark.parametrize(
    "system, kind",
    [
        ("default", "cnn"),
        ("coner", "transformer"),
        ("nerco", "cnn"),
        ("gaussian", "transformer"),
        ("binder", "transformer"),
        ("sng", "transformer"),
    ],
)
def test_both_stages_run(system, kind, bert, data, tmp_path, monkeypatch):
    """The commands that are printed run as they are, and stage 2 starts from what stage 1 made."""
    choice = choose("en", encoder_of(kind, bert), system, gpu=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.cfg").write_text(render(choice), encoding="utf8")
    for part in ("train", "dev"):
        (tmp_path / f"{part}.spacy").write_bytes((data / f"{part}.spacy").read_bytes())
    *_, train, _ = (shlex.split(step)[3:] for step in next_steps(choice, Path("a.cfg")))
    pretrain = shlex.split(stage_one(choice, Path("a.cfg")))[3:]
    if system in ONE_STAGE:
        train += shlex.split(WEIGHTS)
    small = SMALL if kind == "cnn" else {}
    run([*pretrain, *flags({**small, "pretraining.max_epochs": 1})])
    weights = "pretrained/model-last.bin"
    values = {**small, "training.max_steps": 2, "training.eval_frequency": 1}
    run([*train, *flags(values)])
    nlp = spacy.load(tmp_path / "training" / "model-last")
    assert "sc" in nlp(make_docs(1)[0].text).spans

    data_here = {f"paths.{part}": f"{part}.spacy" for part in ("train", "dev")}
    start = init_nlp(load(choice, **data_here, **small))
    begun = init_nlp(load(choice, **data_here, **small, **{"paths.init_tok2vec": weights}))
    from_file = start.get_pipe(SHARED[kind]).model
    untrained = [array.copy() for array in parameters(from_file)]
    from_file.from_bytes((tmp_path / weights).read_bytes())
    wanted, found = parameters(from_file), parameters(begun.get_pipe(SHARED[kind]).model)
    assert len(wanted) == len(found) and all(map(numpy.array_equal, wanted, found))
    assert not all(map(numpy.array_equal, untrained, found))


def test_the_pretrain_command_of_spacy_takes_it(data, tmp_path):
    """Whether or not it heeds what is missing makes no difference if nothing is."""
    (tmp_path / "a.cfg").write_text(render(choose()), encoding="utf8")
    values = {**overrides(data), "pretraining.max_epochs": 1}
    weights = []
    for name, more in (("a", {}), ("b", {"pretraining.objective.missing_key": "null"})):
        output = tmp_path / name
        run(["pretrain", str(tmp_path / "a.cfg"), str(output), *flags({**values, **more})])
        weights.append((output / "model-last.bin").read_bytes())
    assert weights[0] == weights[1]


def losses_of(folder, missing_key):
    """The losses of three updates of stage 2."""
    config = load(choose(), **overrides(folder))
    config["components"]["contrastive_ner"]["missing_key"] = missing_key
    nlp = init_nlp(config)
    corpus = registry.resolve(config.interpolate()["corpora"])["train"]
    sgd, losses = nlp.create_optimizer(), []
    for _ in range(3):
        update = nlp.update(list(corpus(nlp)), sgd=sgd, losses={})
        losses.append(update["contrastive_ner"])
    return losses


def test_missing_key_is_harmless_without_such_spans(data, tmp_path):
    assert losses_of(data, "missing") == losses_of(data, None)
    docs = make_docs(12)
    for doc in docs:
        doc.spans["missing"] = [Span(doc, 0, 2)]
    DocBin(docs=docs).to_disk(tmp_path / "train.spacy")
    write(tmp_path / "dev.spacy", make_docs(5))
    assert losses_of(tmp_path, "missing") != losses_of(tmp_path, None)
