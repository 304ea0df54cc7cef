"""How training went: the logs of both stages, and the learning rate."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from spacy.util import registry
from thinc.api import Config

from ..tables import Table

Entry = Dict[str, Any]

LOG, JUDGE_LOG = "log.jsonl", "judge.jsonl"
# Our log has the mean over the batches of an epoch, that of `spacy pretrain` the sum.
MEAN_LOSS, SUMMED_LOSS = "loss", "summed loss"
PROBES = ("accuracy", "silhouette", "rank", "spread")
# Where updates of stage 1 are not counted, words are, or else epochs.
MEASURES = ("updates", "words", "epoch")
# So many notes about lines that cannot be read; rates at so many updates.
MOST_NOTES, MOST_RATES = 5, 500
# A schedule is followed step by step, and no further than this.
MOST_STEPS = 2_000_000


class Curves(NamedTuple):
    """What a log tells.

    table (Table): A row for each time that something was written, in order.
    by (str): The column that tells how far training was.
    best (Optional[int]): The row of the best checkpoint, None if it is not known.
    notes (List[str]): What could not be read, a sentence each.
    """

    table: Table
    by: str
    best: Optional[int]
    notes: List[str]


# Reading


def read_log(path: Path) -> Tuple[List[Entry], List[str]]:
    """Read JSON lines. What is none is passed over and noted.

    path (Path): The file.
    RETURNS (Tuple[List[Dict[str, Any]], List[str]]): The objects, and notes that name the lines which
        are none.
    """
    found: List[Entry] = []
    bad: List[str] = []
    with path.open(encoding="utf8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                bad.append(f"Line {number} of {path.name} is no JSON (cut off, maybe).")
                continue
            if isinstance(entry, dict):
                found.append(entry)
            else:
                bad.append(f"Line {number} of {path.name} is no JSON object.")
    return found, _first(bad, path)


def _first(notes: List[str], path: Path) -> List[str]:
    more = len(notes) - MOST_NOTES
    return (
        notes if more <= 0 else [*notes[:MOST_NOTES], f"So are {more} more lines of {path.name}."]
    )


def _number(value: Any) -> Optional[float]:
    """A value as a number that is one. What else stands in a log is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _count(value: Any) -> Optional[int]:
    number = _number(value)
    return None if number is None or number < 0 else int(number)


# Stage 1


def pretraining_curves(folder: Path) -> Optional[Curves]:
    """Read what `spacy contrastive pretrain` or `spacy pretrain` logged.

    folder (Path): Its folder.
    RETURNS (Optional[Curves]): A row for each epoch: the epoch (from 1), updates, words, loss (as a
        mean or a sum over batches), dev loss, what the probe found, and the dev loss of each part of
        the objective if there are several. None if there is no log, or no epoch in it.
    """
    path = folder / LOG
    entries, notes = read_log(path) if path.is_file() else ([], [])
    plain = [entry for entry in entries if "epoch_loss" in entry]
    ours = [entry for entry in entries if "loss" in entry and "epoch_loss" not in entry]
    if len(plain) + len(ours) < len(entries):
        others = len(entries) - len(plain) - len(ours)
        notes.append(f"{others} lines of {LOG} are none of a log of stage 1.")
    is_plain = bool(plain) and not ours
    rows = _plain_epochs(plain, notes) if is_plain else [_epoch_of(entry) for entry in ours]
    judged = folder / JUDGE_LOG
    if judged.is_file():
        verdicts, more = read_log(judged)
        notes += more
        rows = _with_verdicts(rows, verdicts)
    rows = [row for row in rows if row["epoch"] is not None]
    if not rows:
        return None
    parts = sorted({name for row in rows for name in row["dev_losses"]})
    columns = ["epoch", "updates", "words", "loss", "dev loss", *PROBES]
    names = [SUMMED_LOSS if is_plain and c == "loss" else c for c in columns]
    table = Table.of(
        "stage-1",
        [*names, *(f"dev loss of {name}" for name in parts)],
        [[*(row[c] for c in columns), *(row["dev_losses"].get(p) for p in parts)] for row in rows],
    )
    by = next(c for c in MEASURES if all(row[c] is not None for row in rows))
    best = [i for i, row in enumerate(rows) if row["best"]]
    return Curves(table, by, best[-1] if best else None, notes)


def _epoch_of(entry: Entry) -> Entry:
    """A line of our own log. Its epochs count from 0, ours from 1."""
    epoch = _count(entry.get("epoch"))
    parts = entry.get("dev_losses")
    return {
        "epoch": None if epoch is None else epoch + 1,
        "updates": _count(entry.get("updates")),
        "words": _count(entry.get("words")),
        "loss": _number(entry.get("loss")),
        "dev loss": _number(entry.get("dev_loss")),
        **{name: _number(entry.get(name)) for name in PROBES},
        "dev_losses": {k: _number(v) for k, v in parts.items()} if isinstance(parts, dict) else {},
        "best": entry.get("best") is True,
    }


def _plain_epochs(entries: Sequence[Entry], notes: List[str]) -> List[Entry]:
    """The epochs of a log of `spacy pretrain`: of those that were saved more than once the last line.
    When it ends it writes one more, under the number of an epoch that never was, with what was added
    up since the last one: nothing, unless it was interrupted."""
    by_epoch: Dict[int, Entry] = {}
    for entry in entries:
        epoch = _count(entry.get("epoch"))
        if epoch is not None:
            loss = {"loss": entry.get("epoch_loss"), "words": entry.get("nr_word")}
            by_epoch[epoch] = _epoch_of({"epoch": epoch, **loss})
    rows = [by_epoch[epoch] for epoch in sorted(by_epoch)]
    if len(rows) > 1 and rows[-1]["words"] == rows[-2]["words"]:
        rows.pop()
    steps = [b["epoch"] - a["epoch"] for a, b in zip(rows, rows[1:])]
    if steps and steps[-1] > max([1, *steps[:-1]]):
        notes.append(f"The last line of {LOG} is about an epoch that did not end, and left out.")
        rows.pop()
    return rows


