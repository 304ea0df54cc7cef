"""Balanced batches: what each must hold, whatever the documents are."""

import pickle
import random
import warnings
from collections import Counter
from typing import Dict, List

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import registry

from spacy_contrastive_ner.corpora import Mark, get_mark, set_mark
from spacy_contrastive_ner.corpora.augment import make_mention_replacement
from spacy_contrastive_ner.corpora.batcher import make_balanced_batcher
from spacy_contrastive_ner.corpora.reader import Corpus

from ..util import make_pipeline
from .random_docs import plain_doc, random_doc, save

NLP = spacy.blank("en")


def make_doc(n_words, labels="", space="", epoch=0):
    """A document with a mention of each label, which are letters."""
    doc = plain_doc(NLP.vocab, "w " * max(n_words, 1))
    doc.spans["sc"] = [Span(doc, 0, 1, label) for label in labels]
    set_mark(doc, Mark(space, space, epoch, False))
    return doc


def make_batcher(**settings):
    return make_balanced_batcher(**settings)


def batches_of(docs, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(make_batcher(**settings)(docs))


def words(batch):
    return sum(map(len, batch))


def label_counts(batch):
    return Counter(span.label_ for doc in batch for span in doc.spans["sc"])


def check_epoch(docs, batches, mentions=2):
    """What holds of every epoch."""
    seen = set()
    known = set()
    totals = {
        space: label_counts([doc for doc in docs if get_mark(doc).space == space])
        for space in {get_mark(doc).space for doc in docs}
    }
    for batch in batches:
        assert batch, "no batch is empty"
        assert len({id(doc) for doc in batch}) == len(batch), "none is twice in a batch"
        assert len({get_mark(doc).space for doc in batch}) == 1, "one space a batch"
        fresh = {id(doc) for doc in batch} - seen
        space = get_mark(batch[0]).space
        served = {
            (space, label)
            for label, n in label_counts(batch).items()
            if totals[space][label] > 1 and n >= min(mentions, totals[space][label])
        }
        assert fresh or served - known, "each batch gets on"
        seen |= fresh
        known |= served
    assert {id(doc) for doc in docs} <= seen | {id(doc) for doc in batches[-1]}
    last = [(i, doc) for i, batch in enumerate(batches) for doc in batch if get_mark(doc).last]
    assert [i for i, _ in last] == [len(batches) - 1]


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([1, 5, 20, 60, 1000]),
    st.integers(1, 4),
    st.sampled_from([0, 1, 3, 20]),
    st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    st.sampled_from([0, 1, 3, 12]),
)
def test_any_documents(seed, size, mentions, labels, share, n_labels):
    rng = random.Random(seed)
    alphabet = "ABCDEFGHIJKL"[:n_labels]
    docs = [
        make_doc(
            rng.choice([1, 3, 10, 30, 90]),
            [label for label in alphabet for _ in range(rng.choice([0, 0, 0, 1, 2]))],
            space=rng.choice("xy"),
        )
        for _ in range(rng.randint(1, 40))
    ]
    batches = batches_of(docs, size=size, mentions=mentions, labels=labels, share=share)
    check_epoch(docs, batches, mentions)
    wanted = {
        space: {
            label: min(mentions, n)
            for label, n in label_counts([d for d in docs if get_mark(d).space == space]).items()
            if n > 1
        }
        for space in "xy"
    }
    for batch in batches:
        quotas = wanted[get_mark(batch[0]).space]
        counts = label_counts(batch)
        mine = [label for label in label_counts(batch[:1]) if label in quotas]
        if share and labels and mine:
            assert any(counts[label] >= n for label, n in quotas.items()), "no use for contrast"
        if not (share and labels):
            assert words(batch) <= max(size, len(batch[0]))
    if share and labels:
        for space, quotas in wanted.items():
            there = [label_counts(batch) for batch in batches if get_mark(batch[0]).space == space]
            assert all(any(c[label] >= n for c in there) for label, n in quotas.items()), "starved"


