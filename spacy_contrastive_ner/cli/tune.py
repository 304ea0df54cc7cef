from pathlib import Path
from typing import Optional

from spacy.cli._util import Arg, Opt
from wasabi import Printer

from ..evaluation.thresholds import TRIED, check_score
from ..files import write_folder
from ..tuning import Tuned
from . import options
from .app import app
from .failing import failing
from .gpu import use_gpu_or_cpu
from .pipelines import check_data, check_folder, configure, open_pipeline, read_examples
from .signals import ending_cleanly

# From fewer entities a threshold is little more than chance.
FEW = 30

# So many of the thresholds that were tried are shown.
SHOWN = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)


@app.command("tune")
@ending_cleanly("Interrupted: nothing was written")
def tune_cli(
    model: str = options.MODEL,
    data_path: Path = Arg(..., readable=False, help="Annotated .spacy file, or a folder of them"),
    output: Path = Arg(..., readable=False, help="Folder to write the tuned pipeline to"),
    score: str = Opt("micro", "--score", "-s", help="F1 to choose by: micro or macro"),
    pipe: Optional[str] = Opt(None, "--pipe", "-p", help="Pipe [default: contrastive_ner]"),
    use_gpu: int = options.GPU,
    silent: bool = options.SILENT,
) -> None:
    """
    Choose the threshold of a trained pipeline, without training.

    DATA should be neither trained on nor tested on: the dev set. Above all with
    few training examples, the best threshold is far below 0.35, as the model is
    too sure that there is nothing; with many it hardly matters. All thresholds
    are tried on one prediction of DATA. Scores on DATA are too good afterwards:
    score the tuned pipeline on other data.
    """
    with failing("Nothing was written", output):
        check_score("--score", score)
        check_data(data_path, "DATA")
        check_folder(output)
        use_gpu_or_cpu(use_gpu, silent)
        nlp, name, component = open_pipeline(model, pipe, "threshold")
        before = float(component.cfg["threshold"])
        examples = read_examples(nlp, name, data_path)
        tuned = component.tune_threshold(examples, score=score)
        configure(nlp, name, "threshold", tuned.threshold)
        write_folder(output, nlp.to_disk)
    if not silent:
        _tell(tuned, before, score, len(examples))
        Printer().good(f"The tuned pipeline is in {output}")


def _tell(tuned: Tuned, before: float, score: str, n_documents: int) -> None:
    """Print what was chosen, and what for."""
    msg = Printer()
    msg.divider(f"{score.title()} F1 by threshold")
    f_scores = {t: tuned.by_threshold[t] for t in (*SHOWN, tuned.threshold)}
    # Saving takes the last bit of what was set.
    before = round(before, 6)
    f_scores[before] = tuned.before
    marks = {before: "before", tuned.threshold: "chosen"}
    msg.table(
        [(f"{t:g}", f"{100 * f_scores[t]:.1f}", marks.get(t, "")) for t in sorted(f_scores)],
        header=("threshold", "F1", ""),
        aligns=("r", "r", "l"),
        divider=True,
    )
    n_gold = sum(tuned.gold.values())
    msg.info(
        f"By {n_gold:,} entities in {n_documents:,} documents, {score} F1 went from "
        f"{100 * tuned.before:.1f} to {100 * tuned.after:.1f} on these same documents."
    )
    edge, within = {
        float(TRIED[0]): ("lowest", float(TRIED[1])),
        float(TRIED[-1]): ("highest", float(TRIED[-2])),
    }.get(tuned.threshold, ("", tuned.threshold))
    # If the one before it does as well, it was only nearer to what was set before.
    if tuned.after > tuned.by_threshold[within]:
        msg.warn(
            f"{tuned.threshold:g} is the {edge} threshold that is tried: the model may have learned too "
            "little to tell what is an entity. Train it for longer, or on more."
        )
    if n_gold < FEW:
        msg.warn(f"{n_gold} entities are few to choose by: another {n_gold} may say otherwise.")
