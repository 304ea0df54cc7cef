"""How good the encoder is on documents it does not learn from."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Optional, Sequence

import numpy
import srsly
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from thinc.api import Optimizer
from wasabi import msg

from ..files import write_atomically
from .probe import Report, probe

if TYPE_CHECKING:
    from .model import PretrainModel

SELECT = ("loss", "accuracy")

# About so many words are judged at once.
BATCH = 2000

# So much better must be better by.
LEAST_GAIN = 1e-4


class Verdict(NamedTuple):
    """What was found on the dev documents.

    loss (float): The loss, a mean over batches.
    losses (Dict[str, float]): That of each term.
    report (Report): What the embedding space looks like.
    """

    loss: float
    losses: Dict[str, float]
    report: Report

    def better_than(self, other: Optional["Verdict"], select: str) -> bool:
        """RETURNS (bool): Whether this is better by more than nothing."""
        if other is None:
            return True
        if select == "loss":
            mine, theirs = -self.loss, -other.loss
        else:
            mine, theirs = self.report.accuracy, other.report.accuracy
        return mine > theirs + LEAST_GAIN or (math.isnan(theirs) and not math.isnan(mine))

    def to_dict(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The figures, for a log. What cannot be had is None."""
        figures = {"dev_loss": self.loss, **self.report._asdict()}
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in figures.items()
        }

    @classmethod
    def from_dict(cls, figures: Dict[str, Any]) -> "Verdict":
        """RETURNS (Verdict): What `to_dict` made a dict of."""

        def number(name: str) -> float:
            return math.nan if figures.get(name) is None else figures[name]

        report = Report(
            number("accuracy"),
            number("silhouette"),
            number("rank"),
            number("spread"),
            figures.get("collapsed"),
        )
        return cls(number("dev_loss"), {}, report)


def judge(model: "PretrainModel", docs: Sequence[Doc]) -> Verdict:
    """Judge the encoder on annotated documents: always the same batches and the same rows.

    model (PretrainModel): The model.
    docs (Sequence[Doc]): The documents.
    RETURNS (Verdict): What was found.
    """
    from .model import split_by_space

    totals: Dict[str, List[float]] = {}
    rows: List[numpy.ndarray] = []
    names: List[List[str]] = []
    documents: List[numpy.ndarray] = []
    for batch in _batches(docs):
        encoded = model.rows_of(batch)
        for name, loss in model.evaluate(batch, encoded).items():
            totals.setdefault(name, []).append(loss)
        host = model.ops.to_numpy(encoded)
        for part in split_by_space(batch, model.terms[0]):
            for doc, offset in zip(part.gold, part.offsets):
                doc = model.terms[0].classes(doc)
                rows.append(host[offset : offset + doc.n_tokens])
                documents.append(numpy.full(doc.n_tokens, len(documents)))
                names.extend(_labels_of_tokens(part.space, doc))
    losses = {name: sum(values) / len(values) for name, values in totals.items()}
    known = sorted({name for some in names for name in some})
    labels = numpy.zeros((len(names), len(known)), dtype="bool")
    column = {name: at for at, name in enumerate(known)}
    for row, some in enumerate(names):
        labels[row, [column[name] for name in some]] = True
    report = probe(
        numpy.concatenate(rows) if rows else numpy.zeros((0, 1), dtype="float32"),
        labels,
        numpy.concatenate(documents) if documents else numpy.zeros(0, dtype="int64"),
    )
    return Verdict(sum(losses.values()) if losses else math.nan, losses, report)


def _batches(docs: Sequence[Doc]) -> List[List[Doc]]:
    """Cut the documents in batches, in their order."""
    batches: List[List[Doc]] = [[]]
    size = 0
    for doc in docs:
        if size and size + len(doc) > BATCH:
            batches.append([])
            size = 0
        batches[-1].append(doc)
        size += len(doc)
    return [batch for batch in batches if any(len(doc) for doc in batch)]


def _labels_of_tokens(space: str, gold: Any) -> List[List[str]]:
    """The labels of each token, told apart by their label space."""
    labels: List[List[str]] = [[] for _ in range(gold.n_tokens)]
    for start, end, label in gold.spans:
        name = f"{space}\t{label}"
        for token in range(start, end):
            if name not in labels[token]:
                labels[token].append(name)
    return labels


def read_dev(path: Path, vocab: Vocab) -> List[Doc]:
    """Read annotated documents.

    path (Path): A .spacy file, or a folder of them.
    vocab (Vocab): The vocabulary.
    RETURNS (List[Doc]): The documents.
    """
    files = sorted(path.glob("**/*.spacy")) if path.is_dir() else [path]
    if not files or not all(file.exists() for file in files):
        raise ValueError(
            f"[pretraining] There are no documents to judge by in {path}: it must be a .spacy "
            "file, or a folder of them. Correct dev in the block [pretraining.objective.judge]."
        )
    docs: List[Doc] = []
    for file in files:
        docs.extend(DocBin().from_disk(file).get_docs(vocab))
    return docs


@dataclass
class JudgeEachEpoch:
    """Judges the encoder when an epoch ends, keeps the best weights, and stops in time. See
    `make_judge`."""

    dev: Path
    best: Optional[Path] = None
    patience: int = 0
    select: str = "loss"

    def __post_init__(self) -> None:
        if self.select not in SELECT:
            raise ValueError(f"select is {self.select!r}, but must be one of {', '.join(SELECT)}.")
        if self.patience < 0:
            raise ValueError(f"patience is {self.patience}, but must not be negative.")

    def begin(self, vocab: Vocab) -> Callable[["PretrainModel", Optimizer], None]:
        """Read the documents.

        vocab (Vocab): The vocabulary.
        RETURNS (Callable): What is called when an epoch ends.
        """
        docs = read_dev(self.dev, vocab)
        history: List[Verdict] = []
        best: List[int] = []

        def at_epoch_end(model: "PretrainModel", optimizer: Optimizer) -> None:
            import typer

            with model.use_params(optimizer.averages):
                verdict = judge(model, docs)
                is_best = verdict.better_than(history[best[-1]] if best else None, self.select)
                if is_best and self.best is not None:
                    write_atomically(self.best, model.get_ref("tok2vec").to_bytes())
            history.append(verdict)
            if is_best:
                best.append(len(history) - 1)
            msg.text(describe(len(history), verdict, is_best))
            if verdict.report.collapsed:
                msg.warn(verdict.report.collapsed)
            if self.best is not None:
                log = self.best.parent / "judge.jsonl"
                lines = [{"epoch": i + 1, **item.to_dict()} for i, item in enumerate(history)]
                text = "".join(srsly.json_dumps(line) + "\n" for line in lines)
                write_atomically(log, text.encode("utf8"))
            if self.patience and len(history) - 1 - best[-1] >= self.patience:
                msg.good(
                    f"Stopped: {self.patience} epochs brought nothing better than epoch "
                    f"{best[-1] + 1}."
                )
                raise typer.Exit(0)

        return at_epoch_end


def describe(epoch: int, verdict: Verdict, is_best: bool) -> str:
    """RETURNS (str): What was found, as one line."""
    report = verdict.report
    return (
        f"epoch {epoch}: dev loss {verdict.loss:.4f}, neighbours {report.accuracy:.3f}, "
        f"silhouette {report.silhouette:.3f}, rank {report.rank:.1f}"
        + (" (best so far)" if is_best else "")
    )
