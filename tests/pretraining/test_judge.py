"""Judging the encoder on documents that it does not learn from."""

import math

import numpy
import pytest
import srsly
import typer
from spacy.tokens import Doc, DocBin, Span
from thinc.api import Adam

from spacy_contrastive_ner.corpora.marks import Mark, set_mark
from spacy_contrastive_ner.pretraining import judge as module
from spacy_contrastive_ner.pretraining.driver import Run
from spacy_contrastive_ner.pretraining.judge import (
    KnownTokens,
    Verdict,
    judge,
    read_dev,
    require_pairs,
)
from spacy_contrastive_ner.pretraining.model import split_by_space
from spacy_contrastive_ner.pretraining.objective import make_judge
from spacy_contrastive_ner.pretraining.probe import Report, probe

from ..util import TOK2VEC
from .test_model import OBJECTIVES, grads, make_docs, make_model, same, update, weights
from .tiny import make_config, make_corpora, reader

NAN = float("nan")


def make_report(accuracy=0.5, collapsed=None):
    return Report(accuracy, 0.25, 3.0, 0.9, collapsed)


def make_verdict(loss=1.0, accuracy=0.5):
    return Verdict(loss, {"contrast": loss}, make_report(accuracy))


def equal(a, b):
    return [repr(value) for value in a] == [repr(value) for value in b]


def direct_probe(docs, rows):
    """Tokens of annotated documents, and their labels by space, one by one."""
    wanted = sorted({(doc.user_data["contrastive_ner"]["space"], span.label_) for doc in docs
                     for span in doc.spans.get("sc", ())})  # fmt: skip
    taken, labels, documents, start = [], [], [], 0
    for number, doc in enumerate(docs):
        space = doc.user_data["contrastive_ner"]["space"]
        for token in range(len(doc) if "sc" in doc.spans else 0):
            spans = [span for span in doc.spans["sc"] if span.start <= token < span.end]
            own = {(space, span.label_) for span in spans}
            labels.append([name in own for name in wanted])
            taken.append(rows[start + token])
            documents.append(number)
        start += len(doc)
    return probe(numpy.asarray(taken), numpy.asarray(labels), numpy.asarray(documents))


def make_dev(nlp):
    """Two label spaces, a document without annotation, and one without tokens."""
    odd = [Doc(nlp.vocab, words=["so"]), Doc(nlp.vocab)]
    for doc in odd:
        doc.user_data["contrastive_ner"] = {"space": ""}
    return [*make_docs(nlp), *odd, *make_docs(nlp, space="b")]


def test_figures_are_those_of_a_direct_computation():
    model, nlp = make_model()
    docs = make_dev(nlp)
    verdict = judge(model, docs)
    rows = model.rows_of(docs)
    losses = model.evaluate(docs, rows)
    assert verdict.losses == pytest.approx(losses)
    assert verdict.loss == pytest.approx(sum(losses.values())) and verdict.loss > 0
    assert verdict.report == direct_probe(docs, rows)


def test_losses_are_a_mean_over_batches(monkeypatch):
    model, nlp = make_model(OBJECTIVES["Sum"])
    docs = make_dev(nlp)
    update(model, docs, Adam(0.01))
    whole = judge(model, docs)
    monkeypatch.setattr(module, "BATCH", 12)
    verdict = judge(model, docs)
    # 7 + 3, 3 + 6 + 1 + 0, 7 + 3, 3 + 6
    batches = [docs[:2], docs[2:6], docs[6:8], docs[8:]]
    parts = [model.evaluate(batch, model.rows_of(batch)) for batch in batches]
    assert list(verdict.losses) == ["contrast", "tagging"]
    for name, value in verdict.losses.items():
        assert value == pytest.approx(numpy.mean([part[name] for part in parts]))
    # Rows are compared with those of all batches.
    assert verdict.report == pytest.approx(whole.report)


