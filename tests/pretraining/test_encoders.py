"""Stage 2 begins with the weights that stage 1 ended with, whatever the encoder is."""

import warnings

import numpy
import pytest
import srsly
from spacy.training.initialize import init_nlp
from spacy.training.pretrain import get_tok2vec_ref, pretrain
from spacy.util import load_model_from_config

from spacy_contrastive_ner.pretraining.checkpoint import NAME, load_checkpoint
from spacy_contrastive_ner.pretraining.driver import Run

from .tiny import (
    LISTENER,
    POOLING,
    TOK2VEC,
    make_bert,
    make_config,
    make_corpora,
    transformer,
    transformer_pipeline,
)

ENCODERS = ("shared", "inline", "ner", "transformer", "inline_transformer")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("encoders")


@pytest.fixture(scope="module")
def corpora(root):
    return make_corpora(root)


@pytest.fixture(scope="module")
def bert(root):
    pytest.importorskip("spacy_transformers")
    return make_bert(root / "bert")


@pytest.fixture
def config(request, corpora):
    """The config of an encoder."""
    encoder = request.param
    names = {"component": "contrastive_ner", "layer": "tok2vec"}
    if encoder == "shared":
        return make_config(corpora, max_epochs=1)
    if encoder == "inline":
        model = {"tok2vec": TOK2VEC}
    elif encoder == "ner":
        pipeline = {"ner": {"factory": "ner", "model": ner_model(TOK2VEC)}}
        return make_config(corpora, pipeline, component="ner", layer="tok2vec", max_epochs=1)
    else:
        bert = request.getfixturevalue("bert")
        if encoder == "transformer":
            pipeline = transformer_pipeline(bert)
            return make_config(corpora, pipeline, component="transformer", max_epochs=1)
        settings = {"grad_factor": 1.0, "pooling": POOLING}
        model = {"tok2vec": transformer("Tok2VecTransformer", bert, **settings)}
    pipeline = {"contrastive_ner": {"factory": "contrastive_ner", "model": model}}
    return make_config(corpora, pipeline, **names, max_epochs=1)


def ner_model(tok2vec):
    return {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "ner",
        "extra_state_tokens": False,
        "hidden_width": 8,
        "maxout_pieces": 2,
        "use_upper": True,
        "nO": None,
        "tok2vec": tok2vec,
    }


def parameters(model):
    """All parameters of an encoder, in a fixed order."""
    values = []
    for node in model.walk():
        values += [node.get_param(name) for name in node.param_names]
        for shim in node.shims:
            values += [value.detach().numpy() for value in shim._model.parameters()]
    return values


