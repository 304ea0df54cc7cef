"""The settings page says what the code does."""

import inspect
import re
from pathlib import Path

import pytest
import spacy

from .test_package import OURS

DOCS = Path(__file__).parent.parent / "docs"
SECTIONS = dict(
    re.findall(
        r"^## `(.+?)`\n(.*?)(?=^## |\Z)",
        (DOCS / "settings.md").read_text(encoding="utf8"),
        flags=re.DOTALL | re.MULTILINE,
    )
)
LITERALS = {"true": True, "false": False, "null": None}


def documented(name):
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", SECTIONS[name], flags=re.MULTILINE)
    return dict(rows)


def literal(text):
    text = text.strip("`")
    if text in LITERALS:
        return LITERALS[text]
    return text.strip('"') if text.startswith('"') else float(text)


@pytest.mark.parametrize("name", [name for _, name in OURS if name != "contrastive_ner"])
def test_registered_functions(name):
    registry = next(
        kind
        for kind in (
            "architectures",
            "losses",
            "layers",
            "scorers",
            "readers",
            "batchers",
            "augmenters",
            "misc",
        )
        if spacy.registry.has(kind, name)
    )
    parameters = inspect.signature(spacy.registry.get(registry, name)).parameters
    table = documented(name)
    assert list(table) == list(parameters)
    for setting, text in table.items():
        default = parameters[setting].default
        if default is inspect.Parameter.empty:
            assert text == "required"
        else:
            assert literal(text) == default


def test_the_pipe():
    defaults = spacy.blank("en").get_factory_meta("contrastive_ner").default_config
    table = documented("contrastive_ner")
    assert set(table) == set(defaults)
    for setting, text in table.items():
        if setting == "scorer":
            assert defaults["scorer"]["@scorers"].endswith(text.strip("`"))
        elif setting != "model":
            assert literal(text) == defaults[setting]


def test_nothing_else_is_documented():
    assert set(SECTIONS) == {name for _, name in OURS}


def test_links_lead_somewhere():
    for page in [*DOCS.glob("*.md"), *(DOCS.parent / "benchmarks").glob("*.md")]:
        for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf8")):
            assert "://" in link or (page.parent / link.split("#")[0]).exists(), (page, link)