def test_the_space_of_many_words_is_looked_at_in_part(monkeypatch):
    """By whole batches, always the same, and the loss by all."""
    model, nlp = make_model()
    docs = make_docs(nlp) * 5
    monkeypatch.setattr(module, "BATCH", 10)
    whole = judge(model, docs)
    n_rows = []

    def looked_at(rows, *others):
        n_rows.append(len(rows))
        return probe(rows, *others)

    monkeypatch.setattr(module, "probe", looked_at)
    total = sum(map(len, docs))
    for most, least in ((total, total), (30, 15), (1, 1)):
        monkeypatch.setattr(module, "PROBED", most)
        n_rows.clear()
        verdict = judge(model, docs)
        assert verdict == judge(model, docs) and len(set(n_rows)) == 1
        assert verdict.losses == whole.losses
        assert least <= n_rows[0] <= max(most, 10)
        assert (verdict.report == whole.report) == (most == total)


def test_merged_labels_are_judged():
    model, nlp = make_model(merge={"GPE": "X", "PER": "X", "ORG": "X"})
    docs = make_docs(nlp)
    rows = model.rows_of(docs)
    for doc in docs:
        for_probe = [Span(doc, span.start, span.end, "X") for span in doc.spans["sc"]]
        doc.spans["merged"] = for_probe
    report = judge(model, docs).report
    for doc in docs:
        doc.spans["sc"] = doc.spans["merged"]
    assert report == direct_probe(docs, rows)


def test_it_is_deterministic_and_changes_nothing():
    model, nlp = make_model(OBJECTIVES["SupCon"], dropout=0.3)
    docs = make_dev(nlp)
    rows, backprop = model.begin_update(docs)
    backprop(model.attrs["loss"](model.ops, docs, rows)[1])
    now, waiting = weights(model), grads(model)
    state = numpy.random.get_state()[1].copy()
    first, again = judge(model, docs), judge(model, docs)
    assert first == again
    assert same(now, weights(model)) and same(waiting, grads(model))
    assert (numpy.random.get_state()[1] == state).all()


@pytest.mark.parametrize("kind", ["none", "empty", "unannotated"])
def test_nothing_to_judge_by(kind):
    model, nlp = make_model()
    docs = {
        "none": [],
        "empty": [Doc(nlp.vocab)],
        "unannotated": [Doc(nlp.vocab, words=["so"])],
    }[kind]
    with pytest.raises(ValueError, match=f"The {len(docs)} documents to judge by say nothing"):
        judge(model, docs)


def test_tagging_is_judged_on_spaces_it_has_heads_for():
    model, nlp = make_model(OBJECTIVES["Tagging"])
    docs = make_docs(nlp)
    rows, _ = model.begin_update(docs)
    model.attrs["loss"](model.ops, docs, rows)
    assert judge(model, docs).losses["tagging"] > 0
    for doc in docs:
        set_mark(doc, Mark("other", "other"))
    with pytest.raises(ValueError, match=r"tagging: they have no annotation, or .* 'other'"):
        judge(model, docs)


def test_tagging_is_not_judged_by_labels_it_never_saw():
    """Heads that rightly find nothing would be perfect."""
    model, nlp = make_model(OBJECTIVES["Tagging"])
    docs = make_docs(nlp)
    rows, _ = model.begin_update(docs)
    model.attrs["loss"](model.ops, docs, rows)
    for doc in docs:
        doc.spans["sc"] = [Span(doc, s.start, s.end, f"OTHER_{s.label_}") for s in doc.spans["sc"]]
    named = [doc for doc in docs if len(doc.spans["sc"])]
    with pytest.raises(ValueError, match="none of the labels that were learned"):
        judge(model, named)


