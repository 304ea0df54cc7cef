"""The examples of docs/corpora.md work, together and in `spacy train`."""

import re
import warnings
from pathlib import Path

import pytest
import spacy
from confection import Config
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import registry

from spacy_contrastive_ner.corpora.batcher import BalancedBatcher
from spacy_contrastive_ner.corpora.reader import Corpus

from ..util import TOK2VEC
from .random_docs import plain_doc, save

PAGE = Path(__file__).parents[2] / "docs" / "corpora.md"
BLOCKS = re.findall(r"```ini\n(.*?)```", PAGE.read_text(encoding="utf8"), flags=re.DOTALL)
PATHS = '[paths]\ntrain = "train.spacy"\ndev = "dev.spacy"\n\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    vocab = spacy.blank("en").vocab
    docs = [
        plain_doc(
            vocab, "the mayor of Paris met Anna", [(0, 4, "PER"), (3, 4, "GPE"), (5, 6, "PER")]
        ),
        plain_doc(vocab, "Anna left Berlin", [(0, 1, "PER"), (2, 3, "GPE")]),
        plain_doc(vocab, "nothing happened"),
    ]
    for name in (
        "train",
        "dev",
        *(f"corpus/{n}" for n in ("small", "large/a", "english", "german")),
    ):
        save(tmp_path / f"{name}.spacy", docs * 4)
    return tmp_path


@pytest.mark.parametrize("block", range(len(BLOCKS)))
def test_each_example_is_valid(folder, block):
    config = Config().from_str(PATHS + BLOCKS[block])
    nlp = spacy.blank("en")
    made = []
    for name, section in config.get("corpora", {}).items():
        corpus = registry.resolve({name: section})[name]
        assert len(list(corpus(nlp))) >= 12
        made.append(corpus)
    for name in ("training", "pretraining"):
        if "batcher" in config.get(name, {}):
            made.append(registry.resolve(config[name])["batcher"])
    for name, section in config.get("components", {}).items():
        nlp.add_pipe(section.pop("factory"), name=name, config=section)
    assert all(isinstance(thing, (Corpus, BalancedBatcher)) for thing in made)
    assert made or "max_epochs" in BLOCKS[block]


def test_all_is_there():
    text = "".join(BLOCKS)
    for name in ("Corpus", "BalancedBatcher", "MentionReplacement"):
        assert f"spacy-contrastive-ner.{name}.v1" in text


@pytest.mark.parametrize("max_epochs", [0, -1])
def test_spacy_train(folder, max_epochs):
    """Reader, batcher and augmenter as `spacy train` uses them."""
    config = Config().from_str(PATHS + BLOCKS[0])
    augmented = Config().from_str(PATHS + BLOCKS[-1])
    config["corpora"]["train"]["augmenter"] = augmented["corpora"]["train"]["augmenter"]
    batcher = Config().from_str(BLOCKS[-2])["pretraining"]["batcher"]
    nlp = spacy.blank("en")
    nlp.add_pipe("contrastive_ner", config={"model": {"tok2vec": TOK2VEC}})
    training = {
        "batcher": {**batcher, "size": 30},
        "max_epochs": max_epochs,
        "max_steps": 60,
        "eval_frequency": 20,
        "logger": {"@loggers": "spacy.ConsoleLogger.v1"},
    }
    full = nlp.config.merge(Config({**config, "training": training}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (folder / "out").mkdir()
        nlp = init_nlp(full)
        nlp, _ = train(nlp, output_path=folder / "out")
    best = spacy.load(folder / "out" / "model-best")
    doc = best("Anna left Berlin")
    assert {(span.text, span.label_) for span in doc.spans["sc"]} == {
        ("Anna", "PER"),
        ("Berlin", "GPE"),
    }
