"""The tagger of word pieces with a memory of pieces."""

import pickle

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import NumpyOps

from spacy_contrastive_ner import tracks
from spacy_contrastive_ner.layers.crf import get_transitions
from spacy_contrastive_ner.models.columns import read_scores, take_apart
from spacy_contrastive_ner.models.memory import as_scores, layout_of

from .. import oracle
from ..util import (
    TEXTS,
    found,
    make_examples,
    predict,
    require_memorised,
    require_same,
    require_same_as_alone,
    scores_of,
    train,
)
from .on_transformer import KINDS
from .test_subword_tagger import BLANKS, CRF, examples_of, make

MEMORY = {"@layers": "spacy-contrastive-ner.Memory.v1"}
DRINKS = [(["cold", "health", " ", "tea"], [(1, 4, "DRINK")]), (["Paris", "tea"], [])]


def through(nlp, examples):
    """Examples whose predicted documents the encoder has seen."""
    if "transformer" in nlp.pipe_names:
        for example in examples:
            nlp.get_pipe("transformer")(example.predicted)
    return examples


def every_example(nlp):
    return through(nlp, make_examples(nlp) + examples_of(nlp))


@KINDS
def test_nearest(bert, kind, tmp_path):
    """The memory alone, of an encoder that is its own or shared."""
    nlp = make(bert, kind, {"memory": {**MEMORY, "k": 1}})
    train(nlp, steps=1)
    pipe = nlp.get_pipe("contrastive_ner")
    pipe.cfg["decoder"] = "nearest"
    with pytest.raises(ValueError, match="asks the memory, but it is empty"):
        predict(nlp, TEXTS[0][0])
    told = pipe.remember(every_example(nlp))
    assert not told.lost and not told.new_labels
    # Pieces: Ministry has three, Health has two, white space has none.
    assert told.tokens == pipe.memory["tokens"] == (19 + 3) + 3 + (4 + 3)
    assert pipe.memory["labels"] == {"GPE": 4, "ORG": 8 + 6, "PER": 7}
    require_memorised(nlp)
    for words, spans in BLANKS:
        assert found(nlp(Doc(nlp.vocab, words=words))) == sorted(spans)
    nlp.to_disk(tmp_path)
    for copy in (spacy.load(tmp_path), pickle.loads(pickle.dumps(nlp))):
        assert copy.get_pipe("contrastive_ner").memory == pipe.memory
        require_same(nlp, copy, atol=1e-5)
    texts = [[], *(text.split() for text, _ in TEXTS), ["health"], [" "], [" ", "Paris"]]
    for size in (1, 4, 20):
        require_same_as_alone(nlp, texts, batch_size=size)


def posteriors_by_hand(scores, counts, table):
    """The probability of each tag of each piece, over all that tokens can be read as. [n, n_tags]"""
    every = [
        (path, oracle.path_score(scores, path, table))
        for path in oracle.subword_paths(counts, scores.shape[1])
    ]
    total, out = oracle.log_sum([score for _, score in every]), numpy.zeros(scores.shape)
    for path, score in every:
        out[numpy.arange(len(path)), path] += numpy.exp(score - total)
    return out


@pytest.mark.parametrize("heads", ["per_label", "joint"])
@pytest.mark.filterwarnings("ignore:.*no layer left")
def test_the_mixture_keeps_to_what_pieces_can_be(bert, heads):
    """The tags of pieces have the mixed probabilities, against enumeration, and no others any."""
    nlp = make(bert, model={"heads": heads, "crf": {**CRF, "transitions": "shared"}})
    train(nlp, steps=3)
    pipe, model = nlp.get_pipe("contrastive_ner"), nlp.get_pipe("contrastive_ner").model
    pipe.remember(examples_of(nlp, [(words, []) for words, _ in BLANKS]))
    pipe.remember(make_examples(nlp, [("Health of Ministry", [(0, 1, "PER"), (2, 3, "ORG")])]))
    pipe.tune_memory(weight=0.4, temperature=0.5)
    docs = [Doc(nlp.vocab, words=words) for words in (["the", "Ministry", " ", "of"], ["health"])]
    output, layout = model.predict(docs), layout_of(model)
    words = tracks.Subwords(output.lengths, [4, 1])
    legal = tracks.legal_tags(words.counts, layout.n_tags)
    columns = take_apart(model, output)
    mixed, transitions, _ = read_scores(model, words.lengths, columns, "posterior", legal)
    said = tracks.posteriors(NumpyOps(), mixed, words.lengths, transitions)
    assert (said[~numpy.repeat(legal[:, None], layout.n_tracks, axis=1)] < 1e-9).all()
    own = columns.scores.dataXd.reshape(mixed.shape)
    near, steps = as_scores(model, columns.said)
    learned = get_transitions(model.get_ref("crf").layers[0])
    tables = [oracle.Table(*(part[0] for part in some)) for some in (learned, steps)]
    apart = []
    for counts, rows in (([1, 3, 0, 1], slice(0, 5)), ([2], slice(5, 7))):
        for track in range(layout.n_tracks):
            one, two = (
                posteriors_by_hand(scores[rows, track], counts, table)
                for scores, table in zip((own, near), tables)
            )
            assert numpy.allclose(said[rows, track], 0.6 * one + 0.4 * two, atol=1e-4)
            apart.append(abs(one - two).max())
    assert max(apart) > 0.1


