"""The pipe on every kind of encoder: its own, a shared one, a transformer, beside other pipes."""

import numpy
import pytest
import spacy
from spacy.pipeline.tok2vec import Tok2VecListener
from spacy.tokens import Span
from thinc.api import Linear, Model, chain

from spacy_contrastive_ner.encoders import require_no_listener

from .util import (
    POOLING,
    TEXTS,
    TOK2VEC,
    found,
    make_examples,
    make_pipeline,
    predict,
    train,
    transformer_config,
)

LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": TOK2VEC["width"]}
MULTI_HASH = {
    "@architectures": "spacy.Tok2Vec.v2",
    "embed": {
        "@architectures": "spacy.MultiHashEmbed.v2",
        "width": 16,
        "rows": [100, 50],
        "attrs": ["NORM", "SHAPE"],
        "include_static_vectors": False,
    },
    "encode": {
        "@architectures": "spacy.MaxoutWindowEncoder.v2",
        "width": 16,
        "window_size": 1,
        "maxout_pieces": 2,
        "depth": 2,
    },
}


def require_memorised(nlp):
    for text, spans in TEXTS:
        assert found(predict(nlp, text)) == sorted(spans)


def outputs(nlp):
    """All entities of all texts, with their probabilities."""
    docs = [predict(nlp, text) for text, _ in TEXTS]
    scores = [score for doc in docs for score in doc.spans["sc"].attrs["scores"].tolist()]
    return [found(doc) for doc in docs], scores


def require_same(before, nlp):
    spans, scores = outputs(nlp)
    assert spans == before[0]
    assert scores == pytest.approx(before[1], abs=1e-5)


def require_same_after_saving(nlp, path):
    nlp.to_disk(path)
    require_same(outputs(nlp), spacy.load(path))


def shared_pipeline(upstream="*"):
    """A tok2vec that the pipe listens to."""
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    tok2vec = {**LISTENER, "upstream": upstream}
    nlp.add_pipe("contrastive_ner", config={"model": {"tok2vec": tok2vec}})
    return nlp


def weights(pipe):
    """All weights of a pipe in one row, in a fixed order."""
    nodes = [(node, name) for node in pipe.model.walk() for name in node.param_names]
    return numpy.concatenate([node.get_param(name).ravel() for node, name in nodes])


def scramble(pipe):
    """Spoil every weight."""
    for node in pipe.model.walk():
        for name in node.param_names:
            node.set_param(name, node.get_param(name)[::-1] + 1.0)


def gradients(model):
    nodes = [(node, name) for node in model.walk() for name in node.param_names]
    return [node.get_grad(name) for node, name in nodes if node.has_grad(name)]


@pytest.fixture(scope="module")
def own():
    """Trained, with an encoder of its own. Not to be changed."""
    nlp = make_pipeline()
    train(nlp)
    return nlp


@pytest.fixture
def shared():
    nlp = shared_pipeline()
    train(nlp)
    return nlp


@pytest.mark.parametrize("tok2vec", [TOK2VEC, MULTI_HASH], ids=["HashEmbedCNN", "MultiHashEmbed"])
def test_inline_tok2vec(tok2vec, tmp_path):
    nlp = make_pipeline(model={"tok2vec": tok2vec})
    train(nlp)
    require_memorised(nlp)
    require_same_after_saving(nlp, tmp_path)


def test_static_vectors(tmp_path):
    """Only the vectors tell the words apart: all else that is embedded is that they are words."""
    embed = {**MULTI_HASH["embed"], "rows": [10], "attrs": ["IS_ALPHA"]}
    embed["include_static_vectors"] = True
    nlp = make_pipeline(model={"tok2vec": {**MULTI_HASH, "embed": embed}})
    rng = numpy.random.default_rng(0)
    for word in sorted({word for text, _ in TEXTS for word in text.split()}):
        nlp.vocab.set_vector(word, rng.normal(size=8).astype("float32"))
    train(nlp, steps=100)
    require_memorised(nlp)
    require_same_after_saving(nlp, tmp_path)
    nlp.vocab.vectors.data[:] = 0
    assert outputs(nlp)[0] != [sorted(spans) for _, spans in TEXTS]


