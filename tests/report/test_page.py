import base64
import hashlib
import json
import re
from pathlib import Path, PurePosixPath

import pytest

from spacy_contrastive_ner import report
from spacy_contrastive_ner.evaluation.tables import Table
from spacy_contrastive_ner.report.documents import Browser
from spacy_contrastive_ner.report.page import SCRIPTS, STYLES, render_page
from spacy_contrastive_ner.report.panels import Panel, Section

from ..pages import pyproject
from .sample import ATTACK, page, points
from .test_markup import read


@pytest.fixture(scope="module")
def rendered():
    return page()[0]


def one_panel(panel, files=None):
    return render_page("T", [], [Section("s", "S", "", [panel])], None, files)


def block(text, name):
    return json.loads(
        re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text)[1]
    )


def test_policy_allows_this_page_only(rendered):
    [policy] = [a["content"] for tag, a in read(rendered).tags if "Content-Security" in str(a)]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules == {
        "default-src": "'none'",
        "script-src": rules["script-src"],
        "style-src": rules["style-src"],
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    for name, tag in (("script-src", "script"), ("style-src", "style")):
        [text] = re.findall(rf"<{tag}>(.*?)</{tag}>", rendered, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"
    # It stands before all that it is about.
    assert rendered.index("Content-Security-Policy") < rendered.index("<style>")


def test_static_parts_are_all_used_and_shipped():
    folder = Path(report.__file__).parent / "static"
    there = sorted(each.name for each in folder.iterdir())
    assert there == sorted([*STYLES, *SCRIPTS])
    globs = pyproject()["tool"]["setuptools"]["package-data"]["spacy_contrastive_ner"]
    for name in there:
        assert any(PurePosixPath(f"report/static/{name}").match(glob) for glob in globs)


def test_nothing_is_loaded(rendered):
    tags = read(rendered).tags
    names = {tag for tag, _ in tags}
    assert not names & {"iframe", "object", "embed", "base", "form", "audio", "video", "img"}
    loaded = [a[key] for tag, a in tags for key in ("src", "srcset") if key in a]
    links = [a["href"] for tag, a in tags if tag in ("link", "image")]
    assert loaded == []
    assert links and all(link.startswith("data:") for link in links)
    assert not any(key.startswith("on") or key == "style" for _, a in tags for key in a)
    targets = [a["href"] for tag, a in tags if tag == "a"]
    assert all(re.match(r"#|figures/|tables/", target) for target in targets)


def test_references_lead_somewhere(rendered):
    tags = read(rendered).tags
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))
    for _, attributes in tags:
        if attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in ids
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids
        if "data-from" in attributes:
            assert attributes["data-from"] in ids


def test_structure(rendered):
    tags = [tag for tag, _ in read(rendered).tags]
    assert [tags.count(name) for name in ("h1", "main", "nav", "header", "h2", "article")] == [
        *(1, 1, 1, 1, 3, 3)
    ]
    assert '<html lang="en">' in rendered
    text = "".join(read(rendered).texts)
    for words in ("A note.", "There is no gold.", "And so.", "scripts are off", "All of them."):
        assert words in text
    assert f"Report {ATTACK}" in text and f"Results {ATTACK}" in text


def test_files_are_linked_where_they_are(rendered):
    for name in (
        "figures/bars.png",
        "figures/bars.svg",
        "tables/numbers.csv",
        "tables/numbers.json",
    ):
        assert rendered.count(f'href="{name}"') == 1
    assert "figures/points.png" not in rendered


def test_tables():
    table = Table.of("t", ["a", "b", "c"], [["x", 1, 0.5], ["y", 12345, None], ["z", 3, 1e-9]])
    text = one_panel(Panel("p", "P", tables=[table], show=-1))
    rows = [re.sub(r"<[^>]+>", "|", row) for row in re.findall("<tr>(.*?)</tr>", text)]
    assert [re.findall(r"[^|]+", row) for row in rows] == [
        *(["a", "b", "c"], ["x", "1", "0.500"], ["y", "12,345"], ["z", "3", "1.0e-09"])
    ]
    assert 'data-value="12345"' in text and 'data-value="1e-09"' in text
    text = one_panel(Panel("p", "P", tables=[table], show=1))
    assert text.count("<tr>") == 2 and "2 more rows are in the files" in text
    assert "<table" not in one_panel(Panel("p", "P", tables=[table]))


def test_points_are_data(rendered):
    data = block(rendered, "data-points")
    assert data["xy"]["raw"]["pca"][0][4] is None
    assert data["points"] == points()["points"]
    labels = [name for name, _, _ in data["groups"]["label"]]
    assert labels == data["labels"]
    assert [name for name, _, _ in data["groups"]["position"]] == list("BILUO")
    # Colour is never all that tells them apart.
    assert len({marker for _, _, marker in data["groups"]["label"]}) == 3


def test_documents_are_data(rendered):
    index = block(rendered, "documents-index")
    n = sum(len(block(rendered, f"documents-{i}")) for i in range(len(index["first"])))
    assert n == len(index["ids"]) == 69


def test_no_documents():
    text = render_page("T", [], [], Browser(absent="There are none <."))
    assert "There are none &lt;." in text and 'id="documents-index"' not in text
    assert 'id="section-documents"' not in render_page("T", [], [])
    assert block(render_page("T", [], [], Browser()), "documents-index")["ids"] == []


def test_names_are_not_shared():
    panels = [Panel("same", "P"), Panel("same", "Q")]
    with pytest.raises(ValueError, match="panels share a name: same"):
        render_page("T", [], [Section("s", "S", "", panels)])
    with pytest.raises(ValueError, match="sections share a name: documents"):
        render_page("T", [], [Section("documents", "S", "", [])])
    # A panel may be called as its section, or as any part of the page.
    for name in ("main", "browser", "theme"):
        ids = [a.get("id") for _, a in read(one_panel(Panel(name, "P"))).tags]
        assert ids.count(name) < 2 and f"panel-{name}" in ids
    render_page("T", [], [Section("same", "S", "", panels[:1])])


def test_halves_of_characters_can_be_written():
    panel = Panel(
        "p", "half \ud83d", text="half \ud83d", tables=[Table.of("t", ["a"], [["\ude00"]])]
    )
    one_panel(panel._replace(show=-1)).encode("utf8")


def test_the_same_twice():
    assert page() == page()


def test_long_texts_are_cut_in_tables():
    table = Table.of("long", ["text", "n"], [["word " * 200_000, 1]])
    panel = Panel("long", "Long", tables=[table], show=-1)
    text = render_page("Title", [], [Section("any", "Any", "", [panel])])
    assert "word word" in text and text.count("word ") < 100
    assert table.as_csv().count("word") == 200_000
