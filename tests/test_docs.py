"""The pages of docs/ say what the code does, and their examples run as they stand there."""

import importlib
import inspect
import re
import shutil
import xml.etree.ElementTree
from collections import Counter
from pathlib import Path

import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import DocBin, Span

import spacy_contrastive_ner
from spacy_contrastive_ner import tracks
from spacy_contrastive_ner.cli.app import app as commands

from . import pages
from .pages import ROOT, Runner, anchors, blocks, call, inline_code, read
from .util import make_examples, make_pipeline, train

DOCS = ROOT / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md"))
PACKAGE = Path(spacy_contrastive_ner.__file__).parent
SAMPLE = ROOT / "assets" / "sample" / "train"

# Pages with examples, and where these are run.
RUN_HERE = {
    "bi-encoder.md": ["python"] * 3,
    "choosing.md": ["ini"] * 5,
    "developers.md": ["python"] * 6,
    "discontinuous.md": ["python"],
    "index.md": ["bash"],
    "memory.md": ["python", "bash", "python", "bash"],
    "recipes.md": [
        *("bash", "ini", "bash", "bash", "bash", "python", "bash", "python", "python"),
        *("ini", "bash", "python", "bash", "bash", "ini", "bash", "bash", "python"),
        *("bash", "python", "bash"),
    ],
    "report.md": ["bash", "python"],
    "span-typer.md": ["bash", "python", "python"],
    "systems.md": ["bash"],
    "training.md": ["python", "bash", "ini", "bash", "ini", "ini"],
}
RUN_ELSEWHERE = {
    "convert.md": "convert/test_page_of_formats.py",
    "corpora.md": "corpora/test_page.py",
    "evaluation.md": "evaluation/test_gold.py",
    "pretraining.md": "pretraining/test_page.py",
    "project.md": "test_project.py",
}

# By the group of entry points, the registry of spaCy.
REGISTRIES = {
    **{f"spacy_{kind}": kind for kind in ("architectures", "scorers", "readers", "batchers")},
    **{f"spacy_{kind}": kind for kind in ("augmenters", "callbacks", "loggers", "misc")},
    **{f"thinc_{kind}": kind for kind in ("layers", "losses", "optimizers", "schedules")},
}
ENTRY_POINTS = pages.pyproject()["project"]["entry-points"]
REGISTERED = {
    name: (group, place)
    for group, entries in ENTRY_POINTS.items()
    if group != "spacy_cli"
    for name, place in entries.items()
}
FACTORY = "contrastive_ner"
SECTIONS = dict(
    re.findall(
        r"^## `(.+?)`\n(.*?)(?=^## |\Z)", read("docs/settings.md"), flags=re.DOTALL | re.MULTILINE
    )
)
LITERALS = {"true": True, "false": False, "null": None, "{}": {}}


def documented(name):
    """The settings of a section and their defaults, as they are written."""
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", SECTIONS[name], flags=re.MULTILINE)
    assert all(meaning.strip() for _, _, meaning in rows)
    assert len(rows) == len(re.findall(r"^\| `", SECTIONS[name], flags=re.MULTILINE))
    return {setting: default for setting, default, _ in rows}


def literal(text):
    text = text.strip("`")
    if text in LITERALS:
        return LITERALS[text]
    return text.strip('"') if text.startswith('"') else float(text)


def make(name):
    """What is registered, by its place in the code, for an older installation may not know it."""
    module, function = REGISTERED[name][1].split(":")
    return getattr(importlib.import_module(module), function)


@pytest.mark.parametrize("name", [name for name in REGISTERED if name != FACTORY])
def test_settings_of_what_is_registered(name):
    assert REGISTERED[name][0] in REGISTRIES
    parameters = inspect.signature(make(name)).parameters
    table = documented(name)
    assert list(table) == list(parameters)
    for setting, text in table.items():
        default = parameters[setting].default
        if default is inspect.Parameter.empty:
            assert text == "required"
        else:
            found = literal(text)
            assert found == default and isinstance(found, bool) == isinstance(default, bool)


