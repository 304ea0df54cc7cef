"""The reader, as a config makes it and as training uses it."""

import pickle
import random
import re
import warnings
from collections import Counter
from functools import partial

import pytest
import spacy
from confection import Config
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from spacy_contrastive_ner.corpora import Mark, get_mark, set_mark
from spacy_contrastive_ner.corpora.reader import Corpus, make_corpus

from ..util import make_pipeline
from .random_docs import plain_doc, random_doc, save, triples

NLP = spacy.blank("en")


def numbered(tmp_path, name="a", n=8, **kwargs):
    docs = [
        plain_doc(NLP.vocab, f"{name} text number {i}", [(2, 3, "N")], **kwargs) for i in range(n)
    ]
    return save(tmp_path / f"{name}.spacy", docs)


def texts(examples):
    return [example.reference.text for example in examples]


def marks(examples):
    return [get_mark(example.reference) for example in examples]


def test_examples_are_those_of_spacy(tmp_path):
    rng = random.Random(0)
    docs = [random_doc(NLP.vocab, rng) for _ in range(10)]
    docs[3:3] = [Doc(NLP.vocab), Doc(NLP.vocab, words=["do", "not", "join"])]
    path = save(tmp_path / "x.spacy", docs)
    ours = list(Corpus(path, shuffle=False)(NLP))
    theirs = list(spacy.training.Corpus(path)(NLP))
    assert len(ours) == 11
    for a, b in zip(ours, theirs):
        assert a.predicted.to_bytes() == b.predicted.to_bytes()
        del a.reference.user_data["contrastive_ner"]
        assert a.reference.to_bytes() == b.reference.to_bytes()
        assert list(a.reference.spans) == list(b.reference.spans)


def test_folders_are_read_in_the_order_of_names(tmp_path):
    names = ["a", "b", "c", "d", "e", "sub/f"]
    for name in ("d", "a", "e", "sub/f", "c", "b", ".hidden/g"):
        numbered(tmp_path / "corpus", name, 2)
    (tmp_path / "corpus" / "notes.txt").write_text("no docs")
    (tmp_path / "corpus" / "folder.spacy").mkdir()
    read = texts(Corpus(tmp_path / "corpus", shuffle=False)(NLP))
    assert read == [f"{name} text number {i}" for name in names for i in range(2)]
    limited = Corpus(tmp_path / "corpus", shuffle=False, limit=3)
    assert texts(limited(NLP)) == read[:3]