def test_tokens_of_which_nothing_is_known_are_not_probed():
    """They are no tokens outside entities."""
    model, nlp = make_model(missing_key="unknown")
    docs = make_docs(nlp)
    known = KnownTokens()
    known.add(model, docs, model.rows_of(docs))
    n_tokens = len(known.labels)
    assert n_tokens == sum(map(len, docs))
    # One token outside, and one in an entity, which is known all the same.
    docs[0].spans["unknown"] = [docs[0][-1:], docs[0][1:2]]
    known = KnownTokens()
    known.add(model, docs, model.rows_of(docs))
    assert len(known.labels) == len(known.documents) == sum(map(len, known.rows)) == n_tokens - 1


@pytest.mark.parametrize(
    "verdict",
    [
        make_verdict(),
        make_verdict(NAN, NAN),
        Verdict(0.5, {}, Report(NAN, NAN, NAN, NAN, "All rows are equal.")),
    ],
)
def test_verdicts_go_to_a_log_and_back(verdict):
    figures = srsly.json_loads(srsly.json_dumps(verdict.to_dict()))
    assert set(figures) == {"dev_loss", *Report._fields}
    back = Verdict.from_dict(figures)
    assert repr(back.loss) == repr(verdict.loss) and equal(back.report, verdict.report)
    for name, value in figures.items():
        known = verdict.loss if name == "dev_loss" else getattr(verdict.report, name)
        assert value is None if known in (None, NAN) or known != known else value == known


def test_a_verdict_from_a_log_with_more_in_it():
    figures = {"epoch": 1, "words": 20, **make_verdict().to_dict()}
    assert Verdict.from_dict(figures).report == make_report()
    assert math.isnan(Verdict.from_dict({}).loss)


@pytest.mark.parametrize(
    "mine, theirs, better",
    [
        (0.9, 1.0, True),
        (1.0, 1.0, False),
        (1.1, 1.0, False),
        (1.0 - 1e-5, 1.0, False),
        (NAN, 1.0, False),
        (1.0, NAN, True),
        (NAN, NAN, False),
    ],
)
def test_better(mine, theirs, better):
    """The lower loss or the higher accuracy, whatever the other is."""
    assert make_verdict(mine, 0.1).better_than(make_verdict(theirs, 0.9), "loss") is better
    assert make_verdict(9.0, -mine).better_than(make_verdict(0.1, -theirs), "accuracy") is better


def test_the_first_is_the_best():
    assert make_verdict(NAN, NAN).better_than(None, "loss")
    assert make_verdict(NAN, NAN).better_than(None, "accuracy")


