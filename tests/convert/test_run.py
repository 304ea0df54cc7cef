"""Conversions from beginning to end."""

import errno
import json
import weakref
from collections import Counter

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_contrastive_ner.convert import output, run
from spacy_contrastive_ner.convert.detect import Found
from spacy_contrastive_ner.convert.documents import Keys
from spacy_contrastive_ner.convert.format import Format
from spacy_contrastive_ner.convert.formats import FORMATS
from spacy_contrastive_ner.convert.labels import Labels
from spacy_contrastive_ner.convert.mending import TRIMMED
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.records import Record, entity
from spacy_contrastive_ner.convert.run import Conversion, convert
from spacy_contrastive_ner.convert.sentences import CROSSED

NLP = spacy.blank("en")
NAMES = ["Anna", "Bob", "Zoë", "Eve"]


def record(i):
    """Two sentences; white space in an entity; every third has one across both."""
    name = NAMES[i % 4]
    text = f"{name} saw {i} birds. They left it."
    spans = [{"start": 0, "end": len(name) + 1, "label": "PER"}]
    if i % 3 == 0:
        spans.append({"start": text.index("birds"), "end": text.index("left") + 4, "label": "EV"})
    return {"id": f"d{i}", "text": text, "spans": spans}


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    lines = [json.dumps(record(i)) + "\n" for i in range(40)]
    (folder / "a.jsonl").write_text("".join(lines[:25]), "utf8")
    (folder / "b.jsonl").write_text("".join(lines[25:]), "utf8")
    return folder


def make(source, target, to="spacy", format=None, **settings):
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    found = Found(format or FORMATS["jsonl"], "", files, [])
    return Conversion(found, target, FORMATS[to] if isinstance(to, str) else to, NLP, **settings)


def docs(path):
    files = sorted(path.rglob("*.spacy")) if path.is_dir() else [path]
    return [doc for f in files for doc in DocBin().from_disk(f).get_docs(NLP.vocab)]


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def totals(notes):
    return {kind: tally.total for kind, tally in notes.tallies.items()}


def test_a_file(source, tmp_path):
    notes = Notes()
    result = convert(make(source, tmp_path / "out.spacy"), notes)
    found = docs(tmp_path / "out.spacy")
    assert [doc.user_data["id"] for doc in found] == [f"d{i}" for i in range(40)]
    assert found[0].text == record(0)["text"]
    assert {s.text for s in found[0].spans["sc"]} == {"Anna", "birds. They left"}
    assert totals(notes) == {TRIMMED: 40}
    assert result.outputs == [tmp_path / "out.spacy"] and result.summary.documents == 40
    assert tree(tmp_path) == ["in", "in/a.jsonl", "in/b.jsonl", "out.spacy"]


def test_split_shots_and_sentences(source, tmp_path):
    notes = Notes()
    sizes = {"train": 70.0, "dev": 15.0, "test": 15.0}
    conversion = make(source, tmp_path / "out", ratios=sizes, shots=5, sentences="rules", seed=1)
    assert conversion.n_passes == 5
    told = []
    result = convert(conversion, notes, told.append)
    assert sum(told) == conversion.n_bytes() * conversion.n_passes
    parts = {name: docs(tmp_path / "out" / f"{name}.spacy") for name in sizes}
    texts = {name: [doc.text for doc in found] for name, found in parts.items()}
    whole = Counter(r["id"] for r in map(record, range(40)))
    ids = {n: {doc.user_data["document"] if "document" in doc.user_data else doc.user_data["id"]
               for doc in found} for n, found in parts.items()}  # fmt: skip
    assert sum(map(len, ids.values())) == 40 and set().union(*ids.values()) == set(whole)
    assert "".join(sorted("".join(map("".join, texts.values())))) == "".join(
        sorted("".join(record(i)["text"] for i in range(40)))
    )
    known = Counter(span.label_ for doc in parts["train"] for span in doc.spans["sc"])
    assert known == {"PER": 5, "EV": 5}
    masked = Counter(s.label_ for d in parts["train"] for s in d.spans.get("missing", ()))
    n_train = Counter(e["label"] for i in range(40) if f"d{i}" in ids["train"]
                      for e in record(i)["spans"])  # fmt: skip
    # What is unknown may be cut.
    assert masked == {"PER": n_train["PER"] - 5, "EV": 2 * (n_train["EV"] - 5)}
    assert not any("missing" in doc.spans for doc in parts["dev"] + parts["test"])
    counted = totals(notes)
    # What happens while reading is counted once, in however many passes.
    assert counted[TRIMMED] == 40
    n_other = sum(e["label"] == "EV" for i in range(40) if f"d{i}" not in ids["train"]
                  for e in record(i)["spans"])  # fmt: skip
    assert counted[CROSSED] == n_other + 5
    assert result.shots.kept == known and len(result.outputs) == 3
    assert result.summary.documents == sum(map(len, parts.values()))


