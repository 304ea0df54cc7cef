"""What tests of several rooms need."""

import os

import pytest
import spacy

from .util import TEXTS

# Tiny transformers are made on the spot; nothing may be looked for elsewhere.
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """The folder of a tiny BERT with random weights, which cuts some words into pieces."""
    pytest.importorskip("spacy_transformers")
    from transformers import BertConfig, BertModel, BertTokenizerFast

    spacy.util.fix_random_seed(0)
    path = tmp_path_factory.mktemp("bert")
    words = {word.lower() for text, _ in TEXTS for word in text.split()} - {"ministry", "health"}
    pieces = ["min", "##ist", "##ry", "he", "##alth"]
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(words), *pieces]
    (path / "vocab.txt").write_text("\n".join(vocab), encoding="utf8")
    BertTokenizerFast(str(path / "vocab.txt")).save_pretrained(path)
    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    BertModel(config).save_pretrained(path)
    return path
