"""`python -m spacy contrastive pretrain`, called as a user calls it."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial

import numpy
import pytest
import srsly
from spacy.cli._util import app
from typer.testing import CliRunner

import spacy_contrastive_ner.cli.app  # noqa: F401
from spacy_contrastive_ner import files
from spacy_contrastive_ner.cli import pretrain as command
from spacy_contrastive_ner.cli.pretrain import ShownRun, row_of
from spacy_contrastive_ner.pretraining.checkpoint import NAME

from ..pretraining.tiny import make_bert, make_config, make_corpora, transformer_pipeline

FILES = [NAME, "config.cfg", "log.jsonl", "model-best.bin", "model-last.bin"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def config(root):
    make_config(make_corpora(root)).to_disk(root / "config.cfg")
    return root / "config.cfg"


def call(*arguments):
    """Run a command in this process: the same parsing of arguments, without the slow start."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def pretrain(*arguments, code=0):
    """What the command prints, as one line."""
    result = call("contrastive", "pretrain", *arguments)
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return " ".join(re.sub(r"\x1b\[[\d;]*m", "", result.output).split())


def fails(*arguments, code=1):
    return pretrain(*arguments, code=code)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def read_all(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def finished(root, config):
    """A finished run, and what it printed. Not to be changed."""
    output = pretrain(config, root / "finished")
    return root / "finished", output


def test_shows_each_epoch(finished):
    folder, output = finished
    log = list(srsly.read_jsonl(folder / "log.jsonl"))
    header = "epoch words loss dev loss neighbours silhouette rank"
    _, rows = output.split(header)
    for entry in log:
        row = (
            f"{entry['epoch'] + 1} {entry['words']} {entry['loss']:.4f} {entry['dev_loss']:.4f} "
            f"{entry['accuracy']:.3f} {entry['silhouette']:.3f} {entry['rank']:.1f}"
        )
        assert row + (" best" if entry["best"] else "") in rows
    assert rows.count("best") >= sum(entry["best"] for entry in log)
    assert "All 4 epochs are done" in output
    assert f"The best weights are {folder / 'model-best.bin'}" in output


def test_files(finished):
    assert names(finished[0]) == FILES


def test_what_cannot_be_had_is_a_dash():
    entry = {"epoch": 0, "words": 7, "loss": 1.0, "updates": 1, "best": False}
    assert row_of(entry) == ["1", "7", "1.0000", "-", "-", "-", "-", ""]
    row = row_of({**entry, "dev_loss": float("nan"), "accuracy": None, "best": True})
    assert row[3:] == ["-", "-", "-", "-", "best"]


def test_the_command_of_spacy_writes_the_same_weights(finished, config, tmp_path):
    result = call("pretrain", config, tmp_path)
    assert result.exit_code == 0, result.output
    plain = (tmp_path / "model-last.bin").read_bytes()
    assert plain == (finished[0] / "model-last.bin").read_bytes()


def test_settings_can_be_overridden_and_are_written_down(config, tmp_path):
    output = pretrain(config, tmp_path, "--pretraining.max_epochs", 1, "--pretraining.dropout", 0.3)
    assert re.search(r"All 1 epochs are done, with \d+ updates", output)
    # As it was written down, it can go on.
    output = pretrain(tmp_path / "config.cfg", tmp_path, "--resume", "--pretraining.max_epochs", 2)
    assert "Going on in epoch 2, after 0 batches" in output
    written = (tmp_path / "config.cfg").read_text("utf8")
    assert "dropout = 0.3" in written and "max_epochs = 2" in written
    # All there are, if fewer are asked for now.
    output = pretrain(
        config, tmp_path, "--resume", "--pretraining.dropout", 0.3, "--pretraining.max_epochs", 1
    )
    assert "All 2 epochs are done" in output


def test_goes_on(finished, config, tmp_path):
    pretrain(config, tmp_path, "--pretraining.max_epochs", 2)
    pretrain(config, tmp_path, "--resume")
    ours = read_all(tmp_path)
    for name in ("log.jsonl", "model-best.bin", "model-last.bin", NAME):
        assert ours[name] == (finished[0] / name).read_bytes(), name


def test_a_finished_run_stays_as_it_is(finished, config):
    before = read_all(finished[0])
    output = pretrain(config, finished[0], "--resume")
    assert "All 4 epochs are done" in output and "epoch words" not in output
    assert read_all(finished[0]) == before


def test_patience_and_select(config, tmp_path):
    settings = ["--pretraining.max_epochs", 50, "--pretraining.optimizer.learn_rate", 0.5]
    output = pretrain(config, tmp_path, "--patience", 1, "--select", "accuracy", *settings)
    log = list(srsly.read_jsonl(tmp_path / "log.jsonl"))
    best = max(i for i, entry in enumerate(log) if entry["best"])
    assert len(log) == best + 2 < 50
    assert f"1 epochs brought nothing better than epoch {best + 1}" in output


def test_without_documents_to_judge_by(config, tmp_path):
    settings = ["--corpora.dev.path", "null", "--pretraining.max_epochs", 1]
    output = pretrain(config, tmp_path, *settings)
    assert "There is no dev corpus: the last weights count as the best" in output
    assert re.search(r"1 \d+ \d\.\d+ - - - - best", output)


def test_silent(config, tmp_path):
    result = call(
        "contrastive", "pretrain", config, tmp_path, "--silent", "--pretraining.max_epochs", 1
    )
    assert result.exit_code == 0
    assert result.output == ""
    assert names(tmp_path) == FILES
    assert "is a run in" in fails(config, tmp_path, "--silent")


class Terminal:
    """Stands for a terminal that is written to."""

    encoding = "utf8"

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass

    def isatty(self):
        return True


@pytest.mark.parametrize("silent", [False, True])
def test_the_progress_bar_is_for_terminals(silent, config, tmp_path, monkeypatch):
    from spacy.util import load_config
    from wasabi import Printer

    settings = load_config(config, overrides={"pretraining.max_epochs": 1}, interpolate=True)
    run = ShownRun(settings, tmp_path)
    run.survey()
    terminal = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        run.show(Printer(no_print=True), silent)
    assert bool(terminal.text) != silent
    assert silent or re.search(r"epoch=1, loss=\d\.\d{4}", terminal.text)


def test_no_progress_bar_elsewhere(config, tmp_path):
    command = ["contrastive", "pretrain", config, tmp_path, "--pretraining.max_epochs", 1]
    assert call(*command).stderr == ""


# Interruption.


@pytest.mark.parametrize("name, code", [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_interrupted(name, code, finished, config, tmp_path, monkeypatch, request):
    kind = getattr(signal, name, None)
    if kind is None:
        pytest.skip("there is none on Windows")
    if signal.getsignal(kind) is signal.SIG_IGN:
        # As by nohup: then it would be heeded nowhere.
        request.addfinalizer(partial(signal.signal, kind, signal.SIG_IGN))
        signal.signal(kind, signal.SIG_DFL)

    def on_batch(run, docs):
        shown(run, docs)
        if (run.progress.epoch, run.progress.batch) == (1, 3):
            os.kill(os.getpid(), kind)

    shown = ShownRun.on_batch
    with monkeypatch.context() as patch:
        patch.setattr(ShownRun, "on_batch", on_batch)
        output = pretrain(config, tmp_path, code=code)
    assert f"Interrupted in epoch 2: all is saved in {tmp_path}" in output
    assert "Go on with the same command and --resume" in output
    assert "Going on in epoch 2, after 3 batches" in pretrain(config, tmp_path, "--resume")
    assert (tmp_path / NAME).read_bytes() == (finished[0] / NAME).read_bytes()


def test_asked_to_stop_when_it_is_done(finished, config, tmp_path, monkeypatch):
    """There is nothing to go on with, so that this is a success."""

    def on_batch(run, docs):
        shown(run, docs)
        if run.model.n_epochs == 4:
            os.kill(os.getpid(), signal.SIGINT)

    shown = ShownRun.on_batch
    monkeypatch.setattr(ShownRun, "on_batch", on_batch)
    assert "All 4 epochs are done" in pretrain(config, tmp_path)
    assert (tmp_path / NAME).read_bytes() == (finished[0] / NAME).read_bytes()


def test_interrupted_from_the_keyboard(config, tmp_path):
    """In a process of its own."""
    command = [sys.executable, "-m", "spacy", "contrastive", "pretrain", config, tmp_path]
    command += ["--pretraining.max_epochs", "100000", "--pretraining.n_save_every", "1"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(list(map(str, command)), env=env, text=True, **pipes) as process:
        until = time.monotonic() + 60
        while not (tmp_path / NAME).exists() and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, output + errors
    assert "Interrupted in epoch" in output and "--resume" in output
    assert errors == ""
    assert not [name for name in names(tmp_path) if name.endswith(".part")]


# What is wrong is said in one sentence, and nothing is lost.

BAD = {
    "no such option": (["--nonsense"], "No such option '--nonsense'"),
    "select": (["--select", "f"], "select is 'f', but must be loss or accuracy"),
    "dev": (["--dev", "corpora.test"], "no block [corpora.test]"),
    "patience": (["--patience", "-1"], "patience"),
    "gpu": (["--gpu-id", "99"], "GPU 99 cannot be used"),
    "number": (["--pretraining.max_epochs", "many"], "max_epochs Input should be a valid integer"),
    "setting": (
        ["--pretraining.epochs", "3"],
        "[pretraining] has epochs, but its settings are max",
    ),
    "block": (["--pretrain.max_epochs", "3"], "not a section value that can be overridden"),
    "component": (["--pretraining.component", "ner"], "component is 'ner', but the pipeline has"),
    "null": (["--pretraining.component", "null"], "component Input should be a valid string"),
    "listener": (
        ["--pretraining.component", "contrastive_ner", "--pretraining.layer", "tok2vec"],
        'Write component = "tok2vec" and layer = "" in [pretraining]',
    ),
    "corpus": (["--pretraining.corpus", "corpora.b"], "no block [corpora.b]"),
    "file": (["--corpora.train.path", "no.spacy"], "no such file or folder. Correct the path"),
    "loss": (["--pretraining.objective.loss.@losses", "x"], "Could not find function 'x'"),
    "key": (
        ["--pretraining.objective.spans_key", "other"],
        "None of the 18 documents has annotation in doc.spans['other']",
    ),
    "rate": (
        ["--pretraining.optimizer.learn_rate", "1e30", "--pretraining.optimizer.grad_clip", "0.0"],
        "not finite",
    ),
    "epochs": (["--pretraining.max_epochs", "0"], "max_epochs is 0, so that nothing would be"),
    "patience without dev": (
        ["--corpora.dev.path", "null", "--patience", "3"],
        "--patience needs documents to judge by, but there are none: give a path to the block",
    ),
    "export": (["--export", "hf"], "no transformer of spacy-transformers"),
    "nothing to resume": (["--resume"], "There is nothing to resume in"),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.filterwarnings("ignore:.*BalancedBatcher")
def test_bad_input(what, config, tmp_path):
    arguments, message = BAD[what]
    code = 2 if what in ("no such option", "patience") else 1
    assert message in fails(config, tmp_path / "out", *arguments, code=code)
    # Nothing was trained.
    assert not list(tmp_path.glob("out/*.bin"))


@pytest.mark.parametrize(
    "text, message",
    [
        ("[nlp]\nlang = 'en'\n", "The [pretraining] block in your config is empty"),
        ("[pretraining]\ncorpus = 'x'\n", "no [nlp], [components], [corpora], [initialize], [tra"),
        ("[pretraining\n", "Config validation error"),
        ("[pretraining]\ncorpus = ${paths.x}\n", "Bad value substitution"),
        ("[nlp]\nlang = 'en'\nlang = 'de'\n", "config.cfg cannot be read: While reading from"),
    ],
)
def test_bad_config(text, message, tmp_path):
    path = tmp_path / "config.cfg"
    path.write_text(text.replace("'", '"'), encoding="utf8")
    assert message in fails(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_config(tmp_path):
    assert "does not exist" in fails(tmp_path / "no.cfg", tmp_path / "out", code=2)


def test_output_is_a_file(config, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert "file is a file. Name a directory" in fails(config, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_run_that_is_there_is_kept(finished, config):
    before = read_all(finished[0])
    assert "Go on with it by --resume, begin anew in its place" in fails(config, finished[0])
    assert read_all(finished[0]) == before


def test_begins_anew_in_place_of_a_run(finished, config, tmp_path):
    folder, _ = finished
    pretrain(config, tmp_path / "run", "--pretraining.max_epochs", 1)
    pretrain(config, tmp_path / "run", "--force")
    assert (tmp_path / "run" / "model-last.bin").read_bytes() == (
        folder / "model-last.bin"
    ).read_bytes()
    assert names(tmp_path / "run") == FILES
    assert "take one of them" in fails(config, tmp_path / "run", "--force", "--resume")


def test_a_run_that_fails_replaces_none(spoiled, config):
    before = read_all(spoiled)
    settings = ["--pretraining.optimizer.learn_rate", "1e30"]
    settings += ["--pretraining.optimizer.grad_clip", "0.0"]
    with numpy.errstate(all="ignore"):
        assert "not finite" in fails(config, spoiled, "--force", *settings)
    assert read_all(spoiled) == before


def test_a_folder_that_cannot_be_written_to(config, tmp_path, monkeypatch):
    """Is noticed before anything is learned."""

    def fail(**settings):
        name = str(settings["dir"] / ".abc.part")
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), name)

    monkeypatch.setattr(command, "NamedTemporaryFile", fail)
    output = fails(config, tmp_path)
    assert f"{tmp_path}: Permission denied. Check the path" in output and "epoch" not in output


def test_patience_is_kept(config, tmp_path):
    settings = ["--pretraining.optimizer.learn_rate", 0.5]
    pretrain(config, tmp_path, "--patience", 1, *settings, "--pretraining.max_epochs", 1)
    output = pretrain(config, tmp_path, "--resume", *settings, "--pretraining.max_epochs", 50)
    assert "1 epochs brought nothing better than epoch" in output


def test_weights_of_others_are_kept(config, tmp_path):
    (tmp_path / "model-last.bin").write_bytes(b"mine")
    assert "without a run to go on with. Name another directory" in fails(config, tmp_path)
    assert read_all(tmp_path) == {"model-last.bin": b"mine"}


@pytest.fixture
def spoiled(finished, tmp_path):
    """A copy of the finished run, to be spoiled."""
    for name, data in read_all(finished[0]).items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_another_config_is_not_gone_on_with(spoiled, config):
    before = read_all(spoiled)
    output = fails(config, spoiled, "--resume", "--pretraining.dropout", 0.5)
    assert "pretraining.dropout was 0.1 and is 0.5. Resume with" in output
    assert read_all(spoiled) == before


def test_a_damaged_checkpoint(spoiled, config):
    (spoiled / NAME).write_bytes((spoiled / NAME).read_bytes()[:1000])
    before = read_all(spoiled)
    assert f"{NAME} is damaged and cannot be resumed from" in fails(config, spoiled, "--resume")
    assert read_all(spoiled) == before


def test_a_full_disk(spoiled, config, monkeypatch):
    before = read_all(spoiled)

    def fail(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", fail)
    output = fails(config, spoiled, "--resume", "--pretraining.max_epochs", 5)
    message = (
        f"{spoiled / 'model-last.bin'}: No space left on device. Check the path, its rights and the space "
        "there. What was saved before is whole."
    )
    assert message in output
    assert read_all(spoiled) == before


# Export.


@pytest.fixture(scope="module")
def transformer_config(root, config):
    pytest.importorskip("spacy_transformers")
    pipeline = transformer_pipeline(make_bert(root / "bert"))
    corpora = {name: root / f"{name}.spacy" for name in ("a", "b", "dev")}
    settings = {"component": "transformer", "max_epochs": 2}
    make_config(corpora, pipeline, **settings).to_disk(root / "transformer.cfg")
    return root / "transformer.cfg"


def test_export(transformer_config, tmp_path):
    folder = tmp_path / "hf"
    output = pretrain(transformer_config, tmp_path / "out", "--export", folder)
    assert f"Exported the best transformer to {folder}" in output
    assert (folder / "config.json").exists() and (folder / "tokenizer.json").exists()
    # The run is finished, but what it came to can be exported elsewhere.
    again = pretrain(transformer_config, tmp_path / "out", "--resume", "--export", tmp_path / "hf2")
    assert "Exported" in again
    assert read_all(folder) == read_all(tmp_path / "hf2")
    message = fails(transformer_config, tmp_path / "out2", "--export", folder)
    assert "is not empty. Name another folder" in message
    assert not (tmp_path / "out2").exists()


def test_an_interrupted_run_is_not_exported(transformer_config, tmp_path, monkeypatch):
    def on_batch(run, docs):
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(ShownRun, "on_batch", on_batch)
        pretrain(transformer_config, tmp_path / "out", "--export", tmp_path / "hf", code=130)
    assert not (tmp_path / "hf").exists()


# Help.


def test_help_lists_the_command():
    """In a process of its own, where nothing has been imported yet."""
    command = [sys.executable, "-m", "spacy", "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["contrastive", "Contrastive"] in [line[:2] for line in lines]
    assert {"train", "pretrain"} <= {line[0] for line in lines if line}


def test_help_of_the_commands():
    result = call("contrastive", "--help")
    assert result.exit_code == 0 and "pretrain" in result.output


def test_help_of_pretrain():
    result = call("contrastive", "pretrain", "--help")
    assert result.exit_code == 0
    output = " ".join(result.output.split())
    options = ("resume", "dev", "patience", "select", "export", "code", "gpu-id", "silent")
    assert all(f"--{option}" in output for option in options)
    assert "Ctrl-C, or being asked to end (SIGTERM), saves and stops with exit code 130" in output
    assert "--pretraining.max_epochs 10" in output
    assert "default: as in the config, or loss" in output