def _with_verdicts(rows: List[Entry], verdicts: Sequence[Entry]) -> List[Entry]:
    """Add what a judge found, whose log counts epochs from 1."""
    by_epoch = {row["epoch"]: row for row in rows}
    for verdict in verdicts:
        epoch = _count(verdict.get("epoch"))
        if epoch is None or epoch < 1:
            continue
        judged = _epoch_of({**verdict, "epoch": epoch - 1})
        row = by_epoch.setdefault(epoch, judged)
        row.update({name: judged[name] for name in ("dev loss", *PROBES, "dev_losses")})
    return [by_epoch[epoch] for epoch in sorted(by_epoch, key=lambda epoch: epoch or 0)]


# Stage 2


def training_curves(path: Path) -> Optional[Curves]:
    """Read the log of `spacy train`, by spaCy's ConsoleLogger with an output file.

    path (Path): The log.
    RETURNS (Optional[Curves]): A row for each evaluation: the epoch, the step, the score by which the
        best one is chosen, the loss of each pipe for one step, and all scores, from 0 to 1. None if
        there is none.
    """
    entries, notes = read_log(path)
    rows = [entry for entry in entries if _count(entry.get("step")) is not None]
    if len(rows) < len(entries):
        notes.append(
            f"{len(entries) - len(rows)} lines of {path.name} are none of a log of training."
        )
    if not rows:
        return None
    steps = [_count(row["step"]) or 0 for row in rows]
    losses, scores = _names(rows, "losses"), _names(rows, "scores")
    table = []
    for row, step, n in zip(rows, steps, _steps_of(steps)):
        sums = [_number(_inside(row, "losses").get(name)) for name in losses]
        told = [_number(_inside(row, "scores").get(name)) for name in scores]
        means = [None if value is None else value / n for value in sums]
        # In percent, but for words in a second.
        parts = [v if v is None or k == "speed" else v / 100 for k, v in zip(scores, told)]
        table.append([_count(row.get("epoch")), step, _number(row.get("score")), *means, *parts])
    columns = ["epoch", "step", "score", *(f"loss of {name}" for name in losses), *scores]
    return Curves(Table.of("stage-2", columns, table), "step", _best([r[2] for r in table]), notes)


def _inside(row: Entry, name: str) -> Mapping[str, Any]:
    value = row.get(name)
    return value if isinstance(value, dict) else {}


def _names(rows: Sequence[Entry], name: str) -> List[str]:
    return list(dict.fromkeys(key for row in rows for key in _inside(row, name)))


def _steps_of(steps: Sequence[int]) -> Iterator[int]:
    """Over how many steps the losses of each line are summed up: the first one's is the first step
    alone, all others' as many as there are from one evaluation to the next. These are not
    just differences, as lines may be missing."""
    gaps = Counter(b - a for a, b in zip(steps, steps[1:]) if b > a)
    usual = max(gaps, key=lambda gap: (gaps[gap], -gap)) if gaps else 0
    for step in steps:
        yield 1 if step == 0 else usual or step


def _best(scores: Sequence[Optional[float]]) -> Optional[int]:
    """The row of `model-best`: of equal scores the last one, as spaCy saves it again."""
    known = [(score, i) for i, score in enumerate(scores) if score is not None]
    return max(known)[1] if known else None


# The learning rate


class Rates(NamedTuple):
    """How fast the parameters were allowed to change.

    table (Table): The rate at some updates, counted from 1.
    is_constant (bool): Whether it is always the same.
    accumulate (int): Into how many parts a batch is cut (stage 2), or how many batches make an update
        (stage 1).
    """

    table: Table
    is_constant: bool
    accumulate: int


def learning_rates(config: Mapping[str, Any], stage: str, n_updates: int) -> Optional[Rates]:
    """Find the learning rate at each update, from the config that a pipeline was saved with.

    config (Mapping[str, Any]): The config of the pipeline.
    stage (str): The section: "pretraining" or "training".
    n_updates (int): How many updates were made.
    RETURNS (Optional[Rates]): The rates; none if the config does not tell an optimizer that has some.
    """
    n = max(1, min(n_updates, MOST_STEPS))
    wanted = {1 + round(i * (n - 1) / (MOST_RATES - 1)) for i in range(MOST_RATES)}
    rows: List[Tuple[int, float]] = []
    seen: Set[float] = set()
    try:
        block = Config(config).interpolate()[stage]
        optimizer = registry.resolve({"optimizer": block["optimizer"]})["optimizer"]
        rate, schedule = float(optimizer.learn_rate), optimizer.schedules.get("learn_rate")
        for update in range(1, n + 1):
            if update > 1 and schedule is not None:
                # A schedule that ends stays where it is.
                rate = float(next(schedule, rate))
            seen.add(rate)
            if update in wanted:
                rows.append((update, rate))
    except Exception:
        # What is registered can fail in any way, and this is a picture only.
        return None
    accumulate = block.get("accumulate_gradient")
    if stage == "pretraining":
        accumulate = (block.get("objective") or {}).get("accumulate_gradient")
    table = Table.of(f"learning-rate-{stage}", ("update", "learning rate"), rows)
    return Rates(table, len(seen) == 1, _count(accumulate) or 1)