def test_documents_are_visited_once_without_balancing():
    docs = [make_doc(random.Random(i).randint(1, 30), "AB") for i in range(50)]
    for off in ({"share": 0.0}, {"labels": 0}):
        batches = batches_of(docs, size=60, **off)
        check_epoch(docs, batches)
        assert sum(map(len, batches)) == 50
        assert all(words(batch) <= 60 for batch in batches)
        assert sum(map(words, batches)) / (60 * len(batches)) > 0.8, "batches are full"


def make_corpus(n=600, n_rare=3):
    """Two frequent labels, twenty rare ones, and documents without entities."""
    rng = random.Random(0)
    docs = [make_doc(rng.randint(5, 15), rng.choice(["F", "G", "FG", ""])) for _ in range(n)]
    for i in range(20):
        docs.extend(make_doc(10, [f"rare{i}"]) for _ in range(n_rare))
    rng.shuffle(docs)
    return docs


def served(batches, mentions=2) -> Dict[str, int]:
    counts: Counter = Counter()
    for batch in batches:
        counts.update(label for label, n in label_counts(batch).items() if n >= mentions)
    return counts


def test_rare_labels_are_served_as_often_as_frequent_ones():
    docs = make_corpus()
    batches = batches_of(docs, size=400, labels=8)
    check_epoch(docs, batches)
    times = served(batches)
    rare = [times[f"rare{i}"] for i in range(20)]
    # Eight labels a batch, among twenty rare ones.
    assert max(rare) - min(rare) <= 1 and min(rare) >= 0.3 * len(batches)
    assert all(words(batch) <= 400 for batch in batches)
    # Without balancing they hardly ever meet.
    plain = served(batches_of(docs, size=400, share=0.0))
    assert sum(plain[f"rare{i}"] for i in range(20)) < 0.2 * sum(rare)


def test_each_batch_holds_enough_of_several_labels():
    docs = make_corpus()
    for mentions, labels in ((2, 4), (3, 5)):
        for batch in batches_of(docs, size=400, mentions=mentions, labels=labels):
            counts = label_counts(batch)
            assert sum(n >= mentions for n in counts.values()) >= labels


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_the_share_bounds_what_is_repeated(share):
    docs = make_corpus()
    seen = set()
    repeated = 0
    batches = batches_of(docs, size=400, share=share, labels=30)
    for batch in batches:
        again = sum(len(doc) for doc in batch if id(doc) in seen)
        assert again <= share * 400
        repeated += again
        seen.update(map(id, batch))
    assert repeated > 0
    assert len(batches) <= 1 + sum(map(len, docs)) / (400 * (1 - share)) * 1.1


def test_documents_of_a_label_take_turns():
    """All documents of a rare label are repeated, not always the same two."""
    docs = [make_doc(10, "F") for _ in range(400)] + [make_doc(10, "R") for _ in range(6)]
    visits: Counter = Counter()
    for batch in batches_of(docs, size=100, labels=2):
        visits.update(i for i, doc in enumerate(docs) if any(doc is other for other in batch))
    rare = [visits[i] for i in range(400, 406)]
    assert min(rare) >= 5 and max(rare) - min(rare) <= 2
    assert max(visits[i] for i in range(400)) <= 2


def test_not_visited_documents_come_first():
    docs = [make_doc(10, "A") for _ in range(40)]
    batches = batches_of(docs, size=50, share=1.0)
    assert sum(map(len, batches)) == 40, "one label, all its documents: nothing is repeated"


def test_single_mentions_are_told_and_left_alone():
    docs = [make_doc(10, "A" if i else "AZ") for i in range(20)]
    batcher = make_batcher(size=40)
    with pytest.warns(UserWarning, match="1 labels have one mention only.*'Z'"):
        batches = list(batcher(docs))
    assert sum(any("Z" in label_counts([doc]) for doc in batch) for batch in batches) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(batcher(docs))


