"""The part of a report about training: what the logs of both stages tell, and the learning rate."""

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..convert.summary import shorten
from ..evaluation.analysis.training import (
    LOG,
    MOST_STEPS,
    PROBES,
    SUMMED_LOSS,
    Curves,
    Rates,
    learning_rates,
    pretraining_curves,
    training_curves,
)
from ..evaluation.figures.training import (
    SHOWN_PIPES,
    losses_figure,
    pretraining_figure,
    probe_figure,
    rates_figure,
    scores_figure,
)
from .panels import Panel, Section

ABOUT = """Stage 1 trains the encoder alone, so that entities of one label lie close together; stage 2 \
trains the whole pipeline to find entities. Both are judged on a dev set now and then, and the best \
state is kept."""
NO_STAGE_1 = "No folder of stage 1 is known; name the one that `spacy contrastive pretrain` wrote with --stage1."
NO_LOG = (
    "No log of stage 2 is known. Next time train with --paths.log training/log.jsonl, as configs of "
    '`contrastive init-config` take it, or with output_file = "training/log.jsonl" and @loggers = '
    '"spacy.ConsoleLogger.v3" in [training.logger]; and name the file with --log.'
)
STAGE_1, STAGE_2 = "Stage 1", "Stage 2"


def training_section(
    nlp_config: Mapping[str, Any], stage1_folder: Optional[Path] = None, log: Optional[Path] = None
) -> Section:
    """Tell how training went.

    nlp_config (Mapping[str, Any]): The config of the pipeline, for the learning rate.
    stage1_folder (Optional[Path]): What stage 1 wrote: the folder, or weights in it.
    log (Optional[Path]): The log of stage 2.
    RETURNS (Section): The part of the report.
    """
    first, no_first = _read_stage1(stage1_folder)
    second, no_second = _read_stage2(log)
    panels = [
        _pretraining(first, no_first),
        _probe(first, no_first),
        _losses(second, no_second),
        _scores(second, no_second),
        _rates(nlp_config, first, second),
    ]
    return Section("training", "Training", ABOUT, panels)


def _read_stage1(path: Optional[Path]) -> Tuple[Optional[Curves], str]:
    """The curves of stage 1, or why there are none."""
    if path is None:
        return None, NO_STAGE_1
    folder = path if path.is_dir() else path.parent
    try:
        curves = pretraining_curves(folder)
    except OSError as error:
        return None, f"The log of stage 1 cannot be read: {error}."
    if curves is None:
        return None, (
            f"There is no {LOG} with a finished epoch in {folder}; `spacy contrastive pretrain` and "
            "`spacy pretrain` write one beside the weights."
        )
    return curves, ""


def _read_stage2(path: Optional[Path]) -> Tuple[Optional[Curves], str]:
    """The curves of stage 2, or why there are none."""
    if path is None:
        return None, NO_LOG
    if not path.is_file():
        return None, f"There is no log {path}. {NO_LOG.split('. ', 1)[1]}"
    try:
        curves = training_curves(path)
    except OSError as error:
        return None, f"The log of stage 2 cannot be read: {error}."
    if curves is None:
        return None, (
            f"{path} is no log of training, or one of a training that ended before its first "
            "evaluation."
        )
    return curves, ""


def _with_notes(text: str, curves: Curves) -> str:
    return f"{text}\n\n{' '.join(curves.notes)}" if curves.notes else text


def _row(curves: Curves, place: Optional[int]) -> Dict[str, Any]:
    return curves.table.records()[place] if place is not None else {}


def _told(value: Optional[float]) -> str:
    return "unknown" if value is None else f"{value:.4g}"


def _pretraining(curves: Optional[Curves], absent: str) -> Panel:
    name, title = "stage-1", "Stage 1: the loss"
    if curves is None:
        return Panel(name, title, absent=absent)
    rows, best = curves.table.records(), _row(curves, curves.best)
    loss = curves.table.columns[3]
    has_dev = any(row["dev loss"] is not None for row in rows)
    if all(row[loss] is None for row in rows) and not has_dev:
        return Panel(
            name, title, absent="The log of stage 1 tells no losses.", tables=[curves.table]
        )
    text = (
        "The loss of the training data, "
        + ("the sum" if loss == SUMMED_LOSS else "a mean")
        + f" over the batches of each epoch, of {len(rows)} epoch{'s' * (len(rows) > 1)}"
    )
    if has_dev:
        text += (
            ", and that of dev documents from which nothing is learned. Where the first falls and the "
            "second rises, the encoder learns its examples by heart."
        )
    else:
        text += ". There was no dev set to judge by."
    if has_dev and best:
        text += f" The best epoch, whose weights are model-best.bin, is epoch {best['epoch']}."
    text += "\n\nLosses are shown less the least that they can be, where that is known."
    alt = f"Loss of stage 1 from {_told(rows[0][loss])} to {_told(rows[-1][loss])}"
    if has_dev:
        alt += f", dev loss from {_told(rows[0]['dev loss'])} to {_told(rows[-1]['dev loss'])}"
    alt += f", over {len(rows)} epochs" + (f"; best epoch {best['epoch']}." if best else ".")
    text = _with_notes(text, curves)
    return Panel(name, title, text, lambda: pretraining_figure(curves), alt, [curves.table])


