import json
import re
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from spacy.cli._util import Arg, Opt, import_code
from wasabi import Printer

from ..evaluation.comparison import render
from ..evaluation.evaluate import Settings as Apart
from ..evaluation.predictor import choose_pipe, source_of
from ..evaluation.significance import DRAWS, LEVEL, Settings, System, compare
from . import options
from .app import app
from .failing import failing
from .gpu import use_gpu_or_cpu
from .model_scores import (
    FORMAT,
    VERSION,
    check_ents,
    check_inputs,
    check_output,
    describe_model,
    load_model,
    read_corpora,
    score_model,
)
from .output import write_json

# What other programs can rely on; see docs/evaluation.md.
COMPARISON_FORMAT, COMPARISON_VERSION = "spacy-contrastive-ner.comparison", 1
HOW = "Write it with: python -m spacy contrastive evaluate MODEL DATA --output FILE"


@app.command("compare")
def compare_cli(
    systems: Optional[List[str]] = Arg(
        None,
        help="JSON files of `contrastive evaluate --output`, one for each system, or folders of them, one run each; the first is the baseline. With --models: models",
    ),
    group: Optional[List[str]] = Opt(
        None,
        "--group",
        "-G",
        help="A system with several runs, that differ in their seed: NAME=a.json,b.json. Once for each system",
    ),
    baseline: Optional[str] = Opt(
        None, "--baseline", "-B", help="System to compare the others with [default: the first]"
    ),
    models: bool = Opt(
        False, "--models", "-m", help="Systems are models, which are evaluated on --data first"
    ),
    data_path: Optional[Path] = Opt(
        None, "--data", "-d", help="With --models: a .spacy file with gold, or a folder of them"
    ),
    spans_key: Optional[str] = Opt(
        None, "--spans-key", "-k", help="With --models: key of the gold [default: that of the pipe]"
    ),
    ents: bool = Opt(False, "--ents", "-e", help="With --models: score doc.ents, nothing else"),
    output: Optional[Path] = Opt(None, "--output", "-o", help="JSON file to write all of it to"),
    draws: int = Opt(
        DRAWS, "--draws", "-n", min=100, help="How often to draw documents, and to swap outputs"
    ),
    seed: int = Opt(0, "--seed", "-s", min=0, help="Seed of the draws"),
    code_path: Optional[Path] = options.CODE,
    use_gpu: int = options.GPU,
    silent: bool = options.SILENT,
) -> None:
    """
    Tell whether a system is better than a baseline, or only luckier.

    Takes what `contrastive evaluate --output` wrote, on the same texts and gold.
    Tells how the F-scores differ, with an interval by drawing documents (and
    runs) anew, how often swapping outputs gives as much (approximate
    randomisation), and whether labels and runs agree (Wilcoxon, paired t, sign
    flips). Says where there is too little to tell.
    """
    import_code(code_path)
    with failing("The systems were not compared"):
        named = name_systems(systems or [], group or [], models)
        chosen = _choose(named, baseline)
        _check_use(models, data_path, spans_key, ents)
        paths = [path for each in named for path in each.paths]
        check_output(output, [data_path, *paths])
        if data_path is not None:
            check_inputs(data_path, None, None)
            use_gpu_or_cpu(use_gpu, silent)
            runs = {path: _evaluate(path, data_path, spans_key, ents, silent) for path in paths}
        else:
            runs = {path: read_run(path) for path in paths}
        check_runs(list(runs.values()))
        settings = Settings(draws, seed)
        result = _compare([chosen, *(n for n in named if n is not chosen)], runs, settings)
        if output is not None:
            write_json(output, result)
    if not silent:
        print(render(result))
        if output is not None:
            Printer().good(f"All of it is in {output}")


class Named(NamedTuple):
    """A system on the command line.

    name (str): What it is called.
    given (str): What was written there.
    paths (List[Path]): Its runs.
    """

    name: str
    given: str
    paths: List[Path]


class Run(NamedTuple):
    """What is compared of an evaluation.

    place (str): Where it was read, for errors.
    data (Dict[str, Any]): What was scored.
    model (Dict[str, Any]): What the model is.
    documents (List[Dict[str, Any]]): The counts of each document.
    """

    place: str
    data: Dict[str, Any]
    model: Dict[str, Any]
    documents: List[Dict[str, Any]]

    @property
    def labels(self) -> Dict[str, int]:
        """RETURNS (Dict[str, int]): The labels, and how many gold spans each has."""
        found: Dict[str, int] = {}
        for document in self.documents:
            for label, (right, _, missed) in document["labels"].items():
                found[label] = found.get(label, 0) + right + missed
        return found

    def counts(self, labels: Sequence[str]) -> np.ndarray:
        """RETURNS (np.ndarray): Right, spurious and missed spans by document and label."""
        places = {label: i for i, label in enumerate(labels)}
        found = np.zeros((len(self.documents), len(labels), 3), dtype="int64")
        for row, document in zip(found, self.documents):
            for label, counts in document["labels"].items():
                row[places[label]] = counts
        return found


