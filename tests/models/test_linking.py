"""Fragments are tied together: learned, found, kept and told."""

import pickle
import warnings

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_contrastive_ner.annotations import Gold, read_doc, read_gold
from spacy_contrastive_ner.layers.span_pairs import PARAMS
from spacy_contrastive_ner.models import tag_scores, tagger
from spacy_contrastive_ner.models.linking import get_linker, links_fragments
from spacy_contrastive_ner.models.memory import layout_of

from ..device import DeviceArray, DeviceOps
from ..util import TEXTS, TOK2VEC, make_examples, make_pipeline, train
from .linked import LINK, bare, draw_texts, entities, linked_pipeline, make_linked, trained


def test_interleaved_entities_are_told_apart():
    nlp, examples = trained()
    new = make_linked(nlp, draw_texts(60, seed=1))
    for eg in (*examples, *new):
        assert entities(nlp(bare(eg, nlp))) == entities(eg.reference)


def test_saved_and_loaded(tmp_path):
    nlp, examples = trained()
    expected = [entities(nlp(bare(eg, nlp))) for eg in examples[:5]]
    nlp.to_disk(tmp_path / "model")
    copies = [spacy.load(tmp_path / "model"), pickle.loads(pickle.dumps(nlp))]
    other = make_pipeline(seed=3, model={"dropout": 0.0, "link": LINK})
    copies.append(other.from_bytes(nlp.to_bytes()))
    for copy in copies:
        assert [entities(copy(bare(eg, copy))) for eg in examples[:5]] == expected
        linker = get_linker(copy.get_pipe("contrastive_ner").model)
        assert linker.attrs["max_distance"] == 20


def test_a_linker_of_other_labels_is_refused():
    nlp, _ = trained()
    model = nlp.get_pipe("contrastive_ner").model
    linker = get_linker(model)
    before = linker.get_param("b")
    linker.set_param("b", numpy.zeros(5, dtype="float32"))
    assert "its linker knows 5 labels" in tagger.check(model)
    linker.set_param("b", before)
    assert tagger.check(model) is None


@pytest.mark.parametrize("model", [{}, {"hidden_width": 8, "dropout": 0.2}, {"crf": None}], ids=str)
def test_without_discontinuous_entities_nothing_changes(model):
    """Bit for bit the model that has no linker."""
    results = []
    for link in (None, LINK):
        nlp = make_pipeline(model={**model, "link": link})
        examples = make_examples(nlp)
        train(nlp, examples, steps=8)
        pipe = nlp.get_pipe("contrastive_ner")
        assert not links_fragments(pipe.model)
        tables = [
            node.get_param(name)
            for node in pipe.model.walk()
            for name in sorted(node.param_names)
            if node.has_param(name)
        ]
        tables.append(pipe.predict([eg.predicted for eg in examples]).dataXd)
        results.append(sorted((table.shape, table.tobytes()) for table in tables))
    assert results[0] == results[1]


def test_gradient_of_scores_and_rows():
    nlp, examples, _ = linked_pipeline(draw_texts(3), steps=0, label_weights={"X": 2.0})
    model = nlp.get_pipe("contrastive_ner").model
    gold = [read_gold(eg, "sc", None) for eg in examples]
    output, _ = model.begin_update([eg.predicted for eg in examples])
    rng = numpy.random.default_rng(0)
    data = output.dataXd
    width = layout_of(model).width
    assert data.shape[1] == width + TOK2VEC["width"]
    _, gradient, lost = tag_scores.learn(model, gold, output)
    assert not lost and gradient.dataXd.shape == data.shape
    rows = gradient.dataXd[:, width:]
    assert (rows != 0).any() and (rows == 0).all(axis=1).any()  # fillers and Y have no part in it
    right = 0
    for _ in range(20):
        direction = numpy.zeros_like(data)
        direction[:, width:] = rng.normal(size=rows.shape)
        direction /= numpy.linalg.norm(direction)
        values = []
        for step in (1e-2, -1e-2):
            moved = type(output)(data + step * direction, output.lengths)
            values.append(tag_scores.learn(model, gold, moved)[0])
        slope = (values[0] - values[1]) / 2e-2
        right += abs((gradient.dataXd * direction).sum() - slope) < 1e-2 * max(0.5, abs(slope))
    assert right >= 18