def _probe(curves: Optional[Curves], absent: str) -> Panel:
    name, title = "stage-1-probe", "Stage 1: do labels come apart?"
    if curves is not None:
        rows = curves.table.records()
        if all(row[probe] is None for row in rows for probe in PROBES):
            absent = (
                "The log of stage 1 has no probe: `spacy contrastive pretrain` makes one after each "
                "epoch if there is a dev set, in [corpora.dev] or by --dev."
            )
    if curves is None or absent:
        return Panel(name, title, absent=absent)
    last, best = rows[-1], _row(curves, curves.best) or rows[-1]
    text = """After each epoch the vectors of dev tokens were looked at, always the same ones.

Accuracy of neighbours: how often the ten tokens nearest to a token, in other documents, have its label; \
the mean over labels. Silhouette: how well labels are set apart, from -1 to 1. Effective rank: how many \
dimensions are in use. Spread: the mean cosine distance of two tokens. When rank or spread come close to \
0, the space collapses, and nothing can be told apart in it any more. The table of the loss above has \
the numbers."""
    told = ", ".join(f"{probe} {_told(best[probe])}" for probe in PROBES)
    which = f"best epoch ({best['epoch']})" if curves.best is not None else "last epoch"
    alt = f"Probe of stage 1 over {last['epoch']} epochs. In the {which}: {told}."
    return Panel(name, title, text, lambda: probe_figure(curves), alt)


def _losses(curves: Optional[Curves], absent: str) -> Panel:
    name, title = "stage-2-losses", "Stage 2: the loss of each pipe"
    names = [c for c in curves.table.columns if c.startswith("loss of ")] if curves else []
    if curves is not None and not names:
        absent = "The log of stage 2 tells no losses."
    if curves is None or absent:
        return Panel(name, title, absent=absent)
    rows = curves.table.records()
    text = """The loss of one step on the training data, as a mean over the steps since the evaluation \
before (the log has their sum). That of an encoder which other pipes listen to (tok2vec, transformer) is \
the squared length of the gradients that they send it. Each pipe has a scale of its own; only whether a loss \
falls, and still falls at the end, tells something. The table of the scores below has the numbers."""
    told = "; ".join(
        f"{shorten(c.partition('loss of ')[2])} from {_told(rows[0][c])} to {_told(rows[-1][c])}"
        for c in names[:SHOWN_PIPES]
    )
    alt = f"Losses of stage 2 over {rows[-1]['step']} steps: {told}."
    return Panel(name, title, _with_notes(text, curves), lambda: losses_figure(curves), alt)


def _scores(curves: Optional[Curves], absent: str) -> Panel:
    name, title = "stage-2-scores", "Stage 2: the score"
    best = _row(curves, curves.best) if curves else {}
    if curves is not None and not best:
        absent = "The log of stage 2 tells no score."
    if curves is None or absent:
        if curves is not None:
            absent = " ".join([absent, *curves.notes])
        return Panel(name, title, absent=absent, tables=[curves.table] if curves else [])
    last = curves.table.records()[-1]
    text = f"""Scores on the dev set at each evaluation. By "score", the mean that score_weights in \
[training] asks for, spaCy chooses what it saves as model-best: {best["score"]:.4f}, at step \
{best["step"]} of {last["step"]} (of equal scores the last one). A best step at the very end says that \
longer training may gain more; one long before, that it would not."""
    alt = (
        f"Scores of stage 2 over {last['step']} steps: the best one is {best['score']:.4f} at step "
        f"{best['step']}, the last one {_told(last['score'])}."
    )
    text = _with_notes(text, curves)
    return Panel(name, title, text, lambda: scores_figure(curves), alt, [curves.table])


def _rates(config: Mapping[str, Any], first: Optional[Curves], second: Optional[Curves]) -> Panel:
    name, title = "learning-rate", "The learning rate"
    found: Dict[str, Rates] = {}
    told: List[str] = []
    for stage, section, n, since in (
        (STAGE_1, "pretraining", _updates_of(first), ""),
        (STAGE_2, "training", *_steps_of(config, second)),
    ):
        rates = learning_rates(config, section, n) if n else None
        if rates is None:
            told.append(f"That of {stage.lower()} is not known.")
            continue
        found[stage] = rates
        last = rates.table.rows[-1]
        if rates.is_constant:
            told.append(f"{stage}: always {last[1]:.3g}{since}.")
        else:
            peak = max(rates.table.column("learning rate"))
            told.append(f"{stage}: at most {peak:.3g}, {last[1]:.3g} at update {last[0]}{since}.")
        told += _accumulated(stage, rates.accumulate)
        if n > MOST_STEPS:
            told.append(f"Shown are the first {MOST_STEPS:,} updates.")
    if not found:
        return Panel(
            name,
            title,
            absent="There is no log that counts updates, or no optimizer with a rate in the config.",
        )
    text = f"""How far the parameters may move at each update, by the config of the pipeline. (Stage 1 \
may have been given other settings; they are not saved in the pipeline.) Adam and its kin scale it for \
each parameter.

{" ".join(told)}"""
    alt = f"Learning rate over updates. {' '.join(told)}"
    tables = [rates.table for rates in found.values()]
    return Panel(name, title, text, lambda: rates_figure(found), alt, tables)


def _updates_of(curves: Optional[Curves]) -> int:
    """How many updates stage 1 made, 0 if they were not counted."""
    if curves is None or curves.by != "updates":
        return 0
    return max(curves.table.column("updates"))


def _steps_of(config: Mapping[str, Any], curves: Optional[Curves]) -> Tuple[int, str]:
    """How many updates stage 2 made, or would make, and what is to be said of that."""
    if curves is not None:
        # Steps count from 0, and each makes one update.
        return max(curves.table.column("step")) + 1, ""
    steps = (config.get("training") or {}).get("max_steps")
    return steps if isinstance(steps, int) else 0, ", up to max_steps, as there is no log"


def _accumulated(stage: str, parts: int) -> List[str]:
    if parts == 1:
        return []
    if stage == STAGE_1:
        return [f"{parts} batches make an update."]
    return [f"Each batch is cut in {parts} parts (accumulate_gradient), and makes one update."]