def name_systems(systems: Sequence[str], groups: Sequence[str], models: bool) -> List[Named]:
    """Find the runs of each system.

    systems (Sequence[str]): Files or folders.
    groups (Sequence[str]): NAME=PATH,PATH.
    models (bool): Whether they are models.
    RETURNS (List[Named]): The systems, those of groups last.
    """
    short = [Path(text).resolve() for text in systems]
    names = [path.stem if path.suffix == ".json" else path.name for path in short]
    found: List[Named] = []
    for given, name in zip(systems, names):
        found.append(
            Named(given if names.count(name) > 1 else name, given, _paths(given, given, models))
        )
    for given in groups:
        name, _, rest = given.partition("=")
        parts = [part.strip() for part in rest.split(",") if part.strip()]
        if not name.strip() or not parts:
            raise ValueError(f"--group {given} names no runs. Write it as NAME=a.json,b.json.")
        paths = [path for part in parts for path in _paths(part, given, models)]
        found.append(Named(name.strip(), given, paths))
    _check_names(found)
    return found


def _paths(text: str, given: str, models: bool) -> List[Path]:
    """A run, or the runs in a folder, ordered as people count: 2 before 10."""
    path = Path(text)
    if models:
        folders = [file.parent for file in path.glob("*/meta.json")] if path.is_dir() else []
        is_model = not folders or (path / "meta.json").exists()
        return [path] if is_model else sorted(folders, key=_natural)
    if path.is_dir():
        if (path / "config.cfg").exists() and (path / "meta.json").exists():
            raise ValueError(f"{path} is a model. Add --models and --data, or evaluate it first.")
        found = [file for file in path.glob("*.json") if not file.name.startswith(".")]
        if not found:
            raise ValueError(f"There are no JSON files in the folder {path}. {HOW}.")
        return sorted(found, key=_natural)
    if not path.exists():
        place = f", of --group {given}," if text != given else ""
        raise ValueError(f"{text}{place} is no file or folder. {HOW}.")
    return [path]


def _natural(path: Path) -> Tuple[List[Any], str]:
    parts = re.split(r"([0-9]+)", path.name)
    return [int(part) if part.isdecimal() else part for part in parts], path.name


def _check_names(found: Sequence[Named]) -> None:
    """Stop if there are too few systems, or if what should be two is one."""
    if len(found) < 2:
        what = f"only {found[0].name!r}" if found else "none"
        raise ValueError(
            f"It takes two systems to compare, and there is {what}. Give a file or a folder for "
            "each, or --group NAME=a.json,b.json."
        )
    seen = set()
    for path in (path for each in found for path in each.paths):
        if path.resolve() in seen:
            raise ValueError(f"{path} is there twice. Give each run once.")
        seen.add(path.resolve())
    names = [each.name for each in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"Two systems are called {twice!r}. Name them by --group NAME=PATH.")


def _choose(named: Sequence[Named], baseline: Optional[str]) -> Named:
    """The system that the others are compared with."""
    if baseline is None:
        return named[0]
    for each in named:
        if baseline in (each.name, each.given):
            return each
    there = ", ".join(repr(each.name) for each in named)
    raise ValueError(f"There is no system {baseline!r} for --baseline. There are: {there}.")


def _check_use(models: bool, data: Optional[Path], spans_key: Optional[str], ents: bool) -> None:
    """Stop if options do not go together."""
    if models and data is None:
        raise ValueError("There is nothing to evaluate the models on. Give --data FILE.")
    if not models and (data is not None or spans_key is not None or ents):
        raise ValueError("--data, --spans-key and --ents are for models. Add --models.")
    check_ents(ents, spans_key)


