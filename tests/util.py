"""Small pipelines, and nested examples to train them on."""

import pytest
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
LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "upstream": "transformer",
    "pooling": POOLING,
}
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


def windows(window, stride):
    """How a transformer cuts texts."""
    getter = "spacy-transformers.strided_spans.v1"
    return {"@span_getters": getter, "window": window, "stride": stride}


def transformer_config(architecture, bert, **settings):
    """The config of a transformer from a folder."""
    return {
        "@architectures": f"spacy-transformers.{architecture}.v3",
        "name": str(bert),
        "get_spans": windows(128, 96),
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


def collect_gradients(pipe, examples):
    """Leave the gradients of a loss with the parameters, and return what computes the loss from them. A
    loss that is only looked at leaves nothing behind."""
    model, docs = pipe.model, [example.predicted for example in examples]
    for node in model.walk():
        for name in node.param_names:
            if node.has_param(name):
                node.set_grad(name, node.get_param(name) * 0)
    rows, backprop = model.begin_update(docs)
    pipe.get_loss(examples, rows)
    _, d_rows = pipe.get_loss(examples, rows)
    backprop(d_rows)
    return lambda: pipe.get_loss(examples, model(docs, True)[0])[0]


def found(doc, key="sc"):
    return sorted((span.start, span.end, span.label_) for span in doc.spans[key])


def scores_of(doc, key="sc"):
    return doc.spans[key].attrs["scores"].tolist()


def predict(nlp, text):
    return nlp(Doc(nlp.vocab, words=text.split()))


def require_memorised(nlp, texts=TEXTS):
    """In the texts all entities are found and nothing else."""
    for text, spans in texts:
        assert found(predict(nlp, text)) == sorted(spans)


def require_same(nlp, other, atol=0.0):
    """Both pipelines predict the same, of all spans that are not quite improbable. Their threshold is 0
    from then on."""
    n = 0
    for each in (nlp, other):
        each.get_pipe("contrastive_ner").cfg["threshold"] = 0.0
    for text, _ in TEXTS:
        doc, again = predict(nlp, text), predict(other, text)
        assert found(again) == found(doc)
        assert scores_of(again) == pytest.approx(scores_of(doc), rel=0, abs=atol)
        n += len(found(doc))
    assert n > 5


def require_same_as_alone(nlp, texts, **options):
    """With these options of `nlp.pipe`, what is found in a text (its words) does not depend on the others."""
    docs = [Doc(nlp.vocab, words=words) for words in texts]
    for doc, words in zip(nlp.pipe(docs, **options), texts, strict=True):
        alone = nlp(Doc(nlp.vocab, words=words))
        assert found(doc) == found(alone)
        assert scores_of(doc) == pytest.approx(scores_of(alone), abs=1e-5)
