import configparser
import math
from contextlib import nullcontext, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Dict, List, Optional

import typer
from click import NoSuchOption
from spacy.cli._util import (
    Arg,
    Opt,
    import_code,
    parse_config_overrides,
    show_validation_error,
)
from spacy.tokens import Doc
from spacy.util import load_config
from thinc.api import Config
from wasabi import Printer

from ..convert.output import explain as explain_file
from ..files import write_atomically
from ..pretraining.checkpoint import NAME as CHECKPOINT
from ..pretraining.driver import Run
from ..pretraining.export import check_export, export_transformer
from . import options
from .app import app
from .explain import explain
from .gpu import use_gpu_or_cpu
from .progress import progress as make_bar
from .signals import ending_cleanly

WIDTHS = (5, 10, 8, 9, 10, 10, 6, 4)
HEADER = ("epoch", "words", "loss", "dev loss", "neighbours", "silhouette", "rank", "")
ALIGNS = ("r",) * 8


@app.command(
    "pretrain",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def pretrain_cli(
    ctx: typer.Context,  # This is only used to read additional arguments
    config_path: Path = Arg(
        ...,
        help="Path to config file, with a [pretraining] block",
        exists=True,
        dir_okay=False,
        allow_dash=True,
    ),
    output_dir: Path = Arg(..., help="Directory for weights, log and checkpoint"),
    resume: bool = Opt(
        False,
        "--resume",
        "-r",
        help="Go on with the run in the output directory, as if it had never stopped",
    ),
    force: bool = Opt(
        False, "--force", "-F", help="Begin anew in place of a run in the output directory"
    ),
    dev: Optional[str] = Opt(
        None,
        "--dev",
        "-d",
        help="Block of the config with the corpus to judge by after each epoch [default: as in the config's judge, or corpora.dev, if it has a path]",
    ),
    patience: Optional[int] = Opt(
        None,
        "--patience",
        "-p",
        min=0,
        help="Stop when so many epochs brought nothing better, 0 for never [default: as in the config]",
    ),
    select: Optional[str] = Opt(
        None,
        "--select",
        help="What is better: the lower 'loss' on dev, or the higher 'accuracy' of nearest neighbours [default: as in the config, or loss]",
    ),
    export: Optional[Path] = Opt(
        None,
        "--export",
        "-e",
        help="Directory for the best transformer as a Hugging Face model with its tokenizer, to be named in another config; empty or not there",
    ),
    code_path: Optional[Path] = options.CODE,
    use_gpu: int = options.GPU,
    silent: bool = options.SILENT,
) -> None:
    """
    Pretrain the encoder of a pipeline on annotated documents (stage 1), so that
    entities of one label lie close together.

    Takes the same config as `spacy pretrain` and writes weights for
    `[initialize] init_tok2vec`: model-best.bin, by the dev corpus, and
    model-last.bin. After each epoch it judges the encoder on the dev corpus: the
    loss, how often the nearest neighbours of a token have its label, how well
    labels are set apart (silhouette), and how many dimensions are in use (rank).
    Ctrl-C, or being asked to end (SIGTERM), saves and stops with exit code 130
    (143), and so does a lost terminal (129); --resume goes on from there.
    Settings can be overridden: --pretraining.max_epochs 10
    """
    try:
        overrides = parse_config_overrides(ctx.args)
    except NoSuchOption as error:
        Printer().fail(error.format_message())
        raise typer.Exit(2) from error
    import_code(code_path)
    settings: Dict[str, Any] = {"dev": dev, "patience": patience, "select": select}
    try:
        use_gpu_or_cpu(use_gpu, silent)
        _check_output(output_dir, resume, force)
        with show_validation_error(config_path):
            raw = _load(config_path, overrides)
            config = raw.interpolate()
        run = _make(config, output_dir, use_gpu, settings)
        if export is not None:
            check_export(run.model.get_ref("tok2vec"), export, output_dir)
        _start(run, raw, resume)
        run.show(Printer(no_print=silent), silent)
        if run.stopped and not run.finished:
            raise typer.Exit(128 + run.stopped)
        if export is not None:
            _export(run, export, silent)
    except ValueError as error:
        Printer().fail("Pretraining failed", str(error), exits=1)
    except OSError as error:
        intact = "What was saved before is whole." if (output_dir / CHECKPOINT).exists() else ""
        text = f"{explain_file(error, str(output_dir))} {intact}"
        Printer().fail("Pretraining failed", text.strip(), exits=1)


def _load(config_path: Path, overrides: Dict[str, Any]) -> Config:
    """The config, not interpolated."""
    try:
        raw = load_config(config_path, overrides=overrides, interpolate=False)
    except configparser.Error as error:
        raise ValueError(f"{config_path} cannot be read: {error.message}") from error
    if not raw.get("pretraining"):
        raise ValueError(
            "The [pretraining] block in your config is empty. Add one with an objective of this "
            "package, as docs/pretraining.md shows, and fill the rest with: "
            "python -m spacy init fill-config CONFIG FILLED --pretraining"
        )
    return raw


def _make(config: Config, output: Path, use_gpu: int, settings: Dict[str, Any]) -> "ShownRun":
    """The run, with a model that is ready."""
    try:
        return ShownRun(config, output, use_gpu=use_gpu, **settings)
    # What of another version or not installed leads to is not foreseen.
    except (ValueError, OSError, ImportError) as error:
        raise ValueError(explain(error)) from error


def _check_output(output: Path, resume: bool, force: bool) -> None:
    """Stop before a run that is there already is lost."""
    if resume and force:
        raise ValueError("--resume goes on with a run, --force begins anew: take one of them.")
    if output.exists() and not output.is_dir():
        raise ValueError(f"{output} is a file. Name a directory for weights, log and checkpoint.")
    if resume or force or not output.exists():
        return
    if (output / CHECKPOINT).exists():
        raise ValueError(
            f"There is a run in {output} already. Go on with it by --resume, begin anew in its "
            "place by --force, or name another directory."
        )
    if any(output.glob("model*.bin")):
        raise ValueError(
            f"There are weights in {output} already, without a run to go on with. Name another "
            "directory, or begin anew in their place by --force."
        )


def _start(run: "ShownRun", raw: Config, resume: bool) -> None:
    """Read the corpus, and begin the run, or bring it to where it was interrupted."""
    if resume:
        run.resume()
    run.survey()
    run.output.mkdir(parents=True, exist_ok=True)
    # Where nothing can be written is known now, and not after the first epoch.
    with NamedTemporaryFile(dir=run.output, prefix=".", suffix=".part"):
        pass
    run.raw = raw


@ending_cleanly("Interrupted: nothing was exported. The weights are saved.")
def _export(run: "ShownRun", folder: Path, silent: bool) -> None:
    export_transformer(run.model.get_ref("tok2vec"), run.output / "model-best.bin", folder)
    Printer(no_print=silent).good(f"Exported the best transformer to {folder}")


class ShownRun(Run):
    """A run that shows how it goes.

    raw (Optional[Config]): The config, if it is still to be saved: with the next weights, as it
        replaces that of a run in whose place this one was begun, or that had fewer epochs.
    """

    bar: Any = None
    raw: Optional[Config] = None

    def save(self) -> None:
        super().save()
        if self.raw is not None:
            write_atomically(self.output / "config.cfg", self.raw.to_bytes())
            self.raw = None

    def show(self, msg: Printer, silent: bool) -> None:
        """Run, with a progress bar and a row for each epoch.

        msg (Printer): Prints.
        silent (bool): Whether to do without the bar.
        """
        progress, max_epochs = self.progress, self.settings["max_epochs"]
        if self.finished:
            self._tell_end(msg)
            return
        if progress.epoch or progress.batch:
            msg.info(f"Going on in epoch {progress.epoch + 1}, after {progress.batch} batches")
        if not self.dev:
            msg.warn("There is no dev corpus: the last weights count as the best")
        msg.row(HEADER, widths=WIDTHS, aligns=ALIGNS)
        msg.row(["-" * width for width in WIDTHS], widths=WIDTHS)
        total = self.words_of_epoch * max_epochs
        with (
            make_bar(silent, total=total, initial=progress.words, unit="w") as bar,
            self.stop_on_signals(),
        ):
            self.bar = bar
            for epoch in self.epochs():
                with bar.external_write_mode():
                    msg.row(row_of(progress.log[epoch]), widths=WIDTHS, aligns=ALIGNS)
                    if progress.log[epoch].get("collapsed"):
                        msg.warn(progress.log[epoch]["collapsed"])
        # After a signal the terminal may be gone.
        with suppress(OSError) if self.stopped else nullcontext():
            self._tell_end(msg)

    def _tell_end(self, msg: Printer) -> None:
        """Say why there are no more epochs, and where the weights are."""
        progress, max_epochs = self.progress, self.settings["max_epochs"]
        if not self.finished:
            msg.warn(
                f"Interrupted in epoch {progress.epoch + 1}: all is saved in {self.output}",
                "Go on with the same command and --resume.",
            )
        elif progress.epoch < max_epochs:
            msg.good(
                f"{progress.patience} epochs brought nothing better than epoch {progress.best + 1}"
            )
        else:
            msg.good(f"All {progress.epoch} epochs are done, with {self.model.n_updates} updates")
        if progress.log:
            msg.good(f"The best weights are {self.output / 'model-best.bin'}")

    def on_batch(self, docs: List[Doc]) -> None:
        progress = self.progress
        self.bar.set_postfix(
            {"epoch": progress.epoch + 1, "loss": f"{progress.loss / progress.batch:.4f}"},
            refresh=False,
        )
        self.bar.update(sum(len(doc) for doc in docs))


def row_of(entry: Dict[str, Any]) -> List[str]:
    """RETURNS (List[str]): A finished epoch as a row of the table."""

    def number(name: str, digits: int) -> str:
        value = entry.get(name)
        return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"

    return [
        str(entry["epoch"] + 1),
        str(entry["words"]),
        number("loss", 4),
        number("dev_loss", 4),
        number("accuracy", 3),
        number("silhouette", 3),
        number("rank", 1),
        "best" if entry["best"] else "",
    ]
