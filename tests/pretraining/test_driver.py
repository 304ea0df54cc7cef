"""A run of pretraining, from its first batch to its last file."""

import errno
import os
import random
import shutil
import signal
import time

import numpy
import pytest
import srsly
import typer
from spacy.tokens import Span
from spacy.training.pretrain import pretrain
from spacy.util import load_model_from_config

import spacy_contrastive_ner.pretraining.driver as driver
from spacy_contrastive_ner import files
from spacy_contrastive_ner.corpora.marks import get_mark
from spacy_contrastive_ner.pretraining.checkpoint import NAME, load_checkpoint
from spacy_contrastive_ner.pretraining.driver import Run

from .tiny import (
    BY_WORDS,
    CONTRAST,
    TAGGING,
    make_bert,
    make_config,
    make_corpora,
    make_docs,
    reader,
    transformer_pipeline,
    write,
)

SGD = {
    "@optimizers": "SGD.v1",
    "L2": 0.0,
    "grad_clip": 0.0,
    "learn_rate": 0.1,
    "use_averages": False,
}
SPACY_READER = {
    "@readers": "spacy.Corpus.v1",
    "max_length": 0,
    "gold_preproc": False,
    "limit": 0,
    "augmenter": None,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("driver")


@pytest.fixture(scope="module")
def corpora(root):
    return make_corpora(root)


def judge_of(dev, **settings):
    return {
        **CONTRAST,
        "judge": {"@misc": "spacy-contrastive-ner.Judge.v1", "dev": str(dev), **settings},
    }


def go(run):
    run.output.mkdir(exist_ok=True)
    run.survey()
    for _ in run.epochs():
        pass
    return run


def finish(config, output, **settings):
    """Run to the end."""
    return go(Run(config.interpolate(), output, **settings))


@pytest.fixture(scope="module")
def finished(corpora, root):
    """A finished run. Not to be changed."""
    return finish(make_config(corpora), root / "finished")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def read_log(folder):
    return list(srsly.read_jsonl(folder / "log.jsonl"))


def test_log(finished):
    log = read_log(finished.output)
    figures = {"dev_loss", "accuracy", "silhouette", "rank", "spread", "collapsed"}
    general = {"epoch", "words", "loss", "updates", "best"}
    assert all(set(entry) == figures | general for entry in log)
    assert [entry["epoch"] for entry in log] == [0, 1, 2, 3]
    n_words = sum(len(doc) for doc in [*make_docs(), *make_docs(6)])
    for before, entry in zip([{"words": 0, "updates": 0}, *log], log):
        # The batcher visits documents with rare labels again.
        assert n_words <= entry["words"] - before["words"] < 2 * n_words
        assert 4 < entry["updates"] - before["updates"] < 20
        assert 0 < entry["loss"] < 10
        assert 0 < entry["dev_loss"] < 10
        assert 0 <= entry["accuracy"] <= 1
        assert -1 <= entry["silhouette"] <= 1
        assert 1 <= entry["rank"] <= 8
        assert entry["spread"] > 0
        assert entry["collapsed"] is None
    assert log[-1]["loss"] < log[0]["loss"]
    assert log[-1]["accuracy"] > log[0]["accuracy"]


def test_best_is_the_lowest_loss(finished):
    log = read_log(finished.output)
    losses = [entry["dev_loss"] for entry in log]
    lowest = [loss <= min(losses[: i + 1]) for i, loss in enumerate(losses)]
    assert [entry["best"] for entry in log] == lowest
    # The best epoch is not the last one, or the next test says nothing.
    assert not lowest[-1]


def test_the_best_weights_are_kept(finished, corpora, tmp_path):
    best = finished.progress.best
    shorter = finish(make_config(corpora, max_epochs=best + 1), tmp_path)
    assert (tmp_path / "model-last.bin").read_bytes() == (
        finished.output / "model-best.bin"
    ).read_bytes()
    assert shorter.progress.log == finished.progress.log[: best + 1]
    last = (finished.output / "model-last.bin").read_bytes()
    assert last != (finished.output / "model-best.bin").read_bytes()


def test_files(finished):
    assert names(finished.output) == [NAME, "log.jsonl", "model-best.bin", "model-last.bin"]


def test_weights_of_epochs(corpora, tmp_path):
    finish(make_config(corpora, n_save_epoch=2), tmp_path)
    assert [name for name in names(tmp_path) if name[5].isdigit()] == ["model0.bin", "model2.bin"]
    finish(make_config(corpora, max_epochs=3), tmp_path / "three")
    last = (tmp_path / "three" / "model-last.bin").read_bytes()
    assert (tmp_path / "model2.bin").read_bytes() == last


def test_saves_within_an_epoch(corpora, tmp_path):
    saved = []
    run = Run(make_config(corpora, n_save_every=3, max_epochs=1).interpolate(), tmp_path)
    save = run.save

    def watched():
        saved.append((run.progress.epoch, run.progress.batch))
        save()

    run.save = watched
    go(run)
    assert saved[:2] == [(0, 3), (0, 6)] and saved[-1] == (1, 0)


def test_selects_by_accuracy(corpora, tmp_path):
    run = finish(make_config(corpora, max_epochs=6), tmp_path, select="accuracy")
    log = read_log(tmp_path)
    accuracies = [entry["accuracy"] for entry in log]
    assert run.progress.best == accuracies.index(max(accuracies))
    losses = [entry["dev_loss"] for entry in log]
    assert run.progress.best != losses.index(min(losses))


def test_stops_when_out_of_patience(corpora, tmp_path):
    """Of steps that are far too large nothing good comes."""
    config = make_config(corpora, max_epochs=50, optimizer={"learn_rate": 0.5})
    run = finish(config, tmp_path, patience=2)
    assert run.out_of_patience() and run.finished
    assert run.progress.epoch == run.progress.best + 3 < 50
    # There is no more to do for who goes on, but with more patience there is.
    again = Run(config.interpolate(), tmp_path, patience=2)
    again.resume()
    assert list(again.epochs()) == []
    again = Run(config.interpolate(), tmp_path, patience=3)
    again.resume()
    assert next(again.epochs()) == run.progress.epoch


def test_without_documents_to_judge_by_the_last_weights_are_best(corpora, tmp_path):
    config = make_config(corpora, max_epochs=2)
    del config["corpora"]["dev"]
    run = finish(config, tmp_path)
    assert run.progress.best == 1 and not run.out_of_patience()
    assert (tmp_path / "model-last.bin").read_bytes() == (tmp_path / "model-best.bin").read_bytes()
    assert set(read_log(tmp_path)[0]) == {"epoch", "words", "loss", "updates", "best"}


def test_judging_does_not_change_what_is_learned(finished, corpora, tmp_path):
    config = make_config(corpora)
    del config["corpora"]["dev"]
    finish(config, tmp_path)
    last = (tmp_path / "model-last.bin").read_bytes()
    assert last == (finished.output / "model-last.bin").read_bytes()


def test_averages_are_judged(corpora, tmp_path):
    """As they are what is saved."""
    config = make_config(corpora, max_epochs=1, optimizer={"use_averages": True})
    run = finish(config, tmp_path)
    (entry,) = read_log(tmp_path)
    with run.model.use_params(run.optimizer.averages):
        assert driver.judge(run.model, run.dev).loss == pytest.approx(entry["dev_loss"])
    assert driver.judge(run.model, run.dev).loss != pytest.approx(entry["dev_loss"], rel=0.01)


def test_which_documents_to_judge_by(corpora, tmp_path):
    """Those that are asked for, those of the judge in the config, or those of corpora.dev."""
    few = write(tmp_path / "few.spacy", make_docs(3))
    config = make_config(corpora)
    assert len(Run(config.interpolate(), tmp_path).dev) == 7
    config["pretraining"]["objective"] = judge_of(few)
    assert len(Run(config.interpolate(), tmp_path).dev) == 3
    assert len(Run(config.interpolate(), tmp_path, dev="corpora.train").dev) == 18
    config["pretraining"]["objective"] = CONTRAST
    config["corpora"]["dev"]["path"] = None
    assert Run(config.interpolate(), tmp_path).dev == []


def test_settings_of_the_judge_are_used(corpora, tmp_path):
    config = make_config(corpora, objective=judge_of(corpora["dev"], patience=3, select="accuracy"))
    run = Run(config.interpolate(), tmp_path)
    progress = run.progress
    assert (progress.patience, progress.select, run.model.at_epoch_end) == (3, "accuracy", None)
    run = Run(config.interpolate(), tmp_path, patience=0, select="loss")
    assert (run.progress.patience, run.progress.select) == (0, "loss")


def test_the_judge_with_the_command_of_spacy(corpora, tmp_path):
    """The best file and the end are those of this package's own command."""
    best = tmp_path / "plain" / "model-best.bin"
    settings = {"patience": 2, "best": str(best)}
    config = make_config(
        corpora,
        max_epochs=50,
        optimizer={"learn_rate": 0.5},
        objective=judge_of(corpora["dev"], **settings),
    )
    best.parent.mkdir()
    with pytest.raises(typer.Exit) as stopped:
        pretrain(config.interpolate(), best.parent)
    assert stopped.value.exit_code == 0
    run = finish(config, tmp_path / "ours")
    assert 2 < run.progress.epoch < 50
    for name in ("model-best.bin", "model-last.bin"):
        assert (best.parent / name).read_bytes() == (run.output / name).read_bytes(), name
    plain = list(srsly.read_jsonl(best.parent / "judge.jsonl"))
    ours = read_log(run.output)
    assert [entry["epoch"] for entry in plain] == [entry["epoch"] for entry in ours]
    assert [entry["dev_loss"] for entry in plain] == [entry["dev_loss"] for entry in ours]


class Rates:
    """Looks at the learning rate of each update."""

    def __init__(self, monkeypatch):
        self.seen = []
        update = driver.PretrainModel._update

        def watched(model, optimizer):
            self.seen.append(optimizer.learn_rate)
            update(model, optimizer)

        monkeypatch.setattr(driver.PretrainModel, "_update", watched)


WARMUP = {
    "@schedules": "warmup_linear.v1",
    "initial_rate": 0.1,
    "warmup_steps": 4,
    "total_steps": 14,
}


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_learning_rate_follows_its_schedule(plain, accumulate, corpora, tmp_path, monkeypatch):
    rates = Rates(monkeypatch)
    objective = {**CONTRAST, "accumulate_gradient": accumulate}
    optimizer = {"learn_rate": WARMUP}
    config = make_config(corpora, objective=objective, optimizer=optimizer, max_epochs=2)
    if plain:
        pretrain(config.interpolate(), tmp_path)
    else:
        finish(config, tmp_path)
    expected = [0.0, 0.025, 0.05, 0.075, 0.1, 0.09, 0.08, 0.07]
    assert rates.seen[:8] == pytest.approx(expected)
    assert len(rates.seen) >= 8


def test_accumulated_gradients_are_those_of_a_mean(corpora, tmp_path):
    """By plain gradient descent, two batches make one step by the mean of their gradients."""
    batcher = {**BY_WORDS, "size": 40}

    def make(accumulate):
        objective = {**CONTRAST, "accumulate_gradient": accumulate}
        config = make_config(corpora, objective=objective, batcher=batcher, dropout=0.0)
        config["pretraining"]["optimizer"] = SGD
        return Run(config.interpolate(), tmp_path)

    single, double = make(1), make(2)
    start = encoder_bytes(single)
    steps = []
    batches = list(single.settings["batcher"](single.corpus(single.nlp)))[:2]
    for batch in batches:
        fresh = make(1)
        assert encoder_bytes(fresh) == start
        steps.append(moved(fresh, [batch]))
    together = moved(double, batches)
    assert double.model.n_updates == 1 and numpy.abs(together).max() > 1e-3
    assert numpy.allclose(together, (steps[0] + steps[1]) / 2, atol=1e-5)


def encoder_bytes(run):
    return run.model.get_ref("tok2vec").to_bytes()


def flat(run):
    model = run.model.get_ref("tok2vec")
    params = [node.get_param(name) for node in model.walk() for name in node.param_names]
    return numpy.concatenate([value.ravel() for value in params])


def moved(run, batches):
    """How far some batches move the weights. What is drawn is the same each time."""
    before = flat(run).copy()
    for batch in batches:
        numpy.random.seed(7)
        docs = driver.ensure_docs(batch)
        driver.make_update(run.model, docs, run.optimizer, run.model.attrs["loss"])
    return flat(run) - before


def test_the_time_that_is_left_is_known(finished):
    assert finished.words_of_epoch == sum(len(doc) for doc in [*make_docs(), *make_docs(6)])


@pytest.mark.parametrize("seed", range(4))
def test_what_is_known_of_a_corpus_does_not_depend_on_its_weight(seed, corpora, tmp_path, recwarn):
    """It is read whole once, though an epoch seldom visits it."""
    paths = {name: corpora[name] for name in ("a", "b")}
    train = reader(paths, weights={"a": 2.0, "b": 0.05}, seed=seed)
    dev = reader({"b": corpora["dev"]}, shuffle=False)
    run = Run(make_config(corpora, train=train, dev=dev, objective=TAGGING), tmp_path)
    run.survey()
    assert not [str(told.message) for told in recwarn if "pretraining" in str(told.message)]
    assert run.progress.facts["training documents"]["documents"] == 18
    a, b = (sum(map(len, docs)) for docs in (make_docs(), make_docs(6)))
    assert run.words_of_epoch == round(2 * a + 0.05 * b)


def test_to_look_at_the_corpus_first_changes_nothing(corpora, tmp_path):
    """Even if reading draws from the sources of chance."""
    config = make_config(corpora)
    augmenter = {"@augmenters": "spacy.lower_case.v1", "level": 0.5}
    config["corpora"]["train"]["augmenter"] = augmenter
    states = []
    for survey in (False, True):
        run = Run(config.interpolate(), tmp_path)
        if survey:
            run.survey()
        states.append((random.getstate(), numpy.random.get_state()[1].tolist()))
    assert states[0] == states[1]
    list(run.corpus(run.nlp))
    assert random.getstate() != states[0][0]


def test_a_seed_makes_it_repeatable(corpora, finished, tmp_path):
    again = finish(make_config(corpora), tmp_path)
    assert again.progress.log == finished.progress.log
    other = finish(make_config(corpora, seed=1), tmp_path / "other")
    assert other.progress.log[0]["loss"] != finished.progress.log[0]["loss"]


def test_is_made_without_a_seed(corpora, tmp_path):
    config = make_config(corpora, max_epochs=1)
    config["training"]["seed"] = None
    assert finish(config, tmp_path).progress.epoch == 1


def test_init_tok2vec_is_left_alone(corpora, tmp_path):
    """It may name what this run is about to write."""
    config = make_config(corpora, max_epochs=1)
    config["initialize"]["init_tok2vec"] = str(tmp_path / "model-best.bin")
    assert finish(config, tmp_path).progress.epoch == 1


# What is wrong with config or corpus.


def take_from_trained(config, folder):
    """Have the encoder be that of a pipeline, whose weights are given."""
    name = config["pretraining"]["component"]
    nlp = load_model_from_config(config.copy())
    with nlp.select_pipes(enable=[name]):
        nlp.initialize()
        nlp.to_disk(folder)
    config["components"][name] = {"source": str(folder)}
    return flat_of(nlp.get_pipe(name).model)


def flat_of(model):
    """The weights of a transformer, or none."""
    nodes = [node for node in model.walk() if hasattr(node, "transformer")]
    return [p.detach().numpy().copy() for node in nodes for p in node.transformer.parameters()]


def test_an_encoder_of_a_trained_pipeline(corpora, tmp_path):
    """Its weights would be drawn anew, and no one would be told."""
    config = make_config(corpora)
    assert not take_from_trained(config, tmp_path / "trained")
    refused(config, tmp_path, r"\[components.tok2vec\] has source = '.*trained', but stage 1")


def test_a_transformer_of_a_trained_pipeline_goes_on(corpora, tmp_path):
    pytest.importorskip("spacy_transformers")
    pipeline = transformer_pipeline(make_bert(tmp_path / "bert"))
    config = make_config(corpora, pipeline, component="transformer")
    before = take_from_trained(config, tmp_path / "trained")
    # Not those in the folder of the original, which is gone.
    shutil.rmtree(tmp_path / "bert")
    after = flat_of(Run(config.interpolate(), tmp_path / "out").model)
    assert before and len(before) == len(after)
    assert all(numpy.array_equal(one, other) for one, other in zip(before, after))


def refused(config, tmp_path, message, **settings):
    with pytest.raises(ValueError, match=message):
        go(Run(config.interpolate(), tmp_path / "out", **settings))
    assert not (tmp_path / "out" / NAME).exists()


def with_train(corpora, path, kind="ours"):
    if kind == "ours":
        return make_config(corpora, train=reader(path))
    return make_config(corpora, train={**SPACY_READER, "path": str(path)})


@pytest.mark.parametrize("kind", ["ours", "spacy"])
def test_corpus_without_annotation(kind, corpora, tmp_path):
    docs = make_docs()
    for doc in docs:
        doc.spans["other"] = doc.spans.pop("sc")
    path = write(tmp_path / "train.spacy", docs)
    message = r"None of the 12 documents has annotation in doc.spans\['sc'\].*doc.spans\['other'\]"
    refused(with_train(corpora, path, kind), tmp_path, message)


def test_label_with_one_mention(corpora, tmp_path):
    (doc,) = make_docs(1)
    doc.spans["sc"] = [doc.spans["sc"][0]]
    path = write(tmp_path / "train.spacy", [doc])
    refused(with_train(corpora, path), tmp_path, r"No label has two mentions \(ORG has one\)")


@pytest.mark.parametrize("kind", ["ours", "spacy"])
def test_empty_corpus(kind, corpora, tmp_path):
    path = write(tmp_path / "train.spacy", [])
    refused(with_train(corpora, path, kind), tmp_path, "orpus is empty")


@pytest.mark.parametrize("kind, error", [("ours", ValueError), ("spacy", FileNotFoundError)])
def test_missing_corpus(kind, error, corpora, tmp_path):
    config = with_train(corpora, tmp_path / "no.spacy", kind)
    with pytest.raises(error, match=r"no\.spacy"):
        go(Run(config.interpolate(), tmp_path / "out"))


@pytest.mark.parametrize("kind", ["ours", "spacy"])
def test_file_that_is_no_corpus(kind, corpora, tmp_path):
    path = tmp_path / "train.spacy"
    path.write_bytes(b"")
    refused(with_train(corpora, path, kind), tmp_path, r"cannot be read|E1014")


def test_corpus_that_is_not_in_the_config(corpora, tmp_path):
    config = make_config(corpora, corpus="corpora.pretrain")
    config["pretraining"]["corpus"] = "corpora.pretrain"
    message = r"no block \[corpora.pretrain\].*There is corpora.train, corpora.dev"
    refused(config, tmp_path, message)


def test_dev_that_is_not_in_the_config(corpora, tmp_path):
    message = r"no block \[corpora.test\]"
    refused(make_config(corpora), tmp_path, message, dev="corpora.test")
    refused(make_config(corpora), tmp_path, r"no block \[training.seed\]", dev="training.seed")


def test_dev_without_annotation(corpora, tmp_path):
    docs = make_docs(3)
    for doc in docs:
        del doc.spans["sc"]
    path = write(tmp_path / "dev.spacy", docs)
    config = make_config(corpora, dev=reader(path))
    message = r"None of the 3 documents to judge by has annotation in doc.spans\['sc'\]"
    refused(config, tmp_path, message)
    write(path, [])
    config["corpora"]["dev"] = {**SPACY_READER, "path": str(path)}
    refused(config, tmp_path, r"no documents to judge by in \[corpora.dev\]")


def test_dev_without_entities(corpora, tmp_path):
    docs = make_docs(3)
    for doc in docs:
        doc.spans["sc"] = []
    config = make_config(corpora, dev=reader({"a": write(tmp_path / "dev.spacy", docs)}))
    run = Run(config.interpolate(), tmp_path / "out")
    with pytest.raises(ValueError, match="3 documents to judge by are annotated, but hold no ent"):
        run.survey()


@pytest.mark.parametrize("settings", [{"patience": 2}, {"select": "accuracy"}])
def test_settings_that_need_dev(settings, corpora, tmp_path):
    config = make_config(corpora)
    config["corpora"]["dev"]["path"] = None
    message = f"--{next(iter(settings))} needs documents to judge by"
    refused(config, tmp_path, message, **settings)


def test_no_epochs(corpora, tmp_path):
    refused(make_config(corpora, max_epochs=0), tmp_path, "max_epochs is 0, so that nothing")


def test_dev_of_the_judge_that_is_not_there(corpora, tmp_path):
    config = make_config(corpora, objective=judge_of(tmp_path / "no.spacy"))
    refused(config, tmp_path, r"no\.spacy")


def test_select_of_something_else(corpora, tmp_path):
    refused(make_config(corpora), tmp_path, "select is 'f', but must be loss or acc", select="f")


def test_objective_of_spacy(corpora, tmp_path):
    objective = {
        "@architectures": "spacy.PretrainCharacters.v1",
        "maxout_pieces": 2,
        "hidden_size": 8,
        "n_characters": 2,
    }
    config = make_config(corpora)
    config["pretraining"]["objective"] = objective
    refused(config, tmp_path, "none of this package.*For others use `spacy pretrain`")


def test_config_that_is_not_filled(corpora, tmp_path):
    config = make_config(corpora)
    del config["training"], config["initialize"]
    refused(config, tmp_path, r"no \[initialize\], \[training\].*init fill-config")


# What goes wrong on the way.


def read_all(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_loss_that_is_not_finite_stops_the_run(corpora, tmp_path):
    config = make_config(corpora, max_epochs=2, n_save_every=1)
    finish(make_config(corpora, max_epochs=1), tmp_path)
    before = read_all(tmp_path)
    run = Run(config.interpolate(), tmp_path)
    run.survey()
    run.resume()
    (projection,) = run.model.terms[0].layers
    for node in projection.walk():
        for name in node.param_names:
            node.get_param(name)[:] = numpy.nan
    with pytest.raises(ValueError, match=r"loss is not finite.*lower the learning rate"):
        list(run.epochs())
    assert read_all(tmp_path) == before


@pytest.mark.parametrize("at_end", [False, True])
def test_weights_that_are_not_finite_are_not_saved(at_end, corpora, tmp_path, monkeypatch):
    monkeypatch.setattr(driver, "judge", None)  # there is nothing to judge either
    every = None if at_end else 3
    config = make_config(corpora, max_epochs=1, n_save_every=every)
    run = Run(config.interpolate(), tmp_path)

    def on_batch(docs):
        """Spoil the last weights that are saved: those after an epoch, or within it."""
        ends = any(get_mark(doc).last for doc in docs)
        if ends if at_end else run.progress.batch == 3:
            flat_parameter(run)[:] = numpy.inf

    run.on_batch = on_batch
    with pytest.raises(ValueError, match=r"weights are not finite.*Lower the learning rate"):
        go(run)
    assert not list(tmp_path.iterdir())


def flat_parameter(run):
    node = next(node for node in run.model.walk() if node.param_names)
    return node.get_param(node.param_names[0])


def test_steps_that_are_far_too_large(corpora, tmp_path):
    config = make_config(corpora, optimizer={"learn_rate": 1e30, "grad_clip": 0.0})
    with numpy.errstate(all="ignore"), pytest.raises(ValueError, match="not finite"):
        finish(config, tmp_path)
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_what_was_there(call, corpora, tmp_path, monkeypatch):
    finish(make_config(corpora, max_epochs=1), tmp_path)
    before = read_all(tmp_path)

    def fail(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    config = make_config(corpora, max_epochs=2)
    run = Run(config.interpolate(), tmp_path)
    run.resume()
    with monkeypatch.context() as patch:
        patch.setattr(files.os, call, fail)
        with pytest.raises(OSError, match="No space left"):
            list(run.epochs())
    assert read_all(tmp_path) == before
    # With space again, it goes on.
    again = Run(config.interpolate(), tmp_path)
    again.resume()
    assert list(again.epochs()) == [1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are copied by fork")
def test_killed_at_any_moment(corpora, tmp_path):
    """Killed again and again while it saves after each batch, the run comes to its end as one that
    never stopped. Files are whole each time."""
    config = make_config(corpora, max_epochs=3, n_save_every=1)
    begun = time.monotonic()
    expected = finish(config, tmp_path / "expected")
    patience = 0.5 * (time.monotonic() - begun)
    output = tmp_path / "out"
    output.mkdir()
    rng = random.Random(0)
    n_kills = 0
    for _ in range(100):
        child = os.fork()
        if not child:
            run_in_child(config, output)
        time.sleep(rng.uniform(0.4, 1.0) * patience)
        patience *= 1.1
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            break
        n_kills += 1
        require_whole(output, expected)
    else:
        raise AssertionError("the run never ended")
    assert n_kills >= 2
    assert read_all(output) == read_all(expected.output)


def run_in_child(config, output):
    """Go on if there is something to go on from."""
    code = 1
    try:
        run = Run(config.interpolate(), output)
        run.survey()
        if (output / NAME).exists():
            run.resume()
        list(run.epochs())
        code = 0
    finally:
        os._exit(code)


def require_whole(output, expected):
    """What is there can be read: the weights, the log, and the checkpoint."""
    tok2vec = expected.model.get_ref("tok2vec").copy()
    for path in output.glob("model*.bin"):
        tok2vec.from_bytes(path.read_bytes())
    if (output / "log.jsonl").exists():
        text = (output / "log.jsonl").read_text("utf8")
        assert not text or text.endswith("\n")
        assert read_log(output) == read_log(expected.output)[: len(text.splitlines())]
    if (output / NAME).exists():
        load_checkpoint(output)


def test_a_second_signal_stops_at_once(corpora, tmp_path):
    run = Run(make_config(corpora, max_epochs=1).interpolate(), tmp_path)

    def on_batch(docs):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)

    run.on_batch = on_batch
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), run.stop_on_signals():
        list(run.epochs())
    assert run.stopped == signal.SIGINT
    assert signal.getsignal(signal.SIGINT) is before
    assert not (tmp_path / NAME).exists()


def test_signals_are_let_alone_outside_the_main_thread(corpora, tmp_path):
    from threading import Thread

    run = Run(make_config(corpora, max_epochs=1).interpolate(), tmp_path)
    done = []

    def work():
        with run.stop_on_signals():
            done.extend(run.epochs())

    thread = Thread(target=work)
    thread.start()
    thread.join()
    assert done == [0]


def test_dev_documents_of_another_space_are_refused_before_training(corpora, tmp_path):
    """Heads are judged by their own corpus."""
    objective = {"@architectures": "spacy-contrastive-ner.TaggingObjective.v1"}
    config = make_config(corpora, objective=objective, dev=reader(corpora["dev"], shuffle=False))
    run = Run(config.interpolate(), tmp_path)
    with pytest.raises(
        ValueError, match=r"label space '', but heads are learned for 'a', 'b'\. Name"
    ):
        run.survey()


@pytest.mark.parametrize("objective", [CONTRAST, TAGGING])
def test_a_label_of_dev_only_is_told(objective, corpora, tmp_path):
    dev = reader({"a": write(tmp_path / "dev.spacy", make_docs(7, late=True))})
    config = make_config(corpora, objective=objective, dev=dev)
    run = Run(config.interpolate(), tmp_path)
    with pytest.warns(UserWarning, match=r"nothing is learned of them: LATE 2\.") as told:
        run.survey()
    assert len(told) == 1


def test_labels_none_of_which_is_learned_are_refused_by_heads(corpora, tmp_path):
    docs = make_docs(3)
    for doc in docs:
        doc.spans["sc"] = [Span(doc, 0, 1, "OTHER"), Span(doc, 1, 2, "OTHER")]
    dev = reader({"a": write(tmp_path / "dev.spacy", docs)})
    run = Run(make_config(corpora, objective=TAGGING, dev=dev).interpolate(), tmp_path)
    with pytest.raises(ValueError, match=r"None of the labels .* \('OTHER'\) is .*\('LATE', 'ORG'"):
        run.survey()
    # A space is compared by what it looks like, whatever its labels are called.
    run = Run(make_config(corpora, dev=dev).interpolate(), tmp_path)
    with pytest.warns(UserWarning, match="OTHER 6"):
        run.survey()


@pytest.mark.parametrize("n_save_every", [None, 2])
def test_what_a_run_replaces_goes_when_the_first_is_saved(n_save_every, corpora, tmp_path):
    """And not before."""
    old = finish(make_config(corpora, n_save_epoch=1), tmp_path)
    (tmp_path / "model9.temp.bin").write_bytes(b"old")
    (tmp_path / "model-mine.bin").write_bytes(b"mine")
    before = read_all(tmp_path)
    config = make_config(corpora, max_epochs=2, seed=1, n_save_every=n_save_every)
    run = Run(config.interpolate(), tmp_path)
    seen = []
    run.on_batch = lambda docs: seen.append(read_all(tmp_path))
    go(run)
    first = n_save_every or next(n for n, each in enumerate(seen) if each != before)
    assert seen[first - 1] == before != seen[first]
    kept = [NAME, "log.jsonl", "model-last.bin", "model-mine.bin"]
    best = [] if n_save_every else ["model-best.bin"]
    assert sorted(seen[first]) == sorted([*kept, *best])
    assert names(tmp_path) == sorted([*kept, "model-best.bin"])
    assert old.progress.log[0] != run.progress.log[0]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is none on Windows")
@pytest.mark.parametrize("ignored", [False, True])
def test_a_terminal_that_hangs_up(ignored, corpora, tmp_path):
    run = Run(make_config(corpora, max_epochs=1).interpolate(), tmp_path)
    run.on_batch = lambda docs: os.kill(os.getpid(), signal.SIGHUP)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        run.survey()
        with run.stop_on_signals():
            done = list(run.epochs())
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (run.stopped, done) == ((0, [0]) if ignored else (signal.SIGHUP, []))
    assert (tmp_path / NAME).exists()


def test_the_driver_knows_when_an_epoch_ends(corpora, tmp_path):
    """Also if the batcher moves the reader's last document forward."""
    run = Run(make_config(corpora, max_epochs=1).interpolate(), tmp_path)
    ends = []
    run.on_batch = lambda docs: ends.append((run.model.n_epochs, run.progress.batch))
    go(run)
    assert all(n_epochs == 0 for n_epochs, _ in ends) and run.model.n_epochs == 1
