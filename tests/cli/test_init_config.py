"""`python -m spacy contrastive init-config`, called as a user calls it."""

import re
import shlex
from pathlib import Path

import pytest
from spacy.cli._util import app
from thinc.api import Config
from typer.testing import CliRunner

from spacy_contrastive_ner.cli import init_config
from spacy_contrastive_ner.cli.init_config import (
    ONE_STAGE,
    SYSTEMS,
    choose,
    next_steps,
    recommended,
    render,
    stage_one,
)

PYPROJECT = Path(__file__).parent.parent.parent / "pyproject.toml"


def call(*arguments):
    return CliRunner().invoke(app, ["contrastive", "init-config", *map(str, arguments)])


def plain(text):
    """What is printed, as one line."""
    return " ".join(re.sub(r"\x1b\[[\d;]*m", "", text).split())


def writes(*arguments):
    result = call(*arguments)
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    return result.output


def fails(*arguments):
    """What is said instead of a traceback."""
    result = call(*arguments)
    assert result.exit_code == 1, f"{result.output}\n{result.exception!r}"
    assert isinstance(result.exception, SystemExit)
    assert "No config was written" in result.output
    return plain(result.output)


@pytest.fixture(autouse=True)
def transformers_are_installed(monkeypatch):
    """Configs are only written here, which takes no transformer."""
    monkeypatch.setattr(init_config, "find_spec", lambda name: True)


@pytest.fixture
def bert(tmp_path):
    """A folder that looks like a transformer."""
    folder = tmp_path / "my bert"
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf8")
    return folder


def read(path):
    return Config().from_disk(path, interpolate=False)


