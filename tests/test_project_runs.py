"""project.yml, run in this process: what is done, and what is done again."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
import spacy
from click.testing import CliRunner as ClickRunner
from weasel.cli.run import check_rerun, project_run
from weasel.util import working_dir

from .pretraining.tiny import make_bert, make_docs, write
from .test_project import COMMANDS, CONFIGS, ROOT, commands_of, copy_project, read

# So that stage 1 and 2 take seconds. The blank is what weasel asks for.
SMALL = (
    " --components.tok2vec.model.encode.width 8 --components.tok2vec.model.encode.depth 1"
    " --pretraining.max_epochs 1 --training.max_steps 4 --training.eval_frequency 2"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return copy_project(tmp_path_factory.mktemp("project"))


class Runs:
    """The project, with its commands run in this process, and which they were."""

    def __init__(self, folder):
        self.folder, self.ran, self.output = folder, [], ""

    def call(self, words, capture=False):
        """What weasel calls to run a line."""
        if words[1] == "-c":
            exec(words[2], {})
            return SimpleNamespace(returncode=0)
        assert words[:3] == [sys.executable, "-m", "spacy"]
        self.ran.append(" ".join(words[3:6]))
        result = ClickRunner().invoke(COMMANDS, words[3:])
        self.output += result.output
        if result.exit_code:
            raise SystemExit(result.exit_code)
        return SimpleNamespace(returncode=0)

    def run(self, name, **overrides):
        """RETURNS (List[str]): The beginnings of the lines that were run."""
        self.ran.clear()
        overrides = {f"vars.{key}": value for key, value in overrides.items()}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("weasel.cli.run.run_command", self.call)
            project_run(self.folder, name, overrides=overrides)
        return list(self.ran)

    def stale(self, workflow="all", **overrides):
        """RETURNS (List[str]): Commands of a workflow that would be run."""
        commands = commands_of(self.folder, **{"overrides": SMALL, **overrides})
        with working_dir(self.folder) as here:
            steps = read(here)["workflows"][workflow]
            return [name for name in steps if check_rerun(here, commands[name])]


@pytest.fixture(scope="module")
def runs(folder):
    """Having run all."""
    runs = Runs(folder)
    runs.run("all", overrides=SMALL)
    return runs


# What is left out of training is told; it is not the subject here.
pytestmark = pytest.mark.filterwarnings("ignore:.*left out of training:UserWarning")


def test_all(runs):
    scores = json.loads((runs.folder / "metrics" / "default.json").read_text("utf8"))
    assert scores["data"]["documents"] > 0
    # Stage 1 is put to use, and it is told.
    assert scores["model"]["init_tok2vec"] == "training/default/pretrained/model-best.bin"
    assert "pretrained/model-best.bin" in runs.output
    doc = spacy.load(runs.folder / "training" / "default" / "model-best")("Ada Holm left.")
    assert "sc" in doc.spans
    log = runs.folder / "training" / "default" / "log.jsonl"
    steps = [json.loads(line)["step"] for line in log.read_text("utf8").splitlines()]
    assert steps == [0, 2, 4]


def test_nothing_is_done_twice(runs, capsys):
    assert runs.run("all", overrides=SMALL) == []
    assert capsys.readouterr().out.count("nothing changed") == 4
    assert runs.stale() == []


@pytest.mark.parametrize(
    "path, stale",
    [
        ("configs/default.cfg", ["pretrain", "train"]),
        ("pyproject.toml", ["convert", "pretrain", "train", "evaluate"]),
        ("assets/sample/dev/records.jsonl", ["convert"]),
        ("corpus/train/brat.spacy", ["convert", "pretrain", "train", "evaluate"]),
        ("corpus/test/brat.spacy", ["convert", "evaluate"]),
        ("training/default/pretrained/model-best.bin", ["pretrain", "train"]),
        ("training/default/model-best/meta.json", ["train", "evaluate"]),
        ("training/default/log.jsonl", ["train"]),
        ("metrics/default.json", ["evaluate"]),
        ("configs/coner.cfg", []),
    ],
)
def test_what_changed_is_done_again(path, stale, runs):
    file = runs.folder / path
    before = file.read_bytes()
    try:
        file.write_bytes(before + b"\n")
        assert runs.stale() == stale
        if stale:
            file.unlink()
            assert runs.stale() == stale
    finally:
        file.write_bytes(before)
    assert runs.stale() == []


@pytest.mark.parametrize(
    "changed, stale",
    [
        ({"seed": 1}, ["pretrain", "train"]),
        ({"lang": "da"}, ["convert", "pretrain", "train"]),
        ({"overrides": f"{SMALL} --training.dropout 0.2"}, ["pretrain", "train"]),
        ({"rare": 5}, ["evaluate"]),
        ({"config": "coner"}, ["pretrain", "train", "evaluate"]),
    ],
)
def test_other_variables(changed, stale, runs):
    assert runs.stale(**changed) == stale


def test_what_was_interrupted_is_done_again(runs, monkeypatch):
    """What a step that ended in the middle left is not taken for its result."""
    call = runs.call

    def ends(words, capture=False):
        call(words)
        if "pretrain" in words:
            raise KeyboardInterrupt

    monkeypatch.setattr(runs, "call", ends)
    with pytest.raises(KeyboardInterrupt):
        runs.run("all", overrides=f"{SMALL} --training.dropout 0.2")
    assert runs.ran == ["contrastive pretrain configs/default.cfg"]
    monkeypatch.setattr(runs, "call", call)
    ran = runs.run("all", overrides=f"{SMALL} --training.dropout 0.2")
    assert [line.split(" configs")[0].split(" training")[0] for line in ran] == [
        "contrastive pretrain",
        "train",
        "contrastive evaluate",
    ]
    # The log is that of the last training.
    log = runs.folder / "training" / "default" / "log.jsonl"
    log.write_text("old", encoding="utf8")
    runs.run("all", overrides=SMALL)
    assert "old" not in log.read_text("utf8") and runs.stale() == []


@pytest.mark.parametrize("config", CONFIGS)
def test_every_config_runs_on_own_data(config, tmp_path_factory):
    """Stage 1, stage 2 and scores, without the sample."""
    folder = tmp_path_factory.mktemp(config)
    parts = ("train", "dev", "test")
    files = {part: str(write(folder / f"{part}.spacy", make_docs(12))) for part in parts}
    small = SMALL
    if "[components.transformer]" in (ROOT / "configs" / f"{config}.cfg").read_text("utf8"):
        pytest.importorskip("spacy_transformers")
        encoder = f" --components.transformer.model.name {make_bert(folder / 'bert')}"
        small = encoder + small[small.index(" --pretraining") :]
    runs = Runs(copy_project(folder / "project"))
    if config == "sng":
        pytest.importorskip("floret")
        assert len(runs.run("word-vectors", **files)) == 2
        small += " --paths.vectors training/vectors/pipeline"
    ran = runs.run("own", config=config, overrides=small, **files)
    assert len(ran) == 3
    scores = json.loads((runs.folder / "metrics" / f"{config}.json").read_text("utf8"))
    assert scores["data"]["documents"] == 12
    stage_one = f"training/{config}/pretrained/model-best.bin"
    assert scores["model"]["init_tok2vec"] == stage_one


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"train": "no/such.spacy"}, "no/such.spacy"),
        ({"config": "nosuch"}, "configs/nosuch.cfg"),
    ],
)
def test_wrong_paths_are_told(wrong, told, runs, capsys):
    with pytest.raises(SystemExit) as error:
        runs.run("pretrain", **wrong)
    assert error.value.code == 1 and runs.ran == []
    assert told in capsys.readouterr().out


def test_a_shell_can_run_it(runs):
    """As a user does; nothing is left to be done here."""
    command = [sys.executable, "-m", "spacy", "project", "run", "all", str(runs.folder)]
    done = subprocess.run(
        [*command, "--vars.overrides", SMALL], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("nothing changed") == 4
