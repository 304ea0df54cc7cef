"""Every example of the README runs as it stands there, from top to bottom.

The two commands of the first screen install the package and take minutes, so they are not run here but by `.ci/run` (the
project by `.ci/shipping`, which it calls), on a clean clone. What can be checked of them in seconds is checked here; tests/test_project.py runs the steps of the first.
"""

import re
import shlex
import shutil

import pytest
import srsly

from . import pages
from .pages import ROOT, Runner, blocks, call, check_extras, inline_code, read

FIRST = "pip install . && python -m spacy project run all"
SECOND = 'pip install ".[test]" && python -m pytest'
PROJECT = srsly.read_yaml(ROOT / "project.yml")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A clone, as far as the README needs one, with a corpus."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "configs", "configs")
    shutil.copytree(ROOT / "assets" / "sample" / "train" / "brat", "my_corpus")
    return tmp_path


def test_examples_run(folder, capsys):
    runner = Runner("README.md")
    runner.bash = lambda code: (
        None if code.strip() in (FIRST, SECOND) else Runner.bash(runner, code)
    )
    assert runner.run() == ["bash", "bash", "python", "bash"]
    printed = capsys.readouterr().out
    for entity in ("Ministry of Health of France ORG", "Ministry of Health ORG", "France GPE"):
        assert entity in printed
    assert (folder / "my_model" / "model-best" / "config.cfg").exists()


def test_the_two_commands():
    """The first screen begins with them, and continuous integration runs them."""
    assert [code.strip() for language, code in blocks("README.md")][:2] == [FIRST, SECOND]
    assert read("README.md").index(SECOND) < 2500
    assert PROJECT["workflows"]["all"] == ["convert", "pretrain", "train", "evaluate"]
    assert "pytest" in str(pages.pyproject()["project"]["optional-dependencies"]["test"])
    lines = read(".ci/run").splitlines()
    assert "python -m pytest" in lines
    assert any(line.startswith(".ci/shipping") for line in lines)
    assert "python -m spacy project run all" in read(".ci/shipping").splitlines()


def test_commands_within_the_text(folder):
    """They name what there is: variables, configs, extras; and a config is written as told."""
    commands = [code for code in inline_code("README.md") if code.startswith("python -m spacy")]
    commands = [code for code in commands if not re.search("project (run|document)$", code)]
    assert len(commands) == 4
    for command in commands:
        words = shlex.split(command)
        if words[3:5] == ["project", "run"]:
            assert words[5] in PROJECT["workflows"]
            given = dict(zip(words[7::2], words[8::2]))
            assert {name.removeprefix("--vars.") for name in given} <= set(PROJECT["vars"])
            if "--vars.config" in given:
                assert (ROOT / "configs" / f"{given['--vars.config']}.cfg").exists()
        else:
            call(command)
            assert (folder / "my.cfg").exists()
    extras = re.findall(r'"\.\[(.+?)\]"', read("README.md"))
    assert extras and all(check_extras(each) for each in extras)


def test_all_configs_are_named():
    named = set(re.findall(r"\]\((configs/\w+\.cfg)\)", read("README.md")))
    assert named == {f"configs/{path.name}" for path in (ROOT / "configs").glob("*.cfg")}


def test_what_was_measured_stands_in_the_benchmarks():
    section = read("README.md").split("## What was measured")[1].split("\n## ")[0]
    figures = re.findall(r"\d+\.\d ± \d+\.\d", section)
    benchmarks = read("benchmarks/README.md")
    assert len(figures) == 12
    rows = [line for line in benchmarks.splitlines() if line.startswith("|")]
    for corpus in ("LitBank", "GENIA", "DaN+"):
        (row,) = (line for line in section.splitlines() if line.startswith(f"| {corpus} |"))
        at = next(i for i, line in enumerate(rows) if line.startswith(f"| {corpus} ("))
        ours, spancat, ner = (re.findall(r"\d+\.\d ± \d+\.\d", line) for line in rows[at : at + 3])
        assert re.findall(r"\d+\.\d ± \d+\.\d", row) == [ours[0], spancat[0], ner[0], ours[2]]
    ratios = re.findall(r"\b0\.\d\d\b", section)
    assert ratios and all(f" {ratio} " in benchmarks for ratio in ratios)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "benchmarks/README.md"])
def test_links_lead_somewhere(page):
    assert "](" in read(page)
    assert pages.bad_links(page) == []


def test_contributing_names_what_there_is():
    """Extras, and options of the benchmarks."""
    extras = re.findall(r'"\.\[(.+?)\]"', read("CONTRIBUTING.md"))
    assert extras and all(check_extras(each) for each in extras)
    lines = re.findall(r"python (benchmarks/\w+\.py) (.*)", read("CONTRIBUTING.md"))
    assert lines
    for script, arguments in lines:
        source = read(script) + read("benchmarks/common.py")
        assert all(f'"{option}"' in source for option in re.findall(r"--[a-z-]+", arguments))
