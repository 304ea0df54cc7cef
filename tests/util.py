"""Small pipelines, and nested examples to train them on."""

import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

TOK2VEC = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "width": 32,
    "depth": 1,
    "embed_size": 200,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": False,
    "pretrained_vectors": None,
}
POOLING = {"@layers": "reduce_mean.v1"}
CE = {"@losses": "spacy-contrastive-ner.CrossEntropyDice.v1"}

TEXTS = [
    ("the Ministry of Health of France resigned", [(1, 6, "ORG"), (1, 4, "ORG"), (5, 6, "GPE")]),
    ("Anna left Paris", [(0, 1, "PER"), (2, 3, "GPE")]),
    ("nothing happened today", []),
    ("the mayor of Paris met Anna", [(0, 4, "PER"), (3, 4, "GPE"), (5, 6, "PER")]),
]


def make_pipeline(seed=0, model=None, **settings):
    spacy.util.fix_random_seed(seed)
    nlp = spacy.blank("en")
    nlp.add_pipe(
        "contrastive_ner", config={"model": {"tok2vec": TOK2VEC, **(model or {})}, **settings}
    )
    return nlp


def transformer_config(architecture, bert, **settings):
    """The config of a transformer from a folder."""
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


def make_examples(nlp, texts=TEXTS, key="sc"):
    examples = []
    for text, spans in texts:
        reference = Doc(nlp.vocab, words=text.split())
        reference.spans[key] = [Span(reference, *span) for span in spans]
        examples.append(Example(Doc(nlp.vocab, words=text.split()), reference))
    return examples


def train(nlp, examples=None, steps=60, **kwargs):
    """Initialize and train until the examples are memorised."""
    examples = make_examples(nlp) if examples is None else examples
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    losses = {}
    for _ in range(steps):
        losses = nlp.update(examples, sgd=optimizer, losses={}, **kwargs)
    return optimizer, losses


def found(doc, key="sc"):
    return sorted((span.start, span.end, span.label_) for span in doc.spans[key])


def predict(nlp, text):
    return nlp(Doc(nlp.vocab, words=text.split()))
