"""The bi-encoder on a transformer, with [CLS] as the row of a text: its life from fitting to saving."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..util import (
    POOLING,
    TEXTS,
    TOK2VEC,
    found,
    make_examples,
    predict,
    train,
    transformer_config,
)

BI = "spacy-contrastive-ner.BiEncoder.v1"
WINDOWS = {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 4, "stride": 3}
LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "upstream": "transformer",
    "pooling": POOLING,
}
WRITTEN = {"ORG": "the ministry", "GPE": "Paris", "PER": "Anna"}
KINDS = pytest.mark.parametrize("kind", ["listener", "inline"])


def make(bert, kind, model=None, **settings):
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    tok2vec = LISTENER
    if kind == "listener":
        shared = transformer_config("TransformerModel", bert, get_spans=WINDOWS)
        nlp.add_pipe("transformer", config={"model": shared})
    else:
        own = {"grad_factor": 1.0, "pooling": POOLING, "get_spans": WINDOWS}
        tok2vec = transformer_config("Tok2VecTransformer", bert, **own)
    model = {
        "@architectures": BI,
        "width": 12,
        "text_row": "cls",
        "tok2vec": tok2vec,
        **(model or {}),
    }
    nlp.add_pipe("contrastive_ner", config={"model": model, "threshold": 0.5, **settings})
    return nlp


def scores_of(doc):
    return doc.spans["sc"].attrs["scores"].tolist()


def require_same(nlp, other):
    """Of all spans that are not quite improbable."""
    n = 0
    for each in (nlp, other):
        each.get_pipe("contrastive_ner").cfg["threshold"] = 0.0
    for text, _ in TEXTS:
        doc, again = predict(nlp, text), predict(other, text)
        assert found(again) == found(doc)
        assert scores_of(again) == pytest.approx(scores_of(doc), abs=1e-5)
        n += len(found(doc))
    assert n > 5


@KINDS
def test_it_learns_and_is_saved(bert, kind, tmp_path):
    nlp = make(bert, kind)
    train(nlp, steps=60)
    for text, spans in TEXTS:
        assert found(predict(nlp, text)) == sorted(spans)
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    require_same(nlp, again)
    losses = again.update(make_examples(again), sgd=again.resume_training())
    assert 0 < losses["contrastive_ner"] < 100
    if kind == "listener":
        before = spacy.load(tmp_path)
        nlp.replace_listeners("transformer", "contrastive_ner", ["model.tok2vec"])
        nlp.remove_pipe("transformer")
        require_same(before, nlp)
        nlp.to_disk(tmp_path / "replaced")
        require_same(before, spacy.load(tmp_path / "replaced"))


def test_the_row_of_a_text_is_what_the_transformer_made_of_its_first_pieces(bert):
    nlp = make(bert, "listener")
    train(nlp, steps=2)
    pipe = nlp.get_pipe("contrastive_ner")
    doc = predict(nlp, TEXTS[0][0])
    hidden = doc._.trf_data.model_output.last_hidden_state
    assert len(hidden) > 1
    linear = next(node for node in pipe.model.walk() if node.name == "linear")
    expected = hidden[:, 0].mean(axis=0) @ linear.get_param("W").T + linear.get_param("b")
    assert numpy.allclose(pipe.model.predict([doc]).dataXd[0], expected, atol=1e-5)
    assert not any(node.name == "text_row" for node in pipe.model.walk())


@KINDS
def test_results_do_not_depend_on_the_batch(bert, kind):
    nlp = make(bert, kind, threshold=0.0)
    train(nlp, steps=5)
    texts = [[], *(text.split() for text, _ in TEXTS), [], ["x"], [" "], [" ", "Paris"]]
    for size in (1, 4, 20):
        docs = [Doc(nlp.vocab, words=words) for words in texts]
        for doc, words in zip(nlp.pipe(docs, batch_size=size), texts):
            alone = nlp(Doc(nlp.vocab, words=words))
            assert found(doc) == found(alone)
            assert scores_of(doc) == pytest.approx(scores_of(alone), abs=1e-5)


@KINDS
def test_thresholds_teach_the_transformer(bert, kind):
    """The gradient of the rows of texts alone gets there, with texts in the batch that have no tokens
    and no pieces."""
    nlp = make(bert, kind)
    examples = make_examples(nlp, [("", []), *TEXTS, ("", []), ("x", [])])
    blank = Example(Doc(nlp.vocab, words=[" "]), Doc(nlp.vocab, words=[" "]))
    blank.reference.spans["sc"] = []
    examples.insert(2, blank)
    train(nlp, examples, steps=1)
    pipe = nlp.get_pipe("contrastive_ner")
    learn = pipe.model.attrs["learn"]

    def of_texts(model, gold, rows):
        loss, d_rows, lost = learn(model, gold, rows)
        first = numpy.cumsum(rows.lengths) - rows.lengths
        only = numpy.zeros_like(d_rows.dataXd)
        only[first] = d_rows.dataXd[first]
        assert only.any()
        d_rows.data = only
        return loss, d_rows, lost

    pipe.model.attrs["learn"] = of_texts
    reader = nlp.get_pipe("transformer") if kind == "listener" else pipe
    module = next(node for node in reader.model.walk() if node.name == "transformer").transformer
    module.zero_grad()
    nlp.update(examples, sgd=False)
    assert module.get_input_embeddings().weight.grad.abs().max() > 1e-5


def test_learns_on_a_frozen_transformer(bert):
    nlp = make(bert, "listener")
    frozen = {"exclude": ["transformer"], "annotates": ["transformer"]}
    _, first = train(nlp, steps=1, **frozen)
    _, losses = train(nlp, steps=30, **frozen)
    assert losses["contrastive_ner"] < 0.7 * first["contrastive_ner"]


@KINDS
def test_a_label_by_examples(bert, kind):
    nlp = make(bert, kind)
    train(nlp)
    doc = predict(nlp, TEXTS[2][0])
    before = [scores_of(predict(nlp, text)) for text, _ in TEXTS]
    assert nlp.get_pipe("contrastive_ner").add_label("DAY", examples=[Span(doc, 2, 3)]) == 1
    assert (2, 3, "DAY") in found(predict(nlp, TEXTS[2][0]))
    for (text, _), scores in zip(TEXTS, before):
        again = predict(nlp, text)
        labels = [span.label_ for span in again.spans["sc"]]
        old = [score for label, score in zip(labels, scores_of(again)) if label != "DAY"]
        assert old == scores


@pytest.mark.parametrize(
    "model",
    [
        {"types": "prototypes", "n_examples": 2},
        {"types": "descriptions", "descriptions": WRITTEN},
        {"types": "descriptions", "descriptions": WRITTEN, "description_encoder": TOK2VEC},
    ],
    ids=["prototypes", "descriptions", "two encoders"],
)
def test_labels_made_from_texts(bert, model, tmp_path):
    nlp = make(bert, "inline", model)
    _, losses = train(nlp, steps=1)
    _, later = train(nlp, steps=40)
    assert later["contrastive_ner"] < 0.5 * losses["contrastive_ner"]
    nlp.to_disk(tmp_path)
    require_same(nlp, spacy.load(tmp_path))


def test_without_a_transformer():
    nlp = spacy.blank("en")
    config = {"@architectures": BI, "tok2vec": TOK2VEC, "text_row": "cls"}
    with pytest.raises(ValueError, match=r'text_row is "cls".*no transformer.*TransformerListener'):
        nlp.add_pipe("contrastive_ner", config={"model": config})
