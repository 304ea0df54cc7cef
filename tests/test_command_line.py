"""spaCy's own commands with the pipe `contrastive_ner`, called as a user calls them."""

import itertools
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, NamedTuple

import pytest
import spacy
from spacy import displacy
from spacy.cli._util import app
from spacy.tokens import Doc, DocBin, Span
from typer.testing import CliRunner

import spacy_contrastive_ner

KEY = "nested"

# What a user writes by hand; the rest is for `init fill-config`.
PARTIAL_CONFIG = f"""
[paths]
train = null
dev = null

[nlp]
lang = "en"
pipeline = ["contrastive_ner"]

[components]

[components.contrastive_ner]
factory = "contrastive_ner"
spans_key = "{KEY}"

[components.contrastive_ner.model]
@architectures = "spacy-contrastive-ner.MultiHeadTagger.v1"

[components.contrastive_ner.model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 16
depth = 1
embed_size = 200
window_size = 1
maxout_pieces = 2
subword_features = false

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = ${{paths.train}}

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = ${{paths.dev}}

[training]
max_steps = 40
eval_frequency = 20

[training.logger]
@loggers = "spacy.ConsoleLogger.v3"

[training.optimizer]
@optimizers = "Adam.v1"
learn_rate = 0.03

[training.batcher]
@batchers = "spacy.batch_by_words.v1"
size = 200
"""


def run(*arguments: Any) -> str:
    """Run a command in a process of its own, away from the sources."""
    command = [sys.executable, "-m", "spacy", *map(str, arguments)]
    folder = Path(str(arguments[-1])).parent
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def call(*arguments: Any) -> str:
    """Run a command in this process: the same parsing of arguments, without the slow start."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    return result.output


def nested_docs(nlp: spacy.Language) -> List[Doc]:
    """Entities inside each other, with some of one label. One place in four has a label that
    nobody can guess, so that some probabilities lie far from 0 and 1."""
    rng = random.Random(0)
    topics = ["Health", "Finance", "Defence", "Justice", "Culture"]
    places = ["France", "Norway", "Chile", "Kenya", "Japan"]
    names = ["Anna", "Boris", "Chen", "Dora", "Emil"]
    docs = []
    for topic, place, name in itertools.product(topics, places, names):
        doc = nlp.make_doc(f"The Ministry of {topic} of {place} thanked {name} .")
        label = "REGION" if rng.random() < 0.25 else "PLACE"
        spans = [(1, 6, "ORG"), (1, 4, "ORG"), (5, 6, label), (7, 8, "PERSON")]
        doc.spans[KEY] = [Span(doc, *span) for span in spans]
        docs.append(doc)
    rng.shuffle(docs)
    return docs


class Folder(NamedTuple):
    """The files that all tests share: read them, write elsewhere."""

    root: Path
    train: Path
    dev: Path
    config: Path

    @property
    def data(self) -> List[Any]:
        """The arguments that tell a command where the corpus is."""
        return ["--paths.train", self.train, "--paths.dev", self.dev]


class Trained(NamedTuple):
    model: Path
    output: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A corpus with nested entities, and the config as `init fill-config` fills it."""
    root = tmp_path_factory.mktemp("commands")
    files = Folder(root, root / "train.spacy", root / "dev.spacy", root / "config.cfg")
    docs = nested_docs(spacy.blank("en"))
    DocBin(docs=docs[:105]).to_disk(files.train)
    DocBin(docs=docs[105:]).to_disk(files.dev)
    (root / "partial.cfg").write_text(PARTIAL_CONFIG, encoding="utf8")
    call("init", "fill-config", root / "partial.cfg", files.config)
    return files


@pytest.fixture(scope="module")
def trained(folder: Folder) -> Trained:
    output = run("train", folder.config, *folder.data, "--output", folder.root / "trained")
    return Trained(folder.root / "trained" / "model-best", output)