def test_looking_at_the_loss_changes_nothing():
    nlp, examples, _ = linked_pipeline(draw_texts(3), steps=0)
    model = nlp.get_pipe("contrastive_ner").model
    gold = [read_gold(eg, "sc", None) for eg in examples]
    output, backprop = model.begin_update([eg.predicted for eg in examples])
    for _ in range(3):
        _, gradient, _ = tag_scores.learn(model, gold, output)
    linker = get_linker(model)
    assert not linker.has_grad("W")
    backprop(gradient)
    assert all(linker.get_grad(name).any() for name in PARAMS)


def test_new_labels_are_linked_once_they_are_learned():
    nlp, examples, optimizer = linked_pipeline(draw_texts(30))
    pipe = nlp.get_pipe("contrastive_ner")
    expected = [entities(nlp(bare(eg, nlp))) for eg in examples[:5]]
    pipe.add_label("Z", layers=1)
    assert len(get_linker(pipe.model).get_param("b")) == 3 and tagger.check(pipe.model) is None
    assert [entities(nlp(bare(eg, nlp))) for eg in examples[:5]] == expected
    assert pipe.model.attrs["linked"] == ["X"]
    new = make_linked(
        nlp,
        [
            (["z0", "so", "z1", "z2"], [(0, 1, "Z", "1"), (2, 3, "Z", "1"), (3, 4, "Z", "")]),
            (["z0", "z2", "so"], [(0, 1, "Z", ""), (1, 2, "Z", "")]),
        ],
    )
    for _ in range(60):
        nlp.update([*examples, *new, *new], sgd=optimizer)
    assert pipe.model.attrs["linked"] == ["X", "Z"]
    for eg in (*examples, *new):
        assert entities(nlp(bare(eg, nlp))) == entities(eg.reference)


def test_rehearsal_keeps_links():
    nlp, examples, _ = linked_pipeline(draw_texts(20))
    nlp.resume_training()
    pipe = nlp.get_pipe("contrastive_ner")
    docs = [eg.predicted for eg in examples]
    teacher, scores = pipe._rehearsal_model, pipe.model.predict(docs)
    loss, gradient = tag_scores.imitate(pipe.model, scores, teacher, scores)
    assert loss == pytest.approx(0, abs=1e-4) and numpy.abs(gradient.dataXd).max() < 1e-5
    width = layout_of(pipe.model).width
    rng = numpy.random.default_rng(0)
    data = scores.dataXd.copy()
    data[:, width:] += rng.normal(0, 2.0, data[:, width:].shape).astype("float32")
    moved = type(scores)(data, scores.lengths)
    loss, gradient = tag_scores.imitate(pipe.model, moved, teacher, scores)
    assert loss > 0.01
    right = 0
    for _ in range(20):
        direction = rng.normal(size=data.shape).astype("float32")
        direction /= numpy.linalg.norm(direction)
        values = []
        for step in (1e-2, -1e-2):
            there = type(scores)(data + step * direction, scores.lengths)
            values.append(tag_scores.imitate(pipe.model, there, teacher, scores)[0])
        slope = (values[0] - values[1]) / 2e-2
        right += abs((gradient.dataXd * direction).sum() - slope) < 2e-2 * max(0.5, abs(slope))
    assert right >= 18
    # Links alone go wrong, and come back.
    b = get_linker(pipe.model).get_param("b")
    b -= 20
    before = pipe.rehearse(examples)["contrastive_ner"]
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = 0.02
    for _ in range(15):
        after = pipe.rehearse(examples, sgd=optimizer)["contrastive_ner"]
    assert 0 < after < before / 2


@pytest.mark.parametrize("heads", ["per_label", "joint"])
def test_heads(heads):
    nlp, examples, _ = linked_pipeline(draw_texts(20), heads=heads, hidden_width=16)
    for eg in examples:
        assert entities(nlp(bare(eg, nlp))) == entities(eg.reference)


def test_both_stages_at_once():
    model = {
        "@architectures": "spacy-contrastive-ner.JointTagger.v1",
        "tagger": {
            "@architectures": "spacy-contrastive-ner.MultiHeadTagger.v1",
            "tok2vec": TOK2VEC,
            "crf": {"@layers": "spacy-contrastive-ner.CRF.v1"},
            "link": LINK,
        },
        "objective": {
            "@architectures": "spacy-contrastive-ner.ContrastiveObjective.v1",
            "loss": {"@losses": "spacy-contrastive-ner.InfoNCE.v1", "temperature": 0.5},
        },
    }
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("contrastive_ner", config={"model": model})
    examples = make_linked(nlp, draw_texts(30))
    train(nlp, examples, 100)
    for eg in examples:
        assert entities(nlp(bare(eg, nlp))) == entities(eg.reference)
    pipe = nlp.get_pipe("contrastive_ner")
    nlp.resume_training()
    assert pipe.rehearse(examples)["contrastive_ner"] == pytest.approx(0, abs=1e-2)