@pytest.mark.parametrize("to", ["spacy", "jsonl", "brat"])
def test_parts_hold_everything_once(source, tmp_path, to):
    conversion = make(source, tmp_path / "out", to, ratios={"a": 1.0, "b": 1.0})
    result = convert(conversion, Notes())
    suffix = "" if to == "brat" else FORMATS[to].suffixes[0]
    assert result.outputs == [tmp_path / "out" / f"{part}{suffix}" for part in "ab"]
    found = []
    for path in result.outputs:
        files = [path] if path.is_file() else sorted(path.glob("*.ann"))
        again = Conversion(Found(FORMATS[to], "", files, []), path, FORMATS["jsonl"], NLP)
        found += [r.id for r in again.records(Notes(), None)]
    assert sorted(found) == sorted(f"d{i}" for i in range(40))


def test_the_same_seed_gives_the_same_parts(source, tmp_path):
    for name in "xy":
        convert(make(source, tmp_path / name, "jsonl", ratios={"a": 1.0, "b": 1.0}), Notes())
    for part in ("a.jsonl", "b.jsonl"):
        assert (tmp_path / "x" / part).read_text() == (tmp_path / "y" / part).read_text()


def test_parts_of_a_large_corpus(source, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "LARGE", 100)
    monkeypatch.setattr(output, "SHARD", 50)
    with pytest.raises(BadInput, match=r"too much for one file of documents. Name a folder"):
        convert(make(source, tmp_path / "out.spacy"), Notes())
    convert(make(source, tmp_path / "out", ratios={"a": 1.0, "b": 1.0}), Notes())
    files = {part: sorted((tmp_path / "out" / part).iterdir()) for part in "ab"}
    assert all(len(some) > 2 and all(docs(file) for file in some) for some in files.values())
    assert len(docs(tmp_path / "out")) == 40
    convert(make(source, tmp_path / "whole"), Notes())
    ids = [doc.user_data["id"] for doc in docs(tmp_path / "whole")]
    assert ids == [f"d{i}" for i in range(40)] and len(tree(tmp_path / "whole")) > 2
    convert(make(source, tmp_path / "out.jsonl", "jsonl"), Notes())


def test_labels_and_keys(source, tmp_path):
    labels = Labels({"PER": "person"}, drop=["EV"])
    convert(make(source, tmp_path / "o.spacy", labels=labels, keys=Keys("x", "y")), Notes())
    found = docs(tmp_path / "o.spacy")
    assert all([s.label_ for s in doc.spans["x"]] == ["person"] for doc in found)
    assert all(set(doc.spans) == {"x"} for doc in found)


def test_documents_are_keyed_anew(source, tmp_path):
    convert(make(source, tmp_path / "1.spacy"), Notes())
    spacy_format = FORMATS["spacy"]
    convert(make(tmp_path / "1.spacy", tmp_path / "2.spacy", format=spacy_format,
                 keys=Keys("ner", "unknown")), Notes())  # fmt: skip
    assert all(set(doc.spans) == {"ner"} for doc in docs(tmp_path / "2.spacy"))
    assert all(doc.spans["ner"] for doc in docs(tmp_path / "2.spacy"))


@pytest.mark.parametrize("settings", [{}, {"ratios": {"a": 1.0, "b": 1.0}}, {"shots": 2}])
def test_bad_input(source, tmp_path, settings):
    """Records that are bad, a file that is bad as a whole."""
    (source / "a.jsonl").write_bytes(b"\xff\xfe")
    with (source / "b.jsonl").open("a") as file:
        file.write('{"text": 3}\n')
    out = tmp_path / "out"
    with pytest.raises(BadInput, match=r"a.jsonl, line 1: the bytes"):
        convert(make(source, out, **settings), Notes())
    assert not out.exists()
    notes = Notes(skip_bad=True)
    convert(make(source, out, **settings), notes)
    assert len(docs(out)) == 15
    assert notes.n_skipped == 2 and {e.where.path.name for e in notes.skipped} == {
        "a.jsonl",
        "b.jsonl",
    }


