"""The bi-encoder on a transformer, with [CLS] as the row of a text: its life from fitting to saving."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..util import (
    TEXTS,
    TOK2VEC,
    found,
    make_examples,
    predict,
    require_memorised,
    require_same,
    require_same_as_alone,
    scores_of,
    train,
    windows,
)
from .on_transformer import (
    KINDS,
    make_on_transformer,
    require_gradients_of_pieces,
    require_learning_on_a_frozen_transformer,
    require_whole_when_loaded,
)

BI = "spacy-contrastive-ner.BiEncoder.v1"
WRITTEN = {"ORG": "the ministry", "GPE": "Paris", "PER": "Anna"}


def make(bert, kind, model=None, **settings):
    config = {"@architectures": BI, "width": 12, "text_row": "cls", **(model or {})}
    settings = {"threshold": 0.5, **settings}
    return make_on_transformer(bert, kind, windows(4, 3), config, **settings)


@KINDS
def test_it_learns_and_is_saved(bert, kind, tmp_path):
    nlp = make(bert, kind)
    train(nlp, steps=60)
    require_memorised(nlp)
    require_whole_when_loaded(nlp, kind, tmp_path)


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
        require_same_as_alone(nlp, texts, batch_size=size)


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
    require_gradients_of_pieces(nlp, kind, examples)


def test_learns_on_a_frozen_transformer(bert):
    require_learning_on_a_frozen_transformer(make(bert, "listener"))


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
    require_same(nlp, spacy.load(tmp_path), atol=1e-5)


def test_without_a_transformer():
    nlp = spacy.blank("en")
    config = {"@architectures": BI, "tok2vec": TOK2VEC, "text_row": "cls"}
    with pytest.raises(ValueError, match=r'text_row is "cls".*no transformer.*TransformerListener'):
        nlp.add_pipe("contrastive_ner", config={"model": config})
