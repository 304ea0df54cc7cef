"""Every example of the README runs as it stands there, from top to bottom."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README.read_text(encoding="utf8"), flags=re.DOTALL)

# The installation and the test command itself: running them here would go round in circles.
NOT_HERE = ("pip install",)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("readme")


def test_examples_run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    names = {}
    ran = {"python": 0, "ini": 0, "bash": 0}
    for language, code in BLOCKS:
        if language == "python":
            exec(compile(code, f"README.md: {code[:40]}", "exec"), names)
        elif language == "ini":
            Path("partial.cfg").write_text(code, encoding="utf8")
        elif language == "bash":
            for line in code.strip().splitlines():
                if not line.startswith(NOT_HERE):
                    run(line)
        ran[language] += 1
    assert ran == {"python": 4, "ini": 1, "bash": 2}
    printed = capsys.readouterr().out
    assert "Ministry of Health of France ORG" in printed and "Ministry of Health ORG" in printed
    assert (folder / "training" / "model-best" / "config.cfg").exists()


def run(line):
    command = shlex.split(line)
    assert command[:3] == ["python", "-m", "spacy"], line
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command[1:]], capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def test_links_lead_somewhere():
    text = README.read_text(encoding="utf8")
    targets = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert targets and all((README.parent / link.split("#")[0]).exists() for link in targets)
