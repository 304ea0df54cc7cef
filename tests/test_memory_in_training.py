"""A filled memory while its encoder is trained, shared, replaced, or learns both stages at once."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as run_training

from .test_remembering import DRINKS, make
from .util import (
    POOLING,
    TEXTS,
    found,
    make_examples,
    make_pipeline,
    predict,
    train,
    transformer_config,
)

LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96, "upstream": "tok2vec"}
OBJECTIVE = {
    "@architectures": "spacy-contrastive-ner.ContrastiveObjective.v1",
    "loss": {"@losses": "spacy-contrastive-ner.InfoNCE.v1"},
    "projection": None,
}


def rows_of(pipe):
    return pipe.model.get_ref("memory").get_param("rows")


def test_updates_of_the_encoder_empty_the_memory():
    """Its vectors would be those of another encoder. That is told, and labels known from it stay labels."""
    nlp, pipe = make()
    pipe.remember(make_examples(nlp, [*TEXTS, *DRINKS]))
    optimizer = nlp.resume_training()
    with pytest.warns(UserWarning, match=r"memory of 29 tokens is empty from now on: training has"):
        nlp.update(make_examples(nlp), sgd=optimizer)
    assert pipe.memory["tokens"] == 0 and pipe.memory["only"] == ["DRINK"]
    assert "DRINK" in pipe.labels and isinstance(found(predict(nlp, TEXTS[0][0])), list)
    assert pipe.remember(make_examples(nlp, DRINKS)).tokens == 10
    # An update that changes nothing leaves the memory alone.
    still = nlp.create_optimizer()
    still.learn_rate = still.L2 = 0.0
    nlp.update(make_examples(nlp), sgd=still)
    assert pipe.memory["tokens"] == 10


def test_training_goes_on_from_a_pipeline_with_a_memory(tmp_path):
    """`spacy train` with a component whose source has one is not stopped by its first evaluation."""
    nlp, pipe = make(10)
    pipe.remember(make_examples(nlp))
    nlp.to_disk(tmp_path / "source")
    spacy.tokens.DocBin(docs=[eg.reference for eg in make_examples(nlp)]).to_disk(
        tmp_path / "train.spacy"
    )
    config = nlp.config.copy()
    config["components"] = {"contrastive_ner": {"source": str(tmp_path / "source")}}
    corpus = {"@readers": "spacy.Corpus.v1", "path": str(tmp_path / "train.spacy")}
    config["corpora"] = {"train": corpus, "dev": corpus}
    config["training"].update(max_steps=4, eval_frequency=2, dev_corpus="corpora.dev")
    resumed = init_nlp(config)
    assert resumed.get_pipe("contrastive_ner").memory["tokens"] == 19
    (tmp_path / "out").mkdir()
    with pytest.warns(UserWarning, match="memory of 19 tokens is empty from now on"):
        run_training(resumed, tmp_path / "out")
    trained = spacy.load(tmp_path / "out" / "model-last")
    assert trained.get_pipe("contrastive_ner").memory["tokens"] == 0


def test_memory_of_another_encoder():
    nlp, pipe = make()
    pipe.remember(make_examples(nlp))
    for node in pipe.model.get_ref("tok2vec").walk():
        if node.has_param("b"):
            node.get_param("b")[:] += 1
    for action in (
        lambda: predict(nlp, TEXTS[0][0]),
        lambda: pipe.remember(make_examples(nlp)),
    ):
        with pytest.raises(ValueError, match="vectors of another encoder"):
            action()
    # Less of it is no newer.
    pipe.forget("GPE")
    with pytest.raises(ValueError, match="vectors of another encoder"):
        predict(nlp, TEXTS[0][0])
    pipe.forget()
    pipe.remember(make_examples(nlp))
    assert found(predict(nlp, TEXTS[0][0]))
    # Vectors that are put in from elsewhere.
    memory = pipe.model.get_ref("memory")
    memory.set_param("rows", memory.get_param("rows")[:, :8].copy())
    with pytest.raises(ValueError, match="queries have 32 columns, but the stored rows have 8"):
        predict(nlp, TEXTS[0][0])
    with pytest.raises(ValueError, match="width 32, but those in the memory have 8"):
        pipe.remember(make_examples(nlp))


def test_rehearsal_and_updates_leave_the_memory_out():
    """Training sees the heads as they are; the memory is of no concern to it."""
    nlp, pipe = make(model={"dropout": 0.0})
    pipe.remember(make_examples(nlp, DRINKS[:1] * 3))
    optimizer = nlp.resume_training()
    losses = nlp.rehearse(make_examples(nlp), sgd=optimizer)
    assert losses["contrastive_ner"] == pytest.approx(0, abs=1e-4)
    pipe.forget()
    assert numpy.isfinite(nlp.update(make_examples(nlp), sgd=optimizer)["contrastive_ner"])


def test_initialising_empties_the_memory():
    nlp, pipe = make(0)
    pipe.remember(make_examples(nlp))
    nlp.initialize(lambda: make_examples(nlp))
    assert pipe.memory["tokens"] == 0


def shared_pipeline():
    nlp = make_pipeline()
    nlp.remove_pipe("contrastive_ner")
    nlp.add_pipe("tok2vec")
    pipe = nlp.add_pipe("contrastive_ner", config={"model": {"tok2vec": LISTENER}})
    train(nlp, steps=5)
    examples = make_examples(nlp)
    for example in examples:
        nlp.get_pipe("tok2vec")(example.predicted)
    return nlp, pipe, examples


def test_shared_encoder():
    """Examples have to come from the pipeline; whether the encoder changes cannot be told."""
    nlp, pipe, examples = shared_pipeline()
    with pytest.raises(ValueError, match="did not go through the encoder"):
        pipe.remember(make_examples(nlp))
    assert pipe.remember(examples).tokens == 19
    with pytest.raises(ValueError, match="did not go through the encoder"):
        pipe.tune_memory(make_examples(nlp))
    assert pipe.tune_memory(examples)
    assert isinstance(found(predict(nlp, TEXTS[0][0])), list)
    optimizer = nlp.resume_training()
    with pytest.warns(UserWarning, match="vectors of an encoder that is shared with other") as told:
        for _ in range(2):
            nlp.update(make_examples(nlp), sgd=optimizer)
    assert len(told) == 1 and pipe.memory["tokens"] == 19


def test_a_shared_encoder_becomes_the_own_one():
    """Its vectors are what they were, so what was remembered is of use."""
    nlp, pipe, examples = shared_pipeline()
    pipe.remember(examples)
    pipe.tune_memory(weight=1.0, k=1)
    before = [found(predict(nlp, text)) for text, _ in TEXTS]
    nlp.replace_listeners("tok2vec", "contrastive_ner", ["model.tok2vec"])
    assert [found(predict(nlp, text)) for text, _ in TEXTS] == before
    assert any(before)
    with pytest.warns(UserWarning, match="memory of 19 tokens is empty from now on"):
        nlp.update(make_examples(nlp), sgd=nlp.resume_training())


def test_transformer(bert):
    nlp = make_pipeline()
    nlp.remove_pipe("contrastive_ner")
    tok2vec = transformer_config("Tok2VecTransformer", bert, pooling=POOLING, grad_factor=1.0)
    pipe = nlp.add_pipe("contrastive_ner", config={"model": {"tok2vec": tok2vec}})
    train(nlp, steps=2)
    pipe.remember(make_examples(nlp))
    predict(nlp, TEXTS[0][0])
    with pytest.warns(UserWarning, match="memory of 19 tokens is empty from now on"):
        nlp.update(make_examples(nlp), sgd=nlp.resume_training())


def test_joint_tagger():
    nlp = make_pipeline()
    tagger = nlp.get_pipe_config("contrastive_ner")["model"]
    nlp.remove_pipe("contrastive_ner")
    joint = "spacy-contrastive-ner.JointTagger.v1"
    model = {"@architectures": joint, "tagger": tagger, "objective": OBJECTIVE}
    pipe = nlp.add_pipe("contrastive_ner", config={"model": model, "decoder": "nearest"})
    train(nlp, steps=5)
    examples = make_examples(nlp)
    # The loss of mere predictions is that of the tagger, whatever its memory says.
    docs = [eg.predicted for eg in examples]
    before = pipe.get_loss(examples, pipe.predict(docs))[0]
    pipe.remember(examples)
    assert pipe.get_loss(examples, pipe.predict(docs))[0] == pytest.approx(before, rel=1e-5)
    pipe.tune_memory(k=1)
    assert found(predict(nlp, TEXTS[0][0])) == sorted(TEXTS[0][1])
    (values,) = pipe.type_spans([Doc(nlp.vocab, words=TEXTS[1][0].split())], [[(0, 1)]])
    assert values.shape == (1, 3) and values.sum() == pytest.approx(1)
    nlp.resume_training()
    nlp.rehearse(make_examples(nlp))
    with pytest.warns(UserWarning, match="memory of 19 tokens is empty from now on"):
        nlp.update(make_examples(nlp), sgd=nlp.create_optimizer())
