"""A run that is interrupted and goes on ends in the same place as one that never stopped."""

import os
import random
import signal
from collections import Counter
from functools import partial

import numpy
import pytest
import srsly
from spacy.tokens import Span
from thinc.api import Linear

from spacy_contrastive_ner.pretraining.checkpoint import (
    NAME,
    VERSION,
    _digest,
    check_same_config,
    count_schedules,
    get_random_state,
    is_finite,
    load_checkpoint,
    relevant_config,
    same_chance,
    set_random_state,
)
from spacy_contrastive_ner.pretraining.driver import Run

from .tiny import (
    BALANCED,
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

GROWING = {"@schedules": "compounding.v1", "start": 10, "stop": 40, "compound": 1.2}
WARMUP = {
    "@schedules": "warmup_linear.v1",
    "initial_rate": 0.02,
    "warmup_steps": 5,
    "total_steps": 50,
}
BOTH = {
    "@architectures": "spacy-contrastive-ner.SumObjective.v1",
    "objectives": {"contrast": CONTRAST, "tag": TAGGING},
    "accumulate_gradient": 2,
}

# What is special about each run. All but one draw a part of each corpus in each epoch, in which
# the late label may be missing.
CASES = {
    "plain": {},
    "averages": {"optimizer": {"use_averages": True}},
    "schedules": {
        "optimizer": {"learn_rate": WARMUP},
        "batcher": {**BALANCED, "size": GROWING},
    },
    "accumulating": {"objective": {**CONTRAST, "accumulate_gradient": 2}},
    "tagging": {
        "objective": TAGGING,
        "optimizer": {"use_averages": True},
        "batcher": {**BY_WORDS, "size": 10},
    },
    "both": {"objective": BOTH, "batcher": {**BY_WORDS, "size": GROWING}},
    "spacy_reader": {"batcher": BY_WORDS},
    "spacy_reader_varied": {},
    "transformer": {"component": "transformer", "optimizer": {"learn_rate": 0.001}},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("checkpoint")


@pytest.fixture(scope="module")
def corpora(root):
    return make_corpora(root)


@pytest.fixture(scope="module")
def config_of(root, corpora):
    """Gives the config of a case."""
    made = {}

    def config_of(case):
        if case not in made:
            settings = dict(CASES[case])
            if case == "transformer":
                pytest.importorskip("spacy_transformers")
                settings["pipeline"] = transformer_pipeline(make_bert(root / "bert"))
            paths = {name: corpora[name] for name in ("a", "b")}
            settings["train"] = reader(paths, weights={"a": 0.7, "b": 1.5})
            if case.startswith("spacy_reader"):
                settings["train"] = {
                    "@readers": "spacy.Corpus.v1",
                    "path": str(corpora["a"]),
                    "max_length": 0,
                    "gold_preproc": False,
                    "limit": 0,
                    "augmenter": None,
                }
            if case == "spacy_reader_varied":
                name = "spacy-contrastive-ner.MentionReplacement.v1"
                augmenter = {"@augmenters": name, "path": str(corpora["a"])}
                settings["train"]["augmenter"] = augmenter
            made[case] = make_config(corpora, n_save_every=2, **settings)
        return made[case].interpolate()

    return config_of


class Killed(Exception):
    """Stands for the end of the process."""


class Interrupted(Run):
    """A run that is interrupted after a batch, given as epoch and batch: it is killed, or asked to
    stop by a signal."""

    def __init__(self, *args, at, kill=False, **kwargs):
        super().__init__(*args, **kwargs)
        self.at, self.kill = at, kill

    def on_batch(self, docs):
        if (self.progress.epoch, self.progress.batch) != self.at:
            return
        if self.kill:
            raise Killed
        os.kill(os.getpid(), signal.SIGINT)


class Counting(Run):
    """A run that counts the batches of each epoch."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.n_batches = Counter()

    def on_batch(self, docs):
        self.n_batches[self.progress.epoch] += 1


def go(run, resume=False):
    """Run to the end, and read what was written."""
    run.output.mkdir(exist_ok=True)
    run.survey()
    if resume:
        run.resume()
    try:
        with run.stop_on_signals():
            for _ in run.epochs():
                pass
    except Killed:
        pass
    return {path.name: path.read_bytes() for path in run.output.iterdir()}


@pytest.fixture(scope="module")
def uninterrupted(root, config_of):
    """Gives what a run of a case writes, and how many batches each epoch had."""
    runs = {}

    def uninterrupted(case):
        if case not in runs:
            run = Counting(config_of(case), root / case)
            runs[case] = go(run), run.n_batches
        return runs[case]

    return uninterrupted


@pytest.mark.parametrize("case", CASES)
def test_there_is_something_to_lose(case, uninterrupted, root):
    files, n_batches = uninterrupted(case)
    assert set(files) == {NAME, "log.jsonl", "model-best.bin", "model-last.bin"}
    assert len(n_batches) == 4 and min(n_batches.values()) > 3
    state = load_checkpoint(root / case)
    assert state["progress"]["epoch"] == 4
    assert state["moments"]["mom1"] and state["moments"]["mom2"]
    assert bool(state["moments"]["averages"]) == (case in ("averages", "tagging"))


@pytest.mark.parametrize("case", ["averages", "transformer"])
def test_stopped_after_two_epochs(case, config_of, uninterrupted, tmp_path):
    config = config_of(case)
    config["pretraining"]["max_epochs"] = 2
    two = go(Run(config, tmp_path))
    assert len(two["log.jsonl"].splitlines()) == 2
    resumed = go(Run(config_of(case), tmp_path), resume=True)
    require_same(resumed, uninterrupted(case)[0])


@pytest.mark.parametrize("case", CASES)
def test_stopped_again_and_again_by_a_signal(case, config_of, uninterrupted, tmp_path):
    """After the first batch of all, twice within an epoch, and where an epoch ends."""
    files, n_batches = uninterrupted(case)
    places = [(0, 1), (1, 2), (1, n_batches[1] - 1), (2, n_batches[2])]
    for place in places:
        run = Interrupted(config_of(case), tmp_path, at=place)
        stopped = go(run, resume=place != (0, 1))
        assert run.stopped == signal.SIGINT and not run.finished
        assert stopped[NAME] != files[NAME]
        assert len(stopped["log.jsonl"].splitlines()) == run.progress.epoch
        # At once, but for gradients that wait for another batch.
        waiting = run.model.accumulate_gradient - 1
        if place[1] + waiting < n_batches[place[0]]:
            assert run.progress.epoch == place[0]
            assert 0 <= run.progress.batch - place[1] <= waiting
    resumed = go(Run(config_of(case), tmp_path), resume=True)
    require_same(resumed, files)


@pytest.mark.parametrize(
    "case", ["schedules", "both", "spacy_reader", "spacy_reader_varied", "transformer"]
)
def test_killed_after_saving_within_an_epoch(case, config_of, uninterrupted, tmp_path):
    files, n_batches = uninterrupted(case)
    killed = go(Interrupted(config_of(case), tmp_path, at=(2, n_batches[2] - 1), kill=True))
    progress = state_of(killed[NAME])["progress"]
    assert progress["epoch"] == 2 and progress["batch"] >= 2
    resumed = go(Run(config_of(case), tmp_path), resume=True)
    require_same(resumed, files)


def test_a_label_is_seen_late(config_of, tmp_path):
    """What the cases with tagging rest on: heads are made before all their labels are known."""
    go(Interrupted(config_of("tagging"), tmp_path, at=(0, 5), kill=True))
    (term,) = load_checkpoint(tmp_path)["terms"]
    assert "ORG" in term["labels"]["b"] and "LATE" not in term["labels"]["b"]
    go(Run(config_of("tagging"), tmp_path), resume=True)
    (term,) = load_checkpoint(tmp_path)["terms"]
    assert list(term["labels"]["b"])[-1] == "LATE"


def require_same(files, others):
    """All files are the same, bit for bit: encoder, projection and heads, moments, log."""
    assert set(files) == set(others)
    for name in files:
        if name != NAME:
            assert files[name] == others[name], name
    require_equal(state_of(files[NAME]), state_of(others[NAME]))


def state_of(data):
    return srsly.msgpack_loads(srsly.msgpack_loads(data)["state"])


def require_equal(one, other, path="checkpoint"):
    if isinstance(one, dict):
        assert list(one) == list(other), path
        for key in one:
            require_equal(one[key], other[key], f"{path}/{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), path
        for at, (item, another) in enumerate(zip(one, other)):
            require_equal(item, another, f"{path}/{at}")
    elif isinstance(one, numpy.ndarray):
        assert one.dtype == other.dtype and numpy.array_equal(one, other), path
    else:
        assert one == other, path


@pytest.fixture
def finished(uninterrupted, tmp_path):
    """A folder with a run that is finished, to be spoiled."""
    for name, data in uninterrupted("plain")[0].items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def resume(config, folder):
    run = Run(config, folder)
    run.resume()
    return run


@pytest.mark.parametrize("killed_before", ["model-best.bin", "model-last.bin", "log.jsonl"])
def test_what_was_not_written_any_more_is_written(
    killed_before, config_of, uninterrupted, tmp_path, monkeypatch
):
    """The process ends while the second epoch, the best one, is being saved."""
    import spacy_contrastive_ner.pretraining.driver as driver

    def write(path, data):
        if path.name == killed_before and run.progress.epoch == 2:
            raise Killed
        write_atomically(path, data)

    write_atomically = driver.write_atomically
    with monkeypatch.context() as patch:
        patch.setattr(driver, "write_atomically", write)
        run = Run(config_of("plain"), tmp_path)
        go(run)
    assert run.progress.best == 1
    before = (tmp_path / "log.jsonl").read_bytes()
    resume(config_of("plain"), tmp_path)
    assert (tmp_path / "log.jsonl").read_bytes() == before + uninterrupted("plain")[0][
        "log.jsonl"
    ].splitlines(keepends=True)[1]
    best, last = ((tmp_path / f"model-{name}.bin").read_bytes() for name in ("best", "last"))
    assert best == last
    require_same(go(Run(config_of("plain"), tmp_path), resume=True), uninterrupted("plain")[0])


def test_leftovers_are_removed(finished, config_of):
    part = finished / f".{NAME}.abc.part"
    part.write_bytes(b"half")
    other = finished / "mine.part"
    other.write_bytes(b"")
    # That of an export which was killed, or goes on.
    folder = finished / ".hf.abc.part"
    folder.mkdir()
    resume(config_of("plain"), finished)
    assert not part.exists() and other.exists() and folder.exists()


def test_leftovers_are_removed_when_a_run_begins(config_of, tmp_path):
    part = tmp_path / f".{NAME}.abc.part"
    part.write_bytes(b"half")
    config = config_of("plain")
    config["pretraining"]["max_epochs"] = 1
    go(Run(config, tmp_path))
    assert not part.exists()


@pytest.mark.parametrize(
    "data", [b"", b"nonsense", b"\x01", 0.5, 0.99], ids=["empty", "text", "number", "half", "most"]
)
def test_damaged(data, finished, config_of):
    path = finished / NAME
    whole = path.read_bytes()
    path.write_bytes(data if isinstance(data, bytes) else whole[: int(data * len(whole))])
    with pytest.raises(ValueError, match=r"checkpoint.bin is damaged.*another folder"):
        resume(config_of("plain"), finished)


def change(path, **changes):
    """Change the state of a run, as another version of the package might have written it."""
    data = srsly.msgpack_dumps({**state_of(path.read_bytes()), **changes})
    whole = {"version": VERSION, "digest": _digest(data), "state": data}
    path.write_bytes(srsly.msgpack_dumps(whole))


@pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_bit_that_is_another(place, finished, config_of):
    data = bytearray((finished / NAME).read_bytes())
    data[int(place * len(data))] ^= 4
    (finished / NAME).write_bytes(data)
    with pytest.raises(ValueError, match=r"is damaged .*not those that were written"):
        resume(config_of("plain"), finished)


@pytest.mark.parametrize(
    "whole, message",
    [
        ({"version": VERSION}, r"is damaged .*\(it holds no state of a run\)"),
        ({"version": 1}, r"another version of this package \(format 1, not \d+\)"),
        ({"version": 99}, r"another version of this package \(format 99, not \d+\)"),
        ([VERSION], "is damaged"),
    ],
)
def test_a_file_of_others(whole, message, finished, config_of):
    (finished / NAME).write_bytes(srsly.msgpack_dumps(whole))
    with pytest.raises(ValueError, match=message):
        resume(config_of("plain"), finished)


def test_lacks_a_part(finished, config_of):
    data = srsly.msgpack_dumps({"parameters": {}, "terms": []})
    whole = {"version": VERSION, "digest": _digest(data), "state": data}
    (finished / NAME).write_bytes(srsly.msgpack_dumps(whole))
    with pytest.raises(ValueError, match="it lacks progress, moments, n_updates, random"):
        resume(config_of("plain"), finished)


def test_lacks_parameters(finished, config_of):
    change(finished / NAME, parameters={})
    with pytest.raises(ValueError, match="does not fit the model of this config"):
        resume(config_of("plain"), finished)


def test_parameters_of_another_shape(finished, config_of):
    known = load_checkpoint(finished)["parameters"]
    change(finished / NAME, parameters={key: value[..., :1] for key, value in known.items()})
    with pytest.raises(ValueError, match="has another shape"):
        resume(config_of("plain"), finished)


def test_nothing_to_resume(config_of, tmp_path):
    with pytest.raises(ValueError, match=r"nothing to resume .*Start without --resume"):
        resume(config_of("plain"), tmp_path)


def test_of_another_config(finished, config_of):
    config = config_of("plain")
    config["pretraining"]["dropout"] = 0.3
    config["pretraining"]["optimizer"]["learn_rate"] = 1e-12
    config["corpora"]["train"]["seed"] = 7
    with pytest.raises(ValueError) as error:
        resume(config, finished)
    message = str(error.value)
    assert "pretraining.dropout was 0.1 and is 0.3" in message
    assert "pretraining.optimizer.learn_rate was 0.01 and is 1e-12" in message
    assert "corpora.train.seed was 0 and is 7" in message
    assert str(finished / "config.cfg") in message


def test_many_settings_are_others(finished, config_of):
    config = config_of("plain")
    config["corpora"]["train"].update({"seed": 1, "shuffle": False, "max_length": 5, "limit": 3})
    config["corpora"]["dev"].update({"seed": 1, "limit": 3})
    config["pretraining"]["dropout"] = 0.0
    with pytest.raises(ValueError, match=r"corpora.train.limit was 0 and is 3; .* and 2 more"):
        resume(config, finished)


def test_other_documents_to_judge_by(finished, config_of):
    with pytest.raises(ValueError, match=r"--dev was None and is 'corpora.train'"):
        Run(config_of("plain"), finished, dev="corpora.train").resume()


def test_settings_that_may_change(finished, config_of):
    config = config_of("plain")
    config["pretraining"].update({"max_epochs": 9, "n_save_every": None, "n_save_epoch": 1})
    run = resume(config, finished)
    assert run.progress.epoch == 4 and not run.finished


def test_the_rest_of_an_epoch_may_hold_nothing_to_compare(config_of, tmp_path):
    """Whoever goes on with it has looked at the whole corpus before."""
    docs = make_docs(6)
    docs[-1].spans["sc"] = []
    config = config_of("spacy_reader")
    config["corpora"]["train"]["path"] = str(write(tmp_path / "train.spacy", docs))
    config["pretraining"]["max_epochs"] = 1
    config["pretraining"]["batcher"]["size"] = 9
    run = Counting(config, tmp_path / "whole")
    whole = go(run)
    go(Interrupted(config, tmp_path / "out", at=(0, run.n_batches[0] - 1)))
    require_same(go(Run(config, tmp_path / "out"), resume=True), whole)


@pytest.fixture
def changing(config_of, corpora, tmp_path):
    """A run that was interrupted, whose training documents can be changed."""
    config = config_of("spacy_reader")
    path = tmp_path / "train.spacy"
    path.write_bytes(corpora["a"].read_bytes())
    config["corpora"]["train"]["path"] = str(path)
    go(Interrupted(config, tmp_path / "out", at=(0, 4)))
    return config, tmp_path / "out", path


def test_the_corpus_has_become_smaller(changing):
    config, output, path = changing
    write(path, make_docs(4))
    message = (
        "training documents have changed .*had 12 documents, 93 words, 30 entities, and have "
        "4 documents, 31 words, 10 entities. Put"
    )
    with pytest.raises(ValueError, match=message):
        go(Run(config, output), resume=True)
    run = Run(config, output)
    run.resume()
    with pytest.raises(ValueError, match=message):
        run.survey()
    run = Run(config, output)
    run.resume()
    # Also if nobody looked at it before.
    with pytest.raises(ValueError, match=r"after 4 batches of epoch 1, which has only 2 now"):
        list(run.epochs())


def test_the_corpus_has_other_labels(changing):
    config, output, path = changing
    docs = make_docs()
    old = docs[-1].spans["sc"][0]
    docs[-1].spans["sc"] = [Span(docs[-1], old.start, old.end, "OTHER")]
    write(path, docs)
    message = "training documents .*have 12 documents, 93 words, 30 entities as before, but other"
    with pytest.raises(ValueError, match=message):
        go(Run(config, output), resume=True)


def test_the_corpus_has_another_order_only(changing):
    """Which is not checked, as an order may be drawn anew."""
    config, output, path = changing
    write(path, make_docs()[::-1])
    run = Run(config, output)
    run.resume()
    run.survey()


def test_the_documents_to_judge_by_have_changed(changing, tmp_path):
    config, output, _ = changing
    config = config.copy()
    dev = tmp_path / "dev.spacy"
    config["corpora"]["dev"]["path"] = str(write(dev, make_docs(7)))
    go(Interrupted(config, tmp_path / "other", at=(1, 1)))
    write(dev, make_docs(8))
    with pytest.raises(ValueError, match=r"documents to judge by have changed .*had 7 documents"):
        go(Run(config, tmp_path / "other"), resume=True)


def test_a_corpus_that_is_augmented_is_the_same(config_of, tmp_path):
    """Though what is drawn for it is not, once a run is resumed."""
    config = config_of("plain")
    config["training"]["seed"] = None
    config["pretraining"]["max_epochs"] = 2
    for block in config["corpora"].values():
        block["augmenter"] = {"@augmenters": "spacy.lower_case.v1", "level": 0.5}
    run = Interrupted(config, tmp_path, at=(0, 3))
    go(run)
    again = Run(config, tmp_path)
    random.seed(7)
    again.resume()
    again.survey()
    assert list(again.epochs()) == [0, 1]


def test_other_vectors(finished, config_of):
    config = config_of("plain")
    config["initialize"]["vectors"] = "other_vectors"
    state = load_checkpoint(finished)
    with pytest.raises(ValueError, match=r"initialize\.vectors was None and is 'other_vectors'"):
        check_same_config(state, relevant_config(config), finished)


def test_patience_and_select_are_kept(config_of, tmp_path):
    config = config_of("plain")
    run = Interrupted(config, tmp_path, at=(0, 1), patience=3, select="accuracy")
    go(run)
    progress = resume(config, tmp_path).progress
    assert (progress.patience, progress.select) == (3, "accuracy")
    again = Run(config, tmp_path, patience=0, select="loss")
    again.resume()
    assert (again.progress.patience, again.progress.select) == (0, "loss")
    assert not again.finished and list(again.epochs()) == [0, 1, 2, 3]
    assert load_checkpoint(tmp_path)["progress"]["patience"] == 0


def test_what_the_best_weights_were_selected_by_stays(finished, config_of):
    before = (finished / "model-best.bin").read_bytes()
    run = Run(config_of("plain"), finished, select="accuracy")
    with pytest.raises(ValueError, match=r"selected by 'loss'.*resume with --select loss"):
        run.resume()
    assert (finished / "model-best.bin").read_bytes() == before
    Run(config_of("plain"), finished, select="loss").resume()


def test_sources_of_chance():
    torch = pytest.importorskip("torch")
    draws = []
    state = srsly.msgpack_loads(srsly.msgpack_dumps(get_random_state()))
    for _ in range(2):
        set_random_state(state)
        draws.append((random.random(), random.gauss(0, 1), *numpy.random.normal(size=3)))
        draws[-1] += (torch.rand(1).item(), numpy.random.rand())
    assert draws[0] == draws[1]
    set_random_state(None)
    assert random.random() != draws[0][0]


def test_the_same_is_drawn_inside():
    draws = []
    for seed in (1, 2):
        random.seed(seed)
        numpy.random.seed(seed)
        before = [random.getstate(), str(numpy.random.get_state())]
        with same_chance():
            draws.append((random.random(), numpy.random.rand()))
        assert [random.getstate(), str(numpy.random.get_state())] == before
    assert draws[0] == draws[1]


def test_schedules_are_counted():
    batcher = partial(zip, size=iter([1, 2, 3]), other=5)
    (schedule,) = count_schedules(batcher)
    assert next(batcher.keywords["size"]) == 1 and schedule.n == 1
    schedule.advance(2)
    schedule.advance(2)
    assert next(iter(batcher.keywords["size"])) == 3
    with pytest.raises(StopIteration):
        next(schedule)
    assert count_schedules(print) == []


def test_finite():
    model = Linear(2, 2).initialize()
    assert is_finite(model)
    model.get_param("b")[1] = numpy.inf
    assert not is_finite(model)


def test_finite_weights_of_torch():
    torch = pytest.importorskip("torch")
    from thinc.api import PyTorchWrapper

    inner = torch.nn.Linear(2, 2)
    model = PyTorchWrapper(inner)
    assert is_finite(model)
    inner.weight.data[0, 0] = float("nan")
    assert not is_finite(model)
