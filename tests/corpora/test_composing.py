"""Composing batches: orders, queues, and what serving a label costs."""

import random

from spacy_contrastive_ner.corpora.composing import Composer


def compose_all(lengths, counts, size, **settings):
    chosen = {"mentions": 2, "labels": 8, "share": 0.5, **settings}
    composer = Composer(lengths, counts, rng=random.Random(0), **chosen)
    order = list(composer.waiting)
    batches = []
    while composer.left:
        batches.append(composer.compose(size))
    return order, batches


def test_a_batch_opens_with_what_waits_longest():
    rng = random.Random(0)
    lengths = [rng.randint(1, 60) for _ in range(80)]
    order, batches = compose_all(lengths, [{"A": 1}] * 80, 70, share=0.3)
    for batch in batches:
        assert batch[0] == order[0]
        order = [i for i in order if i not in batch]


def test_the_fewest_words_that_serve_a_label():
    def shortest(*docs):
        lengths, numbers = zip(*docs)
        counts = [{"A": n} for n in numbers]
        composer = Composer(lengths, counts, mentions=2, labels=1, share=1.0, rng=random.Random(0))
        return sorted(composer._shortest("A", 2))

    assert shortest((60, 1), (61, 1), (90, 2)) == [2]
    assert shortest((10, 1), (11, 1), (12, 1), (90, 2)) == [0, 1]
    assert shortest((10, 1), (20, 2), (90, 2)) == [1]
    assert shortest((10, 1), (11, 1), (12, 2)) == [2]


def test_composing_is_fast_enough_for_many_documents():
    """Queues are looked at from their heads, never searched: 20,000 documents of one label, and a
    rare one, are composed in a moment (counted, not timed)."""
    looks = 0

    class Counting(list):
        def __getitem__(self, i):
            nonlocal looks
            looks += 1
            return super().__getitem__(i)

    lengths = Counting([10] * 20_000)
    counts = [{"F": 1} for _ in range(19_997)] + [{"R": 1}] * 3
    composer = Composer(lengths, counts, mentions=2, labels=8, share=0.5, rng=random.Random(0))
    batches = 0
    while composer.left:
        composer.compose(200)
        batches += 1
    assert looks < 20_000 * 20 and batches < 1300