@pytest.mark.parametrize("upstream", ["*", "tok2vec"])
def test_shared_tok2vec(upstream, tmp_path):
    nlp = shared_pipeline(upstream)
    train(nlp)
    require_memorised(nlp)
    require_same_after_saving(nlp, tmp_path)


def test_gradients_reach_the_shared_tok2vec():
    nlp = shared_pipeline()
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    nlp.update(examples, sgd=False)
    reached = gradients(nlp.get_pipe("tok2vec").model)
    assert max(abs(gradient).max() for gradient in reached) > 1e-4


def test_updates_change_the_shared_tok2vec():
    nlp = shared_pipeline()
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    before = weights(nlp.get_pipe("tok2vec"))
    for _ in range(2):  # nlp.update applies the gradient of a shared tok2vec one call late
        nlp.update(examples, sgd=optimizer)
    assert abs(weights(nlp.get_pipe("tok2vec")) - before).max() > 1e-4


def test_learns_on_a_frozen_tok2vec():
    nlp = shared_pipeline()
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    before = weights(nlp.get_pipe("tok2vec"))
    frozen = {"exclude": ["tok2vec"], "annotates": ["tok2vec"]}
    losses = [nlp.update(examples, sgd=optimizer, losses={}, **frozen) for _ in range(40)]
    assert numpy.array_equal(weights(nlp.get_pipe("tok2vec")), before)
    assert losses[-1]["contrastive_ner"] < 0.5 * losses[0]["contrastive_ner"]


def test_beside_tagger_and_ner_on_one_tok2vec(tmp_path):
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    nlp.add_pipe("tagger", config={"model": {"tok2vec": LISTENER}})
    nlp.add_pipe("ner", config={"model": {"tok2vec": LISTENER}})
    nlp.add_pipe("contrastive_ner", config={"model": {"tok2vec": LISTENER}})
    examples = make_examples(nlp)
    for example in examples:
        doc = example.reference
        doc.ents = [Span(doc, i, i + 1, "NAME") for i in range(len(doc)) if doc[i].text == "Anna"]
        for token in doc:
            token.tag_ = "UP" if token.text[0].isupper() else "LOW"
    train(nlp, examples, steps=100)
    require_memorised(nlp)
    require_same_after_saving(nlp, tmp_path)
    doc = predict(nlp, "Anna left Paris")
    assert [token.tag_ for token in doc] == ["UP", "LOW", "UP"]
    # The entity of ner stays, and what does not overlap it is added.
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Anna", "NAME"), ("Paris", "GPE")]


def test_replaced_listeners_predict_the_same(shared, tmp_path):
    before = outputs(shared)
    shared.replace_listeners("tok2vec", "contrastive_ner", ["model.tok2vec"])
    pipe = shared.get_pipe("contrastive_ner")
    assert not any(isinstance(node, Tok2VecListener) for node in pipe.model.walk())
    require_same(before, shared)
    require_same_after_saving(shared, tmp_path)


def test_replaced_listeners_are_independent_of_the_shared_tok2vec(shared):
    shared.replace_listeners("tok2vec", "contrastive_ner", ["model.tok2vec"])
    before = outputs(shared)
    scramble(shared.get_pipe("tok2vec"))
    require_same(before, shared)


def test_gradients_reach_replaced_listeners():
    nlp = shared_pipeline()
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    nlp.replace_listeners("tok2vec", "contrastive_ner", ["model.tok2vec"])
    nlp.update(examples, sgd=False)
    encoder = nlp.get_pipe("contrastive_ner").model.get_ref("tok2vec")
    assert max(abs(gradient).max() for gradient in gradients(encoder)) > 1e-4
    assert not gradients(nlp.get_pipe("tok2vec").model)


