"""A tiny corpus with nested entities, and configs of both stages that learn from it."""

from pathlib import Path
from typing import Any, Dict

import spacy
from spacy.language import DEFAULT_CONFIG_PRETRAIN_PATH
from spacy.tokens import Doc, DocBin, Span
from spacy.util import load_config, load_model_from_config
from thinc.api import Config

WIDTH = 8
TOK2VEC = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "width": WIDTH,
    "depth": 1,
    "embed_size": 50,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": False,
    "pretrained_vectors": None,
}
LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": WIDTH}
CONTRAST = {
    "@architectures": "spacy-contrastive-ner.ContrastiveObjective.v1",
    "loss": {"@losses": "spacy-contrastive-ner.InfoNCE.v1"},
    "projection": {"@layers": "spacy-contrastive-ner.MlpProjection.v1", "width": 6},
}
TAGGING = {"@architectures": "spacy-contrastive-ner.TaggingObjective.v1"}
BALANCED = {"@batchers": "spacy-contrastive-ner.BalancedBatcher.v1", "size": 24}
BY_WORDS = {
    "@batchers": "spacy.batch_by_words.v1",
    "size": 24,
    "tolerance": 0.2,
    "discard_oversize": False,
    "get_length": None,
}

PLACES = ("France", "Norway", "Chile")
NAMES = ("Anna", "Boris", "Chen", "Dora")
TOPICS = ("Health", "Justice")


def make_docs(n: int = 12, late: bool = False) -> list:
    """Documents with entities in each other; with `late`, the last one has a label of its own."""
    vocab = spacy.blank("en").vocab
    docs = []
    for i in range(n):
        place, name, topic = PLACES[i % 3], NAMES[i % 4], TOPICS[i % 2]
        if i % 4 == 3:
            words, spans = [name, "left", place, "today"], [(2, 3, "PLACE")]
        else:
            words = ["The", "Ministry", "of", topic, "of", place, "thanked", name, "."]
            spans = [(1, 6, "ORG"), (1, 4, "ORG"), (5, 6, "PLACE")]
        if late and i == n - 1:
            spans = [*spans, (0, 1, "LATE"), (1, 2, "LATE")]
        doc = Doc(vocab, words=words)
        doc.spans["sc"] = [Span(doc, *span) for span in spans]
        docs.append(doc)
    return docs


def write(path: Path, docs: list) -> Path:
    DocBin(docs=docs).to_disk(path)
    return path


def make_corpora(root: Path) -> Dict[str, Path]:
    """Two training corpora, the second with a label that comes late, and one to judge by."""
    return {
        "a": write(root / "a.spacy", make_docs()),
        "b": write(root / "b.spacy", make_docs(6, late=True)),
        "dev": write(root / "dev.spacy", make_docs(7)),
    }


def reader(path: Any, **settings: Any) -> Dict[str, Any]:
    if isinstance(path, dict):
        path = {name: str(each) for name, each in path.items()}
    else:
        path = str(path)
    return {"@readers": "spacy-contrastive-ner.Corpus.v1", "path": path, **settings}


def make_config(
    corpora: Dict[str, Path],
    pipeline: Any = None,
    *,
    component: str = "tok2vec",
    layer: str = "",
    batcher: Any = None,
    objective: Any = None,
    optimizer: Any = None,
    train: Any = None,
    dev: Any = None,
    seed: int = 0,
    **pretraining: Any,
) -> Config:
    """A whole config of both stages, as `init fill-config --pretraining` gives it."""
    if pipeline is None:
        pipeline = {
            "tok2vec": {"factory": "tok2vec", "model": TOK2VEC},
            "contrastive_ner": {"factory": "contrastive_ner", "model": {"tok2vec": LISTENER}},
        }
    adam = {"@optimizers": "Adam.v1", "learn_rate": 0.01, "use_averages": False}
    config = load_config(DEFAULT_CONFIG_PRETRAIN_PATH)
    config["corpora"] = {
        "train": train or reader({"a": corpora["a"], "b": corpora["b"]}),
        "dev": dev or reader({"a": corpora["dev"]}, shuffle=False),
    }
    config["nlp"] = {"lang": "en", "pipeline": list(pipeline)}
    config["components"] = pipeline
    config["training"] = {"seed": seed}
    config["pretraining"] = {
        **config["pretraining"],
        "component": component,
        "layer": layer,
        "corpus": "corpora.train",
        "max_epochs": 4,
        "dropout": 0.1,
        "batcher": batcher or BALANCED,
        "objective": objective or CONTRAST,
        "optimizer": {**adam, **(optimizer or {})},
        **pretraining,
    }
    # What filling adds to [pretraining] is added when it is resolved.
    filled = load_model_from_config(Config(config).copy(), auto_fill=True).config
    return Config({**filled, "pretraining": config["pretraining"]}).copy()


def make_bert(path: Path) -> Path:
    """The folder of a tiny BERT with random weights, which cuts some words into pieces."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    spacy.util.fix_random_seed(0)
    path.mkdir(parents=True)
    words = {word.lower() for doc in make_docs() for word in (token.text for token in doc)}
    pieces = ["min", "##ist", "##ry", "he", "##alth"]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocab = [*special, *sorted(words - {"ministry", "health"}), *pieces]
    (path / "vocab.txt").write_text("\n".join(vocab), encoding="utf8")
    BertTokenizerFast(str(path / "vocab.txt")).save_pretrained(path)
    # Dropout stays in, so that what is drawn matters.
    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(path)
    return path


def transformer(architecture: str, bert: Path, **settings: Any) -> Dict[str, Any]:
    windows = {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 128, "stride": 96}
    return {
        "@architectures": f"spacy-transformers.{architecture}.v3",
        "name": str(bert),
        "get_spans": windows,
        "tokenizer_config": {"use_fast": True},
        "transformer_config": {},
        "mixed_precision": False,
        "grad_scaler_config": {},
        **settings,
    }


POOLING = {"@layers": "reduce_mean.v1"}


def transformer_pipeline(bert: Path) -> Dict[str, Any]:
    """A shared transformer, and the pipe that listens to it."""
    listener = {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "grad_factor": 1.0,
        "upstream": "transformer",
        "pooling": POOLING,
    }
    return {
        "transformer": {
            "factory": "transformer",
            "model": transformer("TransformerModel", bert),
        },
        "contrastive_ner": {"factory": "contrastive_ner", "model": {"tok2vec": listener}},
    }
