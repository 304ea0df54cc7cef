"""Documents that an encoder shared with other pipes has not seen, at prediction."""

import multiprocessing
import warnings

import pytest
import spacy
from spacy.tokens import Doc

from .models.on_transformer import make_on_transformer
from .util import TEXTS, TOK2VEC, found, make_examples, predict, train, windows

NAME = "contrastive_ner"
TEXT, SPANS = TEXTS[1]
UNSEEN = (
    r"\[contrastive_ner\] The encoder that it shares \('{encoder}'\) did not run on these documents.*"
    r"nlp.replace_listeners\('{encoder}', 'contrastive_ner', \['model.tok2vec'\]\)\.$"
)


def make(steps=25):
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "*"}
    nlp.add_pipe(NAME, config={"model": {"tok2vec": listener}})
    train(nlp, steps=steps)
    return nlp


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    make().to_disk(folder)
    return folder


def without_by_selecting(path):
    nlp = spacy.load(path)
    nlp.select_pipes(enable=NAME)
    return nlp


def without_by_excluding(path):
    return spacy.load(path, exclude=["tok2vec"])


def without_by_sourcing(path):
    nlp = spacy.blank("en")
    nlp.add_pipe(NAME, source=spacy.load(path))
    return nlp


@pytest.mark.parametrize("kind", [without_by_selecting, without_by_excluding, without_by_sourcing])
def test_it_is_told_once_that_nothing_can_be_found(path, kind):
    nlp = kind(path)
    with warnings.catch_warnings():
        # An empty document needs no encoder.
        warnings.simplefilter("error")
        nlp(Doc(nlp.vocab))
    with pytest.warns(UserWarning, match=UNSEEN.format(encoder="tok2vec")) as told:
        for _ in range(3):
            assert found(predict(nlp, TEXT)) == []
        nlp.get_pipe(NAME).type_spans([Doc(nlp.vocab, words=TEXT.split())], [[(0, 1)]])
    assert len(told) == 1


def test_typing_of_given_spans_tells_it_too(path):
    nlp = without_by_excluding(path)
    with pytest.warns(UserWarning, match=UNSEEN.format(encoder="tok2vec")):
        nlp.get_pipe(NAME).type_spans([Doc(nlp.vocab, words=TEXT.split())], [[(0, 1)]])


def test_nothing_is_told_where_nothing_is_amiss(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nlp = spacy.load(path)
        train(nlp, steps=2)
        nlp.evaluate(make_examples(nlp))
        assert found(predict(spacy.load(path), TEXT)) == sorted(SPANS)
        own = spacy.load(path)
        own.replace_listeners("tok2vec", NAME, ["model.tok2vec"])
        own.select_pipes(enable=NAME)
        assert found(predict(own, TEXT)) == sorted(SPANS)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_several_processes(path, method):
    """Before and after the warning, which is each process's own."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method(method, force=True)
    try:
        for nlp, expected in ((spacy.load(path), sorted(SPANS)), (without_by_excluding(path), [])):
            docs = nlp.pipe([TEXT] * 4, n_process=2, batch_size=2)
            assert [found(doc) for doc in docs] == [expected] * 4
    finally:
        multiprocessing.set_start_method(before, force=True)


@pytest.mark.parametrize("kind", ["listener", "inline"])
def test_transformer(bert, kind):
    model = {"@architectures": "spacy-contrastive-ner.SubwordTagger.v1"}
    nlp = make_on_transformer(bert, kind, windows(8, 6), model)
    train(nlp, steps=1)
    pipe = nlp.get_pipe(NAME)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for words in (TEXT.split(), [" ", "  "], []):
            nlp(Doc(nlp.vocab, words=words))
        if kind == "inline":
            pipe.predict([Doc(nlp.vocab, words=TEXT.split())])
    if kind == "listener":
        with pytest.warns(UserWarning, match=UNSEEN.format(encoder="transformer")) as told:
            for _ in range(2):
                pipe(Doc(nlp.vocab, words=TEXT.split()))
        assert len(told) == 1