def test_what_cannot_be_linked_is_told():
    far = (["a0", *["so"] * 25, "b0"], [(0, 1, "X", "1"), (26, 27, "X", "1")])
    triangle = [(0, "1"), (1, "1"), (1, "2"), (2, "2"), (2, "3"), (0, "3")]
    shared = (["a0", "a1", "b0"], [(i, i + 1, "X", id) for i, id in triangle])
    nlp = make_pipeline(model={"link": LINK})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nlp.initialize(lambda: make_linked(nlp, [far, shared, *draw_texts(2)]))
    messages = [str(w.message) for w in caught if "learned in parts only" in str(w.message)]
    assert len(messages) == 2
    assert "1 of" in messages[0] and "Raise max_distance" in messages[0]
    assert "3 of" in messages[1] and "'a0 a1' (X)" in messages[1]
    # Linked or not is for training data to say.
    nlp = make_pipeline(model={"link": LINK})
    optimizer = nlp.initialize(lambda: make_examples(nlp))
    nlp.get_pipe("contrastive_ner").add_label("X")
    with pytest.warns(UserWarning, match="initialized without discontinuous entities"):
        nlp.update(make_linked(nlp, draw_texts(2)), sgd=optimizer)


def make_sharing(rng):
    """Parts of one kind that share the last of them: "a0 and a1 b", or else do not: "a0 b and a1"."""
    kinds = rng.permutation(4)[:2].tolist()
    words = ["so"] * int(rng.integers(0, 3)) + [f"a{kind}" for kind in kinds]
    n = len(words)
    if rng.random() < 0.5:
        words += ["both", "b"]
        spans = [(n - 2, n - 1, "X", "1"), (n + 1, n + 2, "X", "1")]
        spans += [(n - 1, n, "X", "2"), (n + 1, n + 2, "X", "2")]
    else:
        words += ["then", "b"]
        spans = [(n - 2, n - 1, "X", ""), (n - 1, n, "X", "1"), (n + 1, n + 2, "X", "1")]
    return words, spans


def test_fragments_of_several_entities(recwarn):
    rng = numpy.random.default_rng(0)
    nlp, examples, optimizer = linked_pipeline([make_sharing(rng) for _ in range(40)])
    assert not [str(w.message) for w in recwarn if "left out" in str(w.message)]
    model = nlp.get_pipe("contrastive_ner").model
    assert model.attrs["shared"] == ["X"]
    new = make_linked(nlp, [make_sharing(rng) for _ in range(40)])
    assert {len(eg.reference.spans["sc"]) for eg in new} == {3, 4}
    for copy in (
        nlp,
        make_pipeline(model={"dropout": 0.0, "link": LINK}).from_bytes(nlp.to_bytes()),
    ):
        for eg, doc in zip(new, copy.pipe([bare(eg, copy) for eg in new], batch_size=7)):
            assert entities(doc) == entities(eg.reference)
            assert len(doc.spans["sc"].attrs["scores"]) == len(doc.spans["sc"])
            assert all(not span.id for span in doc.ents)
    assert nlp.evaluate(new)["spans_sc_f"] == 1.0
    # What was seen stays known, what is new is learned.
    nlp.update(make_linked(nlp, draw_texts(2)), sgd=optimizer)
    assert model.attrs["shared"] == ["X"]


def test_sharing_is_learned_when_it_is_seen():
    rng = numpy.random.default_rng(0)
    nlp, _, optimizer = linked_pipeline(draw_texts(5), steps=1)
    model = nlp.get_pipe("contrastive_ner").model
    assert model.attrs["shared"] == []
    nlp.update(make_linked(nlp, [make_sharing(rng) for _ in range(9)]), sgd=optimizer)
    assert model.attrs["shared"] == ["X"]


def test_a_shared_fragment_is_read_once():
    nlp = spacy.blank("en")
    words, ids = ["a", "b", "c"], [(0, "1"), (2, "1"), (1, "2"), (2, "2"), (0, ""), (1, "2")]
    eg = make_linked(nlp, [(words, [(i, i + 1, "X", id) for i, id in ids])])[0]
    for gold in (read_gold(eg, "sc", None), read_doc(eg.reference, "sc")):
        # The same entity twice is another matter, which is told.
        assert [start for start, _, _ in gold.spans] == [0, 2, 1, 0, 1]


