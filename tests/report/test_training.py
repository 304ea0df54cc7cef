"""What the report says of training."""

import pytest

from spacy_contrastive_ner.evaluation.figures.style import as_svg, styled
from spacy_contrastive_ner.report.training import training_section

from ..evaluation.analysis.test_training import config_of, epoch, line, plain, write

NAMES = ["stage-1", "stage-1-probe", "stage-2-losses", "stage-2-scores", "learning-rate"]
CONFIG = {**config_of(0.01), **config_of([0.1, 0.2], "pretraining")}


def panels_of(*args):
    section = training_section(*args)
    assert section.name == "training" and section.title and section.text
    assert [panel.name for panel in section.panels] == NAMES
    for panel in section.panels:
        assert panel.title and bool(panel.absent) != bool(panel.text and panel.alt and panel.draw)
        if panel.draw:
            with styled():
                assert "<svg" in as_svg(panel.draw(), panel.name)
    return {panel.name: panel for panel in section.panels}


def absent(panels):
    return {name for name, panel in panels.items() if panel.absent}


def told(panel):
    return " ".join(panel.text.split())


@pytest.fixture
def stage1(tmp_path):
    folder = tmp_path / "pretrained"
    folder.mkdir()
    write(folder / "log.jsonl", [epoch(0, best=True), epoch(1, best=True), epoch(2, best=False)])
    return folder


@pytest.fixture
def log(tmp_path):
    return write(
        tmp_path / "a.jsonl", [line(0, 0.1, 7.0), line(100, 0.6, 50.0), line(200, 0.5, 9.0)]
    )


def test_everything(stage1, log):
    panels = panels_of(CONFIG, stage1, log)
    assert absent(panels) == set()
    assert "The best epoch, whose weights are model-best.bin, is epoch 2." in told(
        panels["stage-1"]
    )
    assert "dev loss from 2 to 0.6667" in panels["stage-1"].alt
    assert "best epoch (2): accuracy 0.5" in panels["stage-1-probe"].alt
    assert "ner from 14 to 0.18" in panels["stage-2-losses"].alt
    assert "0.6000, at step 100 of 200" in told(panels["stage-2-scores"])
    text = told(panels["learning-rate"])
    assert "Stage 1: at most 0.2, 0.2 at update 24. Stage 2: always 0.01." in text
    first, second = panels["learning-rate"].tables
    # Steps count from 0.
    assert (first.rows[-1][0], second.rows[-1][0]) == (24, 201)


def test_weights_stand_for_their_folder(stage1):
    panels = panels_of(CONFIG, stage1 / "model-best.bin")
    assert not panels["stage-1"].absent


def test_accumulated_gradients(stage1, log):
    config = {
        **config_of(0.1, accumulate_gradient=3),
        **config_of(0.1, "pretraining", objective={"accumulate_gradient": 4}),
    }
    text = told(panels_of(config, stage1, log)["learning-rate"])
    assert "4 batches make an update." in text
    assert "cut in 3 parts (accumulate_gradient), and makes one update" in text


def test_no_logs():
    panels = panels_of({**CONFIG, "training": {**CONFIG["training"], "max_steps": 50}})
    assert absent(panels) == set(NAMES[:4])
    assert "--stage1" in panels["stage-1"].absent
    # How to have one next time.
    assert "--paths.log training/log.jsonl" in panels["stage-2-scores"].absent
    assert "That of stage 1 is not known. Stage 2: always 0.01, up to max_steps" in told(
        panels["learning-rate"]
    )
    assert absent(panels_of({})) == set(NAMES)


def test_paths_that_hold_none(tmp_path):
    panels = panels_of({}, tmp_path, tmp_path / "no.jsonl")
    assert f"no log.jsonl with a finished epoch in {tmp_path}" in panels["stage-1"].absent
    assert f"no log {tmp_path / 'no.jsonl'}" in panels["stage-2-losses"].absent
    assert "--paths.log" in panels["stage-2-losses"].absent
    write(tmp_path / "empty", [])
    assert (
        "is no log of training" in panels_of({}, None, tmp_path / "empty")["stage-2-scores"].absent
    )


def test_a_log_that_cannot_be_read(stage1, log, monkeypatch):
    def fail(path):
        raise OSError("broken disk")

    monkeypatch.setattr("spacy_contrastive_ner.evaluation.analysis.training.read_log", fail)
    panels = panels_of({}, stage1, log)
    assert "broken disk" in panels["stage-1"].absent
    assert "broken disk" in panels["stage-2-scores"].absent


def test_damaged_lines_are_told(stage1, log):
    for path in (stage1 / "log.jsonl", log):
        path.write_text(path.read_text("utf8")[:-20], encoding="utf8")
    panels = panels_of(CONFIG, stage1, log)
    assert told(panels["stage-1"]).endswith("Line 3 of log.jsonl is no JSON (cut off, maybe).")
    for name in ("stage-2-losses", "stage-2-scores"):
        assert told(panels[name]).endswith("Line 3 of a.jsonl is no JSON (cut off, maybe).")


def test_a_log_of_spacy_pretrain(tmp_path, log):
    write(tmp_path / "log.jsonl", [plain(0, 10, 7.0), plain(1, 20, 5.0)])
    panels = panels_of(CONFIG, tmp_path, log)
    assert "the sum over the batches of each epoch, of 2 epochs" in told(panels["stage-1"])
    assert "no dev set" in told(panels["stage-1"]) and "best" not in panels["stage-1"].alt
    assert "no probe" in panels["stage-1-probe"].absent
    # Updates are not counted there.
    assert "That of stage 1 is not known." in told(panels["learning-rate"])


def test_a_log_without_what_is_drawn(tmp_path):
    odd = write(tmp_path / "a", [{"step": 5, "score": None}, "x"])
    write(tmp_path / "log.jsonl", [epoch(0, loss=None, dev_loss=None)])
    panels = panels_of(CONFIG, tmp_path, odd)
    assert "tells no losses" in panels["stage-2-losses"].absent
    assert "tells no score. Line 2 of a" in panels["stage-2-scores"].absent
    assert panels["stage-2-scores"].tables[0].column("step") == [5]
    assert "tells no losses" in panels["stage-1"].absent and not panels["stage-1-probe"].absent