def test_bad_input_after_reading(source, tmp_path):
    """What documents cannot be made of is skipped too."""

    def read(file, notes):
        yield from FORMATS["jsonl"].read(file, notes)
        if file.path.name == "a.jsonl":
            yield Record("a\ud800", [], file.where(26))

    format = FORMATS["jsonl"]._replace(read=read)
    with pytest.raises(BadInput, match=r"a.jsonl, line 26: the character"):
        convert(make(source, tmp_path / "o.spacy", format=format), Notes())
    notes = Notes(skip_bad=True)
    convert(make(source, tmp_path / "o.spacy", format=format), notes)
    assert notes.n_skipped == 1 and len(docs(tmp_path / "o.spacy")) == 40
    with pytest.raises(BadInput, match="the source has no sentences"):
        convert(make(source, tmp_path / "p.spacy", sentences="given"), Notes())


@pytest.mark.parametrize("settings", [{}, {"ratios": {"a": 1.0, "b": 1.0}}])
def test_nothing_is_left(source, tmp_path, settings):
    for file in source.iterdir():
        file.write_text("\n")
    with pytest.raises(BadInput, match=r"a.jsonl: there are no documents in it, read as jsonl"):
        convert(make(source, tmp_path / "o", **settings), Notes())
    (source / "b.jsonl").write_text("{\n{\n")
    told = r"b.jsonl, line 1: .*; 1 more could not be read \(--report.*; of the other documents none is left"
    with pytest.raises(BadInput, match=told):
        convert(make(source, tmp_path / "o", **settings), Notes(skip_bad=True))
    assert tree(tmp_path) == ["in", "in/a.jsonl", "in/b.jsonl"]


def test_strict(source, tmp_path):
    (source / "c.jsonl").write_text('{"text": "Anna", "spans": [[1, 3, "X"]]}\n')
    with pytest.raises(BadInput, match=r"c.jsonl, line 1.*cuts a token.*'nn' .X.*leave out"):
        convert(make(source, tmp_path / "o.spacy"), Notes(strict=True))
    assert tree(tmp_path) == ["in", "in/a.jsonl", "in/b.jsonl", "in/c.jsonl"]
    convert(make(source, tmp_path / "o.jsonl", "jsonl"), Notes(strict=True))


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left"), RuntimeError("x")]
)
@pytest.mark.parametrize("name", ["out.x", "new/out", "parts"])
def test_an_error_in_the_middle(source, tmp_path, error, name):
    def write(records, path, notes):
        with path.open("w") as file:
            for n, item in enumerate(records):
                file.write(item.text)
                if n == 12:
                    raise error

    to = FORMATS["jsonl"]._replace(write=write)
    before = tree(tmp_path)
    settings = {"ratios": {"a": 1.0, "b": 2.0}} if name == "parts" else {}
    with pytest.raises(type(error)):
        convert(make(source, tmp_path / name, to, **settings), Notes())
    assert tree(tmp_path) == before
    if name == "out.x":
        (tmp_path / name).write_text("old")
        with pytest.raises(type(error)):
            convert(make(source, tmp_path / name, to), Notes())
        assert (tmp_path / name).read_text() == "old" and tree(tmp_path) == [*before, "out.x"]


@pytest.mark.parametrize("settings", [{}, {"ratios": {"a": 1.0, "b": 1.0}}])
def test_output_that_is_there(source, tmp_path, settings):
    (tmp_path / "out").mkdir()
    convert(make(source, tmp_path / "out", **settings), Notes())
    assert len(docs(tmp_path / "out")) == 40
    with pytest.raises(BadInput, match="the output folder is not empty"):
        convert(make(source, tmp_path / "out", **settings), Notes())
    (tmp_path / "file.x").write_text("x")
    with pytest.raises(BadInput, match=r"it is a file, but several|cannot be written to"):
        convert(make(source, tmp_path / "file.x", "brat", **settings), Notes())