def test_without_the_setting_nothing_is_linked_and_nothing_told():
    nlp = make_pipeline(model={"link": None})
    examples = make_linked(nlp, draw_texts(10))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(nlp, examples, 40)
    doc = nlp(bare(examples[0], nlp))
    assert len(doc.spans["sc"]) == 6 and not any(span.id for span in doc.spans["sc"])


def test_fragments_are_read_in_other_tokens():
    nlp = spacy.blank("en")
    reference = Doc(nlp.vocab, words=["ab", "c", "d", "e"], spaces=[True] * 4)
    reference.spans["sc"] = [
        Span(reference, 0, 1, "X", span_id="1"),
        Span(reference, 2, 3, "X", span_id="1"),
        Span(reference, 1, 2, "X", span_id="2"),
        Span(reference, 3, 4, "Y", span_id="2"),
    ]
    same = Example(Doc(nlp.vocab, words=["ab", "c", "d", "e"]), reference)
    assert read_gold(same, "sc", None).entities == (((0, 1, "X"), (2, 3, "X")),)
    other = Example(
        Doc(nlp.vocab, words=["a", "b", "c", "d", "e"], spaces=[False] + [True] * 4), reference
    )
    assert read_gold(other, "sc", None).entities == (((0, 2, "X"), (3, 4, "X")),)
    # A fragment that cuts a token: the other one stays alone.
    other = Example(Doc(nlp.vocab, words=["ab", "c", "d e"], spaces=[True] * 3), reference)
    gold = read_gold(other, "sc", None)
    assert not gold.entities and (0, 1, "X") in gold.spans


def test_on_the_device():
    """The same as on the CPU; only scores of pairs come back."""
    nlp, examples, _ = linked_pipeline(draw_texts(20))
    model = nlp.get_pipe("contrastive_ner").model
    docs = [eg.predicted for eg in examples[:4]]
    gold = [read_gold(eg, "sc", None) for eg in examples[:4]]
    lengths = [len(doc) for doc in docs]
    output = model.predict(docs)
    expected = tag_scores.find(model, lengths, output, "viterbi", 0.5)
    loss, gradient, _ = tag_scores.learn(model, gold, output)
    of_linker = get_linker(model).attrs.pop("gradient")
    ops = DeviceOps()
    for node in model.walk():
        node.ops = ops
        for name in node.param_names:
            if node.has_param(name):
                node.set_param(name, ops.asarray(node.get_param(name)))
    there = type(output)(ops.asarray(output.dataXd), output.lengths)
    ops.to_host = 0
    found = tag_scores.find(model, lengths, there, "viterbi", 0.5)
    assert ops.to_host == 1 + 3 + 1  # scores, transitions, pairs
    assert expected.group.any()
    assert all(numpy.array_equal(a, b) for a, b in zip(found[:4], expected[:4]))
    assert numpy.array_equal(found.group, expected.group)
    ops.to_host = 0
    loss_there, gradient_there, _ = tag_scores.learn(model, gold, there)
    assert ops.to_host == 0 and loss_there == pytest.approx(loss, rel=1e-4)
    assert isinstance(gradient_there.dataXd, DeviceArray)
    assert numpy.allclose(gradient_there.dataXd.get(), gradient.dataXd, atol=1e-4)
    for name, table in get_linker(model).attrs["gradient"].items():
        assert numpy.allclose(table.get(), of_linker[name], atol=1e-4)


def test_empty_documents_and_no_annotation():
    nlp, examples, optimizer = linked_pipeline(draw_texts(5), steps=5)
    empty = Example(Doc(nlp.vocab), Doc(nlp.vocab))
    empty.reference.spans["sc"] = []
    unknown = Example(Doc(nlp.vocab, words=["a0", "b0"]), Doc(nlp.vocab, words=["a0", "b0"]))
    for batch in ([empty, unknown, *examples], [unknown], make_examples(nlp, TEXTS[2:3])):
        losses = nlp.update(batch, sgd=optimizer)
        assert numpy.isfinite(losses["contrastive_ner"])
    nothing = [Gold(0, [], [], [])]
    model = nlp.get_pipe("contrastive_ner").model
    assert tag_scores.learn(model, nothing, model.predict([Doc(nlp.vocab)]))[0] == 0
