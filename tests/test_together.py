"""Parts of a model that were made apart: links, memory, added labels, rehearsal, both stages at once."""

import pickle

import numpy
import pytest
import spacy
from spacy.tokens import Doc

from spacy_contrastive_ner.models import tag_scores
from spacy_contrastive_ner.models.columns import take_apart
from spacy_contrastive_ner.models.linking import links_fragments
from spacy_contrastive_ner.models.memory import layout_of

from .models.linked import LINK, bare, draw_texts, entities, linked_pipeline, make_linked
from .util import TEXTS, TOK2VEC, make_examples, make_pipeline, train

NEW = [("cold beer is nice", [(0, 2, "DRINK")])]


@pytest.fixture
def linked():
    """A pipeline that links, with a memory of what it was trained on."""
    nlp, examples, _ = linked_pipeline(draw_texts(20))
    nlp.get_pipe("contrastive_ner").remember(examples)
    return nlp, nlp.get_pipe("contrastive_ner"), examples


def test_columns(linked):
    """Scores, rows and what the memory says stand side by side and come apart again."""
    nlp, pipe, examples = linked
    docs = [bare(eg, nlp) for eg in examples[:3]] + [Doc(nlp.vocab)]
    output = pipe.model.predict(docs)
    scores, rows, said = take_apart(pipe.model, output)
    width = layout_of(pipe.model).width
    assert output.dataXd.shape[1] == width + 32 + width
    encoded = numpy.concatenate(pipe.model.get_ref("tok2vec").predict(docs))
    assert (rows == encoded).all()
    memory = pipe.model.get_ref("memory")
    assert numpy.allclose(said, memory.predict(encoded))
    n_tags = layout_of(pipe.model).n_tags
    assert numpy.allclose(said.reshape((len(encoded), -1, n_tags)).sum(axis=2), 1, atol=1e-5)
    memory.set_param("rows", None)
    assert (scores.dataXd == take_apart(pipe.model, pipe.model.predict(docs)).scores.dataXd).all()


@pytest.mark.parametrize("decoder", ["posterior", "viterbi", "nearest"])
def test_what_the_memory_finds_is_linked(linked, decoder, tmp_path):
    nlp, pipe, examples = linked
    pipe.cfg["decoder"] = decoder
    pipe.tune_memory(weight=0.5, k=3)
    gold = [entities(eg.reference) for eg in examples]
    assert [entities(nlp(bare(eg, nlp))) for eg in examples] == gold
    assert any(len(fragments) > 1 for some in gold for _, fragments in some)
    nlp.to_disk(tmp_path / "model")
    for other in (spacy.load(tmp_path / "model"), pickle.loads(pickle.dumps(nlp))):
        docs = [bare(eg, other) for eg in examples] + [Doc(other.vocab)]
        docs = list(other.pipe(docs, n_process=2, batch_size=7))
        assert [entities(doc) for doc in docs] == [*gold, []]
        assert [entities(other(doc)) for doc in (Doc(nlp.vocab), Doc(nlp.vocab, words=["a"]))]


def test_labels_are_added_and_rehearsed_beside_links_and_memory(linked):
    nlp, pipe, examples = linked
    gold = [entities(eg.reference) for eg in examples]
    nlp.resume_training()
    pipe.add_label("LATER")
    pipe.remember(make_examples(nlp, NEW))
    assert pipe.labels == ("X", "Y", "LATER", "DRINK")
    after = [entities(nlp(bare(eg, nlp))) for eg in examples]
    assert [[some for some in own if some[0] != "DRINK"] for own in after] == gold
    assert ("DRINK", [(0, 2)]) in entities(nlp(make_examples(nlp, NEW)[0].predicted))
    assert pipe.rehearse(examples)["contrastive_ner"] == pytest.approx(0, abs=1e-3)
    optimizer = nlp.create_optimizer()
    with pytest.warns(UserWarning, match="is empty from now on"):
        pipe.rehearse(examples, sgd=optimizer)
    nlp.update([*examples, *make_examples(nlp, NEW)], sgd=optimizer)
    assert pipe.memory["tokens"] == 0 and pipe.memory["only"] == ["LATER"]