def test_settings_of_the_pipe():
    defaults = spacy.blank("en").get_factory_meta(FACTORY).default_config
    table = documented(FACTORY)
    taken = set(inspect.signature(make(FACTORY)).parameters) - {"nlp", "name"}
    assert set(table) == set(defaults) == taken
    for setting, text in table.items():
        if setting == "scorer":
            assert defaults["scorer"]["@scorers"].endswith(text.strip("`"))
        elif setting != "model":
            assert literal(text) == defaults[setting]
    (row,) = re.findall(r"^\| `model` .*$", SECTIONS[FACTORY], flags=re.MULTILINE)
    model = defaults["model"]
    assert f"`{model['@architectures'].split('.', 1)[1]}`" in row
    assert f"`dropout = {model['dropout']}`" in row
    assert f"`{model['crf']['@layers'].split('.', 1)[1]}`" in row and model["loss"] is None


def test_nothing_else_has_settings():
    assert set(SECTIONS) == set(REGISTERED)
    assert set(ENTRY_POINTS) <= {*REGISTRIES, "spacy_factories", "spacy_cli"}


def test_every_name_is_a_registered_one():
    """On all pages: what looks like a registered name is one."""
    short = {name.split(".", 1)[1] for name in REGISTERED if "." in name}
    for page in PAGES:
        text = re.sub(r"spacy(-transformers)?\.\w+\.v\d", "", read(f"docs/{page}"))
        named = set(re.findall(r"\b([A-Za-z]\w+\.v1)\b", text))
        assert named - {"Adam.v1", "RAdam.v1"} <= short, page


# Examples


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where commands of the pages find what they name: parts of the sample."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "configs", "configs")
    shutil.copytree(SAMPLE / "brat", "clinical")
    records = (SAMPLE / "records.jsonl").read_text(encoding="utf8")
    Path("news.jsonl").write_text(records, encoding="utf8")
    Path("german.jsonl").write_text(records.replace('"LAW"', '"OTH"'), encoding="utf8")
    Path("raw.txt").write_text("The Bank of England is in London.\n", encoding="utf8")
    Path("places.tsv").write_text("London\tLOC\nEngland\tLOC\n", encoding="utf8")
    # Tokens that are entities of their own, within or beside "mayor of Paris".
    units = {
        "anna": (3, 5),
        "ben": (3, 6),
        "old": (),
        "new": (3,),
        "theirs": (3, 5),
        "posts": (3, 6),
    }
    nlp = spacy.blank("en")
    for name, tokens in units.items():
        doc = nlp.make_doc("the mayor of Paris met Anna Holm")
        inner = [Span(doc, i, i + 1, "PER") for i in tokens]
        doc.spans["sc"] = [Span(doc, 1, 4, "PER"), *inner]
        DocBin(docs=[doc]).to_disk(f"{name}.spacy")
    return tmp_path


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("page", RUN_HERE)
def test_examples_run(page, folder):
    if page == "report.md":
        something_to_report_on()
    runner = Runner(f"docs/{page}")
    assert runner.run() == RUN_HERE[page]
    if page == "recipes.md":
        recipes_did_what_they_say()


def something_to_report_on():
    """What the project leaves: a trained pipeline, and data."""
    nlp = make_pipeline()
    train(nlp, steps=10)
    Path("training/default").mkdir(parents=True)
    nlp.to_disk("training/default/model-best")
    docs = [example.reference for example in make_examples(nlp)]
    for name in ("train", "test"):
        Path("corpus", name).mkdir(parents=True)
        DocBin(docs=docs, store_user_data=True).to_disk(Path("corpus", name, "all.spacy"))


