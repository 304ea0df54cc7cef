import random

import numpy
import pytest
import spacy
from spacy.training import Example
from spacy.util import fix_random_seed, load_model_from_config

from spacy_contrastive_ner.evaluation.analysis import vectors as module
from spacy_contrastive_ner.evaluation.analysis.points import draw_sample
from spacy_contrastive_ner.evaluation.analysis.vectors import (
    Encoder,
    NoEncoder,
    encoder_states,
    find_encoder,
    weights_file,
)
from spacy_contrastive_ner.layers.token_rows import TokenRows
from spacy_contrastive_ner.pretraining.driver import Run

from ...pretraining.tiny import (
    POOLING,
    TOK2VEC,
    make_bert,
    make_config,
    make_corpora,
    make_docs,
    transformer,
    transformer_pipeline,
)
from .made import make_cases

ENCODERS = ("shared", "inline", "transformer", "inline_transformer")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("vectors")


@pytest.fixture(scope="module")
def corpora(root):
    return make_corpora(root)


def config_of(encoder, corpora, root):
    inner = {"component": "contrastive_ner", "layer": "tok2vec", "max_epochs": 1}
    if encoder == "shared":
        return make_config(corpora, max_epochs=1)
    if encoder == "inline":
        model = {"tok2vec": TOK2VEC}
    else:
        pytest.importorskip("spacy_transformers")
        bert = root / "bert"
        if not bert.exists():
            make_bert(bert)
        if encoder == "transformer":
            pipeline = transformer_pipeline(bert)
            return make_config(corpora, pipeline, component="transformer", max_epochs=1)
        settings = {"grad_factor": 1.0, "pooling": POOLING}
        model = {"tok2vec": transformer("Tok2VecTransformer", bert, **settings)}
    pipeline = {"contrastive_ner": {"factory": "contrastive_ner", "model": model}}
    return make_config(corpora, pipeline, **inner)


def make_examples(nlp):
    docs = make_docs(8)
    return [Example(nlp.make_doc(doc.text), doc) for doc in docs]


def train(config):
    """A pipeline that has learned a little, with weights that no other has."""
    fix_random_seed(9)
    nlp = load_model_from_config(config.copy())
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(3):
        nlp.update(examples, sgd=optimizer)
    return nlp


def pooled(rows_of, nlp, cases, points):
    """The vectors of points, document by document."""
    rows = [rows_of(nlp.make_doc(case.text)) for case in cases]
    return numpy.stack([rows[p.case][p.first : p.last].mean(axis=0) for p in points])


def rows_in(nlp):
    """What gives the rows of a document, as the pipe sees them."""

    def rows_of(doc):
        for name, component in nlp.pipeline:
            if name != "contrastive_ner":
                doc = component(doc)
        encoder = nlp.get_pipe("contrastive_ner").model.get_ref("tok2vec")
        return TokenRows().predict(encoder.predict([doc]))

    return rows_of


def state_of_chance():
    return random.getstate(), numpy.random.get_state()[1].tolist()


@pytest.mark.parametrize("encoder", ENCODERS)
def test_states_of_every_kind_of_encoder(encoder, corpora, root, tmp_path):
    config = config_of(encoder, corpora, root)
    run = Run(config.interpolate(), tmp_path)
    for _ in run.epochs():
        pass
    nlp = train(config)
    cases = make_cases(6)
    sample = draw_sample(cases)
    before, steps, bytes_before = state_of_chance(), [], nlp.to_bytes()
    states = encoder_states(
        nlp, "contrastive_ner", cases, sample.points, stage1=tmp_path, on_step=steps.append
    )
    assert state_of_chance() == before and nlp.to_bytes() == bytes_before
    assert list(states.vectors) == ["before", "stage1", "stage2"] and not states.notes
    assert len(steps) == 3
    args = (nlp, cases, sample.points)
    last = pooled(rows_in(nlp), *args)
    assert states.vectors["stage2"] == pytest.approx(last, abs=1e-5)
    # The run has model-best.bin and model-last.bin; after one epoch they are the same.
    middle = pooled(lambda doc: run.model.rows_of([doc]), *args)
    assert states.vectors["stage1"] == pytest.approx(middle, abs=1e-5)
    fix_random_seed(0)
    fresh = load_model_from_config(config.copy())
    if fresh.has_pipe("tok2vec"):
        fresh.get_pipe("tok2vec").model.initialize(X=[nlp.make_doc("a")])
    elif fresh.has_pipe("transformer"):
        fresh.get_pipe("transformer").initialize(lambda: make_examples(fresh), nlp=fresh)
    else:
        own = fresh.get_pipe("contrastive_ner").model.get_ref("tok2vec")
        own.initialize(X=[nlp.make_doc("a")])
    first = pooled(rows_in(fresh), *args)
    assert states.vectors["before"] == pytest.approx(first, abs=1e-5)
    for one, other in ((first, middle), (middle, last), (first, last)):
        assert abs(one - other).max() > 1e-3


