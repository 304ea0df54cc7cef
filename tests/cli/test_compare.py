"""`python -m spacy contrastive compare`, called as a user calls it."""

import errno
import json
import re

import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import Doc, DocBin, Span
from typer.testing import CliRunner

import spacy_contrastive_ner.cli.compare  # noqa: F401
from spacy_contrastive_ner import files

WORDS = ["Anna", "Boris", "Paris", "Rome", "and", "met"]
LABELS = {"Anna": "PER", "Boris": "PER", "Paris": "GPE", "Rome": "GPE"}


def make_model(path, *words):
    """A ruler that knows some of the words."""
    nlp = spacy.blank("en")
    patterns = [{"label": LABELS[word], "pattern": word} for word in words]
    nlp.add_pipe("span_ruler", config={"spans_key": "sc"}).add_patterns(patterns)
    path.parent.mkdir(exist_ok=True)
    nlp.to_disk(path)
    return path


def make_data(path, key="sc", n=24):
    vocab = spacy.blank("en").vocab
    docs = []
    for i in range(n):
        words = [WORDS[i % 6], WORDS[(i // 6 + i + 1) % 6], WORDS[i % 4]]
        doc = Doc(vocab, words=words)
        doc.spans[key] = [
            Span(doc, j, j + 1, LABELS[w]) for j, w in enumerate(words) if w in LABELS
        ]
        docs.append(doc)
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return path


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Results of a model that knows half of the words, and of one that knows all."""
    root = tmp_path_factory.mktemp("evaluated")
    make_data(root / "data.spacy")
    for name, words in (("half", ["Anna", "Paris"]), ("all", list(LABELS))):
        make_model(root / name, *words)
        command = ["evaluate", root / name, root / "data.spacy", "-o", root / f"{name}.json", "-S"]
        assert not CliRunner().invoke(app, ["contrastive", *map(str, command)]).exit_code
    return {name: (root / f"{name}.json").read_text("utf8") for name in ("half", "all")}


@pytest.fixture
def folder(tmp_path, evaluated):
    for name, text in evaluated.items():
        (tmp_path / f"{name}.json").write_text(text, "utf8")
    return tmp_path


def compare(*arguments, code=0):
    """What the command prints, as one line."""
    result = CliRunner().invoke(app, ["contrastive", "compare", *map(str, arguments)])
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return " ".join(re.sub(r"\x1b\[[\d;]*m", "", result.output).split())


def written(folder, *arguments):
    """What it writes."""
    output = folder / "new" / "comparison.json"
    options = ["--draws", 200, "--output", output, "--silent"]
    assert compare(*arguments, *options) == ""
    return json.loads(output.read_text("utf8"))


def fails(folder, *arguments):
    """What a command says that fails and leaves nothing behind."""
    before = sorted(folder.rglob("*"))
    text = compare(*arguments, code=1)
    assert "The systems were not compared" in text
    assert sorted(folder.rglob("*")) == before
    return text


def change(path, **more):
    """Write other values into a result."""
    found = json.loads(path.read_text("utf8"))
    path.write_text(json.dumps({**found, **more}), "utf8")
    return path


def runs_of(folder, source, name, seeds):
    """A folder with runs that differ in what they say they are."""
    (folder / name).mkdir()
    text = (folder / source).read_text("utf8")
    for seed in seeds:
        (folder / name / f"run-{seed}.json").write_text(text, "utf8")
    return folder / name


def test_tables(folder):
    text = compare(folder / "half.json", folder / "all.json", "--draws", 200)
    for part in (
        "Documents 24, with",
        "Draws 200, seed 0",
        "Baseline half, 1 run System all, 1 run",
        "all against half",
        "100.00",
        "Wilcoxon over labels 2 few",
        "There is one run of each system",
    ):
        assert part in text
    assert "All of it is in" not in text
    output = folder / "c.json"
    text = compare(folder / "half.json", folder / "all.json", "--draws", 200, "-o", output)
    assert "All of it is in" in text and output.is_file()


def test_json(folder):
    found = written(folder, folder / "half.json", folder / "all.json", "--seed", 5)
    assert found["format"] == "spacy-contrastive-ner.comparison" and found["version"] == 1
    assert found["settings"] == {"draws": 200, "seed": 5, "level": 0.95}
    scores = {name: json.loads((folder / f"{name}.json").read_text()) for name in ("half", "all")}
    data = scores["half"]["data"]
    assert found["data"] == {
        "path": data["path"],
        "digest": data["digest"],
        "documents": 24,
        "support": scores["half"]["micro"]["support"],
    }
    assert found["baseline"] == "half" and list(found["systems"]) == ["half", "all"]
    for name, system in found["systems"].items():
        assert system["micro"] == pytest.approx(scores[name]["micro"]["f"])
        assert system["macro"] == pytest.approx(scores[name]["macro"]["f"])
        labels = {label: score["f"] for label, score in scores[name]["labels"].items()}
        assert system["labels"] == pytest.approx(labels)
        assert system["runs"][0]["path"] == str(folder / f"{name}.json")
        assert system["runs"][0]["model"] == scores[name]["model"]["path"]
    (comparison,) = found["comparisons"]
    assert (comparison["system"], comparison["baseline"]) == ("all", "half")
    assert set(comparison) == {
        "system",
        "baseline",
        "micro",
        "macro",
        "labels",
        "over_labels",
        "over_runs",
        "notes",
    }
    assert set(comparison["labels"]) == {"PER", "GPE"}
    assert comparison["micro"]["low"] > 0 and comparison["micro"]["p"] == pytest.approx(1 / 201)


def test_baseline(folder):
    paths = [folder / "half.json", folder / "all.json"]
    found = written(folder, *paths, "--baseline", "all")
    assert found["baseline"] == "all" and list(found["systems"]) == ["all", "half"]
    assert found["comparisons"][0]["micro"]["difference"] < 0
    assert written(folder, *paths, "--baseline", paths[1]) == found
    assert written(folder, *reversed(paths)) == found


def test_runs_in_folders(folder):
    half = runs_of(folder, "half.json", "base", [1, 2, 10])
    full = runs_of(folder, "all.json", "ours", [1, 2, 10])
    found = written(folder, half, full)
    names = [run["path"].rsplit("-")[-1] for run in found["systems"]["base"]["runs"]]
    assert names == ["1.json", "2.json", "10.json"]
    runs = found["comparisons"][0]["over_runs"]
    assert runs["micro"]["sign_flip"]["p"] == 0.25
    assert "3 of each are too few" in " ".join(found["comparisons"][0]["notes"])


def test_groups(folder):
    half = runs_of(folder, "half.json", "base", [1, 2])
    full = runs_of(folder, "all.json", "ours", [1, 2, 3])
    groups = [
        *("--group", f"weak={half / 'run-1.json'},{half / 'run-2.json'}"),
        *("--group", f"strong={full}"),
    ]
    found = written(folder, *groups)
    assert found["baseline"] == "weak"
    assert [len(system["runs"]) for system in found["systems"].values()] == [2, 3]
    found = written(folder, folder / "all.json", *groups, "--baseline", "strong")
    assert list(found["systems"]) == ["strong", "all", "weak"]
    # Names that only differ in a number are no group.
    found = written(folder, *sorted(full.glob("*.json")))
    assert list(found["systems"]) == ["run-1", "run-2", "run-3"]
    assert len(found["comparisons"]) == 2


def test_files_of_the_same_name(folder):
    paths = [runs_of(folder, f"{name}.json", name, [1]) / "run-1.json" for name in ("half", "all")]
    found = written(folder, *paths)
    assert list(found["systems"]) == [str(path) for path in paths]


def test_labels_that_only_one_system_found(folder):
    found = json.loads((folder / "all.json").read_text("utf8"))
    found["documents"][0]["labels"]["NEW"] = [0, 2, 0]
    found["documents"][0]["fp"] += 2
    change(folder / "all.json", documents=found["documents"])
    comparison = written(folder, folder / "half.json", folder / "all.json")["comparisons"][0]
    assert set(comparison["labels"]) == {"PER", "GPE"}
    assert comparison["micro"]["system"] < comparison["macro"]["system"] == 1.0


def test_models(folder, evaluated):
    data = make_data(folder / "data.spacy")
    models = [
        make_model(folder / "half", "Anna", "Paris"),
        make_model(folder / "all", *LABELS),
    ]
    found = written(folder, "--models", *models, "--data", data)
    expected = written(folder, folder / "half.json", folder / "all.json")
    assert found["comparisons"] == expected["comparisons"]
    assert found["data"]["digest"] == expected["data"]["digest"]
    assert found["systems"]["all"]["runs"][0]["model"] == str(models[1])
    # Several runs: models in a folder.
    for seed in (1, 2):
        make_model(folder / "seeds" / f"seed{seed}", "Anna")
    found = written(folder, "--models", folder / "seeds", models[0], "--data", data)
    assert [len(system["runs"]) for system in found["systems"].values()] == [2, 1]
    make_data(data, key="gold")
    assert "--spans-key" in fails(folder, "--models", *models, "--data", data)
    found = written(folder, "--models", *models, "--data", data, "--spans-key", "gold")
    assert found["comparisons"] == expected["comparisons"]


def test_what_does_not_go_together(folder):
    half, full = folder / "half.json", folder / "all.json"
    assert "Give --data" in fails(folder, "--models", half, full)
    assert "Add --models" in fails(folder, half, full, "--data", folder / "x.spacy")
    assert "Add --models" in fails(folder, half, full, "--ents")
    assert "no such file or folder" in fails(
        folder, "--models", half, full, "--data", folder / "x.spacy"
    )
    data = make_data(folder / "data.spacy")
    models = ["--models", folder / "x", folder / "y", "--data", data]
    assert "cannot be loaded" in fails(folder, *models)
    assert "leave out --spans-key" in fails(folder, *models, "--ents", "--spans-key", "sc")
    assert "GPU 77 cannot be used" in fails(folder, *models, "--gpu-id", 77)


def test_systems_that_are_not_there(folder):
    half, full = folder / "half.json", folder / "all.json"
    assert "there is none" in fails(folder)
    assert "there is only 'half'" in fails(folder, half)
    assert "is no file or folder" in fails(folder, half, folder / "x.json")
    assert "of --group g=" in fails(folder, half, "--group", f"g={full},{folder / 'x.json'}")
    assert "names no runs" in fails(folder, half, "--group", full)
    assert "names no runs" in fails(folder, half, "--group", "g=,")
    assert "is there twice" in fails(folder, half, half)
    assert "is there twice" in fails(folder, half, "--group", f"g={full},{full}")
    assert "Two systems are called 'half'" in fails(folder, half, "--group", f"half={full}")
    assert "There are: 'half', 'all'" in fails(folder, half, full, "--baseline", "x")
    (folder / "empty").mkdir()
    assert "no JSON files in the folder" in fails(folder, half, folder / "empty")
    (folder / "empty" / ".hidden.json").write_text("", "utf8")
    (folder / "empty" / "notes.txt").write_text("", "utf8")
    assert "no JSON files in the folder" in fails(folder, half, folder / "empty")
    assert "is a model. Add --models" in fails(folder, half, make_model(folder / "model", "Anna"))
    assert "is a folder" in fails(folder, half, full, "--output", folder)
    assert "is read and to be written" in fails(folder, half, full, "--output", full)


def test_files_that_are_no_results(folder):
    half, bad = folder / "half.json", folder / "bad.json"
    for text, say in (
        (b"", "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[1]", "is no evaluation of this package"),
        (b'{"ents_f": 0.5}', "is no evaluation of this package"),
    ):
        bad.write_bytes(text)
        text = fails(folder, half, bad)
        assert say in text and "contrastive evaluate MODEL DATA --output" in text
    whole = (folder / "all.json").read_text("utf8")
    good = json.loads(whole)
    broken = {**good["documents"][0], "tp": good["documents"][0]["tp"] + 1}
    for more, say in (
        ({"version": 2}, "of version 2, and what can be read is version 1"),
        ({"data": {}}, "does not tell what was scored"),
        ({"data": {"digest": "other"}}, "not scored on the same texts and gold"),
        ({"documents": None}, "has no counts of each document"),
        ({"documents": []}, "has no counts of each document"),
        ({"documents": [{"tp": 1}]}, "counts of document 1 are none"),
        ({"documents": [{"tp": 1, "fp": 0, "fn": 0, "labels": {"A": [1, 0]}}]}, "document 1 are"),
        ({"documents": [{"tp": -1, "fp": 0, "fn": 0, "labels": {"A": [-1, 0, 0]}}]}, "are none"),
        ({"documents": [*good["documents"][1:], broken]}, "document 24 are none"),
        ({"documents": good["documents"][1:]}, "do not count the same gold"),
        ({"documents": good["documents"][::-1]}, "do not count the same gold"),
    ):
        bad.write_text(whole, "utf8")
        assert say in fails(folder, half, change(bad, **more))


def test_results_without_gold(folder):
    documents = [{"tp": 0, "fp": 1, "fn": 0, "labels": {"PER": [0, 1, 0]}}]
    paths = [change(folder / f"{name}.json", documents=documents) for name in ("half", "all")]
    assert "There is no gold" in fails(folder, *paths)


def test_an_error_leaves_the_old_file(folder, monkeypatch):
    output = folder / "comparison.json"
    output.write_text("old", "utf8")

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    paths = [folder / "half.json", folder / "all.json"]
    text = fails(folder, *paths, "--draws", 100, "--output", output)
    assert "No space left on device" in text and output.read_text("utf8") == "old"


def test_code(folder):
    code = folder / "code.py"
    code.write_text("import pathlib\npathlib.Path(__file__).with_suffix('.ran').touch()", "utf8")
    compare(folder / "half.json", folder / "all.json", "--draws", 100, "--code", code)
    assert code.with_suffix(".ran").exists()


def test_help():
    text = compare("--help")
    for option in ("--group", "--baseline", "--models", "--data", "--output", "--draws", "--seed"):
        assert option in text
