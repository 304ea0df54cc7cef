"""Reads pages of Markdown, and runs what stands in them."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import spacy
from confection import Config
from spacy.cli._util import app
from typer.testing import CliRunner

import spacy_contrastive_ner.cli.app  # noqa: F401

ROOT = Path(__file__).parent.parent

# What makes training short, so that a page runs in seconds: few steps, and a small CNN.
SMALL = ["--components.tok2vec.model.encode.width", "8"]
SMALL += ["--components.tok2vec.model.encode.depth", "1"]
SHORT = {
    "train": ["--training.max_steps", "6", "--training.eval_frequency", "3"],
    "pretrain": ["--pretraining.max_epochs", "1"],
}


def read(page):
    return (ROOT / page).read_text(encoding="utf8")


def blocks(page):
    """The language and the code of each block that has a language."""
    return re.findall(r"^```(\w+)\n(.*?)^```", read(page), flags=re.DOTALL | re.MULTILINE)


def without_code(page):
    return re.sub(r"^```.*?^```", "", read(page), flags=re.DOTALL | re.MULTILINE)


def inline_code(page):
    """Code within lines. In tables bars are escaped."""
    return [code.replace(r"\|", "|") for code in re.findall(r"`([^`\n]+)`", without_code(page))]


def anchors(page):
    """What headings can be linked by; GitHub and MkDocs agree on these."""
    headings = re.findall(r"^#+ +(.+)$", without_code(page), flags=re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", heading.strip().lower()) for heading in headings]
    return {re.sub(r"\s", "-", text) for text in plain}


def bad_links(page):
    """Links within the repository that lead nowhere, to a file or to a heading."""
    bad = []
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            bad.append(link)
    return bad


def call(line):
    """Run `python -m spacy ...` in this process."""
    command = shlex.split(line)
    assert command[:3] == ["python", "-m", "spacy"], line
    arguments = command[3:]
    for name, short in SHORT.items():
        if name in arguments[:2]:
            arguments += short
            # Not in configs of a page's own, where the encoder may stand elsewhere.
            arguments += SMALL if {"configs/default.cfg", "my.cfg"} & set(arguments) else []
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, f"{line}\n{result.output}\n{result.exception!r}"
    return result.output


def needs_more(line):
    """Whether a command needs what not every machine has: a GPU, a transformer."""
    return "--gpu-id 0" in line or ("--encoder" in line and find_spec("torch") is None)


def fragment(code):
    """Blocks that stand for themselves on a page, as a config needs them: with those around them."""
    lines = []
    seen = set()
    for line in code.splitlines():
        section = re.fullmatch(r"\[([\w.]+)\]", line)
        parts = section[1].split(".") if section else []
        for n in range(1, len(parts)):
            if ".".join(parts[:n]) not in seen:
                lines.append(f"[{'.'.join(parts[:n])}]")
                seen.add(".".join(parts[:n]))
        if section:
            seen.add(section[1])
        lines.append(line)
    return "\n".join(lines)


def apply(code):
    """The default config with blocks of a page in it, as somebody would write them into it."""
    config = Config().from_disk(ROOT / "configs" / "default.cfg", interpolate=False)
    changes = Config().from_str(fragment(code), interpolate=False)
    return config.merge(changes)


class Runner:
    """Runs the examples of a page from top to bottom, in the folder where it is.

    Blocks of `ini` that begin with `# name.cfg` are saved under this name; others are changes to the default
    config, and must make one that loads.
    """

    def __init__(self, page):
        self.page, self.names, self.ran = page, {}, []

    def run(self):
        for language, code in blocks(self.page):
            self.ran.append(language)
            getattr(self, language)(code)
        return self.ran

    def python(self, code):
        exec(compile(code, f"{self.page}: {code[:60]}", "exec"), self.names)

    def ini(self, code):
        name = re.match(r"# (\S+\.cfg)\n", code)
        if name:
            Path(name[1]).write_text(code, encoding="utf8")
            return
        config = apply(code)
        spacy.util.load_model_from_config(config, auto_fill=False, validate=True)
        if "corpora" in Config().from_str(fragment(code), interpolate=False):
            # The only one that is named in a command.
            config.to_disk("my.cfg")

    def bash(self, code):
        for line in code.strip().splitlines():
            if line.startswith("pip install"):
                extras = re.findall(r'"\.\[(.+?)\]"', line)
                assert all(check_extras(each) for each in extras), line
            elif line.startswith("mkdir -p "):
                Path(line.split()[2]).mkdir(parents=True, exist_ok=True)
            elif not needs_more(line):
                call(line)


def pyproject():
    try:
        import tomllib
    except ImportError:  # Python 3.10, where pytest brings it
        import tomli as tomllib
    return tomllib.loads(read("pyproject.toml"))


def check_extras(text):
    return set(text.split(",")) <= set(pyproject()["project"]["optional-dependencies"])
