"""Texts with entities of two fragments each, and a pipeline that has learned them."""

from functools import lru_cache

import numpy
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..util import make_pipeline, train

LINK = {"@layers": "spacy-contrastive-ner.FragmentLinker.v1", "hidden_width": 16}
FILLERS = ["so", "then", "and", "of"]


def make_text(rng, n_entities=2):
    """Two entities of two parts each, side by side, one in the other or interleaved; which parts
    belong together only their words say."""
    kinds = rng.choice(4, n_entities, replace=False).tolist()
    firsts = rng.permutation(kinds).tolist()
    lasts = rng.permutation(kinds).tolist()
    parts = [("a", k) for k in firsts] + [("b", k) for k in lasts]
    words, spans = [], []
    for name, kind in parts:
        words += rng.choice(FILLERS, rng.integers(0, 3)).tolist()
        n = int(rng.integers(1, 3))
        spans.append((len(words), len(words) + n, "X", str(kind + 1)))
        words += [f"{name}{kind}", "x"][:n]
    # Another label, and an entity of one piece.
    words += ["and", "Y0", "c0"]
    spans += [(len(words) - 2, len(words) - 1, "Y", ""), (len(words) - 1, len(words), "X", "")]
    return words, spans


def make_linked(nlp, texts):
    examples = []
    for words, spans in texts:
        reference = Doc(nlp.vocab, words=words)
        reference.spans["sc"] = [
            Span(reference, start, end, label, span_id=id) for start, end, label, id in spans
        ]
        examples.append(Example(Doc(nlp.vocab, words=words), reference))
    return examples


def draw_texts(n, seed=0):
    rng = numpy.random.default_rng(seed)
    return [make_text(rng) for _ in range(n)]


def entities(doc):
    """The entities as sets of fragments, whatever the names of their ids."""
    found = {}
    for i, span in enumerate(doc.spans["sc"]):
        found.setdefault((span.id_ or f"-{i}", span.label_), set()).add((span.start, span.end))
    return sorted((label, sorted(fragments)) for (_, label), fragments in found.items())


def linked_pipeline(texts=None, steps=50, **model):
    nlp = make_pipeline(model={"dropout": 0.0, "link": LINK, **model})
    examples = make_linked(nlp, draw_texts(40) if texts is None else texts)
    optimizer, _ = train(nlp, examples, steps)
    return nlp, examples, optimizer


@lru_cache(maxsize=None)
def trained():
    """A pipeline that ties fragments together, and what it was trained on. Not to be changed."""
    return linked_pipeline()[:2]


def bare(eg, nlp):
    return Doc(nlp.vocab, words=[t.text for t in eg.reference])
