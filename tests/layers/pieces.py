"""What tests of layers over the pieces of a transformer share."""

import numpy
import spacy
from spacy.tokens import Doc
from spacy.util import registry

from ..util import POOLING, transformer_config


def make_layer(build, bert, words, get_spans, grad_factor=1.0):
    """A layer over a tiny transformer, and documents of these words."""
    spacy.util.fix_random_seed(0)
    settings = {"pooling": POOLING, "get_spans": get_spans, "grad_factor": grad_factor}
    config = transformer_config("Tok2VecTransformer", bert, **settings)
    layer = build(registry.resolve({"model": config})["model"])
    vocab = spacy.blank("en").vocab
    docs = [Doc(vocab, words=each) for each in words]
    layer.initialize(X=docs)
    return layer, docs


def reader_of(layer):
    return next(node for node in layer.walk() if node.name == "transformer")


def gradients_of(layer, backward):
    """What is added to the gradients of the transformer's weights."""
    module = reader_of(layer).transformer
    module.zero_grad()
    backward()
    found = dict(module.named_parameters())
    return {name: p.grad.numpy().copy() for name, p in found.items() if p.grad is not None}


def require_equal(found, expected, least=1e-4):
    assert max(abs(gradient).max() for gradient in expected.values()) > least
    for name, gradient in expected.items():
        # Weights that nothing depends on have a gradient of zeros, or none.
        assert numpy.allclose(found.get(name, 0), gradient, atol=1e-5), name
