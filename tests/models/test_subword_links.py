"""Fragments are tied together on word pieces, and are spans of tokens."""

import numpy
import spacy
from spacy.tokens import Doc
from spacy.training import Example

from spacy_contrastive_ner.annotations import Gold
from spacy_contrastive_ner.models.pieces import on_pieces
from spacy_contrastive_ner.tracks import Subwords

from ..util import require_same, train
from .linked import LINK, entities, make_linked
from .on_transformer import KINDS
from .test_subword_tagger import make


def draw(rng):
    """Two words and the two that belong to them, side by side or the one in the other. "Ministry" has
    three pieces, "Health" two, white space none."""
    first, second, between = ("Anna", "Health"), ("Paris", "Ministry"), ["left", " ", "of"]
    words = [first[0], second[0], *between[: rng.integers(1, 4)]]
    n = len(words)
    ids = ("1", "2") if rng.random() < 0.5 else ("2", "1")
    words += [{"1": first, "2": second}[id][1] for id in ids]
    spans = [(0, 1, "X", "1"), (1, 2, "X", "2"), *((n + i, n + i + 1, "X", ids[i]) for i in (0, 1))]
    return words, spans


def test_annotation_on_pieces():
    words = Subwords(numpy.asarray([1, 0, 3, 2, 1]), [5])
    a, b, c, blank = (0, 1, "X"), (2, 3, "X"), (3, 5, "X"), (1, 2, "X")
    gold = Gold(5, [a, b, c, blank], [], [], entities=[(a, c), (blank, b), (a, b, blank)])
    found, lost = on_pieces(words, [gold])
    assert [span for _, span, _ in lost] == [blank]
    assert found[0].spans == [(0, 1, "X"), (1, 4, "X"), (4, 7, "X")]
    # Of what is left of an entity two fragments are still tied, one is an entity by itself.
    assert found[0].entities == [((0, 1, "X"), (4, 7, "X")), ((0, 1, "X"), (1, 4, "X"))]


@KINDS
def test_it_learns_and_is_saved(bert, kind, tmp_path):
    rng = numpy.random.default_rng(0)
    nlp = make(bert, kind, {"link": LINK, "dropout": 0.0})
    examples = make_linked(nlp, [draw(rng) for _ in range(12)])
    optimizer, _ = train(nlp, examples, 60)
    for eg in examples:
        words = [token.text for token in eg.reference]
        assert entities(nlp(Doc(nlp.vocab, words=words))) == entities(eg.reference)
    assert len({len(eg.reference) for eg in examples}) > 1
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    require_same(nlp, again, atol=1e-5)
    bare = [Doc(again.vocab, words=[t.text for t in eg.reference]) for eg in examples]
    for size in (1, 5):
        for doc, eg in zip(again.pipe([doc.copy() for doc in bare], batch_size=size), examples):
            assert entities(doc) == entities(eg.reference)
    # White space has no pieces, and neither has a text of nothing else.
    assert not again(Doc(again.vocab, words=[" "])).spans["sc"]


def test_rehearsal_keeps_links(bert):
    rng = numpy.random.default_rng(0)
    nlp = make(bert, "inline", {"link": LINK, "dropout": 0.0})
    examples = make_linked(nlp, [draw(rng) for _ in range(12)])
    train(nlp, examples, 60)
    optimizer = nlp.resume_training()
    texts = [Example(eg.predicted.copy(), eg.predicted.copy()) for eg in examples]
    loss = nlp.rehearse(texts, sgd=None, losses={})["contrastive_ner"]
    assert abs(loss) < 1e-2
    linker = nlp.get_pipe("contrastive_ner").model.get_ref("linker").layers[0]
    linker.set_param("W", linker.get_param("W") * 0)
    spoilt = nlp.rehearse(texts, sgd=None, losses={})["contrastive_ner"]
    assert spoilt > loss + 1
    for _ in range(60):
        nlp.rehearse(texts, sgd=optimizer, losses={})
    losses = nlp.rehearse(texts, sgd=None, losses={})
    assert losses["contrastive_ner"] < 0.5 * spoilt