def begin_stage_two(config, weights):
    """The encoder as `spacy train` begins with it."""
    config = config.copy()
    config["initialize"]["init_tok2vec"] = None if weights is None else str(weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there is little to tell about such documents
        nlp = init_nlp(config)
    return parameters(get_tok2vec_ref(nlp, config["pretraining"]))


@pytest.mark.parametrize("config", ENCODERS, indirect=True)
def test_weights_reach_stage_two(config, tmp_path):
    """Bit for bit, and they are others than without stage 1. The projection stays behind."""
    run = Run(config.interpolate(), tmp_path)
    before = [value.copy() for value in parameters(run.model.get_ref("tok2vec"))]
    for _ in run.epochs():
        pass
    after = parameters(run.model.get_ref("tok2vec"))
    changed = [not numpy.array_equal(one, other) for one, other in zip(before, after)]
    # The pooling layer of BERT is not used.
    assert sum(changed) >= len(after) - 2

    begun = begin_stage_two(config, tmp_path / "model-last.bin")
    assert len(begun) == len(after)
    assert all(numpy.array_equal(one, other) for one, other in zip(begun, after))
    fresh = begin_stage_two(config, None)
    assert not all(numpy.array_equal(one, other) for one, other in zip(fresh, after))

    names = {
        node["name"]
        for node in srsly.msgpack_loads((tmp_path / "model-last.bin").read_bytes())["nodes"]
    }
    projection = {node.name for node in run.model.terms[0].projection.walk()}
    assert projection and not any("mlp" in name or "projection" in name for name in names)
    assert run.model.terms[0].projection.name not in names


@pytest.mark.parametrize("config", ENCODERS, indirect=True)
def test_the_command_of_spacy_computes_the_same(config, tmp_path):
    """`spacy pretrain` and a run of this package, with the same config."""
    pretrain(config.interpolate(), tmp_path)
    run = Run(config.interpolate(), tmp_path / "ours")
    run.survey()
    for _ in run.epochs():
        pass
    ours = (tmp_path / "ours" / "model-last.bin").read_bytes()
    assert ours == (tmp_path / "model-last.bin").read_bytes()


def test_weights_that_spacy_would_not_load(corpora, tmp_path):
    """As there is no [pretraining], whether the file is there or not."""
    config = make_config(corpora)
    config["pretraining"] = {}
    config["initialize"]["init_tok2vec"] = str(tmp_path / "model-best.bin")
    with pytest.raises(ValueError, match=r"model-best.bin, but the config has no \[pretraining\]"):
        init_nlp(config)


def test_averages_reach_stage_two(corpora, tmp_path):
    """With use_averages the file has the averages, as with `spacy pretrain`."""
    config = make_config(corpora, max_epochs=1, optimizer={"use_averages": True})
    run = Run(config.interpolate(), tmp_path)
    for _ in run.epochs():
        pass
    last = parameters(run.model.get_ref("tok2vec"))
    begun = begin_stage_two(config, tmp_path / "model-last.bin")
    averages = load_checkpoint(tmp_path)["moments"]["averages"]
    assert not any(numpy.array_equal(one, other) for one, other in zip(begun, last))
    known = [value.tobytes() for value in averages.values()]
    assert all(value.tobytes() in known for value in begun)


def with_listener(corpora, bert=None, **names):
    pipeline = None if bert is None else transformer_pipeline(bert)
    return make_config(corpora, pipeline, **names).interpolate()


def test_a_listener_is_refused(corpora, tmp_path):
    config = with_listener(corpora, component="contrastive_ner", layer="tok2vec")
    with pytest.raises(ValueError, match=r'component = "tok2vec" and layer = ""'):
        Run(config, tmp_path)


def test_a_listener_of_a_transformer_is_refused(corpora, bert, tmp_path):
    config = with_listener(corpora, bert, component="contrastive_ner", layer="tok2vec")
    with pytest.raises(ValueError, match=r'component = "transformer" and layer = ""'):
        Run(config, tmp_path)


def test_a_listener_inside_ner_is_refused(corpora, tmp_path):
    pipeline = {
        "tok2vec": {"factory": "tok2vec", "model": TOK2VEC},
        "ner": {"factory": "ner", "model": ner_model(LISTENER)},
    }
    config = make_config(corpora, pipeline, component="ner", layer="tok2vec").interpolate()
    with pytest.raises(ValueError, match=r'component = "tok2vec" and layer = ""'):
        Run(config, tmp_path)


@pytest.mark.parametrize(
    "names, message",
    [
        ({"component": "parser"}, r"component is 'parser', but the pipeline has tok2vec, contr"),
        ({"component": "sentencizer"}, r"component is 'sentencizer', which has no model"),
        ({"layer": "encoder"}, r"layer is 'encoder', but the model of 'tok2vec' has .*embed"),
        (
            {"component": "contrastive_ner", "layer": ""},
            r"component = \"tok2vec\" and layer = \"\"",
        ),
    ],
)
def test_names_of_what_is_not_there(names, message, corpora, tmp_path):
    config = make_config(corpora)
    config["nlp"]["pipeline"].append("sentencizer")
    config["components"]["sentencizer"] = {
        "factory": "sentencizer",
        "overwrite": False,
        "punct_chars": None,
        "scorer": {"@scorers": "spacy.senter_scorer.v1"},
    }
    config["pretraining"].update(names)
    with pytest.raises(ValueError, match=message):
        Run(config.interpolate(), tmp_path)


def test_a_whole_pipe_is_refused(corpora, tmp_path):
    """The output of the pipe's model is no encoding of tokens."""
    model = {"tok2vec": TOK2VEC}
    pipeline = {"contrastive_ner": {"factory": "contrastive_ner", "model": model}}
    config = make_config(corpora, pipeline, component="contrastive_ner", layer="")
    with pytest.raises(ValueError, match=r'layer = "tok2vec"'):
        Run(config.interpolate(), tmp_path)
    assert load_model_from_config(config).pipe_names == ["contrastive_ner"]


@pytest.mark.parametrize("where", ["corpora.train", "corpora.dev"])
def test_a_listener_is_refused_by_the_command_of_spacy(where, corpora, tmp_path):
    """Which puts the encoder in its place and tells nobody. spaCy's own reader cannot notice."""
    config = make_config(corpora, component="contrastive_ner", layer="tok2vec", max_epochs=1)
    config["pretraining"]["corpus"] = where
    with pytest.raises(ValueError, match=r'component = "tok2vec" and layer = ""'):
        pretrain(config.interpolate(), tmp_path)
    # Who never pretrains may have what they like there.
    begin_stage_two(config, None)
    # The reader's pipeline has nothing to do with that which is pretrained.
    config["pretraining"]["component"], config["pretraining"]["layer"] = "tok2vec", ""
    pretrain(config.interpolate(), tmp_path)


def weights_of(config, folder):
    """Weights of an encoder with the settings of a config."""
    run = Run(config.interpolate(), folder)
    (folder / "model-best.bin").write_bytes(run.model.get_ref("tok2vec").to_bytes())
    return folder / "model-best.bin"


def refused_by_stage_two(config, weights, message):
    with pytest.raises(ValueError, match=message) as error:
        begin_stage_two(config, weights)
    assert str(weights) in str(error.value)


def with_tok2vec(corpora, where, **settings):
    tok2vec = {**TOK2VEC, **settings}
    if where == "inline":
        pipe = {"factory": "contrastive_ner", "model": {"tok2vec": tok2vec}}
        names = {"component": "contrastive_ner", "layer": "tok2vec"}
        return make_config(corpora, {"contrastive_ner": pipe}, **names)
    listener = {**LISTENER, "width": tok2vec["width"]}
    pipeline = {
        "tok2vec": {"factory": "tok2vec", "model": tok2vec},
        "contrastive_ner": {"factory": "contrastive_ner", "model": {"tok2vec": listener}},
    }
    return make_config(corpora, pipeline)


@pytest.mark.parametrize("where", ["shared", "inline"])
@pytest.mark.parametrize(
    "settings, message",
    [
        ({"width": 16}, r"another encoder .*is 16 in place of 8, so its width .*\. component and"),
        ({"depth": 2}, r"layers in place of \d+, so its depth or its arch.*beside the weights"),
        ({"embed_size": 60}, r"is 60 in place of 50"),
        ({"maxout_pieces": 3}, r"is 3 in place of 2"),
    ],
)
def test_weights_of_another_encoder(where, settings, message, corpora, tmp_path):
    weights = weights_of(with_tok2vec(corpora, where, **settings), tmp_path)
    refused_by_stage_two(with_tok2vec(corpora, where), weights, message)


def test_weights_for_other_features_of_words(corpora, tmp_path):
    """All shapes are the same."""

    def embedding(attrs):
        embed = {
            "@architectures": "spacy.MultiHashEmbed.v2",
            "width": 8,
            "attrs": attrs,
            "rows": [50, 50],
            "include_static_vectors": False,
        }
        encode = {
            "@architectures": "spacy.MaxoutWindowEncoder.v2",
            "width": 8,
            "window_size": 1,
            "maxout_pieces": 2,
            "depth": 1,
        }
        model = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}
        pipe = {"factory": "contrastive_ner", "model": {"tok2vec": model}}
        names = {"component": "contrastive_ner", "layer": "tok2vec"}
        return make_config(corpora, {"contrastive_ner": pipe}, **names)

    weights = weights_of(embedding(["NORM", "SHAPE"]), tmp_path)
    begin_stage_two(embedding(["NORM", "SHAPE"]), weights)
    message = r"columns of its layer 'extract_features' is .* it reads other features of words"
    refused_by_stage_two(embedding(["LOWER", "SHAPE"]), weights, message)


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda data: b"", "is empty: copy or make it anew"),
        (lambda data: data[: len(data) // 2], "is damaged or cut off .*copy or make it anew"),
        (lambda data: data + b"more", "is damaged or cut off"),
        (lambda data: srsly.msgpack_dumps(3), "holds no weights: name model-best.bin"),
        (lambda data: srsly.msgpack_dumps({"nodes": [{}] * 9}), "is damaged|layers in place of"),
    ],
)
def test_weights_that_are_damaged(spoil, message, corpora, tmp_path):
    config = make_config(corpora)
    weights = weights_of(config, tmp_path)
    weights.write_bytes(spoil(weights.read_bytes()))
    refused_by_stage_two(config, weights, message)