def test_sourced_pipe_predicts_the_same(own, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("contrastive_ner", source=own)
    require_same(outputs(own), nlp)
    require_same_after_saving(nlp, tmp_path)


def test_sourced_pipe_listens_to_the_sourced_tok2vec(shared, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", source=shared)
    nlp.add_pipe("contrastive_ner", source=shared)
    require_same(outputs(shared), nlp)
    require_same_after_saving(nlp, tmp_path)


def test_sourced_pipe_learns_on(tmp_path):
    source = make_pipeline()
    train(source)
    nlp = spacy.blank("en")
    nlp.add_pipe("contrastive_ner", source=source)
    text, spans = "yesterday Oslo slept", [(1, 2, "TOWN")]
    nlp.get_pipe("contrastive_ner").add_label("TOWN")
    assert found(predict(nlp, text)) != spans
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    for _ in range(40):
        nlp.update(make_examples(nlp, [*TEXTS, (text, spans)]), sgd=optimizer)
    assert found(predict(nlp, text)) == spans
    require_memorised(nlp)
    require_same_after_saving(nlp, tmp_path)


def test_config_can_source_a_pipe_and_replace_its_listeners(shared, tmp_path):
    shared.to_disk(tmp_path / "source")
    components = {
        "contrastive_ner": {
            "source": str(tmp_path / "source"),
            "replace_listeners": ["model.tok2vec"],
        }
    }
    config = {"nlp": {"lang": "en", "pipeline": ["contrastive_ner"]}, "components": components}
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    assert nlp.pipe_names == ["contrastive_ner"]
    require_same(outputs(shared), nlp)
    require_same_after_saving(nlp, tmp_path / "saved")


def transformer_pipeline(bert):
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    model = transformer_config("TransformerModel", bert)
    nlp.add_pipe("transformer", config={"model": model})
    listener = {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "grad_factor": 1.0,
        "upstream": "transformer",
        "pooling": POOLING,
    }
    nlp.add_pipe("contrastive_ner", config={"model": {"tok2vec": listener}})
    return nlp


def test_shared_transformer(bert, tmp_path):
    nlp = transformer_pipeline(bert)
    train(nlp)
    require_memorised(nlp)
    require_same_after_saving(nlp, tmp_path)


def test_gradients_reach_the_shared_transformer(bert):
    nlp = transformer_pipeline(bert)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    nlp.update(examples, sgd=False)
    module = nlp.get_pipe("transformer").model.transformer
    embeddings = module.get_input_embeddings().weight
    assert embeddings.grad is not None and embeddings.grad.abs().max() > 1e-5


def test_replaced_transformer_listeners_predict_the_same(bert, tmp_path):
    nlp = transformer_pipeline(bert)
    train(nlp)
    before = outputs(nlp)
    nlp.replace_listeners("transformer", "contrastive_ner", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    require_same(before, nlp)
    require_same_after_saving(nlp, tmp_path)


def test_inline_transformer(bert, tmp_path):
    settings = {"grad_factor": 1.0, "pooling": POOLING}
    tok2vec = transformer_config("Tok2VecTransformer", bert, **settings)
    nlp = make_pipeline(model={"tok2vec": tok2vec})
    train(nlp)
    require_memorised(nlp)
    require_same_after_saving(nlp, tmp_path)


def layer_of(kind, upstream):
    """A layer of a type of this name, as spaCy's listeners are."""
    layer = type(kind, (Model,), {})(kind, forward=None)
    layer.upstream_name = upstream
    return layer


@pytest.mark.parametrize(
    "kind, upstream, name",
    [
        ("Tok2VecListener", "*", "tok2vec"),
        ("Tok2VecListener", "mine", "mine"),
        ("TransformerListener", "*", "transformer"),
        ("LastTransformerLayerListener", "*", "transformer"),
        ("TransformerListener", None, "transformer"),
    ],
)
def test_listeners(kind, upstream, name):
    with pytest.raises(ValueError) as error:
        require_no_listener(chain(Linear(), layer_of(kind, upstream)))
    assert f"is a {kind}" in str(error.value)
    assert f'Write component = "{name}" and layer = ""' in str(error.value)


def test_no_listeners():
    require_no_listener(chain(Linear(), layer_of("TransformerModel", "*")))