def test_writes_a_config(tmp_path):
    writes(tmp_path / "new" / "a.cfg")
    text = (tmp_path / "new" / "a.cfg").read_text("utf8")
    assert text == render(choose())
    assert Config().from_str(text)["nlp"]["pipeline"] == ["tok2vec", "contrastive_ner"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.cfg"]


def test_stdout_gets_the_config_and_nothing_else():
    assert writes("-", "--system", "nerco", "--lang", "de") == render(
        choose(system="nerco", lang="de")
    )


def test_the_options_reach_the_config(tmp_path, bert):
    path = tmp_path / "a.cfg"
    writes(path, "-s", "gaussian", "-e", bert, "-l", "de", "-o", "accuracy", "--no-pretraining")
    config = read(path)
    assert config["nlp"]["lang"] == "de"
    assert config["components"]["transformer"]["model"]["name"] == str(bert)
    assert config["components"]["transformer"]["model"]["get_spans"]["window"] == 192
    assert config["components"]["contrastive_ner"]["model"]["heads"] == "joint"
    assert config["pretraining"] == {}
    assert config["system"]["gpu_allocator"] == "pytorch"


def test_says_by_which_command_it_was_made(tmp_path, bert):
    path = tmp_path / "a.cfg"
    options = ["--lang", "xx", "--encoder", str(bert), "--system", "coner", "--optimize", "speed"]
    for more in ([], ["--no-pretraining"], ["--gpu"], ["--no-pretraining", "--no-gpu"]):
        writes(path, *options, *more, "--force")
        text = path.read_text("utf8")
        made_by = re.search(r"^# Made by: .* OUTPUT\n# +(.*)$", text, flags=re.MULTILINE)
        assert shlex.split(made_by[1]) == [*options, *more]


def test_accuracy_and_gpu_make_larger_sizes():
    def numbers(**options):
        config = Config().from_str(render(choose(**options)), interpolate=False)
        encode = config["components"]["tok2vec"]["model"]["encode"]
        sizes = [config[stage]["batcher"]["size"] for stage in ("training", "pretraining")]
        layers = config["components"]["contrastive_ner"]["max_layers"]
        return [encode["width"], encode["depth"], config["training"]["max_steps"], layers], sizes

    (small, batches), (large, same), (unchanged, larger) = (
        numbers(),
        numbers(optimize="accuracy"),
        numbers(gpu=True),
    )
    assert all(a < b for a, b in zip(small, large)) and batches == same
    assert unchanged == small and all(a < b for a, b in zip(batches, larger))


def test_a_file_is_not_overwritten(tmp_path):
    path = tmp_path / "a.cfg"
    path.write_text("mine", encoding="utf8")
    assert "is there already" in fails(path) and path.read_text("utf8") == "mine"
    writes(path, "--force")
    assert path.read_text("utf8") == render(choose())


def test_the_output_is_no_folder(tmp_path):
    assert "is a folder. Name a file" in fails(tmp_path)
    (tmp_path / "file").write_text("", encoding="utf8")
    fails(tmp_path / "file" / "a.cfg")


@pytest.mark.parametrize("system", ["SNG", "CoNER", ""])
def test_unknown_system(tmp_path, system):
    message = fails(tmp_path / "a.cfg", "--system", system)
    assert f"There is no system {system!r}" in message and ", ".join(SYSTEMS) in message
    assert not list(tmp_path.iterdir())


def test_unknown_setting_for_optimize():
    assert "must be speed or accuracy" in fails("-", "--optimize", "efficiency")


def test_unknown_language():
    assert "spaCy has no language 'klingon'" in fails("-", "--lang", "klingon")


def test_language_whose_tokenizer_is_not_installed(monkeypatch):
    def blank(lang):
        raise ImportError("Japanese needs\n  SudachiPy.")

    monkeypatch.setattr(init_config.spacy, "blank", blank)
    message = fails("-", "--lang", "ja")
    assert "The tokenizer for --lang ja cannot be made: Japanese needs SudachiPy." in message


def test_folder_without_a_transformer(tmp_path):
    assert "holds no config.json" in fails("-", "--encoder", tmp_path)


@pytest.mark.parametrize("encoder", ["./nothing", "/no/such/folder", "a/b/c", "two words"])
def test_neither_a_folder_nor_a_name(encoder):
    assert "is no folder, and no name" in fails("-", "--encoder", encoder)


def test_encoders_that_cannot_be(tmp_path):
    file = tmp_path / "model.bin"
    file.write_bytes(b"")
    assert "is a file" in fails("-", "--encoder", file)
    folder = tmp_path / "${paths.train}"
    folder.mkdir()
    for encoder in (folder, "", "a\nb"):
        assert "cannot stand in a config" in fails("-", "--encoder", encoder)


@pytest.mark.parametrize("missing", init_config.NEEDED)
def test_without_transformers(monkeypatch, missing):
    monkeypatch.setattr(init_config, "find_spec", lambda name: None if name == missing else True)
    for encoder in ("transformer", "roberta-base"):
        message = fails("-", "--encoder", encoder)
        assert f"needs {missing}, not installed here" in message
        assert "spacy-contrastive-ner[transformers]" in message
    writes("-", "--encoder", "cnn", "--gpu")


def test_home_is_found(tmp_path, monkeypatch, bert):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert choose(encoder="~/my bert").encoder == str(bert)


def test_a_name_that_is_no_folder_here_is_taken_for_one_on_the_hub(tmp_path):
    output = plain(writes(tmp_path / "a.cfg", "--encoder", "models/bert"))
    assert "no folder models/bert here, so it is taken for a name on the Hugging Face hub" in output
    assert read(tmp_path / "a.cfg")["components"]["transformer"]["model"]["name"] == "models/bert"


def test_encoders_of_languages():
    assert recommended("en") == "roberta-base"
    assert recommended("ru") == "DeepPavlov/rubert-base-cased"
    # spaCy knows none for Japanese, and has no entry for Amharic.
    assert recommended("ja") == recommended("am") == "xlm-roberta-base"
    assert 'name = "bert-base-chinese"' in render(choose("zh", "transformer", "nerco"))
    assert "encoder of the paper" in render(choose("ru", "transformer", "coner"))


def test_the_tokenizer_is_that_of_the_language():
    config = Config().from_str(render(choose("zh")))
    assert config["nlp"]["tokenizer"]["@tokenizers"] == "spacy.zh.ChineseTokenizer"
    assert config["initialize"]["tokenizer"]["pkuseg_user_dict"] == "default"


def test_tells_what_to_run_next(tmp_path):
    path = tmp_path / "my config.cfg"
    output = writes(path)
    lines = output.splitlines()
    commands = [shlex.split(line) for line in lines if line.startswith("python -m spacy ")]
    assert commands == [shlex.split(line) for line in next_steps(choose(), path)]
    pretrain, train, evaluate = (command[3:] for command in commands)
    assert pretrain[:4] == ["contrastive", "pretrain", str(path), "pretrained"]
    assert train[:2] == ["train", str(path)]
    assert train[-2:] == ["--paths.init_tok2vec", "pretrained/model-best.bin"]
    assert evaluate == ["contrastive", "evaluate", "training/model-best", "test.spacy"]
    assert "To leave out stage 1, skip the first" in output


@pytest.mark.parametrize("system", ONE_STAGE)
def test_what_was_published_without_stage_one_is_run_without(system, tmp_path):
    path = tmp_path / "a.cfg"
    output = plain(writes(path, "--system", system))
    assert all("pretrain" not in step for step in next_steps(choose(system=system), path))
    steps, more = output.split(
        "It was published without stage 1. To add one, train with --paths.init_tok2vec"
    )
    assert "spacy train" in steps and "contrastive pretrain" not in steps
    assert stage_one(choose(system=system), path) in " ".join(more.split())


def test_next_steps_without_stage_one_and_on_a_gpu(tmp_path):
    path = tmp_path / "a.cfg"
    output = writes(path, "--no-pretraining", "--gpu")
    assert "pretrain" not in output.replace(str(path), "")
    assert output.count("--gpu-id 0") == 2
    output = plain(writes(path, "--encoder", "transformer", "--force"))
    assert output.count("--gpu-id 0") == 3 and "Without a GPU" not in output
    output = plain(writes(path, "--encoder", "transformer", "--no-gpu", "--force"))
    assert "--gpu-id" not in output and "Without a GPU" in output


def test_help_tells_the_systems():
    output = plain(writes("--help"))
    for word in (*SYSTEMS, "cnn", "speed", "accuracy", "--force"):
        assert word in output


def test_the_template_is_part_of_the_package():
    package = init_config.TEMPLATE.relative_to(Path(init_config.__file__).parent.parent)
    pattern = f"{package.parent.as_posix()}/*{package.suffix}"
    assert f'"{pattern}"' in PYPROJECT.read_text("utf8")
