"""The sample corpus is what its page says, and what its script makes."""

import importlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import spacy

from spacy_contrastive_ner.convert.formats import FORMATS
from spacy_contrastive_ner.convert.notes import Notes
from spacy_contrastive_ner.convert.summary import Summary
from spacy_contrastive_ner.convert.textfile import TextFile

ROOT = Path(__file__).parent.parent
ASSETS = ROOT / "assets"
SCRIPTS = ROOT / "scripts"
LABELS = {"PER", "ORG", "GPE", "LOC", "FAC", "ROLE", "EVENT", "LAW", "VESSEL", "AWARD"}
RARE = {"VESSEL", "AWARD"}
N_TEXTS = {"train": 400, "dev": 100, "test": 100}


def read(part, kind):
    """The records of a third of a part."""
    place = {"brat": "brat", "columns": "columns.conll", "jsonl": "records.jsonl"}[kind]
    path = ASSETS / "sample" / part / place
    notes = Notes(strict=True)
    files = sorted(path.glob("*.ann")) if path.is_dir() else [path]
    records = [item for file in files for item in FORMATS[kind].read(TextFile(file), notes)]
    assert records and not notes.tallies
    return records


CORPUS = {
    part: {kind: read(part, kind) for kind in ("brat", "columns", "jsonl")} for part in N_TEXTS
}


def texts_of(part):
    """Single texts: in brat several stand in a document."""
    records = [item for some in CORPUS[part].values() for item in some]
    return [text for item in records for text in item.text.split("\n\n")]


def records_of(part):
    return [item for some in CORPUS[part].values() for item in some]


def surfaces(part, *labels):
    return Counter(
        (entity.text_in(item.text), entity.label)
        for item in records_of(part)
        for entity in item.entities
        if not labels or entity.label in labels
    )