def test_nothing_to_balance_is_told():
    docs = [make_doc(10) for _ in range(5)]
    with pytest.warns(UserWarning, match=r"None of 5 documents.*doc.spans\['mine'\].*'sc'"):
        batches = list(make_batcher(size=20, spans_key="mine")(docs))
    check_epoch(docs, batches)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(make_batcher(size=20, spans_key="mine", share=0.0)(docs))
        assert list(make_batcher()([])) == []


@pytest.mark.parametrize(
    "docs",
    [
        [(30, ""), (30, "")],
        [(30, "A")],
        [(30, "AA"), (2, ""), (2, "")],
        [(30, "A"), (30, "A"), (2, "")],
        [(9, "A"), (9, "A"), (9, "A")],
        [(9, "A"), (9, "AA"), (30, "A"), (1, "B")],
        [(1, "A")] * 5,
    ],
)
@pytest.mark.parametrize("size", [1, 10, 11, 100])
@pytest.mark.parametrize("share", [0.01, 0.5, 1.0])
def test_documents_of_awkward_lengths(docs, size, share):
    docs = [make_doc(n, labels) for n, labels in docs]
    batches = batches_of(docs, size=size, share=share)
    check_epoch(docs, batches)
    n_mentions = label_counts(docs)["A"]
    for batch in batches:
        if n_mentions > 1 and "A" in label_counts(batch[:1]):
            assert label_counts(batch)["A"] >= 2