def test_order_depends_on_seed_and_epoch_only(tmp_path):
    path = numbered(tmp_path, n=20)
    corpus = Corpus(path)
    random.seed(1)
    epochs = [texts(corpus(NLP)) for _ in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert all(sorted(epoch) == sorted(epochs[0]) for epoch in epochs)
    random.seed(2)
    again = Corpus(path)
    assert [texts(again(NLP)) for _ in range(3)] == epochs
    assert texts(Corpus(path, seed=1)(NLP)) != epochs[0]
    resumed = Corpus(path)
    resumed.epoch = 2
    assert texts(resumed(NLP)) == epochs[2] and resumed.epoch == 3
    unshuffled = Corpus(path, shuffle=False)
    assert texts(unshuffled(NLP)) == texts(unshuffled(NLP)) == sorted(epochs[0], key=natural)


def natural(text):
    return int(text.split()[-1])


def test_an_epoch_begins_when_it_is_read(tmp_path):
    corpus = Corpus(numbered(tmp_path, n=2))
    later, sooner = corpus(NLP), corpus(NLP)
    assert corpus.epoch == 0
    assert get_mark(next(sooner).reference).epoch == 0 and corpus.epoch == 1
    assert get_mark(next(later).reference).epoch == 1 and corpus.epoch == 2
    assert [mark.epoch for mark in marks(sooner)] == [0]


def test_marks(tmp_path):
    path = {"x": numbered(tmp_path, "x", 3), "y": numbered(tmp_path, "y", 2)}
    corpus = Corpus(path, spaces={"y": "shared"})
    assert corpus.names == ["x", "y"]
    for epoch in range(3):
        examples = list(corpus(NLP))
        assert [mark.last for mark in marks(examples)] == [False] * 4 + [True]
        assert [mark.number for mark in marks(examples)] == [0, 1, 2, 3, 4]
        for example, mark in zip(examples, marks(examples)):
            name = example.reference.text[0]
            assert mark[:3] == (name, {"x": "x", "y": "shared"}[name], epoch)
    (mark,) = marks(Corpus(numbered(tmp_path, n=1))(NLP))
    assert mark == Mark("", "", 0, True, source=":0:0")
    assert Corpus(path["x"]).names == [""]


def test_marks_are_plain_data(tmp_path):
    doc = Doc(NLP.vocab, words=["a"])
    assert get_mark(doc) == Mark()
    set_mark(doc, Mark("x", "y", 3, True))
    assert doc.user_data["contrastive_ner"] == {
        "corpus": "x",
        "space": "y",
        "epoch": 3,
        "last": True,
        "number": 0,
        "source": "",
    }
    # A mark that was saved with its document does not outlive the reader's.
    (again,) = Corpus(save(tmp_path / "marked.spacy", [doc]))(NLP)
    assert get_mark(again.reference) == Mark("", "", 0, True, source=":0:0")
    assert get_mark(Doc(NLP.vocab).from_bytes(doc.to_bytes())) == Mark("x", "y", 3, True)


def test_copies_and_pieces_know_where_they_are_from(tmp_path):
    path = {name: numbered(tmp_path, name, 4) for name in "ab"}
    corpus = Corpus(path, weights={"a": 2.5}, max_length=2)
    first, second = list(corpus(NLP)), list(corpus(NLP))
    of_text = {}
    for example in first + second:
        source = get_mark(example.reference).source
        # Both pieces "a text" are of different documents, so they are no copies.
        of_text.setdefault(source, set()).add(example.reference.text.strip())
    assert sorted(of_text) == [f"{n}:{i}:{j}" for n in "ab" for i in range(4) for j in range(2)]
    assert all(len(some) == 1 for some in of_text.values())
    assert of_text["b:3:1"] == {"number 3"}
    # What an augmenter makes of a document is from there, too.
    twice = Corpus(path["a"], augmenter=lambda nlp, example: iter([example, example]))
    assert Counter(mark.source for mark in marks(twice(NLP))) == {f":{i}:0": 2 for i in range(4)}


@pytest.mark.parametrize("shuffle", [True, False])
def test_weights(tmp_path, shuffle):
    weights = {"a": 1.0, "b": 3.0, "c": 0.25, "d": 1.5, "e": 0}
    path = {name: numbered(tmp_path, name, 8) for name in "abcde"}
    corpus = Corpus(path, weights=weights, shuffle=shuffle)
    drawn = {name: Counter() for name in "abcde"}
    for _ in range(30):
        examples = list(corpus(NLP))
        counts = Counter(texts(examples))
        for name in "abcde":
            visits = [counts[f"{name} text number {i}"] for i in range(8)]
            assert sum(visits) == 8 * weights[name]
            assert max(visits) <= -(-weights[name] // 1)
            assert min(visits) >= weights[name] // 1
            drawn[name].update(dict(enumerate(visits)))
        # Each visit is a document of its own.
        assert len({id(example.reference) for example in examples}) == len(examples)
        assert sum(mark.last for mark in marks(examples)) == 1
    assert all(drawn["c"][i] > 1 for i in range(8)), "other documents in other epochs"


def test_few_documents_meet_their_weight_over_the_epochs(tmp_path):
    path = {"a": numbered(tmp_path, "a", 1), "b": numbered(tmp_path, "b", 1)}
    corpus = Corpus(path, weights={"b": 0.25})
    visits = sum(len(list(corpus(NLP))) - 1 for _ in range(80))
    assert 8 <= visits <= 32
    lonely = Corpus(path["a"], weights={"": 0.01})
    assert all(len(list(lonely(NLP))) == 1 for _ in range(5)), "no epoch is empty"


def test_visits_of_pieces_keep_all_annotation(tmp_path):
    docs = [random_doc(NLP.vocab, random.Random(i), 30) for i in range(3)]
    corpus = Corpus(save(tmp_path / "x.spacy", docs), weights={"": 2}, max_length=7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seen = Counter()
        for example in corpus(NLP):
            doc = example.reference
            groups = {key: triples(group) for key, group in doc.spans.items()}
            scores = doc.spans["sc"].attrs["scores"]
            seen[(doc.text, repr(groups), repr(scores), repr(triples(doc.ents)))] += 1
            assert set(groups) == {"sc", "other", "empty"} and len(doc) <= 7
            assert len(scores) == len(doc.spans["sc"])
    assert set(seen.values()) == {2}


def test_limit_counts_documents_of_each_corpus(tmp_path):
    path = {name: numbered(tmp_path, name, 5) for name in "ab"}
    corpus = Corpus(path, limit=2, max_length=3, shuffle=False)
    assert [text.strip() for text in texts(corpus(NLP))] == [
        piece for name in "ab" for i in range(2) for piece in (f"{name} text number", str(i))
    ]


def test_what_is_lost_is_told_once(tmp_path):
    docs = [plain_doc(NLP.vocab, "a b c d e f g h", [(0, 8, "ORG"), (1, 2, "PER")])] * 3
    corpus = Corpus(save(tmp_path / "x.spacy", docs), max_length=4)
    with pytest.warns(UserWarning) as told:
        first = list(corpus(NLP))
    (message,) = {str(warning.message) for warning in told}
    assert (
        "3 of 6 spans" in message and "ORG 3." in message and "'a b c d e f g h' (ORG)" in message
    )
    assert "x.spacy" in message and "Raise max_length" in message and "set missing_key" in message
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(corpus(NLP))) == len(first) == 6
        list(Corpus(tmp_path / "x.spacy", max_length=8)(NLP))


def test_parted_fragments_are_told_once(tmp_path):
    doc = plain_doc(NLP.vocab, "a b c d e f g h", [])
    doc.spans["sc"] = [Span(doc, i, i + 1, "ORG", span_id="1") for i in (0, 7)]
    corpus = Corpus(save(tmp_path / "x.spacy", [doc]), max_length=4)
    with pytest.warns(UserWarning, match="fragments of 1 discontinuous .* ORG 1") as told:
        examples = list(corpus(NLP))
    assert len(told) == 1 and [len(eg.reference.spans["sc"]) for eg in examples] == [1, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(corpus(NLP))


def test_missing_key_reaches_the_pipe(tmp_path):
    """What is left of a cut span is not text without entities."""
    docs = [plain_doc(NLP.vocab, "a b c d e f g h", [(0, 8, "ORG"), (1, 2, "PER")])]
    path = save(tmp_path / "x.spacy", docs)
    with pytest.warns(UserWarning, match="spans are lost") as told:
        first, second = Corpus(path, max_length=4, missing_key="un", shuffle=False)(NLP)
    assert "set missing_key" not in str(told[0].message)
    assert triples(first.reference.spans["un"]) == [(0, 4, "ORG")]
    assert triples(second.reference.spans["un"]) == [(0, 4, "ORG")]
    assert triples(first.reference.spans["sc"]) == [(1, 2, "PER")]


def twice(nlp, example, *, same):
    yield example
    yield example if same else Example(example.predicted.copy(), example.reference.copy())


def nothing(nlp, example):
    if example.reference.text.endswith(("2", "3")):
        return
    yield example


@pytest.mark.parametrize("same", [True, False])
def test_augmenters(tmp_path, same):
    corpus = Corpus(numbered(tmp_path, n=4), augmenter=partial(twice, same=same))
    examples = list(corpus(NLP))
    assert set(Counter(texts(examples)).values()) == {2}
    assert [mark.last for mark in marks(examples)] == [False] * 7 + [True]
    shorter = Corpus(numbered(tmp_path, n=4), augmenter=nothing, shuffle=False)
    assert [mark.last for mark in marks(list(shorter(NLP)))] == [False, True]


def test_spacys_augmenters_work(tmp_path):
    augmenter = spacy.registry.augmenters.get("spacy.lower_case.v1")(level=1.0)
    (example,) = Corpus(numbered(tmp_path, "A", 1), augmenter=augmenter)(NLP)
    assert example.predicted.text == "a text number 0"
    assert triples(example.reference.spans["sc"]) == [(2, 3, "N")]
    assert get_mark(example.reference).last


def test_pickling(tmp_path):
    corpus = Corpus({"a": numbered(tmp_path, n=9)}, weights={"a": 1.5})
    list(corpus(NLP))
    again = pickle.loads(pickle.dumps(corpus))
    assert texts(again(NLP)) == texts(corpus(NLP))


def test_errors_about_files(tmp_path):
    def message(path, **kwargs):
        with pytest.raises(ValueError) as error:
            list(Corpus(path, **kwargs)(NLP))
        return str(error.value)

    (tmp_path / "void").mkdir()
    (tmp_path / "text.spacy").write_text("not a DocBin")
    truncated = numbered(tmp_path, "truncated")
    truncated.write_bytes(truncated.read_bytes()[:-20])
    save(tmp_path / "empty.spacy", [Doc(NLP.vocab)])
    DocBin().to_disk(tmp_path / "none.spacy")
    for name, reason in [
        ("gone.spacy", "no such file or folder"),
        ("void", "holds no .spacy files"),
        ("text.spacy", "cannot be read"),
        ("truncated.spacy", "cannot be read"),
        ("empty.spacy", "is empty"),
        ("none.spacy", "is empty"),
    ]:
        for path, title in [
            (tmp_path / name, "The corpus"),
            ({"mine": tmp_path / name}, "The corpus 'mine'"),
        ]:
            said = message(path)
            assert reason in said and name in said and title in said and said.startswith("[Corpus]")
    assert "paths.train" in message(tmp_path / "gone") and "[corpora.train]" in message(None)
    assert "'mine' has no path" in message({"mine": None})
    assert "empty dict" in message({})


def test_errors_about_settings(tmp_path):
    path = {"a": tmp_path, "b": tmp_path}
    for kwargs, reason in [
        ({"weights": {"c": 1}}, r"weights names 'c', but the corpora in path are 'a', 'b'"),
        ({"spaces": {"c": "x"}}, r"spaces names 'c'"),
        ({"weights": {"a": -1}}, r"weight of the corpus 'a' is -1"),
        ({"weights": {"a": float("nan")}}, r"weight of the corpus 'a' is nan"),
        ({"weights": {"a": 0, "b": 0}}, "All weights are 0"),
        ({"max_length": -1}, "max_length is -1"),
        ({"limit": -1}, "limit is -1"),
    ]:
        with pytest.raises(ValueError, match=re.escape(reason)):
            Corpus(path, **kwargs)
    with pytest.raises(ValueError, match="single file or folder"):
        Corpus(tmp_path, weights={"a": 2})


CONFIG = """
[corpora]

[corpora.train]
@readers = "spacy-contrastive-ner.Corpus.v1"
max_length = 100
weights = {"b": 2.0}
spaces = {"a": "x", "b": "x"}

[corpora.train.path]
a = ${paths.a}
b = ${paths.b}

[corpora.train.augmenter]
@augmenters = "spacy.lower_case.v1"
level = 1.0

[corpora.dev]
@readers = "spacy-contrastive-ner.Corpus.v1"
path = ${paths.a}
shuffle = false

[paths]
"""


def test_config(tmp_path):
    a, b = numbered(tmp_path, "A", 2), numbered(tmp_path, "B", 3)
    config = Config().from_str(
        f'{CONFIG}a = "{a.as_posix()}"\nb = "{b.as_posix()}"\n', interpolate=False
    )
    corpora = spacy.registry.resolve(config.interpolate())["corpora"]
    assert isinstance(corpora["train"], Corpus)
    examples = list(corpora["train"](NLP))
    assert Counter(example.predicted.text[0] for example in examples) == {"a": 2, "b": 6}
    assert {mark.space for mark in marks(examples)} == {"x"}
    assert texts(corpora["dev"](NLP)) == ["A text number 0", "A text number 1"]
    config["paths"]["a"] = None
    with pytest.raises(ValueError, match="'a' has no path"):
        spacy.registry.resolve(config.interpolate())


def test_make_corpus_hands_everything_on(tmp_path):
    settings = {
        "max_length": 3,
        "limit": 2,
        "shuffle": False,
        "seed": 5,
        "weights": {"a": 2.0},
        "spaces": {"a": "s"},
        "missing_key": "m",
        "augmenter": nothing,
    }
    corpus = make_corpus({"a": tmp_path}, **settings)
    assert {key: getattr(corpus, key) for key in settings} == settings


def test_training_on_it(tmp_path):
    texts_of = ["Anna met Anna in Paris", "Paris is in France", "nothing happened"]
    spans = [[(0, 1, "PER"), (2, 3, "PER"), (4, 5, "GPE")], [(0, 1, "GPE"), (3, 4, "GPE")], []]
    docs = [plain_doc(NLP.vocab, text, these) for text, these in zip(texts_of, spans)]
    nlp = make_pipeline()
    corpus = Corpus(save(tmp_path / "x.spacy", docs))
    optimizer = nlp.initialize(lambda: corpus(nlp))
    optimizer.learn_rate = 0.01
    losses = [nlp.update(list(corpus(nlp)), sgd=optimizer)["contrastive_ner"] for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]
    assert nlp.evaluate(list(corpus(nlp)))["contrastive_ner_f"] == 1.0
