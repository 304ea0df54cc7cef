"""Composing batches: orders, queues, and what serving a label costs."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_contrastive_ner.corpora.composing import Composer


def compose_all(lengths, counts, size, **settings):
    chosen = {"mentions": 2, "labels": 8, "share": 0.5, **settings}
    composer = Composer(lengths, counts, rng=random.Random(0), **chosen)
    order = list(composer.waiting)
    batches = []
    while not composer.done:
        batches.append(composer.compose(size))
    return order, batches


def mentions_of(batch, counts):
    return sum((Counter(counts[i]) for i in batch), Counter())


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
    while not composer.done:
        composer.compose(200)
        batches += 1
    assert looks < 20_000 * 20 and batches < 1300


@pytest.mark.parametrize("size, share", [(300, 0.5), (2000, 0.5), (2000, 0.1), (30, 0.5)])
def test_no_label_starves(size, share):
    """Forty labels of two mentions, in different documents: each meets its like in every epoch, and
    the batches that this takes are few and not too long."""
    for seed in range(8):
        rng = random.Random(seed)
        lengths = [rng.randint(10, 40) for _ in range(120)]
        counts = [{f"R{i // 2}": 1, "F": 1} if i < 80 else {"F": 1} for i in range(120)]
        composer = Composer(
            lengths, counts, mentions=2, labels=8, share=share, rng=random.Random(seed)
        )
        batches = []
        visiting = 0
        while not composer.done:
            visiting += bool(composer.left)
            batches.append(composer.compose(size))
        times = Counter(
            label for batch in batches for label, n in mentions_of(batch, counts).items() if n >= 2
        )
        assert len(times) == 41 and min(times.values()) >= 1
        assert {i for batch in batches for i in batch} == set(range(120))
        if size > 80:
            assert all(sum(lengths[i] for i in batch) <= size for batch in batches)
        # What closes the epoch is filled with labels that were not served, whatever the share.
        assert len(batches) - visiting <= -(-40 * 80 // size)


def test_what_closes_an_epoch_has_several_labels():
    """Labels whose turn it is join the one for which a batch is made, so that there is something
    to tell it from."""
    counts = [{f"R{i // 2}": 1} if i < 24 else {"F": 1} for i in range(60)]
    closing = 0
    for seed in range(10):
        composer = Composer(
            [10] * 60, counts, mentions=2, labels=4, share=0.01, rng=random.Random(seed)
        )
        while composer.left:
            composer.compose(300)
        while not composer.done:
            batch = composer.compose(60)
            assert len(set(batch)) == len(batch) == 6
            assert sorted(mentions_of(batch, counts).values()) == [2, 2, 2]
            closing += 1
    assert closing
    composer = Composer([10] * 60, counts, mentions=2, labels=4, share=0.5, rng=random.Random(0))
    while composer.left:
        composer.compose(300)
    composer.starved = {"R3": None}
    here = mentions_of(composer.compose(200), counts)
    assert composer.done and here["R3"] == 2 and sum(n >= 2 for n in here.values()) == 4


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([5, 20, 60, 1000]), st.sampled_from([0.1, 0.5, 1.0]))
def test_copies_never_meet(seed, size, share):
    """Copies may differ in their mentions, as variants of a document do."""
    rng = random.Random(seed)
    sources = [rng.randrange(8) for _ in range(rng.randint(1, 40))]
    lengths = [rng.choice([1, 3, 10, 30]) for _ in sources]
    counts = [Counter(rng.choices("ABCD", k=rng.choice([0, 0, 1, 2, 3]))) for _ in sources]
    composer = Composer(
        lengths, counts, sources=sources, mentions=2, labels=3, share=share, rng=random.Random(seed)
    )
    most = {
        label: sum(
            max(count[label] for other, count in zip(sources, counts) if other == source)
            for source in set(sources)
        )
        for label in "ABCD"
    }
    assert composer.single == [label for label in "ABCD" if most[label] == 1]
    visited = set()
    served = set()
    while not composer.done:
        batch = composer.compose(size)
        here = [sources[i] for i in batch]
        assert len(set(here)) == len(here)
        fresh = set(batch) - visited
        new = {
            label
            for label, n in mentions_of(batch, counts).items()
            if n >= min(2, most[label]) and most[label] > 1
        }
        assert fresh or new - served, "each batch gets on"
        visited |= fresh
        served |= new
    assert visited == set(range(len(sources)))
    assert served == {label for label in "ABCD" if most[label] > 1}


def test_variants_with_fewer_mentions():
    """What there is of a label is in the variants that have most; with another in the batch, it may
    not be enough."""
    for seed in range(10):
        composer = Composer(
            [10, 20, 30, 40],
            [{"A": 1}, {"A": 2}, {"A": 1}, {"A": 1, "B": 1}],
            sources="xxyy",
            mentions=3,
            labels=1,
            share=0.5,
            rng=random.Random(seed),
        )
        assert composer.wanted == {"A": 3} and composer.single == ["B"]
        assert composer._shortest("A", 3) in ([1, 2], [1, 3])
        composer._add(0)
        assert composer._shortest("A", 2) == [] == composer._forced("A", 2, 99)
        assert composer._shortest("A", 1) in ([2], [3]) and not composer.forced


def test_copies_are_spread_over_the_epoch():
    """So that batches are full although copies keep out of each other's way."""
    sources = [i % 50 for i in range(150)]
    composer = Composer(
        [10] * 150,
        [{}] * 150,
        sources=sources,
        mentions=2,
        labels=8,
        share=0.5,
        rng=random.Random(0),
    )
    batches = []
    while not composer.done:
        batches.append(composer.compose(500))
    assert [len(batch) for batch in batches] == [50] * 3
