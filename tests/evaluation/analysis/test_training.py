"""What logs tell, also damaged ones, and the learning rate."""

import json

import pytest
import spacy
from spacy.training.loggers import console_logger_v3
from spacy.util import load_config, registry
from thinc.api import Config

from spacy_contrastive_ner.evaluation.analysis import training
from spacy_contrastive_ner.evaluation.analysis.training import (
    learning_rates,
    pretraining_curves,
    read_log,
    training_curves,
)

from ...test_configs import CONFIGS


def write(path, entries, end="\n"):
    lines = [entry if isinstance(entry, str) else json.dumps(entry) for entry in entries]
    path.write_text("\n".join(lines) + end, encoding="utf8")
    return path


# Reading


def test_damaged_lines_are_named(tmp_path):
    path = write(tmp_path / "log.jsonl", [{"a": 1}, "[1]", "", "3", '{"b": "ü"}', '{"c": '], "")
    entries, notes = read_log(path)
    assert entries == [{"a": 1}, {"b": "ü"}]
    assert notes == [
        "Line 2 of log.jsonl is no JSON object.",
        "Line 4 of log.jsonl is no JSON object.",
        "Line 6 of log.jsonl is no JSON (cut off, maybe).",
    ]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[" * 100_000, b"", b"\n\n"])
def test_no_log_at_all(content, tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(content)
    entries, notes = read_log(path)
    assert entries == [] and len(notes) == bool(content.strip())
    assert training_curves(path) is None and pretraining_curves(tmp_path) is None


def test_not_all_damage_is_listed(tmp_path):
    _, notes = read_log(write(tmp_path / "a", ["x"] * 20))
    assert len(notes) == 6 and notes[-1] == "So are 15 more lines of a."


# Stage 1


def epoch(number, **more):
    probe = {"accuracy": 0.5, "silhouette": 0.1, "rank": 3.0, "spread": 0.4, "collapsed": None}
    entry = {"epoch": number, "words": 100 * (number + 1), "loss": 1.0 / (number + 1)}
    return {**entry, "updates": 8 * (number + 1), "dev_loss": 2.0 / (number + 1), **probe, **more}


def test_our_log(tmp_path):
    entries = [epoch(0, best=True), epoch(1, best=True, silhouette=None), epoch(2, best=False)]
    write(tmp_path / "log.jsonl", entries)
    curves = pretraining_curves(tmp_path)
    assert curves.table.records()[1] == {
        "epoch": 2,
        "updates": 16,
        "words": 200,
        "loss": 0.5,
        "dev loss": 1.0,
        "accuracy": 0.5,
        "silhouette": None,
        "rank": 3.0,
        "spread": 0.4,
    }
    assert (curves.by, curves.best, curves.notes) == ("updates", 1, [])


def test_parts_of_the_objective(tmp_path):
    parts = {"dev_losses": {"contrast": 0.5, "tags": 1.5}}
    write(tmp_path / "log.jsonl", [epoch(0), epoch(1, **parts), epoch(2, dev_losses=[1])])
    table = pretraining_curves(tmp_path).table
    assert table.column("dev loss of tags") == [None, 1.5, None]
    assert table.column("dev loss of contrast") == [None, 0.5, None]


def test_values_that_are_none(tmp_path):
    entries = [
        epoch(0, loss="much", rank=True, spread=float("nan"), updates=10**400),
        {"epoch": "x", "loss": 1},
    ]
    write(tmp_path / "log.jsonl", [*entries, {"other": 1}])
    curves = pretraining_curves(tmp_path)
    (row,) = curves.table.records()
    assert [row[name] for name in ("loss", "rank", "spread", "updates")] == [None] * 4
    assert row["accuracy"] == 0.5 and curves.by == "words" and curves.best is None
    assert curves.notes == ["1 lines of log.jsonl are none of a log of stage 1."]


def plain(number, words, loss):
    return {"nr_word": words, "loss": 99.0, "epoch_loss": loss, "epoch": number}


def test_the_log_of_spacy_pretrain(tmp_path):
    """As it is when it ends: one line more, with nothing in it. The first epoch was saved twice."""
    lines = [plain(0, 5, 3.0), plain(0, 10, 7.0), plain(1, 20, 5.0), plain(2, 20, 0.0)]
    write(tmp_path / "log.jsonl", lines)
    curves = pretraining_curves(tmp_path)
    assert curves.table.column("epoch") == [1, 2] and curves.table.column("words") == [10, 20]
    assert curves.table.column("summed loss") == [7.0, 5.0] and "loss" not in curves.table.columns
    assert (curves.by, curves.best, curves.notes) == ("words", None, [])


def test_an_interrupted_log_of_spacy_pretrain(tmp_path):
    lines = [plain(0, 10, 7.0), plain(1, 20, 5.0), plain(1000, 25, 1.0)]
    write(tmp_path / "log.jsonl", lines)
    curves = pretraining_curves(tmp_path)
    assert curves.table.column("epoch") == [1, 2] and "did not end" in curves.notes[0]
    # Every fifth epoch saved is no interruption.
    write(tmp_path / "log.jsonl", [plain(0, 10, 7.0), plain(5, 20, 5.0), plain(10, 25, 1.0)])
    assert pretraining_curves(tmp_path).table.column("epoch") == [1, 6, 11]


def test_the_log_of_a_judge(tmp_path):
    verdicts = [{"epoch": n, "dev_loss": n * 1.0, "accuracy": 0.1 * n} for n in (1, 2, 3)]
    write(tmp_path / "judge.jsonl", [*verdicts, {"epoch": 0}, "x"])
    alone = pretraining_curves(tmp_path)
    assert alone.by == "epoch" and alone.table.column("dev loss") == [1.0, 2.0, 3.0]
    assert alone.table.column("loss") == [None] * 3
    assert alone.notes == ["Line 5 of judge.jsonl is no JSON (cut off, maybe)."]
    write(tmp_path / "log.jsonl", [plain(0, 10, 7.0), plain(1, 20, 5.0)])
    both = pretraining_curves(tmp_path).table
    assert both.column("summed loss") == [7.0, 5.0, None]
    assert both.column("accuracy") == pytest.approx([0.1, 0.2, 0.3])


def test_no_log_in_the_folder(tmp_path):
    assert pretraining_curves(tmp_path) is None and pretraining_curves(tmp_path / "no") is None
    write(tmp_path / "log.jsonl", [{"loss": 1.0}])
    assert pretraining_curves(tmp_path) is None


# Stage 2


def line(step, score, loss, **scores):
    told = {"contrastive_ner_f": 100 * score, "speed": 5000.0, **scores}
    losses = {"tok2vec": loss, "ner": 2 * loss}
    return {"epoch": step // 50, "step": step, "losses": losses, "scores": told, "score": score}


def test_the_log_of_training(tmp_path):
    lines = [line(0, 0.1, 7.0), line(100, 0.6, 500.0), line(200, 0.6, 300.0), line(300, 0.5, 100.0)]
    curves = training_curves(write(tmp_path / "a", lines))
    records = curves.table.records()
    # The first evaluation is after one step, all others after a hundred more.
    assert curves.table.column("loss of tok2vec") == [7.0, 5.0, 3.0, 1.0]
    assert curves.table.column("loss of ner") == [14.0, 10.0, 6.0, 2.0]
    assert records[2]["contrastive_ner_f"] == 0.6 and records[2]["speed"] == 5000.0
    # Of equal scores, the last one is saved.
    assert (curves.by, curves.best, curves.notes) == ("step", 2, [])


def test_lines_that_are_missing(tmp_path):
    lines = ["x", line(100, 0.4, 500.0), line(200, 0.5, 500.0), "[", line(400, 0.6, 500.0)]
    curves = training_curves(write(tmp_path / "a", lines))
    assert curves.table.column("loss of tok2vec") == [5.0] * 3 and len(curves.notes) == 2
    alone = training_curves(write(tmp_path / "a", [line(100, 0.4, 500.0)]))
    assert alone.table.column("loss of tok2vec") == [5.0]


def test_other_lines(tmp_path):
    odd = {"step": 100, "losses": {"ner": "x"}, "scores": 3, "score": None}
    curves = training_curves(write(tmp_path / "a", [line(0, 0.0, 1.0), odd, {"step": -1}, {}]))
    assert curves.table.column("score") == [0.0, None] and curves.best == 0
    assert curves.table.column("loss of ner") == [2.0, None]
    assert curves.notes == ["2 lines of a are none of a log of training."]
    nothing = training_curves(write(tmp_path / "a", [odd]))
    assert nothing.best is None


def test_as_spacy_writes_it(tmp_path):
    """Of equal scores, too: the best checkpoint is the one that spaCy takes for the best last."""
    nlp = spacy.blank("en")
    nlp.add_pipe("contrastive_ner")
    nlp.config["training"]["score_weights"] = {"contrastive_ner_f": 1.0}
    log, end = console_logger_v3(console_output=False, output_file=tmp_path / "log")(nlp)
    results, saved = [], None
    for step, score in ((0, 0.25), (10, 0.5), (20, 0.5), (30, 0.125)):
        results.append((score, step))
        if score == max(results)[0]:
            saved = step
        scores = {"contrastive_ner_f": score}
        info = {
            "epoch": 0,
            "step": step,
            "losses": {"contrastive_ner": 8.0},
            "other_scores": scores,
        }
        log({**info, "score": score})
        log(None)
    end()
    curves = training_curves(tmp_path / "log")
    assert curves.table.rows[curves.best][1] == saved == 20
    assert curves.table.column("contrastive_ner_f") == curves.table.column("score")
    assert curves.table.column("loss of contrastive_ner") == [8.0, 0.8, 0.8, 0.8]


# The learning rate


def config_of(rate, stage="training", **more):
    optimizer = {"@optimizers": "Adam.v1", "learn_rate": rate}
    return {stage: {"optimizer": optimizer, **more}}


def test_constant_rate():
    rates = learning_rates(config_of(0.01), "training", 7)
    assert rates.is_constant and rates.accumulate == 1
    assert rates.table.rows == [[i, 0.01] for i in range(1, 8)]


def test_schedules():
    """The rate of each update is the one that the optimizer has when it is made."""
    schedule = {
        "@schedules": "warmup_linear.v1",
        "initial_rate": 0.1,
        "warmup_steps": 4,
        "total_steps": "${training.max_steps}",
    }
    config = config_of(schedule, max_steps=20, accumulate_gradient=3)
    rates = learning_rates(config, "training", 12)
    block = {**config["training"]["optimizer"], "learn_rate": {**schedule, "total_steps": 20}}
    optimizer = registry.resolve({"optimizer": block})["optimizer"]
    for update, rate in rates.table.rows:
        assert rate == pytest.approx(optimizer.learn_rate), update
        optimizer.step_schedules()
    assert not rates.is_constant and rates.accumulate == 3 and update == 12


def test_a_schedule_that_ends():
    rates = learning_rates(config_of([0.3, 0.2]), "training", 4)
    assert rates.table.column("learning rate") == [0.3, 0.2, 0.2, 0.2]


def test_many_updates(monkeypatch):
    table = learning_rates(config_of(0.1), "training", 10_000).table
    assert len(table.rows) == 500 and (table.rows[0][0], table.rows[-1][0]) == (1, 10_000)
    monkeypatch.setattr(training, "MOST_STEPS", 100)
    assert learning_rates(config_of(0.1), "training", 10**12).table.rows[-1][0] == 100


def test_accumulated_gradients_of_stage_1():
    config = config_of(0.1, "pretraining", objective={"accumulate_gradient": 4})
    assert learning_rates(config, "pretraining", 3).accumulate == 4


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
@pytest.mark.parametrize("stage", ["training", "pretraining"])
def test_rates_of_configs(path, stage):
    config = load_config(path)
    rates = learning_rates(config, stage, 200)
    text = Config(config).to_str()
    assert rates.is_constant == (f"[{stage}.optimizer.learn_rate]" not in text)
    assert max(rates.table.column("learning rate")) > 0


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"training": {}},
        {"training": {"optimizer": {"@optimizers": "no such.v1"}}},
        {"training": {"optimizer": {"@optimizers": "Adam.v1", "learn_rate": "${paths.no}"}}},
        config_of([]),
    ],
)
def test_no_rate(config):
    assert learning_rates(config, "training", 5) is None