@pytest.fixture(scope="module")
def shared(corpora, root):
    """A pipeline with a shared encoder. Not to be changed."""
    return train(config_of("shared", corpora, root))


@pytest.fixture(scope="module")
def stage1(corpora, root):
    """The folder of a stage 1 for it."""
    run = Run(config_of("shared", corpora, root).interpolate(), root / "stage1")
    for _ in run.epochs():
        pass
    return root / "stage1"


def states_of(nlp, pipe="contrastive_ner", **kwargs):
    cases = make_cases(3)
    return encoder_states(nlp, pipe, cases, draw_sample(cases).points, **kwargs)


def test_the_seed_of_the_config_counts(shared):
    first = states_of(shared).vectors["before"]
    assert (states_of(shared).vectors["before"] == first).all()
    other = spacy.util.load_model_from_config(shared.config.copy())
    other.from_bytes(shared.to_bytes())
    other.config["training"]["seed"] = 1
    assert abs(states_of(other).vectors["before"] - first).max() > 1e-3


def test_without_stage1_there_are_two_states(shared):
    assert list(states_of(shared).vectors) == ["before", "stage2"]


def test_batches_make_no_difference(shared, monkeypatch):
    whole = states_of(shared).vectors["stage2"]
    monkeypatch.setattr(module, "BATCH", 10)
    assert states_of(shared).vectors["stage2"] == pytest.approx(whole, abs=1e-6)


def test_weights_of_a_folder(tmp_path, stage1):
    assert weights_file(stage1) == stage1 / "model-best.bin"
    (tmp_path / "model-last.bin").write_bytes(b"x")
    assert weights_file(tmp_path) == tmp_path / "model-last.bin"
    (tmp_path / "model-best.bin").write_bytes(b"x")
    assert weights_file(tmp_path) == tmp_path / "model-best.bin"
    assert weights_file(tmp_path / "model-last.bin") == tmp_path / "model-last.bin"
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty holds neither model-best.bin nor model-last.bin"):
        weights_file(tmp_path / "empty")
    with pytest.raises(ValueError, match=r"There is no .*nowhere"):
        weights_file(tmp_path / "nowhere")


def test_a_named_file_is_loaded(shared, stage1):
    whole = states_of(shared, stage1=stage1).vectors["stage1"]
    named = states_of(shared, stage1=stage1 / "model-last.bin").vectors["stage1"]
    assert (whole == named).all()


@pytest.mark.parametrize("content", [b"", b"no weights", b"\x81\xa5nodes\x90"])
def test_a_file_without_weights(content, shared, tmp_path):
    path = tmp_path / "some.bin"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"some\.bin .*component = 'tok2vec', layer = ''"):
        states_of(shared, stage1=path)


@pytest.mark.parametrize("change", [{"width": 16}, {"depth": 2}, {"embed_size": 60}])
def test_weights_of_another_encoder(change, corpora, stage1, root):
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": change.get("width", 8)}
    pipeline = {
        "tok2vec": {"factory": "tok2vec", "model": {**TOK2VEC, **change}},
        "contrastive_ner": {"factory": "contrastive_ner", "model": {"tok2vec": listener}},
    }
    nlp = train(make_config(corpora, pipeline))
    with pytest.raises(
        ValueError, match=r"model-best\.bin .*component = 'tok2vec'.*that this model"
    ):
        states_of(nlp, stage1=stage1)


def test_weights_for_a_pipe_beside(corpora, stage1):
    """Two encoders: stage 1 was for the one that the pipe does not use."""
    pipeline = {
        "tok2vec": {"factory": "tok2vec", "model": TOK2VEC},
        "contrastive_ner": {"factory": "contrastive_ner", "model": {"tok2vec": TOK2VEC}},
    }
    nlp = train(make_config(corpora, pipeline))
    with pytest.raises(ValueError, match=r"they are for 'tok2vec', which is no encoder of"):
        states_of(nlp, stage1=stage1)