def test_what_is_no_file_of_weights(corpora, tmp_path):
    config = make_config(corpora, max_epochs=1)
    run = Run(config.interpolate(), tmp_path)
    list(run.epochs())
    message = "is the checkpoint of a run, not its weights: name model-best.bin or model-last.bin"
    refused_by_stage_two(config, tmp_path / NAME, message)
    refused_by_stage_two(config, tmp_path, "is a folder: name the file model-best.bin in it")
    begin_stage_two(config, tmp_path / "model-best.bin")


def test_weights_for_a_listener(corpora, tmp_path):
    """As plain `spacy pretrain` may have written them."""
    weights = weights_of(make_config(corpora), tmp_path)
    config = make_config(corpora, component="contrastive_ner", layer="tok2vec")
    with pytest.raises(ValueError, match=r'component = "tok2vec" and layer = ""'):
        begin_stage_two(config, weights)


def test_weights_of_others_are_left_to_spacy(corpora, tmp_path):
    """A pipe that neither is this one nor is listened to."""
    pipeline = {
        "ner": {"factory": "ner", "model": ner_model({**TOK2VEC, "width": 16})},
        "contrastive_ner": {"factory": "contrastive_ner", "model": {"tok2vec": TOK2VEC}},
    }
    names = {"component": "ner", "layer": "tok2vec"}
    weights = weights_of(make_config(corpora, pipeline, **names), tmp_path)
    pipeline["ner"]["model"]["tok2vec"] = TOK2VEC
    with pytest.raises(ValueError, match="Attempt to change dimension"):
        begin_stage_two(make_config(corpora, pipeline, **names), weights)