@pytest.fixture
def text(folder: Folder) -> str:
    nlp = spacy.blank("en")
    return next(DocBin().from_disk(folder.dev).get_docs(nlp.vocab)).text


def test_fill_config_adds_the_defaults(folder):
    config = spacy.util.load_config(folder.config)
    pipe = config["components"]["contrastive_ner"]
    assert pipe["spans_key"] == KEY
    assert pipe["decoder"] == "posterior"
    assert pipe["threshold"] == 0.35
    assert pipe["max_layers"] == 2
    assert pipe["missing_key"] is None
    assert pipe["set_ents"] is True
    assert pipe["overwrite_ents"] is False
    assert pipe["scorer"] == {"@scorers": "spacy-contrastive-ner.scorer.v1"}
    assert pipe["model"]["@architectures"] == "spacy-contrastive-ner.MultiHeadTagger.v1"
    assert pipe["model"]["crf"]["@layers"] == "spacy-contrastive-ner.CRF.v1"


def test_fill_config_adds_the_score_weights(folder):
    assert spacy.util.load_config(folder.config)["training"]["score_weights"] == {
        "contrastive_ner_f": 1.0,
        "contrastive_ner_p": None,
        "contrastive_ner_r": None,
        "contrastive_ner_macro_f": None,
    }


def test_debug_config_finds_the_functions_without_code(folder):
    output = call("debug", "config", folder.config, *folder.data, "--show-functions")
    assert "Config is valid" in output
    assert "spacy_contrastive_ner.models.tagger" in output
    assert "spacy_contrastive_ner.evaluation.scoring" in output


def test_debug_data_initialises_the_pipe(folder):
    output = call("debug", "data", folder.config, *folder.data)
    assert "Pipeline can be initialized with data" in output
    assert "Corpus is loadable" in output


def test_train_scores_a_spans_key_that_is_not_the_default(trained):
    performance = json.loads((trained.model / "meta.json").read_text("utf8"))["performance"]
    assert performance["contrastive_ner_f"] > 0.5


def test_train_chooses_the_best_model_by_the_pipes_own_score(trained):
    rows = [line.split() for line in trained.output.splitlines()]
    scores = [float(row[-1]) for row in rows if len(row) > 3 and row[0].isdigit()]
    performance = json.loads((trained.model / "meta.json").read_text("utf8"))["performance"]
    assert len(scores) == 3
    assert scores[0] < max(scores)
    assert max(scores) == pytest.approx(performance["contrastive_ner_f"], abs=0.006)


def test_trained_pipeline_finds_nested_entities_of_one_label(trained, text):
    doc = spacy.load(trained.model)(text)
    found = {(span.start, span.end, span.label_) for span in doc.spans[KEY]}
    assert found >= {(1, 6, "ORG"), (1, 4, "ORG"), (5, 6, "PLACE")}


def test_labels_are_written_with_their_layers_and_train_a_pipeline(folder, tmp_path):
    call("init", "labels", folder.config, tmp_path / "labels", *folder.data)
    path = tmp_path / "labels" / "contrastive_ner.json"
    labels = json.loads(path.read_text("utf8"))
    assert labels == {"ORG": 2, "PERSON": 1, "PLACE": 1, "REGION": 1}

    # A label that is only in the file shows that it was read.
    path.write_text(json.dumps({**labels, "RARE": 1}), encoding="utf8")
    config = spacy.util.load_config(folder.config, interpolate=False)
    block = {"@readers": "spacy.read_labels.v1", "path": str(path), "require": True}
    config["initialize"]["components"]["contrastive_ner"] = {"labels": block}
    config.to_disk(tmp_path / "config.cfg")
    steps = ["--training.max_steps", 1, "--training.eval_frequency", 1]
    call("train", tmp_path / "config.cfg", *folder.data, *steps, "--output", tmp_path / "out")
    pipe = spacy.load(tmp_path / "out" / "model-last").get_pipe("contrastive_ner")
    assert pipe.label_data == {**labels, "RARE": 1}