def recipes_did_what_they_say():
    vocab = spacy.blank("en").vocab
    assert "STATUTE" in spacy.load("with_statutes").get_pipe(FACTORY).labels
    assert spacy.load("tuned").get_pipe(FACTORY).cfg["threshold"] == pytest.approx(0.3)
    (merged,) = DocBin().from_disk("merged.spacy").get_docs(vocab)
    group = {key: {(s.start, s.end) for s in merged.spans[key]} for key in ("sc", "missing")}
    assert group == {"sc": {(1, 4), (3, 4)}, "missing": {(5, 6), (6, 7)}}
    old, new = DocBin().from_disk("both.spacy").get_docs(vocab)
    assert [span.label_ for span in old.spans["missing"]] == ["LAW"]
    assert "missing" not in new.spans
    masked = list(DocBin().from_disk("masked.spacy").get_docs(vocab))
    unknown = {span.label_ for doc in masked for span in doc.spans.get("missing", ())}
    assert unknown == {"PER", "ORG"}
    (labelled,) = DocBin().from_disk("names.spacy").get_docs(vocab)
    assert [span.text for span in labelled.spans["sc"]] == ["England", "London"]
    assert list(labelled.spans["missing"]) == []
    assert spacy.load("distant_model/model-best").get_pipe(FACTORY).labels == ("LOC",)
    known = Counter(span.label_ for doc in masked for span in doc.spans["sc"])
    assert known["PER"] < 10 < known["GPE"]
    assert spacy.load("together").pipe_names == ["sentencizer", FACTORY]
    assert spacy.load("training/model-best").pipe_names == ["tok2vec", FACTORY]
    # As the German has it, and the data that it goes on with does not.
    assert "MISC" in spacy.load("danish_model/model-best").get_pipe(FACTORY).labels
    assert {"LAW", "MISC"} <= set(spacy.load("both_model/model-best").get_pipe(FACTORY).labels)
    assert Path("packages/en_nested-1.0.0").is_dir()


@pytest.mark.parametrize("page", PAGES)
def test_every_example_is_run_somewhere(page):
    if not blocks(f"docs/{page}"):
        assert page not in RUN_HERE
    elif page not in RUN_HERE:
        assert page in read(f"tests/{RUN_ELSEWHERE[page]}")


def test_commands_within_the_text():
    """Subcommands that pages name are there."""
    found = 0
    for page in PAGES:
        for code in inline_code(f"docs/{page}"):
            named = re.match(r"(?:python -m )?(?:spacy )?contrastive ([a-z-]+)", code)
            assert not named or named[1] in names_of_commands(), (page, code)
            found += bool(named)
    assert found > 10


def names_of_commands():
    return {command.name for command in commands.registered_commands}


def test_the_first_page_names_all_commands():
    rows = re.findall(r"^\| `([a-z-]+)` \|", read("docs/index.md"), flags=re.MULTILINE)
    assert set(rows) == names_of_commands()
    assert "contrastive" in {group.typer_instance.info.name for group in app.registered_groups}


# What the pages show


def test_the_picture_of_tracks():
    """In idea.md and tracks.md: the tags are those that training sees."""
    spans = [(1, 6, "ORG"), (1, 4, "ORG"), (5, 6, "GPE")]
    layout = tracks.Layout.build("per_label", tracks.layers_needed([spans], 2))
    wanted = [
        "".join("OBILU"[tag] for tag in row) for row in tracks.targets(layout, [7], [spans]).tags.T
    ]
    for page, n in (("idea.md", 7), ("tracks.md", 6)):
        drawn = re.findall(r"^ *(\w+), layer (\d) ([ OBILU]+)$", read(f"docs/{page}"), re.MULTILINE)
        assert [tags.replace(" ", "") for _, _, tags in sorted(drawn)] == [w[:n] for w in wanted]


def test_drawings_are_drawings():
    for path in DOCS.glob("images/*"):
        if path.suffix == ".svg":
            root = xml.etree.ElementTree.parse(path).getroot()
            assert root.tag.endswith("svg") and root.get("viewBox")
        else:
            assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and path.stat().st_size < 100_000
        assert any(f"images/{path.name}" in read(f"docs/{page}") for page in PAGES)


def test_the_picture_of_nested_entities():
    """Each line under a label begins and ends where its words do."""
    for page in ("README.md", "docs/idea.md"):
        text = read(page)
        at = text.index("The Ministry of Health of France thanked")
        words, *drawn = text[at:].splitlines()[:3]
        found = {words[m.start() : m.end()] for line in drawn for m in re.finditer("└[^┘]+┘", line)}
        assert found == {
            *("Ministry of Health of France", "Ministry of Health"),
            *("France", "mayor of Paris", "Paris"),
        }