@pytest.fixture
def sample(monkeypatch):
    """The modules that the corpus is made with."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    names = ("templates", "words", "news", "registry", "phrases")
    modules = {name: importlib.import_module(f"sample.{name}") for name in names}
    yield {**modules, "script": importlib.import_module("make_sample")}
    for name in [name for name in sys.modules if name.split(".")[0] in ("sample", "make_sample")]:
        del sys.modules[name]


def files_in(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_made_again_it_is_the_same(tmp_path):
    output = tmp_path / "new" / "sample"
    command = [sys.executable, str(SCRIPTS / "make_sample.py"), "--output", str(output)]
    # Sets and hashes of strings must not matter.
    subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "123"}, check=True)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["sample"]
    made, there = files_in(output), files_in(ASSETS / "sample")
    assert sorted(made) == sorted(there)
    differing = [name for name in made if made[name] != there[name]]
    assert not differing, "run scripts/make_sample.py, and measure again what its page says"


def run_script(sample, monkeypatch, *args):
    monkeypatch.setattr(sys, "argv", ["make_sample.py", *map(str, args)])
    sample["script"].main()


def test_another_seed_replaces_it(sample, tmp_path, monkeypatch):
    output = tmp_path / "sample"
    (output / "train").mkdir(parents=True)
    (output / "train" / "old.txt").write_text("old", encoding="utf8")
    run_script(sample, monkeypatch, "--output", output, "--seed", 1)
    made, there = files_in(output), files_in(ASSETS / "sample")
    assert sorted(made) == sorted(there)
    assert all(made[name] != there[name] for name in made if name.endswith(".txt"))


def test_other_files_are_left_alone(sample, tmp_path, monkeypatch):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf8")
    with pytest.raises(SystemExit) as stopped:
        run_script(sample, monkeypatch, "--output", tmp_path)
    assert stopped.value.code == f"{tmp_path} holds other files: thesis.txt. Name another."
    assert files_in(tmp_path) == {"thesis.txt": b"mine"}


def test_what_fails_leaves_the_old_one(sample, tmp_path, monkeypatch):
    (tmp_path / "sample" / "train").mkdir(parents=True)
    (tmp_path / "sample" / "train" / "old.txt").write_text("old", encoding="utf8")
    monkeypatch.setitem(sample["script"].PARTS, "test", "no number")
    with pytest.raises(TypeError):
        run_script(sample, monkeypatch, "--output", tmp_path / "sample")
    assert files_in(tmp_path) == {os.path.join("sample", "train", "old.txt"): b"old"}


def test_size():
    assert sum(len(data) for data in files_in(ASSETS).values()) < 1_000_000


def test_it_is_free():
    assert "CC0 1.0 Universal" in (ASSETS / "LICENSE").read_text(encoding="utf8")
    assert "(LICENSE)" in (ASSETS / "README.md").read_text(encoding="utf8")


@pytest.mark.parametrize("part", N_TEXTS)
def test_texts(part):
    texts = texts_of(part)
    assert len(texts) == len(set(texts)) == N_TEXTS[part]
    third = N_TEXTS[part] / 3
    assert all(
        abs(sum(len(item.text.split("\n\n")) for item in some) - third) < 1
        for some in CORPUS[part].values()
    )
    ids = [item.id for kind in CORPUS[part].values() for item in kind]
    assert all(re.fullmatch(rf"{part}-\d+", id) for id in ids)
    for text in texts:
        assert re.match("[A-Z]", text) and not re.search(r"  | [.,;:?]|[{}\[\]|]|//", text), text


def test_no_text_is_in_two_parts():
    texts = [text for part in N_TEXTS for text in texts_of(part)]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("part", N_TEXTS)
def test_offsets(part):
    """Every format says what a mention is, in its own way."""
    for path in sorted((ASSETS / "sample" / part / "brat").glob("*.ann")):
        text = path.with_suffix(".txt").read_bytes().decode("utf8")
        for line in path.read_text(encoding="utf8").splitlines():
            _, where, surface = line.split("\t")
            parts = [map(int, pair.split()) for pair in where.partition(" ")[2].split(";")]
            assert " ".join(text[start:end] for start, end in parts) == surface
    for line in (ASSETS / "sample" / part / "records.jsonl").open(encoding="utf8"):
        record = json.loads(line)
        for span in record["spans"]:
            for start, end in span.get("fragments") or [(span["start"], span["end"])]:
                assert record["text"][start:end].strip() == record["text"][start:end] != ""


@pytest.mark.parametrize("part", N_TEXTS)
def test_tokens_of_spacy(part):
    """No entity is lost when it becomes a document, and all formats have the same tokens."""
    nlp = spacy.blank("en")
    for item in records_of(part):
        doc = nlp.make_doc(item.text)
        for entity in item.entities:
            for start, end in entity.fragments:
                assert doc.char_span(start, end) is not None, entity.text_in(item.text)
    for item in CORPUS[part]["columns"]:
        doc = nlp.make_doc(item.text)
        assert item.tokens == [(token.idx, token.idx + len(token)) for token in doc]
        assert item.sents[0][0] == 0 and item.sents[-1][1] == len(item.text)


@pytest.mark.parametrize("part", N_TEXTS)
def test_labels(part):
    counts = Counter(label for _, label in surfaces(part).elements())
    assert set(counts) == LABELS
    at_least, at_most = (6, 8) if part == "train" else (20, 25)
    assert all(at_least <= counts[label] <= at_most for label in RARE)
    assert all(counts[label] >= 20 for label in LABELS - RARE)
    if part == "train":
        assert all(counts[label] >= 100 for label in LABELS - RARE)


def summary_of(records):
    summary = Summary()
    for item in records:
        summary.add(item)
    return summary


@pytest.mark.parametrize("part", N_TEXTS)
def test_shapes(part):
    summary = summary_of(records_of(part))
    counts = summary.entities
    assert 0.25 < counts.nested / counts.entities < 0.45
    assert counts.same_label_nested >= 60 and counts.crossing >= 10 and counts.discontinuous >= 10
    assert summary.deepest >= 4
    for kind, some in CORPUS[part].items():
        counts = summary_of(some).entities
        assert counts.same_label_nested > 10
        assert bool(counts.discontinuous) == (kind != "columns")
    # Crossing without gaps, so that columns have it as well.
    assert any(
        len(a.fragments) == len(b.fragments) == 1 and a.start < b.start < a.end < b.end
        for item in CORPUS[part]["columns"]
        for a in item.entities
        for b in item.entities
    )


def test_three_of_a_label():
    chains = Counter(
        depth
        for item in records_of("train")
        for entity in item.entities
        for depth in [
            sum(
                other.label == entity.label
                and other.start <= entity.start
                and entity.end <= other.end
                for other in item.entities
            )
        ]
    )
    assert chains[1] > chains[2] > chains[3] > 20


@pytest.mark.parametrize("part", ["dev", "test"])
@pytest.mark.parametrize("label", ["PER", "ORG"])
def test_unseen_names(part, label):
    known, there = surfaces("train", label), surfaces(part, label)
    assert sum(name not in known for name in there) / len(there) >= 0.6
    mentions = sum(n for name, n in there.items() if name not in known)
    assert mentions / sum(there.values()) >= 0.6
    # Not only other combinations of words that are known.
    words = {word for item in records_of("train") for word in re.findall(r"\w+", item.text)}
    new = [name for name, _ in there if not set(re.findall(r"\w+", name)) <= words]
    assert len(new) / len(there) >= 0.15


def test_names_are_ambiguous():
    labels = {}
    for text, label in surfaces("train"):
        for name in {text, text.split()[0]}:
            labels.setdefault(name, set()).add(label)
    names = ("Jordan", "Victoria", "Lincoln", "Chad", "Florence", "Austin", "Paris", "Georgia")
    assert sum({"PER", "GPE"} <= labels[name] for name in names) >= 6
    assert sum({"PER", "GPE"} <= of for of in labels.values()) >= 20
    whole = {}
    for text, label in surfaces("train"):
        whole.setdefault(text, set()).add(label)
    assert sum({"ORG", "GPE"} <= of for of in whole.values()) >= 5


def test_not_every_capital_is_a_name():
    """Words that are a part of an entity elsewhere, and of none here."""
    inside, outside = Counter(), Counter()
    for item in records_of("train"):
        covered = {
            at for e in item.entities for start, end in e.fragments for at in range(start, end)
        }
        for match in re.finditer(r"[A-Z]\w+", item.text):
            (inside if match.start() in covered else outside)[match.group()] += 1
    assert sum(outside[word] for word in outside if word in inside) >= 60
    generic = re.compile(r"\b(?:the|a) (?:minister|ministry|court|river|chairman|director)\b")
    assert sum(len(generic.findall(text)) for text in texts_of("train")) >= 10


def test_what_is_in_the_test_set_only(sample):
    usual = {**sample["news"].TEXTS, **sample["registry"].TEXTS}
    usual = {**usual, **sample["registry"].VESSELS, **sample["registry"].AWARDS}
    only = {**sample["news"].TEST_ONLY, **sample["registry"].TEST_ONLY}
    assert not set(usual) & set(only)
    assert 0.04 <= len(only) / (len(usual) + len(only)) <= 0.06
    for sign in ("Correction: for", "So says ", "Was it ", ": draw."):
        found = {part: any(sign in text for text in texts_of(part)) for part in N_TEXTS}
        assert found == {"train": False, "dev": False, "test": True}


def test_every_template_can_be_read(sample):
    rules = {
        **sample["phrases"].RULES,
        **sample["news"].ASIDES,
        **sample["registry"].RARE_WORDS,
    }
    texts = [text for some in rules.values() for text in some]
    for module in ("news", "registry"):
        for name in ("TEXTS", "TEST_ONLY", "VESSELS", "AWARDS"):
            texts += getattr(sample[module], name, {}).values()
    parse = sample["templates"].parse
    assert all(parse(text) for text in texts if text)
    named = {name for text in texts for name in re.findall(r"\{([a-z_]+)[:}]", text)}
    pools = sample["words"].POOLS
    assert not set(rules) & set(pools), "a rule that is never used"
    assert named - {"year"} <= {*rules, *pools}
    assert set(rules) <= named, "a rule that is never used"


class Sequence:
    """Gives numbers in turn, in place of random ones."""

    def __init__(self, *numbers):
        self.numbers = list(numbers)

    def random(self):
        return self.numbers.pop(0)


def made(sample, template, rules=None, numbers=(), fragments=True):
    words = {"town": "Lund", "given": "Ada", "surname": "Holm"}
    maker = sample["templates"].Maker(rules or {}, words.get, Sequence(*numbers))
    made = maker.make(template, fragments)
    entities = [
        (label, " .. ".join(made.text[start:end] for start, end in parts))
        for parts, label in made.entities
    ]
    return made.text, entities, [made.text[start:end] for start, end in made.sents]


def test_templates_nest_and_end(sample):
    text, entities, sents = made(sample, "in [ORG City of [GPE {town}]]. // [GPE {town}] won.")
    assert text == "In City of Lund. Lund won."
    assert entities == [("ORG", "City of Lund"), ("GPE", "Lund"), ("GPE", "Lund")]
    assert sents == ["In City of Lund.", "Lund won."]


def test_templates_have_gaps(sample):
    _, entities, _ = made(sample, "[PER#1 {given}] and [PER Jo [PER#1 {surname}]]")
    assert entities == [("PER", "Ada .. Holm"), ("PER", "Jo Holm")]
    text, entities, _ = made(sample, "[EVENT+1 12th] [ORG+1 [EVENT+1 Lund Fair]] [ORG+1 Board]")
    assert text == "12th Lund Fair Board"
    assert entities == [("EVENT", "12th Lund Fair"), ("ORG", "Lund Fair Board")]


def test_templates_choose(sample):
    rules = {"both": ["[PER#1 A] and [PER B [PER#1 C]]", "[PER A C] and [PER B C]", "nobody"]}
    template = "{both} (left|stayed) (|again )today"
    assert made(sample, template, rules, (0.0, 0.9, 0.1))[0] == "A and B C stayed today"
    assert (
        made(sample, template, rules, (0.0, 0.4, 0.9), False)[0] == "A C and B C left again today"
    )


def test_templates_remember(sample):
    rules = {"person": ["[PER {given} {surname}]"]}
    text, entities, _ = made(
        sample, "{person:p} - [PER {=p.surname}] - {=p}", rules, (0.0, 0.0, 0.0)
    )
    assert text == "Ada Holm - Holm - Ada Holm"
    assert entities == [("PER", "Ada Holm"), ("PER", "Holm"), ("PER", "Ada Holm")]


@pytest.mark.parametrize("template", ["[PER {given}", "a]", "(a|b", "a|b", "a)", "[PER a|b]"])
def test_bad_templates(sample, template):
    with pytest.raises(ValueError, match=re.escape(repr(template))):
        sample["templates"].parse(template)
