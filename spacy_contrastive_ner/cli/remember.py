import time
import warnings
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

from spacy.cli._util import Arg, Opt
from wasabi import Printer

from ..files import write_folder
from ..layers.memory import check_settings
from ..models.filling import Remembered
from ..models.memory import NEAREST
from . import options
from .app import app
from .failing import failing
from .gpu import use_gpu_or_cpu
from .pipelines import check_data, check_folder, open_pipeline, read_examples
from .signals import ending_cleanly


@app.command("remember")
@ending_cleanly("Interrupted: nothing was written")
def remember_cli(
    model: str = options.MODEL,
    data_path: Path = Arg(..., readable=False, help="Annotated .spacy file, or a folder of them"),
    output: Path = Arg(..., readable=False, help="Folder to write the pipeline with memory to"),
    dev: Optional[Path] = Opt(
        None, "--dev", "-d", readable=False, help="Other data to choose weight and temperature by"
    ),
    labels: str = Opt(
        "", "--labels", "-l", help="What DATA is annotated with, A,B, if not with all labels"
    ),
    weight: Optional[float] = Opt(None, "--weight", "-w", help="Share of the memory, 0 to 1"),
    k: Optional[int] = Opt(None, "--neighbours", "-n", help="How many neighbours are asked"),
    temperature: Optional[float] = Opt(None, "--temperature", "-t", help="Near ones count more"),
    nearest: bool = Opt(False, "--nearest", help="From now on, ask nothing but the memory"),
    score: str = Opt("micro", "--score", "-s", help="F1 to choose by: micro or macro"),
    anew: bool = Opt(False, "--anew", help="Empty the memory first"),
    pipe: Optional[str] = Opt(None, "--pipe", "-p", help="Pipe [default: contrastive_ner]"),
    use_gpu: int = options.GPU,
    silent: bool = options.SILENT,
) -> None:
    """
    Give a trained pipeline a memory, without training.

    Tokens of DATA are stored with their annotation. From then on the nearest of
    them have a say in what is predicted, beside what was learned; labels that
    the pipeline does not have are added and recognised by memory alone. With
    --dev it is tried out how much the memory should count; 0 says that it is
    of no use. Choose the threshold of the pipeline first: what a memory seems
    to gain, a lower threshold may gain without it.
    """
    with failing("Nothing was written", output):
        check_settings(k, weight, temperature)
        check_data(data_path, "DATA")
        if dev is not None:
            check_data(dev, "--dev")
        check_folder(output)
        use_gpu_or_cpu(use_gpu, silent)
        nlp, name, component = open_pipeline(model, pipe, "memory")
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", UserWarning)
            if anew:
                component.forget()
            some = options.split_names(labels)
            begun = time.perf_counter()
            remembered = component.remember(
                read_examples(nlp, name, data_path), labels=some or None
            )
            seconds = time.perf_counter() - begun
            component.tune_memory(k=k, weight=weight, temperature=temperature, score=score)
            if nearest:
                component.cfg["decoder"] = NEAREST
            table: Dict[Tuple[float, float], float] = {}
            if dev is not None:
                given = {"weight": weight, "temperature": temperature, "score": score}
                if nearest:
                    # The share does not matter then.
                    given["weight"] = component.memory["weight"]
                table = component.tune_memory(read_examples(nlp, name, dev), **given)
        write_folder(output, nlp.to_disk)
    for text in dict.fromkeys(str(warning.message) for warning in told):
        Printer().warn(text)
    if not silent:
        _tell(component.memory, remembered, table, seconds, score)
        Printer().good(f"The pipeline with its memory is in {output}")


def _tell(
    memory: Dict[str, Any],
    remembered: Remembered,
    table: Dict[Tuple[float, float], float],
    seconds: float,
    score: str,
) -> None:
    """Print what is in the memory, and how it is asked."""
    msg = Printer()
    msg.divider("Memory")
    outside = remembered.outside
    rows = [("tokens", f"{memory['tokens']:,} ({outside:,} of them in no entity)")]
    rows += [(f"  {label}", f"{n:,}") for label, n in memory["labels"].items()]
    rows += [("size", f"{memory['bytes'] / 2**20:,.1f} MB"), ("time", f"{seconds:,.1f} s")]
    if remembered.unknown:
        rows.append(("not annotated", f"{remembered.unknown:,} tokens"))
    if remembered.new_labels:
        rows.append(("new labels", ", ".join(remembered.new_labels)))
    rows.append(("neighbours", f"{memory['k']}, by {memory['distance']} distance"))
    rows.append(("weight", f"{memory['weight']:g}"))
    rows.append(("temperature", f"{memory['temperature']:g}"))
    msg.table(rows)
    if table:
        msg.divider(f"{score.title()} F1 by weight and temperature")
        temperatures = sorted({t for _, t in table})
        header = ["weight", *(f"{t:g}" for t in temperatures)]
        lines = [
            [f"{w:g}", *(f"{100 * table[w, t]:.1f}" for t in temperatures)]
            for w in sorted({w for w, _ in table})
        ]
        msg.table(lines, header=header, divider=True)
        if not memory["weight"]:
            msg.warn(
                "The memory is of no use on these data: its weight is 0, and searching it costs time for nothing"
            )