def test_the_memory_is_that_of_the_bytes(linked):
    """Whatever there was before."""
    nlp, pipe, examples = linked
    n_tokens = pipe.memory["tokens"]
    saved = {n_tokens: nlp.to_bytes()}
    pipe.forget()
    saved[0] = nlp.to_bytes()
    docs = [bare(eg, nlp) for eg in examples[:4]]
    for n in (0, n_tokens, n_tokens, 0):
        fresh = make_pipeline(model={"dropout": 0.0, "link": LINK}).from_bytes(saved[n])
        nlp.from_bytes(saved[n])
        assert pipe.memory["tokens"] == n and links_fragments(pipe.model)
        scores = [p.predict(docs).dataXd for p in (pipe, fresh.get_pipe("contrastive_ner"))]
        assert numpy.allclose(*scores, atol=1e-6)


def test_initialised_twice():
    """The second time with other data, it is as if there had been no first time, but for labels."""
    nlp, examples, _ = linked_pipeline(draw_texts(20), steps=5)
    pipe = nlp.get_pipe("contrastive_ner")
    pipe.remember(examples)
    nlp.resume_training()
    optimizer = nlp.initialize(lambda: make_examples(nlp))
    assert not links_fragments(pipe.model) and pipe.memory["tokens"] == 0
    nlp.update(make_examples(nlp), sgd=optimizer)
    assert pipe.predict([bare(examples[0], nlp)]).dataXd.shape[1] == layout_of(pipe.model).width
    optimizer = nlp.initialize(lambda: examples)
    assert links_fragments(pipe.model) and pipe.model.attrs["linked"] == ["X"]
    nlp.update(examples, sgd=optimizer)


def test_a_teacher_that_links_nothing():
    """A model that links can imitate one that does not: what it links is its own affair."""
    nlp, examples, _ = linked_pipeline(draw_texts(10), steps=2)
    pipe = nlp.get_pipe("contrastive_ner")
    plain = make_pipeline(model={"dropout": 0.0, "link": LINK})
    apart = [(words, [(*span[:3], "") for span in spans]) for words, spans in draw_texts(10)]
    train(plain, make_linked(plain, apart), steps=2)
    teacher = plain.get_pipe("contrastive_ner").model
    docs = [eg.predicted for eg in examples]
    output, backprop = pipe.model.begin_update(docs)
    loss, gradient = tag_scores.imitate(pipe.model, output, teacher, teacher.predict(docs))
    assert loss > 0 and gradient.dataXd.shape == output.dataXd.shape
    assert not gradient.dataXd[:, layout_of(pipe.model).width :].any()
    backprop(gradient)


def test_both_stages_links_and_memory():
    """Rows for the objective, rows for links and a memory are three things."""
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    objective = {
        "@architectures": "spacy-contrastive-ner.ContrastiveObjective.v1",
        "loss": {"@losses": "spacy-contrastive-ner.InfoNCE.v1"},
        "projection": None,
    }
    tagger = {
        "@architectures": "spacy-contrastive-ner.MultiHeadTagger.v1",
        "tok2vec": TOK2VEC,
        "crf": {"@layers": "spacy-contrastive-ner.CRF.v1"},
        "link": LINK,
    }
    joint = "spacy-contrastive-ner.JointTagger.v1"
    model = {"@architectures": joint, "tagger": tagger, "objective": objective}
    pipe = nlp.add_pipe("contrastive_ner", config={"model": model})
    examples = make_linked(nlp, draw_texts(20))
    train(nlp, examples, steps=60)
    pipe.remember(examples)
    pipe.tune_memory(weight=0.5)
    gold = [entities(eg.reference) for eg in examples]
    for decoder in ("posterior", "nearest"):
        pipe.cfg["decoder"] = decoder
        right = [entities(nlp(bare(eg, nlp))) for eg in examples]
        assert sum(a == b for a, b in zip(right, gold)) >= 18
    nlp.resume_training()
    pipe.add_label("LATER")
    assert pipe.rehearse(examples)["contrastive_ner"] == pytest.approx(0, abs=1e-2)
    optimizer = nlp.create_optimizer()
    with pytest.warns(UserWarning, match="is empty from now on"):
        nlp.update([*examples, *make_examples(nlp, TEXTS[2:3])], sgd=optimizer)
