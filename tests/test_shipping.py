"""A pipeline that does more than entities, from training to the package that others install."""

import json
from importlib.metadata import version

import pytest
import spacy
from packaging.requirements import Requirement
from spacy.cli import package
from spacy.cli._util import app
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.util import load_model_from_config
from typer.testing import CliRunner

from .pretraining.tiny import NAMES, POOLING, TOK2VEC, WIDTH, make_bert, make_docs, transformer
from .util import found

KINDS = ["tok2vec", "transformer"]
LISTENERS = {
    "tok2vec": {"@architectures": "spacy.Tok2VecListener.v1", "width": WIDTH},
    "transformer": {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "grad_factor": 1.0,
        "upstream": "*",
        "pooling": POOLING,
    },
}


def gold_docs(vocab):
    """Documents that every pipe can learn something from."""
    docs = []
    for made in make_docs(8):
        words = [token.text for token in made]
        doc = Doc(
            vocab,
            words=words,
            tags=["NOUN" if word[0].isupper() else "OTHER" for word in words],
            # Each word hangs on the one before it.
            heads=[0, *range(len(words) - 1)],
            deps=["ROOT", *["dep"] * (len(words) - 1)],
        )
        doc.spans["sc"] = [Span(doc, s.start, s.end, s.label_) for s in made.spans["sc"]]
        doc.ents = [Span(doc, i, i + 1, "NAME") for i, w in enumerate(words) if w in NAMES]
        docs.append(doc)
    return docs


def make_config(kind, tmp):
    if kind == "transformer":
        pytest.importorskip("spacy_transformers")
        encoder = {
            "factory": kind,
            "model": transformer("TransformerModel", make_bert(tmp / "bert")),
        }
    else:
        encoder = {"factory": kind, "model": TOK2VEC}
    listener = LISTENERS[kind]
    others = {
        "tagger": {"@architectures": "spacy.Tagger.v2", "nO": None},
        "parser": {
            "@architectures": "spacy.TransitionBasedParser.v2",
            "state_type": "parser",
            "extra_state_tokens": False,
            "hidden_width": 8,
            "maxout_pieces": 2,
            "use_upper": kind == "tok2vec",
            "nO": None,
        },
    }
    others["ner"] = {**others["parser"], "state_type": "ner"}
    components = {kind: encoder}
    for name, model in others.items():
        components[name] = {"factory": name, "model": {**model, "tok2vec": listener}}
    # Not that rare labels are all called "dep".
    components["parser"]["min_action_freq"] = 1
    components["contrastive_ner"] = {"factory": "contrastive_ner", "model": {"tok2vec": listener}}
    return {"nlp": {"lang": "en", "pipeline": list(components)}, "components": components}


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def folder(kind, tmp_path_factory):
    """The folder of a trained pipeline of five pipes, as `spacy train` leaves it."""
    tmp = tmp_path_factory.mktemp(kind)
    config = make_config(kind, tmp)
    spacy.util.fix_random_seed(0)
    nlp = load_model_from_config(config, auto_fill=True)
    docs = gold_docs(nlp.vocab)
    examples = [Example(Doc(nlp.vocab, words=[t.text for t in doc]), doc) for doc in docs]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(40):
        nlp.update(examples, sgd=optimizer, drop=0.0)
    nlp.to_disk(tmp / "model")
    return tmp / "model"


@pytest.fixture
def nlp(folder):
    return spacy.load(folder)


TEXT = "The Ministry of Health of France thanked Anna ."


def read(doc, *, ours=True, others=True):
    """All that the pipes said."""
    said = [doc.text]
    if ours:
        said.append(found(doc))
    if others:
        said += [doc.to_json()["ents"]] + [[t.tag_, t.dep_, t.head.i] for t in doc]
    return said


def test_all_learn_on_one_encoder(nlp, kind):
    assert nlp.get_pipe(kind).listening_components == ["tagger", "parser", "ner", "contrastive_ner"]
    doc = nlp(TEXT)
    assert found(doc) == [(1, 4, "ORG"), (1, 6, "ORG"), (5, 6, "PLACE")]
    # What ner said stays, and ours goes beside it.
    ents = [(ent.text, ent.label_) for ent in doc.ents]
    assert ents == [("Ministry of Health", "ORG"), ("France", "PLACE"), ("Anna", "NAME")]
    assert doc[1].tag_ == "NOUN" and doc[2].tag_ == "OTHER"
    assert doc[4].head == doc[3] and doc[4].dep_ == "dep"