def test_rooms_and_modules_are_there():
    """All that developers.md and CONTRIBUTING.md name exists, and each room of the package is named."""
    tree = re.findall(
        r"```\nspacy_contrastive_ner/\n(.*?)```", read("docs/developers.md"), re.DOTALL
    )[0]
    room, top = PACKAGE, set()
    for indent, name in re.findall(r"^( *)([\w./]+) ", tree, flags=re.MULTILINE):
        place = {0: ROOT, 2: PACKAGE, 4: room}[len(indent)] / name
        assert place.exists(), name
        if len(indent) == 2:
            room = place
            top.add(name.rstrip("/"))
    there = {path.name for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert top == {name for name in there if not name.startswith((".", "__"))}
    for page in ("docs/developers.md", "CONTRIBUTING.md"):
        named = [code for code in inline_code(page) if re.fullmatch(r"[\w./]+(\.py|/)", code)]
        assert len(named) > 10
        wrong = [
            n for n in named if not (ROOT / n).exists() and not any(PACKAGE.rglob(n.rstrip("/")))
        ]
        assert not wrong


def test_functions_that_contributing_names_are_there():
    sources = "".join(path.read_text("utf8") for path in PACKAGE.rglob("*.py"))
    for name in ("set_width", "build_multi_head_tagger", "prepare"):
        assert f"`{name}`" in read("CONTRIBUTING.md") and f"def {name}(" in sources
    for group in re.findall(r"\[project\.entry-points\.(\w+)\]", read("CONTRIBUTING.md")):
        assert group in ENTRY_POINTS


@pytest.mark.parametrize("system, config", [("SNG", "sng"), ("BINDER", "binder")])
def test_systems_that_are_not_there_are_said_to_be_missing(system, config):
    (row,) = (
        line for line in read("docs/systems.md").splitlines() if line.startswith(f"| **{system}**")
    )
    is_there = (ROOT / "configs" / f"{config}.cfg").exists()
    assert ("not there yet" in row) != is_there
    assert (f"configs/{config}.cfg" in row) == is_there


def test_figures_stand_in_the_benchmarks():
    """Choosing tells what was measured, and nothing else."""
    benchmarks = read("benchmarks/README.md")
    figures = re.findall(r"\d+\.\d ± \d+\.\d", read("docs/choosing.md"))
    assert len(figures) == 6 and all(figure in benchmarks for figure in figures)


# Links, and the site


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    assert pages.bad_links(f"docs/{page}") == []


def test_bad_links_are_found(tmp_path, monkeypatch):
    (tmp_path / "a.md").write_text(
        "# Some *Title*, it is\n[a](b.md) [b](#no) [c](#some-title-it-is)\n"
    )
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    assert pages.bad_links("a.md") == ["b.md", "#no"]
    assert anchors("a.md") == {"some-title-it-is"}


def test_all_pages_can_be_reached():
    """From the navigation of the site, and from the first page by links."""
    nav = re.findall(r"^  - [^:]+: (\S+\.md)$", read("mkdocs.yml"), flags=re.MULTILINE)
    assert sorted(nav) == PAGES and nav[0] == "index.md"
    linked = re.findall(r"\]\(([\w-]+\.md)", read("docs/index.md"))
    assert set(linked) == set(PAGES) - {"index.md"}


def test_lists_and_tables_begin_after_a_blank_line():
    """GitHub does without; MkDocs takes them for text."""
    for page in PAGES:
        before = ""
        for line in pages.without_code(f"docs/{page}").splitlines():
            begins = re.match(r"(\* |- |\d+\. |\|)", line)
            goes_on = re.match(r"(\* |- |\d+\. |\||  )", before)
            assert not begins or not before.strip() or goes_on, (page, line)
            before = line


def test_the_hook_of_the_site_is_there():
    assert "docs_site.py" in read("mkdocs.yml") and (ROOT / "scripts" / "docs_site.py").exists()
    assert "mkdocs" in str(pages.pyproject()["project"]["optional-dependencies"]["docs"])


def test_site(tmp_path):
    """The command of the first page, where MkDocs is installed."""
    pytest.importorskip("mkdocs")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path), strict=True))
    assert (tmp_path / "repository" / "benchmarks" / "index.html").exists()


def test_init_config_is_written_as_systems_says(folder):
    """Without a transformer the block of systems.md is not run; the command itself is."""
    call("python -m spacy contrastive init-config a.cfg --system nerco --encoder cnn")
    assert "NerCo" in Path("a.cfg").read_text(encoding="utf8")