def test_evaluate_writes_the_scores(folder, trained, tmp_path):
    run("evaluate", trained.model, folder.dev, "--output", tmp_path / "scores.json")
    scores = json.loads((tmp_path / "scores.json").read_text("utf8"))
    performance = json.loads((trained.model / "meta.json").read_text("utf8"))["performance"]
    assert scores["contrastive_ner_f"] == pytest.approx(performance["contrastive_ner_f"])
    assert scores[f"spans_{KEY}_f"] == scores["contrastive_ner_f"]
    assert set(scores[f"spans_{KEY}_per_type"]) == {"ORG", "PERSON", "PLACE", "REGION"}
    assert 0 < scores["contrastive_ner_macro_f"] <= 1


def test_evaluate_prints_the_spans(folder, trained):
    output = call("evaluate", trained.model, folder.dev, "--spans-key", KEY)
    assert re.search(r"SPAN F\s+[\d.]*[1-9]", output)
    assert re.search(r"PLACE\s+\d", output)


def test_benchmark_speed_counts_words(folder, trained):
    batches = ["--batches", 30, "--batch-size", 2, "--warmup", 0]
    output = call("benchmark", "speed", trained.model, folder.dev, *batches)
    speed = re.search(r"Mean: ([\d.]+) words/s", output)
    assert speed and float(speed.group(1)) > 0


def test_find_threshold_tries_thresholds(folder, trained, tmp_path):
    override = {"components": {"contrastive_ner": {"decoder": "posterior"}}}
    spacy.load(trained.model, config=override).to_disk(tmp_path / "posterior")
    output = call(
        "find-threshold",
        tmp_path / "posterior",
        folder.dev,
        "contrastive_ner",
        "threshold",
        "contrastive_ner_f",
        "--n_trials",
        3,
    )
    scores = dict(re.findall(r"^(0\.0|0\.5|1\.0) +([\d.]+)", output, flags=re.MULTILINE))
    assert set(scores) == {"0.0", "0.5", "1.0"}
    assert float(scores["0.5"]) > max(float(scores["0.0"]), float(scores["1.0"]))
    assert "Best threshold: 0.5" in output


def test_package_requires_the_plug_in(trained, tmp_path):
    call("package", trained.model, tmp_path, "--name", "demo", "--build", "none")
    requirement = f"spacy-contrastive-ner>={spacy_contrastive_ner.__version__},"
    folder = tmp_path / "en_demo-0.0.0"
    meta = json.loads((folder / "meta.json").read_text("utf8"))
    assert [each for each in meta["requirements"] if each.startswith(requirement)]


def test_displacy_renders_the_spans(trained, text):
    doc = spacy.load(trained.model)(text)
    html = displacy.render(doc, style="span", options={"spans_key": KEY}, jupyter=False)
    for label in ("ORG", "PLACE", "PERSON"):
        assert label in html


def load_with(path: Path, **settings: Any) -> spacy.Language:
    config: Dict[str, Any] = {"components": {"contrastive_ner": settings}}
    return spacy.load(path, config=config)


def test_load_can_override_settings(trained, text):
    nlp = load_with(trained.model, decoder="posterior", threshold=0.9, spans_key="other")
    doc = nlp(text)
    assert KEY not in doc.spans
    assert all(score >= 0.9 for score in doc.spans["other"].attrs["scores"])
    everything = load_with(trained.model, decoder="posterior", threshold=0.01)(text)
    assert {span.label_ for span in everything.spans[KEY]} >= {"PLACE", "REGION"}
    assert not {span.label_ for span in doc.spans["other"]} & {"PLACE", "REGION"}


def test_overridden_settings_are_saved(trained, tmp_path):
    load_with(trained.model, threshold=0.9, spans_key="other").to_disk(tmp_path)
    cfg = spacy.load(tmp_path).get_pipe("contrastive_ner").cfg
    assert cfg["threshold"] == 0.9
    assert cfg["spans_key"] == "other"