def test_pipes_can_be_selected(nlp, kind):
    whole = nlp(TEXT)
    with nlp.select_pipes(enable=[kind, "contrastive_ner"]):
        alone = nlp(TEXT)
        assert {ent.label_ for ent in alone.ents} == {"ORG", "PLACE"}
    assert read(alone, others=False) == read(whole, others=False)
    with nlp.select_pipes(disable="contrastive_ner"):
        without = nlp(TEXT)
    assert "sc" not in without.spans and {ent.label_ for ent in without.ents} == {"NAME"}
    assert [t.tag_ for t in without] == [t.tag_ for t in whole]
    assert read(nlp(TEXT)) == read(whole)


@pytest.mark.parametrize("pipe", ["contrastive_ner", "ner"])
def test_listeners_can_be_replaced(nlp, kind, pipe, tmp_path):
    """Ours, and those of others beside it."""
    before = read(nlp(TEXT))
    nlp.replace_listeners(kind, pipe, ["model.tok2vec"])
    assert pipe not in nlp.get_pipe(kind).listening_components
    assert read(nlp(TEXT)) == before
    nlp.to_disk(tmp_path)
    assert read(spacy.load(tmp_path)(TEXT)) == before


def test_pipe_can_be_taken_over_by_a_config(folder, nlp, kind, tmp_path):
    source = {"source": str(folder)}
    config = {
        "nlp": {"lang": "en", "pipeline": [kind, "contrastive_ner"]},
        "components": {kind: source, "contrastive_ner": source},
    }
    other = load_model_from_config(config, auto_fill=True)
    expected = read(nlp(TEXT), others=False)
    assert read(other(TEXT), others=False) == expected
    other.to_disk(tmp_path)
    assert read(spacy.load(tmp_path)(TEXT), others=False) == expected


def test_pipe_can_be_taken_over_alone(nlp, kind):
    """With its own copy of the encoder, into a pipeline that has another one."""
    expected = read(nlp(TEXT), others=False)
    nlp.replace_listeners(kind, "contrastive_ner", ["model.tok2vec"])
    other = spacy.blank("en")
    other.add_pipe("tok2vec", config={"model": TOK2VEC})
    other.add_pipe("contrastive_ner", source=nlp)
    other.get_pipe("tok2vec").initialize(
        lambda: [Example(Doc(nlp.vocab, ["a"]), Doc(nlp.vocab, ["a"]))]
    )
    assert read(other(TEXT), others=False) == expected


def test_several_processes(folder, kind):
    nlp = spacy.load(folder)
    # PyTorch may hang in forked processes, whatever the pipe.
    n_process = 1 if kind == "transformer" else 2
    texts = [TEXT, "Boris left Norway today", "nothing"] * 4
    expected = [read(doc) for doc in nlp.pipe(texts)]
    docs = list(nlp.pipe(texts, n_process=n_process, batch_size=3))
    assert [read(doc) for doc in docs] == expected
    assert all(len(d.spans["sc"].attrs["scores"]) == len(d.spans["sc"]) for d in docs)


def test_apply(folder, nlp, tmp_path):
    """`spacy apply`: spans and their probabilities are in the file that it writes."""
    texts = [TEXT, "Boris left Norway today"]
    (tmp_path / "texts.jsonl").write_text(
        "".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf8"
    )
    files = [str(tmp_path / name) for name in ("texts.jsonl", "out.spacy")]
    result = CliRunner().invoke(app, ["apply", str(folder), *files])
    assert result.exit_code == 0, result.output
    docs = list(DocBin().from_disk(files[1]).get_docs(nlp.vocab))
    assert [read(doc) for doc in docs] == [read(nlp(text)) for text in texts]
    scores = docs[0].spans["sc"].attrs["scores"]
    assert len(scores) == 3 and all(0 < score <= 1 for score in scores)


def test_package_asks_for_what_it_needs(folder, kind, tmp_path):
    """So that pip installs this distribution with the pipeline."""
    package(
        folder, tmp_path, name="shipped", version="1.2.3", create_sdist=False, require_parent=True
    )
    meta = json.loads((tmp_path / "en_shipped-1.2.3" / "meta.json").read_text("utf8"))
    needed = {r.name: r.specifier for r in map(Requirement, meta["requirements"])}
    expected = {"spacy", "spacy-contrastive-ner"}
    assert set(needed) == (expected | {"spacy-transformers"} if kind == "transformer" else expected)
    assert needed["spacy-contrastive-ner"].contains(version("spacy-contrastive-ner"))
    # What has another first number may have other settings.
    assert not needed["spacy-contrastive-ner"].contains("1.0.0")
    assert meta["labels"]["contrastive_ner"] == ["ORG", "PLACE"]
