"""A pretrained transformer, as others load it."""

import numpy
import pytest
from spacy.util import load_model_from_config

from spacy_contrastive_ner.pretraining.driver import Run
from spacy_contrastive_ner.pretraining.export import check_export, export_transformer

from .tiny import (
    POOLING,
    make_bert,
    make_config,
    make_corpora,
    make_docs,
    transformer,
    transformer_pipeline,
)

transformers = pytest.importorskip("transformers")
pytest.importorskip("spacy_transformers")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def corpora(root):
    return make_corpora(root)


@pytest.fixture(scope="module")
def bert(root):
    return make_bert(root / "bert")


def inline_pipeline(bert):
    settings = {"grad_factor": 1.0, "pooling": POOLING}
    model = {"tok2vec": transformer("Tok2VecTransformer", bert, **settings)}
    return {"contrastive_ner": {"factory": "contrastive_ner", "model": model}}


@pytest.fixture(scope="module", params=["shared", "inline"])
def run(request, root, corpora, bert):
    """A run of two epochs, whose weights have gone on a little since then."""
    if request.param == "shared":
        config = make_config(corpora, transformer_pipeline(bert), component="transformer")
    else:
        names = {"component": "contrastive_ner", "layer": "tok2vec"}
        config = make_config(corpora, inline_pipeline(bert), **names)
    config["pretraining"]["max_epochs"] = 2
    run = Run(config.interpolate(), root / request.param)
    for _ in run.epochs():
        pass
    return run


def transformer_of(model):
    return next(node for node in model.walk() if hasattr(node, "transformer"))


def state_of(module):
    return {name: value.detach().numpy().copy() for name, value in module.state_dict().items()}


@pytest.fixture(scope="module")
def exported(run, root):
    """The weights of the best epoch, and the folder."""
    tok2vec = run.model.get_ref("tok2vec")
    for value in transformer_of(tok2vec).transformer.parameters():
        value.data += 1.0
    folder = root / "deep" / run.output.name
    export_transformer(tok2vec, run.output / "model-best.bin", folder)
    other = Run(run.nlp.config.interpolate(), root / "other").model.get_ref("tok2vec")
    other.from_bytes((run.output / "model-best.bin").read_bytes())
    return state_of(transformer_of(other).transformer), folder


def test_loads_with_the_best_weights(exported, bert):
    best, folder = exported
    loaded = state_of(transformers.AutoModel.from_pretrained(folder))
    assert set(loaded) == set(best)
    assert all(numpy.array_equal(loaded[name], best[name]) for name in best)
    before = state_of(transformers.AutoModel.from_pretrained(bert))
    name = "encoder.layer.0.attention.self.value.weight"
    assert not numpy.array_equal(loaded[name], before[name])


def test_settings_are_those_of_the_original(exported, bert):
    """Also those that spacy-transformers rounds to 0 when it reads weights."""
    config = transformers.AutoConfig.from_pretrained(exported[1])
    original = transformers.AutoConfig.from_pretrained(bert)
    assert original.layer_norm_eps == 1e-12
    ours, theirs = config.to_diff_dict(), original.to_diff_dict()
    assert {**ours, "torch_dtype": None} == {**theirs, "torch_dtype": None}


def test_tokenizer_is_that_of_the_original(exported, bert):
    tokenizer = transformers.AutoTokenizer.from_pretrained(exported[1])
    original = transformers.AutoTokenizer.from_pretrained(bert)
    for doc in make_docs(4):
        assert tokenizer(doc.text)["input_ids"] == original(doc.text)["input_ids"]


@pytest.mark.parametrize("make_pipeline", [transformer_pipeline, inline_pipeline])
def test_is_the_name_in_another_config(exported, make_pipeline, corpora):
    best, folder = exported
    config = make_config(corpora, make_pipeline(folder), component="x")
    nlp = load_model_from_config(config)
    with nlp.select_pipes(enable=[]):
        nlp.initialize()
    (model,) = (
        pipe.model
        for _, pipe in nlp.components
        if any(hasattr(node, "transformer") for node in pipe.model.walk())
    )
    tok2vec = model if hasattr(model, "transformer") else model.get_ref("tok2vec")
    tok2vec.initialize(X=make_docs(1))
    state = state_of(transformer_of(tok2vec).transformer)
    assert all(numpy.array_equal(state[name], best[name]) for name in best)


def test_others_may_read_it_and_nothing_lies_beside_it(exported):
    folder = exported[1]
    assert folder.stat().st_mode & 0o777 == 0o755
    assert {path.name for path in folder.parent.iterdir()} <= {"shared", "inline"}


def test_a_folder_with_something_in_it_is_refused(run, exported):
    before = {path: path.read_bytes() for path in exported[1].iterdir()}
    with pytest.raises(ValueError, match=r"is not empty. Name another folder"):
        export_transformer(run.model.get_ref("tok2vec"), run.output / "model-best.bin", exported[1])
    assert before == {path: path.read_bytes() for path in exported[1].iterdir()}


def test_an_empty_folder_is_filled(run, tmp_path):
    export_transformer(run.model.get_ref("tok2vec"), run.output / "model-best.bin", tmp_path)
    assert (tmp_path / "config.json").exists()


def test_a_file_is_refused(run, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match=r"file is a file. Name a folder"):
        check_export(run.model.get_ref("tok2vec"), tmp_path / "file", run.output)


def test_where_the_weights_go_is_refused(run, tmp_path):
    tok2vec = run.model.get_ref("tok2vec")
    for output in (tmp_path, tmp_path / "below", tmp_path / "x" / ".."):
        with pytest.raises(ValueError, match=r"weights, log and checkpoint go to .*exported"):
            check_export(tok2vec, tmp_path, output)
    check_export(tok2vec, tmp_path / "exported", tmp_path)


def test_what_is_no_transformer_is_refused(corpora, tmp_path):
    run = Run(make_config(corpora).interpolate(), tmp_path)
    with pytest.raises(ValueError, match="no transformer of spacy-transformers"):
        check_export(run.model.get_ref("tok2vec"), tmp_path / "hf", tmp_path)


def test_nothing_is_left_of_an_export_that_fails(run, tmp_path, monkeypatch):
    def fail(tokenizer, folder):
        raise OSError("No space left on device")

    tok2vec = run.model.get_ref("tok2vec")
    monkeypatch.setattr(type(transformer_of(tok2vec).tokenizer), "save_pretrained", fail)
    with pytest.raises(OSError, match="No space"):
        export_transformer(tok2vec, run.output / "model-best.bin", tmp_path / "hf")
    assert not list(tmp_path.iterdir())
