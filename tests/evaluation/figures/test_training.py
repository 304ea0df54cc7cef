"""Curves of training: what is in a log is drawn, whatever it is."""

import warnings

import pytest

from spacy_contrastive_ner.evaluation.analysis.training import (
    learning_rates,
    pretraining_curves,
    training_curves,
)
from spacy_contrastive_ner.evaluation.figures.style import as_svg, styled
from spacy_contrastive_ner.evaluation.figures.training import (
    losses_figure,
    pretraining_figure,
    probe_figure,
    rates_figure,
    scores_figure,
)

from ..analysis.test_training import config_of, epoch, line, plain, write


@pytest.fixture(scope="module", autouse=True)
def strict():
    with warnings.catch_warnings(), styled():
        warnings.simplefilter("error")
        yield


def lines_of(axes):
    """The curves, without marks."""
    return {
        some.get_label(): (some.get_xdata().tolist(), some.get_ydata().tolist())
        for some in axes.lines
        if not some.get_label().startswith("best")
    }


def marked(axes):
    return [some.get_xdata()[0] for some in axes.lines if some.get_label().startswith("best")]


def test_losses_of_stage_1(tmp_path):
    write(tmp_path / "log.jsonl", [epoch(0, best=True), epoch(1, best=True), epoch(2, best=False)])
    figure = pretraining_figure(pretraining_curves(tmp_path))
    (axes,) = figure.axes
    x = [8, 16, 24]
    curves = {"loss": (x, [1.0, 0.5, 1 / 3]), "dev loss": (x, [2.0, 1.0, 2 / 3])}
    assert lines_of(axes) == curves and marked(axes) == [16] and axes.get_xlabel() == "updates"


def test_sums_and_means_stand_apart(tmp_path):
    write(tmp_path / "log.jsonl", [plain(0, 10, 7.0), plain(1, 20, 5.0)])
    assert len(pretraining_figure(pretraining_curves(tmp_path)).axes) == 1
    verdict = {"epoch": 1, "dev_loss": 1.0, "dev_losses": {"$a$ $b$": 0.5, "b": 0.5}}
    write(tmp_path / "judge.jsonl", [verdict, {**verdict, "epoch": 2}])
    figure = pretraining_figure(pretraining_curves(tmp_path))
    left, right = figure.axes
    assert list(lines_of(left)) == ["summed loss"] and left.get_xlabel() == "words"
    assert len(lines_of(right)) == 3 and marked(right) == []
    assert "$a$ $b$" in as_svg(figure, "x")


def test_the_probe(tmp_path):
    write(tmp_path / "log.jsonl", [epoch(0, silhouette=None), epoch(1, silhouette=None, best=True)])
    figure = probe_figure(pretraining_curves(tmp_path))
    drawn = {axes.get_ylabel(): lines_of(axes) for axes in figure.axes}
    assert drawn["effective rank"] == {"rank": ([8, 16], [3.0, 3.0])}
    assert drawn["spread"] == {"spread": ([8, 16], [0.4, 0.4])}
    empty = next(axes for axes in figure.axes if axes.get_ylabel() == "silhouette")
    assert [text.get_text() for text in empty.texts] == ["nothing known"]


def test_stage_2(tmp_path):
    some = [
        line(0, 0.1, 7.0, f1=20.0),
        line(100, 0.6, 500.0, f1=30.0),
        line(200, 0.5, 300.0, f1=40.0),
    ]
    curves = training_curves(write(tmp_path / "log", some))
    losses, scores = losses_figure(curves), scores_figure(curves)
    drawn = {axes.get_title(): lines_of(axes) for axes in losses.axes}
    x = [0, 100, 200]
    assert drawn["tok2vec"] == {"loss of tok2vec": (x, [7.0, 5.0, 3.0])}
    assert drawn["ner"] == {"loss of ner": (x, [14.0, 10.0, 6.0])}
    (axes,) = scores.axes
    # The other score is the same as "score", and speed is none.
    assert lines_of(axes) == {"score": (x, [0.1, 0.6, 0.5]), "f1": (x, [0.2, 0.3, 0.4])}
    assert marked(axes) == marked(losses.axes[0]) == [100]


def test_many_pipes_and_scores_with_long_names(tmp_path):
    losses = {f"pipe {i} " * 30: 1.0 for i in range(20)}
    scores = {f"score {i} " * 30: float(i) for i in range(20)}
    some = [
        {"epoch": 0, "step": n, "losses": losses, "scores": scores, "score": 0.5} for n in range(99)
    ]
    curves = training_curves(write(tmp_path / "log", some))
    figures = [losses_figure(curves), scores_figure(curves)]
    for figure in figures:
        texts = [text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text"))]
        assert max(map(len, texts)) < 40
        figure.draw_without_rendering()
    assert len(lines_of(figures[1].axes[0])) == 6


def test_one_line_each(tmp_path):
    write(tmp_path / "log.jsonl", [epoch(0)])
    first = pretraining_curves(tmp_path)
    second = training_curves(write(tmp_path / "log", [line(0, 0.0, 0.0)]))
    rates = learning_rates(config_of(0.0), "training", 1)
    for figure in (
        pretraining_figure(first),
        probe_figure(first),
        losses_figure(second),
        scores_figure(second),
        rates_figure({"Stage 2": rates}),
    ):
        figure.draw_without_rendering()


def test_rates():
    rates = learning_rates(config_of([0.1, 0.3, 0.2]), "training", 3)
    figure = rates_figure({"Stage 1": rates, "Stage 2": rates})
    for axes, title in zip(figure.axes, ("Stage 1", "Stage 2")):
        (curve,) = lines_of(axes).values()
        assert curve == ([1, 2, 3], [0.1, 0.3, 0.2]) and axes.get_title() == title
        assert axes.get_ylim()[1] > 0.3
