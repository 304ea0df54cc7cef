"""project.yml: every line of it can be run, runs what has changed, and is described in the docs."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from spacy.cli._util import app, parse_config_overrides
from spacy.util import load_config
from weasel.cli.document import project_document
from weasel.util import load_project_config, working_dir
from weasel.util.config import _parse_overrides

import spacy_contrastive_ner.cli.app  # noqa: F401

ROOT = Path(__file__).parent.parent
PROJECT = (ROOT / "project.yml").read_text(encoding="utf8")
PAGE = (ROOT / "docs" / "project.md").read_text(encoding="utf8")
COMMANDS = typer.main.get_command(app)
CONFIGS = sorted(path.stem for path in (ROOT / "configs").glob("*.cfg"))


def copy_project(folder):
    """What of the project is read by its commands."""
    folder.mkdir(exist_ok=True)
    for name in ("project.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "configs", folder / "configs")
    shutil.copytree(ROOT / "assets" / "sample", folder / "assets" / "sample")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return copy_project(tmp_path_factory.mktemp("project"))


def read(folder, **overrides):
    return load_project_config(
        folder, overrides={f"vars.{name}": value for name, value in overrides.items()}
    )


def commands_of(folder, **overrides):
    return {command["name"]: command for command in read(folder, **overrides)["commands"]}


@pytest.fixture(scope="module")
def raw(folder):
    return load_project_config(folder, interpolate=False)


NAMES = re.findall(r'^  - name: "([\w-]+)"', PROJECT, flags=re.MULTILINE)


# Every line is a command that exists, with options that exist


def make_inputs(folder, deps):
    """What earlier commands leave, empty: only whether it is there matters here."""
    for dep in deps:
        path = folder / dep
        if path.suffix in (".bin", ".json", ".spacy", ".cfg", ".toml", ".floret"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        else:
            path.mkdir(parents=True, exist_ok=True)


def check_line(line, folder):
    """Let the command read its arguments, as it does when it is run, and stop there."""
    words = shlex.split(line)
    if words[:2] == ["python", "-c"]:
        compile(words[2], line, "exec")
        return
    assert words[:3] == ["python", "-m", "spacy"], line
    words, group = words[3:], COMMANDS
    while hasattr(group, "commands"):
        name, *words = words
        group = group.commands[name]
    with working_dir(folder):
        context = group.make_context(name, words)
        if name in ("train", "pretrain"):
            config = load_config(Path(str(context.params["config_path"])))
            for key in parse_config_overrides(list(context.args)):
                block = config
                for part in key.split("."):
                    assert part in block, f"{line}\nThere is no setting {key}"
                    block = block[part]
        else:
            assert not context.args, line


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("name", NAMES)
def test_scripts_can_be_run(name, config, tmp_path, folder):
    command = commands_of(folder, config=config)[name]
    make_inputs(tmp_path, [dep for dep in command["deps"] if not dep.startswith("configs")])
    shutil.copytree(folder / "configs", tmp_path / "configs")
    (tmp_path / "packages").mkdir()
    for line in command["script"]:
        # What the lines before it write.
        for path in paths_in(line):
            if path.endswith(("model-best", ".floret")) or path.startswith(("corpus", "metrics")):
                make_inputs(tmp_path, [path])
        check_line(line, tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "python -m spacy train configs/default.cfg --paths.no corpus",
        "python -m spacy contrastive evaluate training/model-best corpus --no-such-option 1",
    ],
)
def test_wrong_lines_are_noticed(line, folder):
    with pytest.raises((AssertionError, Exception), match=r"no setting|[Nn]o such option"):
        check_line(line, folder)


# What is read is there before, what is promised is written


def paths_in(line):
    folders = ("assets", "configs", "corpus", "training", "metrics", "packages", "reports")
    return [word for word in shlex.split(line) if word.split("/")[0] in folders]


def within(path, others):
    """Whether a path is one of others, or lies in or above one."""
    one = Path(path)
    return any(
        one == Path(other) or Path(other) in one.parents or one in Path(other).parents
        for other in others
    )


@pytest.mark.parametrize("name", NAMES)
def test_what_is_used_and_made_is_declared(name, folder):
    command = commands_of(folder)[name]
    deps, outputs = command["deps"], command["outputs"]
    used = [path for line in command["script"] for path in paths_in(line)]
    # Runs in between the lines of one command need not be told.
    own = [f"training/default-compare/{kind}-{name[-1]}" for kind in ("both", "baseline")]
    own += [f"training/default-compare/pretrained-{name[-1]}"] if "compare" in name else []
    for path in used:
        assert within(path, [*deps, *outputs, *own]), path
    for path in [*deps, *outputs]:
        assert within(path, [*used, "pyproject.toml"]), path
    # All depends on the version of the package.
    assert "pyproject.toml" in deps and outputs


@pytest.mark.parametrize(
    "name", ["all", "baseline", "compare", "vectors", "litbank", "genia", "danplus", "nerel"]
)
def test_workflows_begin_with_what_is_there(name, folder):
    config = read(folder)
    there = [asset["dest"] for asset in config["assets"]] + ["pyproject.toml"]
    there += [f"configs/{path.name}" for path in (folder / "configs").iterdir()]
    for step in config["workflows"][name]:
        command = commands_of(folder)[step]
        for dep in command["deps"]:
            path = Path(dep)
            assert any(path == Path(p) or Path(p) in path.parents for p in there), (step, dep)
        there += command["outputs"]


def test_every_command_belongs_to_a_workflow(raw):
    used = {step for steps in raw["workflows"].values() for step in steps}
    assert set(NAMES) - used == {"package", "report"}


def test_own_data_need_no_conversion(folder):
    mine = {"train": "my/train.spacy", "dev": "my/dev.spacy", "test": "my/test.spacy"}
    config = read(folder, **mine)
    made = set()
    for name in config["workflows"]["own"]:
        command = commands_of(folder, **mine)[name]
        for dep in command["deps"]:
            mine_or_made = str(Path(dep)) in [*mine.values(), *made]
            assert mine_or_made or dep.startswith(("configs/", "pyproject")), dep
        made |= set(command["outputs"])
        text = " ".join(command["script"])
        assert "corpus/" not in text


@pytest.mark.parametrize("name", ["train", "train-baseline"])
def test_an_older_log_is_out_of_the_way(name, tmp_path, folder):
    """spaCy would leave it as it is, and it would be taken for the log of this training."""
    command = commands_of(folder)[name]
    first, second = (shlex.split(line) for line in command["script"])
    log = tmp_path / second[second.index("--paths.log") + 1]
    assert str(log.relative_to(tmp_path)) in command["outputs"]
    other = log.with_name("other.jsonl")
    other.parent.mkdir(parents=True)
    for path in (log, other):
        path.touch()
    # Also if there is none.
    for _ in range(2):
        subprocess.run([sys.executable, *first[1:]], cwd=tmp_path, check=True)
        assert [path.name for path in log.parent.iterdir()] == ["other.jsonl"]


# Variables, assets, and what is said of them


def test_variables_are_explained_and_used(raw):
    block = PROJECT.split("vars:\n")[1].split("\n\n")[0]
    lines = block.splitlines()
    for name in raw["vars"]:
        at = next(i for i, line in enumerate(lines) if line.startswith(f"  {name}: "))
        before = lines[at - 1].strip()
        # Those of one kind stand together.
        assert before.startswith("#") or before.split(":")[0] in raw["vars"], name
        assert f"${{vars.{name}}}" in PROJECT, name
        assert f"`{name}`" in PAGE, name


def test_every_config_can_be_chosen(folder):
    comment = PROJECT.split("  config: ")[0].splitlines()[-1]
    assert all(name in comment for name in CONFIGS)


def test_the_language_is_passed_on(folder):
    for name, command in commands_of(folder, lang="da").items():
        for line in command["script"]:
            if " train " in line or " pretrain " in line:
                lang = re.search(r"--nlp\.lang (\w+)", line)[1]
                assert lang == {"genia": "en", "litbank": "en", "nerel": "ru"}.get(
                    name.split("-")[-1], "da"
                )


def test_an_older_package_is_out_of_the_way(tmp_path, folder):
    """setuptools takes files that it copied earlier, and that are newer, for those of now."""
    command = commands_of(folder)["package"]
    first, second = (shlex.split(line) for line in command["script"])
    (output,) = command["outputs"]
    for path in (output, "packages/other"):
        (tmp_path / path / "build").mkdir(parents=True)
    # Also if there is none.
    for _ in range(2):
        subprocess.run([sys.executable, *first[1:]], cwd=tmp_path, check=True)
        assert [path.name for path in (tmp_path / "packages").iterdir()] == ["other"]
    name, version = (second[second.index(flag) + 1] for flag in ("--name", "--version"))
    assert output == f"packages/en_{name}-{version}"


def test_overrides_reach_the_commands(folder):
    """With a blank before them, as the comment says; without, weasel takes them for its own."""
    given = ["--vars.overrides", " --training.max_steps 7 --training.dropout 0.2"]
    line = commands_of(folder, overrides=_parse_overrides(given, is_cli=True)["vars.overrides"])
    script = line["train"]["script"][-1]
    assert script.endswith("--training.max_steps 7 --training.dropout 0.2")
    given = ["--vars.overrides", "--training.max_steps 7"]
    assert _parse_overrides(given, is_cli=True)["vars.overrides"] is True


def test_assets(raw):
    sample, *others = raw["assets"]
    assert (ROOT / sample["dest"]).is_dir() and "git" not in sample
    for asset in others:
        # Nothing is fetched unasked, and each is put to use.
        assert asset["extra"] is True
        assert asset["git"]["repo"].startswith("https://github.com/")
        assert asset["git"]["branch"] and asset["git"]["path"] and asset["description"]
        name = Path(asset["dest"]).name
        assert raw["workflows"][name] == [f"convert-{name}", f"train-{name}"]
        assert f"`{name}`" in PAGE


def test_the_readme_has_what_the_project_says(tmp_path, capsys):
    """Write it anew: python -m spacy project document . --output README.md"""
    shutil.copy(ROOT / "project.yml", tmp_path)
    # Whatever looks at a project makes its folders, and tells whether assets are there.
    shutil.copytree(ROOT / "assets", tmp_path / "assets")
    project_document(tmp_path, tmp_path / "made.md")
    made = (tmp_path / "made.md").read_text(encoding="utf8")
    assert made.strip() in (ROOT / "README.md").read_text(encoding="utf8")


def test_the_page_explains_every_workflow(raw):
    assert all(f"run {name}" in PAGE for name in raw["workflows"])


def test_examples_of_the_page(raw):
    """They name commands, workflows and variables that are there."""
    lines = [
        line
        for block in re.findall(r"```bash\n(.*?)```", PAGE, flags=re.DOTALL)
        for line in block.splitlines()
        if "spacy project run " in line
    ]
    assert len(lines) > 5
    for line in lines:
        words = shlex.split(line, comments=True)
        words = words[words.index("run") + 1 :]
        assert words[0] in [*raw["workflows"], *NAMES], line
        # Settings come after the folder.
        assert len(words) == 1 or words[1] == ".", line
        for key in _parse_overrides(words[2:], is_cli=True):
            section, name = key.split(".")
            assert section == "vars" and name in raw["vars"], line