def test_weights_of_a_component_that_is_gone(corpora, root, stage1):
    """A pipe that listened has got a copy of the encoder since."""
    nlp = train(config_of("shared", corpora, root))
    expected = states_of(nlp, stage1=stage1).vectors
    nlp.replace_listeners("tok2vec", "contrastive_ner", ["model.tok2vec"])
    nlp.remove_pipe("tok2vec")
    found = states_of(nlp, stage1=stage1).vectors
    assert found["stage1"] == pytest.approx(expected["stage1"], abs=1e-5)
    assert found["stage2"] == pytest.approx(expected["stage2"], abs=1e-5)


def test_a_transformer_that_is_gone(corpora, root, tmp_path, monkeypatch):
    pytest.importorskip("spacy_transformers")
    make_bert(tmp_path / "gone")
    config = make_config(corpora, transformer_pipeline(tmp_path / "gone"), component="transformer")
    nlp = train(config)
    run = Run(config.interpolate(), tmp_path / "out")
    weights = tmp_path / "some.bin"
    weights.write_bytes(run.model.get_ref("tok2vec").to_bytes())
    expected = states_of(nlp, stage1=weights)
    assert list(expected.vectors) == ["before", "stage1", "stage2"]
    (tmp_path / "gone").rename(tmp_path / "elsewhere")
    states = states_of(nlp, stage1=weights)
    assert list(states.vectors) == ["stage1", "stage2"]
    assert len(states.notes) == 1
    assert "before training could not be made" in states.notes[0] and "gone" in states.notes[0]
    for name in states.vectors:
        assert states.vectors[name] == pytest.approx(expected.vectors[name], abs=1e-5)


def test_nothing_is_fetched(corpora, root):
    config = config_of("transformer", corpora, root)
    nlp = load_model_from_config(config.copy())
    fresh = module.make_fresh(nlp, find_encoder(nlp, "contrastive_ner"))
    block = fresh.config["components"]["transformer"]["model"]
    assert block["tokenizer_config"] == {"use_fast": True, "local_files_only": True}
    assert "local_files_only" not in str(nlp.config)


def test_which_encoder_it_is(corpora, root, shared):
    assert find_encoder(shared, "contrastive_ner") == Encoder("contrastive_ner", "tok2vec")
    nlp = load_model_from_config(config_of("inline", corpora, root))
    assert find_encoder(nlp, "contrastive_ner") == Encoder("contrastive_ner", None)
    nlp.add_pipe("sentencizer")
    with pytest.raises(NoEncoder, match="'sentencizer' has no encoder"):
        find_encoder(nlp, "sentencizer")
    nlp.add_pipe("entity_ruler")
    with pytest.raises(NoEncoder, match="'entity_ruler' has no encoder"):
        states_of(nlp, "entity_ruler")


def test_other_pipes_have_encoders_too(corpora):
    nlp = spacy.blank("en")
    nlp.add_pipe("ner")
    examples = make_examples(nlp)
    for example in examples:
        example.reference.ents = [next(iter(example.reference.spans["sc"]))]
    nlp.initialize(lambda: examples)
    states = states_of(nlp, "ner")
    assert list(states.vectors) == ["before", "stage2"]
    assert numpy.isfinite(states.vectors["before"]).all()


def test_documents_have_the_tokens_of_the_cases(shared):
    """Also where the tokenizer would cut otherwise."""
    cases = [case._replace(tokens=[(0, 12), (13, len(case.text))]) for case in make_cases(2)]
    encoder = find_encoder(shared, "contrastive_ner")
    docs = module.make_docs(shared, encoder, cases)
    assert [[(t.idx, t.idx + len(t)) for t in doc] for doc in docs] == [c.tokens for c in cases]
    assert [doc.text for doc in docs] == [case.text for case in cases]


def test_norms_of_the_tokenizer_reach_the_encoder(shared):
    """Tokens such as "n't" have a norm of the tokenizer's, which an encoder may look at."""
    case = make_cases(1)[0]._replace(text="Anna can't", tokens=[(0, 4), (5, 7), (7, 10)])
    doc = module.make_docs(shared, find_encoder(shared, "contrastive_ner"), [case])[0]
    assert [token.norm_ for token in doc] == ["anna", "can", "not"]