def test_without_a_say_nothing_changes(bert):
    nlp = make(bert, threshold=0.0)
    train(nlp, steps=20)
    pipe = nlp.get_pipe("contrastive_ner")

    def all_found():
        docs = [predict(nlp, text) for text, _ in TEXTS]
        return [(found(doc), scores_of(doc)) for doc in docs]

    before = all_found()
    assert sum(len(spans) for spans, _ in before) > 5
    pipe.remember(make_examples(nlp, [(text, []) for text, _ in TEXTS]))
    assert all_found() != before
    # Nothing but white space has no pieces to be asked about.
    assert not nlp(Doc(nlp.vocab, words=[" "])).spans["sc"]
    pipe.tune_memory(weight=0.0)
    assert all_found() == before
    pipe.tune_memory(weight=0.5)
    assert pipe.forget() == 22 and all_found() == before


def test_a_label_that_is_only_remembered(bert):
    nlp = make(bert)
    train(nlp, steps=30)
    pipe = nlp.get_pipe("contrastive_ner")
    told = pipe.remember(examples_of(nlp, DRINKS), labels=["DRINK"])
    assert told.new_labels == ["DRINK"] == pipe.memory["only"] and told.tokens == 6
    for weight in (0.0, 1.0):
        pipe.tune_memory(weight=weight)
        there = found(nlp(Doc(nlp.vocab, words=DRINKS[0][0])))
        assert [span for span in there if span[2] == "DRINK"] == DRINKS[0][1]
    assert pipe.tune_memory(make_examples(nlp))
    pipe.forget("DRINK")
    assert "DRINK" not in {label for *_, label in found(nlp(Doc(nlp.vocab, words=DRINKS[0][0])))}
    nlp.resume_training()
    pipe.remember(examples_of(nlp, DRINKS))
    assert pipe.rehearse(make_examples(nlp))["contrastive_ner"] == pytest.approx(0, abs=1e-3)
    with pytest.warns(UserWarning, match="memory of 6 tokens is empty from now on"):
        nlp.update(make_examples(nlp), sgd=nlp.create_optimizer())


def test_what_cannot_be_put_on_pieces(bert):
    """Told in tokens; nothing is known of what it covers, and of text whose annotation is unknown."""
    nlp = make(bert, missing_key="missing", max_layers=1)
    train(nlp, steps=1)
    pipe = nlp.get_pipe("contrastive_ner")
    words = ["Ministry", " ", "of", "Health", "left", "Paris"]
    reference = Doc(nlp.vocab, words=words)
    spans = [(1, 3, "ORG"), (3, 5, "PER"), (3, 4, "PER")]
    reference.spans["sc"] = [Span(reference, *span) for span in spans]
    reference.spans["missing"] = [Span(reference, 5, 6, "")]
    with pytest.warns(UserWarning, match="1 of 3 gold entities"):
        told = pipe.remember([Example(Doc(nlp.vocab, words=words), reference)])
    assert [(lost.document, lost.span) for lost in told.lost] == [
        (0, (1, 3, "ORG")),
        (0, (3, 4, "PER")),
    ]
    assert (told.tokens, told.unknown) == (7, 1)
    tags = pipe.model.get_ref("memory").get_param("tags")
    columns = dict(zip(layout_of(pipe.model).labels, tags.T.tolist()))
    assert columns["ORG"] == [0, 0, 0, -1, 0, 0, 0] and columns["PER"] == [0, 0, 0, 0, 1, 2, 3]


def test_documents_that_the_shared_transformer_has_not_seen(bert):
    nlp = make(bert, "listener")
    train(nlp, steps=1)
    pipe = nlp.get_pipe("contrastive_ner")
    with pytest.raises(ValueError, match="'Anna left Paris ' did not go through the encoder"):
        pipe.remember(make_examples(nlp, TEXTS[1:2]))
    # Nothing but white space has no pieces.
    blanks = through(nlp, examples_of(nlp, [([" ", "  "], [])]))
    assert pipe.remember(blanks + through(nlp, make_examples(nlp, TEXTS[1:2]))).tokens == 3
