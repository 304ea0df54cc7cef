"""What tests of models on a transformer share: pipelines, and what has to be true of all of them."""

import pytest
import spacy

from ..util import LISTENER, POOLING, make_examples, require_same, train, transformer_config

KINDS = pytest.mark.parametrize("kind", ["listener", "inline"])


def make_on_transformer(bert, kind, get_spans, model, seed=0, **settings):
    """A pipeline whose model, of this config, listens to a transformer or has its own."""
    spacy.util.fix_random_seed(seed)
    nlp = spacy.blank("en")
    tok2vec = LISTENER
    if kind == "listener":
        shared = transformer_config("TransformerModel", bert, get_spans=get_spans)
        nlp.add_pipe("transformer", config={"model": shared})
    else:
        own = {"grad_factor": 1.0, "pooling": POOLING, "get_spans": get_spans}
        tok2vec = transformer_config("Tok2VecTransformer", bert, **own)
    nlp.add_pipe("contrastive_ner", config={"model": {"tok2vec": tok2vec, **model}, **settings})
    return nlp


def require_whole_when_loaded(nlp, kind, path):
    """What is loaded predicts the same and can be trained on, also with a transformer of its own in the
    place of a listener."""
    nlp.to_disk(path)
    again = spacy.load(path)
    require_same(nlp, again, atol=1e-5)
    losses = again.update(make_examples(again), sgd=again.resume_training())
    assert 0 < losses["contrastive_ner"] < 100
    if kind == "listener":
        before = spacy.load(path)
        nlp.replace_listeners("transformer", "contrastive_ner", ["model.tok2vec"])
        nlp.remove_pipe("transformer")
        require_same(before, nlp, atol=1e-5)
        nlp.to_disk(path / "replaced")
        require_same(before, spacy.load(path / "replaced"), atol=1e-5)


def require_gradients_of_pieces(nlp, kind, examples):
    """An update of an initialised pipeline reaches the first layer of the transformer."""
    reader = nlp.get_pipe("transformer" if kind == "listener" else "contrastive_ner")
    module = next(node for node in reader.model.walk() if node.name == "transformer").transformer
    module.zero_grad()
    nlp.update(examples, sgd=False)
    assert module.get_input_embeddings().weight.grad.abs().max() > 1e-5


def require_learning_on_a_frozen_transformer(nlp):
    frozen = {"exclude": ["transformer"], "annotates": ["transformer"]}
    _, first = train(nlp, steps=1, **frozen)
    _, losses = train(nlp, steps=30, **frozen)
    assert losses["contrastive_ner"] < 0.7 * first["contrastive_ner"]