def test_the_input_may_be_the_output(source):
    path = source / "a.jsonl"
    before = path.read_bytes()
    with pytest.raises(BadInput, match=r"a.jsonl: it is the input as well.*--overwrite"):
        convert(make(path, path, "jsonl"), Notes())
    assert path.read_bytes() == before
    convert(make(path, path, "jsonl", overwrite=True), Notes())
    again = make(path, path, "jsonl")
    assert [r.id for r in again.records(Notes(), None)] == [f"d{i}" for i in range(25)]


@pytest.mark.parametrize("settings", [
    {}, {"sentences": "rules"}, {"tokenizer": "whitespace"}, {"shots": 3},
    {"ratios": {"a": 1.0, "b": 1.0}},
])  # fmt: skip
@pytest.mark.parametrize("to", ["spacy", "jsonl", "columns"])
def test_records_are_not_collected(source, tmp_path, settings, to):
    alive, most = weakref.WeakSet(), []

    class Watched(Record):
        __hash__ = object.__hash__

    def read(file, notes):
        for i in range(200):
            item = Watched(f"Anna saw {i}. It ran.", [entity(0, 4, "PER")], file.where(i + 1))
            alive.add(item)
            yield item
            del item
            most.append(len(alive))

    format = Format("watched", "", (".x",), lambda head: None, read)
    conversion = make(source / "a.jsonl", tmp_path / "out", to, format, **settings)
    convert(conversion, Notes())
    assert max(most) < 10


def test_files_that_change(source, tmp_path):
    reads = []

    def read(file, notes):
        reads.append(file)
        for item in FORMATS["jsonl"].read(file, notes):
            if len(reads) < 3:
                yield item

    format = FORMATS["jsonl"]._replace(read=read)
    with pytest.raises(RuntimeError, match="Do not change files while they are converted"):
        convert(make(source, tmp_path / "o.jsonl", "jsonl", format, shots=1), Notes())
    assert tree(tmp_path) == ["in", "in/a.jsonl", "in/b.jsonl"]


def test_decisions_are_told_once(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "in" / f"{name}.conll").write_text("Anna B-PER\nran O\n\n")
    notes = Notes()
    convert(make(tmp_path / "in", tmp_path / "o.spacy", format=FORMATS["columns"]), notes)
    assert notes.decisions and len(notes.decisions) == len(set(notes.decisions))
    alone = Notes()
    path = tmp_path / "in" / "a.conll"
    convert(make(path, tmp_path / "p.spacy", format=FORMATS["columns"]), alone)
    assert notes.decisions == alone.decisions


def test_what_is_lost_behind_bad_input_is_said(source, tmp_path):
    def read(file, notes):
        yield Record("Anna", [], file.where(1))
        raise BadInput(file.where(2), "it is bad", "Mend it")

    notes = Notes(skip_bad=True)
    found = Format("x", "", (".x",), lambda head: None, read)
    convert(make(source / "a.jsonl", tmp_path / "o.spacy", format=found), notes)
    assert "line 2: it is bad; what comes after it in the file is not read. Mend" in str(notes.skipped[0])  # fmt: skip
    with pytest.raises(BadInput, match=r"line 2: it is bad. Mend it"):
        convert(make(source / "a.jsonl", tmp_path / "p.spacy", format=found), Notes())


def test_files_without_documents_are_counted(source, tmp_path):
    (source / "c.jsonl").write_text("\n")
    notes = Notes()
    convert(make(source, tmp_path / "o.spacy"), notes)
    assert totals(notes)[run.NOTHING] == 1 and "c.jsonl" in notes.tallies[run.NOTHING].examples[0]


@pytest.mark.parametrize("settings, name", [
    ({}, "part-0001.x.spacy"), ({}, "sub/part-0001.spacy"), ({}, "train.spacy"),
    ({"ratios": {"a": 1.0, "b": 1.0}}, "c.spacy"), ({"to": "brat"}, "sub/d1.txt"),
    ({"to": "brat", "ratios": {"a": 1.0, "b": 1.0}}, "d1.txt"),
])  # fmt: skip
def test_what_must_be_left_over_stops_before_anything_is_read(source, tmp_path, settings, name):
    old = tmp_path / "out" / name
    old.parent.mkdir(parents=True)
    old.write_text("old")
    with pytest.raises(BadInput, match=f"left over among the new ones: {name}"):
        make(source, tmp_path / "out", overwrite=True, **settings).check()


def test_a_folder_that_is_read_is_not_written(source):
    with pytest.raises(BadInput, match=r"a.jsonl in it is input as well. Name another"):
        make(source, source, overwrite=True).check()