def write_dev(nlp, path, docs=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    DocBin(docs=make_docs(nlp) if docs is None else docs, store_user_data=True).to_disk(path)
    return path


def test_dev_documents_are_read(tmp_path):
    _, nlp = make_model()
    write_dev(nlp, tmp_path / "b" / "two.spacy", make_docs(nlp)[:1])
    write_dev(nlp, tmp_path / "a" / "one.spacy")
    (tmp_path / "notes.txt").write_text("no documents")
    docs = read_dev(tmp_path, nlp.vocab)
    assert len(docs) == 5 and docs[-1].text == docs[0].text
    assert [span.label_ for span in docs[-1].spans["sc"]] == ["ORG", "ORG", "GPE"]
    assert len(read_dev(tmp_path / "b" / "two.spacy", nlp.vocab)) == 1


@pytest.mark.parametrize("name", ["missing.spacy", "empty"])
def test_dev_documents_that_are_not_there(tmp_path, name):
    """They are looked for when training begins, not when the config is resolved."""
    (tmp_path / "empty").mkdir()
    each_epoch = make_judge(tmp_path / name)
    _, nlp = make_model()
    with pytest.raises(ValueError, match=f"{name}.*dev in .*pretraining.objective.judge"):
        each_epoch.begin(nlp.vocab)


def test_settings_are_checked():
    with pytest.raises(ValueError, match="select is 'f', but must be one of loss, accuracy"):
        make_judge("dev.spacy", select="f")
    with pytest.raises(ValueError, match="patience is -1"):
        make_judge("dev.spacy", patience=-1)


def make_judged(tmp_path, monkeypatch, verdicts, **settings):
    """A model that is found to be so and so, epoch by epoch."""
    model, nlp = make_model()
    given = iter(verdicts)
    monkeypatch.setattr(module, "judge", lambda model, docs: next(given))
    dev = write_dev(nlp, tmp_path / "dev.spacy")
    each_epoch = make_judge(dev, tmp_path / "out" / "best.bin", **settings)
    model.at_epoch_end = each_epoch.begin(nlp.vocab)
    return model, nlp


def run_epoch(model, nlp, optimizer):
    update(model, make_docs(nlp, last=True), optimizer)


def test_the_best_weights_are_kept(tmp_path, monkeypatch, capsys):
    verdicts = [make_verdict(loss) for loss in (2.0, 3.0, 1.0, 1.0)]
    model, nlp = make_judged(tmp_path, monkeypatch, verdicts)
    optimizer = Adam(0.01, use_averages=False)
    best = tmp_path / "out" / "best.bin"
    kept = []
    for _ in verdicts:
        run_epoch(model, nlp, optimizer)
        kept.append(best.read_bytes() == model.get_ref("tok2vec").to_bytes())
    assert kept == [True, False, True, False]
    lines = list(srsly.read_jsonl(best.parent / "judge.jsonl"))
    # As in the log of `spacy pretrain` beside it.
    assert [line["epoch"] for line in lines] == [0, 1, 2, 3]
    assert [line["dev_loss"] for line in lines] == [2.0, 3.0, 1.0, 1.0]
    assert lines[0] == {"epoch": 0, **verdicts[0].to_dict()}
    told = " ".join(capsys.readouterr().out.split())
    assert told.count("best so far") == 2 and "epoch 4: dev loss 1.0000, neighbours 0.500" in told


def test_the_best_weights_are_averages_if_there_are_any(tmp_path, monkeypatch):
    model, nlp = make_judged(tmp_path, monkeypatch, [make_verdict()])
    optimizer = Adam(0.01, use_averages=True)
    for _ in range(2):
        update(model, make_docs(nlp), optimizer)
    run_epoch(model, nlp, optimizer)
    saved = (tmp_path / "out" / "best.bin").read_bytes()
    assert saved != model.get_ref("tok2vec").to_bytes()
    with model.use_params(optimizer.averages):
        assert saved == model.get_ref("tok2vec").to_bytes()


@pytest.mark.parametrize(
    "select, verdicts",
    [
        ("loss", [make_verdict(2.0), make_verdict(1.0), make_verdict(1.5), make_verdict(1.2)]),
        ("accuracy", [make_verdict(9.0, value) for value in (0.2, 0.4, 0.4, 0.1)]),
    ],
)
def test_patience_ends_training(tmp_path, monkeypatch, capsys, select, verdicts):
    model, nlp = make_judged(tmp_path, monkeypatch, verdicts, patience=2, select=select)
    optimizer = Adam(0.01)
    for _ in range(3):
        run_epoch(model, nlp, optimizer)
    with pytest.raises(typer.Exit) as stop:
        run_epoch(model, nlp, optimizer)
    assert stop.value.exit_code == 0
    assert "2 epochs brought nothing better than epoch 2" in capsys.readouterr().out
    assert len(list(srsly.read_jsonl(tmp_path / "out" / "judge.jsonl"))) == 4


def test_without_patience_it_goes_on(tmp_path, monkeypatch):
    verdicts = [make_verdict()] * 6
    model, nlp = make_judged(tmp_path, monkeypatch, verdicts)
    for _ in verdicts:
        run_epoch(model, nlp, Adam(0.01))
    assert model.n_epochs == 6


def test_a_collapse_is_told(tmp_path, monkeypatch, capsys):
    verdict = Verdict(1.0, {}, make_report(collapsed="All rows are equal: do something."))
    model, nlp = make_judged(tmp_path, monkeypatch, [verdict])
    run_epoch(model, nlp, Adam(0.01))
    assert "All rows are equal: do something." in capsys.readouterr().out


def test_nothing_is_written_unless_asked(tmp_path):
    model, nlp = make_model()
    each_epoch = make_judge(write_dev(nlp, tmp_path / "dev.spacy"))
    model.at_epoch_end = each_epoch.begin(nlp.vocab)
    run_epoch(model, nlp, Adam(0.01))
    assert [path.name for path in tmp_path.iterdir()] == ["dev.spacy"]


def test_an_objective_judges(tmp_path, capsys):
    """From the config to the file, without stand-ins."""
    _, nlp = make_model()
    dev = write_dev(nlp, tmp_path / "dev.spacy")
    block = {
        "@misc": "spacy-contrastive-ner.Judge.v1",
        "dev": str(dev),
        "best": str(tmp_path / "best.bin"),
    }
    model, nlp = make_model(judge=block)
    optimizer = Adam(0.01, use_averages=False)
    for _ in range(5):
        run_epoch(model, nlp, optimizer)
    losses = [line["dev_loss"] for line in srsly.read_jsonl(tmp_path / "judge.jsonl")]
    assert len(losses) == 5 and losses[-1] < losses[0]
    encoder = model.get_ref("tok2vec")
    now = encoder.to_bytes()
    assert encoder.from_bytes((tmp_path / "best.bin").read_bytes()).to_bytes() == now
    assert capsys.readouterr().out.count("epoch ") == 5


def test_documents_without_entities_cannot_judge():
    """Nothing is compared, which is no perfect loss."""
    model, nlp = make_model()
    doc = Doc(nlp.vocab, words=["so", "what"])
    doc.spans["sc"] = []
    with pytest.raises(ValueError, match="hold no entity at all"):
        require_pairs(model.terms, [doc])


SEGMENTS = {"units": "segments", "outside": "ignore"}


def make_doc(nlp, words, *spans, space=""):
    doc = Doc(nlp.vocab, words=words.split())
    doc.spans["sc"] = [Span(doc, *span) for span in spans]
    set_mark(doc, Mark(space, space))
    return doc


@pytest.mark.parametrize(
    "settings, spans",
    [
        ({}, [(0, 1, "PER")]),
        ({}, [(0, 1, "PER"), (2, 3, "GPE")]),
        ({"outside": "query"}, [(0, 1, "PER"), (1, 2, "ORG")]),
        (SEGMENTS, [(0, 2, "PER"), (2, 3, "GPE")]),
        # Two that are alike, but nothing that is unlike them.
        (SEGMENTS, [(0, 1, "PER"), (2, 3, "PER")]),
        ({"outside": "ignore"}, [(0, 2, "PER")]),
        # The third token is unknown.
        ({"missing_key": "unknown"}, [(0, 2, "PER")]),
    ],
)
def test_documents_in_which_nothing_can_be_compared_cannot_judge(settings, spans, tmp_path):
    """Their loss would be a perfect 0 from the first epoch on."""
    model, nlp = make_model(**settings)
    docs = [make_doc(nlp, "Anna left Paris", *spans)]
    docs[0].spans["unknown"] = [Span(docs[0], 2, 3)]
    assert model.evaluate(docs, model.rows_of(docs)) == {}
    message = r"Nothing can be compared in the 1 documents to judge by.* need two (tokens|entities)"
    with pytest.raises(ValueError, match=message):
        require_pairs(model.terms, docs)
    dev = write_dev(nlp, tmp_path / "dev.spacy", docs)
    with pytest.raises(ValueError, match=message):
        make_judge(dev).begin(nlp.vocab, model.terms)


def test_plain_pretraining_stops_before_it_begins(tmp_path):
    _, nlp = make_model()
    dev = write_dev(nlp, tmp_path / "dev.spacy", [make_doc(nlp, "Anna left", (0, 1, "PER"))])
    block = {"@misc": "spacy-contrastive-ner.Judge.v1", "dev": str(dev)}
    with pytest.raises(ValueError, match="Nothing can be compared"):
        make_model(judge=block)


def test_a_run_stops_before_it_begins(tmp_path):
    corpora = make_corpora(tmp_path)
    _, nlp = make_model()
    for docs, stops in (
        ([make_doc(nlp, "Anna left", (0, 1, "ORG"))], True),
        ([make_doc(nlp, "Anna and Boris left", (0, 1, "ORG"), (2, 3, "ORG"))], False),
    ):
        dev = reader(write_dev(nlp, tmp_path / "few.spacy", docs))
        run = Run(make_config(corpora, dev=dev).interpolate(), tmp_path / "out")
        if stops:
            with pytest.raises(ValueError, match="Nothing can be compared in the 1 documents"):
                run.survey()
        else:
            run.survey()


def test_batches_and_spaces_that_say_nothing_do_not_count(monkeypatch):
    """Their 0 would be no praise."""
    model, nlp = make_model()
    docs = make_docs(nlp)
    alone = judge(model, docs)
    lone = [make_doc(nlp, "Anna left", (0, 1, "PER"), space="lone")]
    assert judge(model, [*docs, *lone]).loss == pytest.approx(alone.loss)
    # A batch each.
    n_words = sum(map(len, docs))
    monkeypatch.setattr(module, "BATCH", n_words)
    lone = [make_doc(nlp, "Anna" + " left" * (n_words - 1), (0, 1, "PER"))]
    assert judge(model, [*docs, *lone, *docs]).loss == pytest.approx(alone.loss)


@pytest.mark.parametrize("units", ["tokens", "segments"])
@pytest.mark.parametrize("outside", ["negative", "query", "ignore"])
def test_what_is_judged_is_what_has_a_loss(units, outside):
    """Whatever the documents are: InfoNCE is 0 only if it compares nothing."""
    settings = {"units": units, "outside": outside, "missing_key": "unknown", "max_outside": 2}
    model, nlp = make_model(**settings, near_share=0.0)
    (term,) = model.terms
    rng = numpy.random.default_rng(0)
    seen = set()
    for _ in range(150):
        doc = Doc(nlp.vocab, words=["so"] * int(rng.integers(1, 7)))
        for key, labels, most in (("sc", "AB", 4), ("unknown", ["A", "C", ""], 3)):
            starts = rng.integers(len(doc), size=rng.integers(most))
            doc.spans[key] = [
                Span(doc, start, int(rng.integers(start, len(doc))) + 1, str(rng.choice([*labels])))
                for start in starts.tolist()
            ]
        rows = rng.normal(size=(len(doc), TOK2VEC["width"])).astype("float32")
        (part,) = split_by_space([doc], term)
        loss, _ = term.learn(model.ops, part, rows, numpy.random.default_rng(0), False)
        assert model.evaluate([doc], rows) == ({"contrast": loss} if loss else {})
        seen.add(bool(loss))
    assert seen == {True, False}


def test_the_best_weights_of_another_run_are_not_overwritten(tmp_path):
    _, nlp = make_model()
    write_dev(nlp, tmp_path / "dev.spacy")
    (tmp_path / "best.bin").write_bytes(b"other weights")
    with pytest.raises(ValueError, match="is there already"):
        make_judge(tmp_path / "dev.spacy", best=tmp_path / "best.bin").begin(nlp.vocab)
    assert (tmp_path / "best.bin").read_bytes() == b"other weights"


def test_the_space_of_the_documents(tmp_path):
    _, nlp = make_model()
    write_dev(nlp, tmp_path / "dev.spacy")
    docs = read_dev(tmp_path / "dev.spacy", nlp.vocab, "mine")
    assert {doc.user_data["contrastive_ner"]["space"] for doc in docs} == {"mine"}