def test_a_far_too_long_document_is_told_once():
    docs = [make_doc(9, "A") for _ in range(4)]
    batcher = make_batcher(size=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(batcher([*docs, make_doc(40, "A")]))
    docs.append(make_doc(41, "A"))
    with pytest.warns(UserWarning, match="A document has 41 words, .* 20: .* Set max_length"):
        list(batcher(docs))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(batcher(docs))


def test_too_long_batches_are_told_once():
    docs = [make_doc(90, "A") for _ in range(4)]
    batcher = make_batcher(size=100)
    with pytest.warns(UserWarning, match="more words than size, the longest 180.*'A'.*max_length"):
        batches = list(batcher(docs))
    assert {words(batch) for batch in batches} == {180}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(batcher(docs))


def test_one_long_document_does_not_hide_others():
    """Batches that become too long without it are told as well."""
    docs = [make_doc(90, "A") for _ in range(4)]
    batcher = make_batcher(size=100)
    with pytest.warns(UserWarning) as told:
        list(batcher([*docs, make_doc(250)]))
    texts = [str(warning.message) for warning in told]
    assert len(texts) == 2 and "A document has 250 words" in texts[0]
    assert "batches have more words than size, the longest 180" in texts[1]
    # All that are too long are so by this one, and its company.
    docs = [make_doc(10, "A") for _ in range(4)]
    with pytest.warns(UserWarning) as told:
        list(make_batcher(size=100)([*docs, make_doc(250, "A"), make_doc(300, "A")]))
    assert len(told) == 1


def test_many_labels_for_which_there_is_no_room():
    """They are served nevertheless, and not all of them are tried again and again."""
    docs = [make_doc(40, [f"L{i // 2}"]) for i in range(600)]
    batches = batches_of(docs, size=90, labels=1)
    check_epoch(docs, batches)
    assert len(served(batches)) == 300


def test_a_document_too_long_gets_company():
    docs = [make_doc(500, "AB"), *(make_doc(10, "ABC"[i % 3]) for i in range(30))]
    (batch,) = [batch for batch in batches_of(docs, size=100) if any(len(d) == 500 for d in batch)]
    assert label_counts(batch) == {"A": 2, "B": 2} and words(batch) == 520


def test_last_chance():
    """The documents of R are short and go along with others; then none of them opens a batch. A
    batch of their own closes the epoch, and its mark is on a copy, as they were in others."""
    closed = 0
    for seed in range(20):
        docs = [make_doc(70) for _ in range(12)] + [make_doc(25, "R") for _ in range(2)]
        batches = batches_of(docs, size=100, share=0.1, seed=seed)
        check_epoch(docs, batches)
        assert served(batches)["R"] >= 1
        assert max(map(words, batches)) <= 100
        closed += not any(get_mark(doc).last for doc in docs)
    assert closed


def test_spaces_do_not_mix():
    docs = [make_doc(10, "A", space="xyz"[i % 3]) for i in range(60)]
    batches = batches_of(docs, size=50)
    check_epoch(docs, batches)
    order = [get_mark(batch[0]).space for batch in batches]
    assert order != sorted(order) and set(order) == set("xyz"), "they take turns"
    # A small one is not used up at once: its batches lie anywhere.
    middles = []
    for seed in range(20):
        uneven = [make_doc(10, "A", space="small" if i < 20 else "large") for i in range(400)]
        order = [get_mark(batch[0]).space for batch in batches_of(uneven, size=50, seed=seed)]
        places = [i for i, space in enumerate(order) if space == "small"]
        middles.append(sum(places) / len(places) / len(order))
    assert 0.35 < sum(middles) / len(middles) < 0.65
    with pytest.warns(UserWarning, match="'A' in the space 'x'"):
        list(make_batcher(size=50)([make_doc(10, "A", space="x"), make_doc(10, "A", space="y")]))


def shape(docs, batches):
    place = {id(doc): i for i, doc in enumerate(docs)}
    return [[place[id(doc)] for doc in batch] for batch in batches]


def test_batches_depend_on_seed_and_epoch_only():
    def run(seed, epoch):
        docs = [make_doc(5 + i % 7, "AB"[i % 2], epoch=epoch) for i in range(40)]
        return shape(docs, batches_of(docs, size=50, seed=seed))

    random.seed(1)
    first = run(0, 3)
    random.seed(2)
    assert run(0, 3) == first
    assert run(1, 3) != first and run(0, 4) != first
    batcher = make_batcher(size=50)
    docs = [make_doc(10, "A") for _ in range(20)]
    again = pickle.loads(pickle.dumps(batcher))
    assert shape(docs, batcher(docs)) == shape(docs, again(docs)) == shape(docs, batcher(docs))


def test_the_mark_moves_to_the_last_batch():
    docs = [make_doc(10, "A") for _ in range(20)]
    set_mark(docs[0], Mark("", "", 7, True))
    for seed in range(5):
        batches = batches_of(docs, size=50, seed=seed)
        check_epoch(docs, batches)
        assert sum(get_mark(doc).last for doc in docs) == 1
    unmarked = [plain_doc(NLP.vocab, "a b c") for _ in range(5)]
    check_epoch(unmarked, batches_of(unmarked, size=6))


def test_the_same_object_handed_over_twice():
    """Its copy has the mark, so that no earlier batch has it."""
    doc = make_doc(10, "A")
    batches = batches_of([doc] * 4, size=10, share=0.0)
    assert [get_mark(batch[0]).last for batch in batches] == [False, False, False, True]
    example = Example(doc.copy(), doc)
    batches = batches_of([example] * 3, size=10, share=0.0)
    lasts = [get_mark(batch[0].reference).last for batch in batches]
    assert lasts == [False, False, True]
    assert batches[-1][0].reference.text == doc.text
    assert label_counts([batches[-1][0].reference]) == {"A": 1}


def test_copies_of_a_document_never_meet(tmp_path):
    """Visited several times in an epoch, and varied each time: a mention is no pair with its copy."""
    docs = [
        plain_doc(NLP.vocab, f"text {i} of {name}", [(1, 2, name)])
        for name in "AB"
        for i in range(4)
    ]
    docs.append(plain_doc(NLP.vocab, "text of R", [(2, 3, "R")]))
    path = save(tmp_path / "x.spacy", docs)
    augmenter = make_mention_replacement(path, level=1.0, mention_level=1.0, keep=True)
    corpus = Corpus({"mine": path}, weights={"mine": 3.0}, augmenter=augmenter)
    with pytest.warns(UserWarning, match="one mention only.*R"):
        examples = list(corpus(NLP))
    assert len(examples) == 2 * 3 * 8 + 3
    with pytest.warns(UserWarning, match="1 labels have one mention only.*'R'"):
        batches = list(make_batcher(size=1000)(examples))
    for batch in batches:
        sources = [get_mark(example.reference).source for example in batch]
        assert all(sources) and len(set(sources)) == len(sources)
    assert sum(map(len, batches)) >= len(examples)
    assert len(batches) == 6


def test_words_are_those_of_the_prediction():
    """As spaCy counts them, though the reference has others."""
    examples: List[Example] = []
    for _ in range(10):
        reference = make_doc(4, "A")
        predicted = Doc(NLP.vocab, words=["w w", " w w"], spaces=[False, False])
        examples.append(Example(predicted, reference))
    batches = batches_of(examples, size=4, share=0.0)
    assert [len(batch) for batch in batches] == [2] * 5


def test_use_ents():
    docs = [make_doc(10, "") for _ in range(30)]
    for doc in docs[:4]:
        doc.ents = [Span(doc, 2, 3, "R")]
        del doc.spans["sc"]
    batches = batches_of(docs, size=40, use_ents=True)
    assert sum(sum(len(doc.ents) for doc in batch) >= 2 for batch in batches) >= 6


def test_sizes_from_a_schedule():
    docs = [make_doc(10) for _ in range(20)]
    batches = batches_of(docs, size=[10, 20, 30])
    assert [words(batch) for batch in batches][:5] == [10, 20, 30, 30, 30]
    growing = registry.schedules.get("compounding.v1")(10, 40, 2.0)
    batches = batches_of(docs, size=growing)
    assert [words(batch) for batch in batches][:4] == [10, 20, 40, 40]
    with pytest.raises(ValueError, match="end"):
        batches_of(docs, size=[])


def test_config():
    config = {
        "flat": {"@batchers": "spacy-contrastive-ner.BalancedBatcher.v1", "size": 50},
        "growing": {
            "@batchers": "spacy-contrastive-ner.BalancedBatcher.v1",
            "size": {"@schedules": "compounding.v1", "start": 10, "stop": 40, "compound": 2.0},
        },
    }
    docs = [make_doc(10) for _ in range(20)]
    for batcher in registry.resolve(config).values():
        with pytest.warns(UserWarning, match="not balanced"):
            check_epoch(docs, list(batcher(docs)))


def test_errors_about_settings():
    for kwargs in ({"size": 0}, {"mentions": 0}, {"labels": -1}, {"share": 1.5}, {"share": -0.1}):
        with pytest.raises(ValueError, match=rf"\[BalancedBatcher\].*{next(iter(kwargs))} is"):
            make_batcher(**kwargs)


def test_training_on_balanced_batches(tmp_path):
    """Reader, batcher and pipe together, as `spacy train` puts them together."""
    rng = random.Random(0)
    docs = [random_doc(NLP.vocab, rng, rng.randint(3, 12), density=0.2) for _ in range(12)]
    nlp = make_pipeline()
    corpus = Corpus(save(tmp_path / "x.spacy", docs), max_length=10)
    batcher = make_batcher(size=40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optimizer = nlp.initialize(lambda: corpus(nlp))
        optimizer.learn_rate = 0.01
        totals = []
        for _ in range(12):
            losses: Dict[str, float] = {}
            for batch in batcher(corpus(nlp)):
                nlp.update(batch, sgd=optimizer, losses=losses)
            totals.append(losses["contrastive_ner"])
    assert totals[-1] < 0.6 * totals[0]


def test_documents_without_marks_are_batched_anew_in_each_call():
    """As spaCy's own reader gives them."""
    docs = [make_doc(3, "AB"[i % 2]) for i in range(20)]
    for doc in docs:
        doc.user_data.clear()
    batcher = make_batcher(size=12)
    epochs = [[[docs.index(doc) for doc in batch] for batch in batcher(docs)] for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