def _evaluate(path: Path, data: Path, spans_key: Optional[str], ents: bool, silent: bool) -> Run:
    """Evaluate a model as `contrastive evaluate` does."""
    nlp = load_model(str(path))
    target = choose_pipe(nlp, None, ents)
    source = source_of(target, spans_key, None, ents)
    corpus = read_corpora(data, None, "utf-8", nlp, source)[0]
    scores = score_model(nlp, corpus, target, source, Apart(), {}, silent)
    about = describe_model(nlp, str(path), target)
    return run_of(
        {"format": FORMAT, "version": VERSION, "model": about, **scores},
        str(path),
    )


def read_run(path: Path) -> Run:
    """Read the result of an evaluation.

    path (Path): The file.
    RETURNS (Run): What is compared of it.
    """
    try:
        found = json.loads(path.read_bytes())
    # Nesting without an end.
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON ({error}). {HOW}.") from error
    return run_of(found, str(path))


def run_of(found: Any, place: str) -> Run:
    """Take from an evaluation what is compared.

    found (Any): The evaluation, as it is written as JSON.
    place (str): Where it was read, for errors.
    RETURNS (Run): What is compared.
    """
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError(f"{place} is no evaluation of this package. {HOW}.")
    if found.get("version") != VERSION:
        raise ValueError(
            f"{place} is an evaluation of version {found.get('version')}, and what can be read is "
            f"version {VERSION}. Evaluate again with this version of the package."
        )
    data, model, documents = found.get("data"), found.get("model"), found.get("documents")
    if not isinstance(data, dict) or not isinstance(data.get("digest"), str):
        raise ValueError(f"{place} does not tell what was scored (data.digest). {HOW}.")
    if not isinstance(documents, list) or not documents:
        raise ValueError(f"{place} has no counts of each document (documents). {HOW}.")
    for i, document in enumerate(documents, 1):
        if not _is_counted(document):
            raise ValueError(f"{place} is damaged: the counts of document {i} are none. {HOW}.")
    return Run(place, data, model if isinstance(model, dict) else {}, documents)


def _is_counted(document: Any) -> bool:
    """Whether something is the counts of a document."""
    if not isinstance(document, dict) or not isinstance(document.get("labels"), dict):
        return False
    rows = [[document.get(key) for key in ("tp", "fp", "fn")], *document["labels"].values()]
    for row in rows:
        if not isinstance(row, list) or len(row) != 3:
            return False
        if not all(type(n) is int and 0 <= n < 2**31 for n in row):
            return False
    return rows[0] == [sum(column) for column in zip([0] * 3, *rows[1:])]


def check_runs(runs: Sequence[Run]) -> None:
    """Stop if evaluations were not of the same texts and gold.

    runs (Sequence[Run]): The evaluations.
    """
    first = runs[0]
    gold = [_gold(document) for document in first.documents]
    for run in runs[1:]:
        if run.data["digest"] != first.data["digest"]:
            raise ValueError(
                f"{first.place} and {run.place} were not scored on the same texts and gold "
                "(data.digest), so that they cannot be compared. Evaluate both on the same data."
            )
        if [_gold(document) for document in run.documents] != gold:
            raise ValueError(
                f"{first.place} and {run.place} do not count the same gold in each document, "
                "though they say that it is the same. Evaluate both again."
            )
    if not any(map(len, gold)):
        raise ValueError(f"There is no gold in {first.place}, so that there is no F-score.")


def _gold(document: Dict[str, Any]) -> Dict[str, int]:
    counts = {k: right + missed for k, (right, _, missed) in document["labels"].items()}
    return {label: n for label, n in counts.items() if n}


def _compare(named: Sequence[Named], runs: Dict[Path, Run], settings: Settings) -> Dict[str, Any]:
    """Compare systems with the first one, and say what they are."""
    support: Dict[str, int] = {}
    for run in runs.values():
        support.update({k: max(n, support.get(k, 0)) for k, n in run.labels.items()})
    labels = sorted(support, key=lambda label: (-support[label], label))
    counts = [np.stack([runs[path].counts(labels) for path in each.paths]) for each in named]
    systems = [System(each.name, some) for each, some in zip(named, counts)]
    result = compare(systems, labels, settings)
    for each in named:
        for run, path in zip(result["systems"][each.name]["runs"], each.paths):
            run.update(path=str(path), model=runs[path].model.get("path"))
    data = runs[named[0].paths[0]].data
    return {
        "format": COMPARISON_FORMAT,
        "version": COMPARISON_VERSION,
        "settings": {"draws": settings.draws, "seed": settings.seed, "level": LEVEL},
        "data": {
            "path": data.get("path"),
            "digest": data["digest"],
            "documents": int(counts[0].shape[1]),
            "support": sum(support.values()),
        },
        **result,
    }
