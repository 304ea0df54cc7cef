import json
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set

import spacy
from spacy.cli._util import Arg, Opt, import_code
from spacy.language import Language
from tqdm import tqdm
from wasabi import Printer

from ..convert.notes import Notes
from ..convert.summary import number, shorten
from ..corpora.sources import find_files
from ..evaluation.evaluate import Settings, spans_of
from ..evaluation.gold import HINT, Gold, Source, digest_of, read_corpus, read_records, training_of
from ..evaluation.predictor import (
    Pipe,
    choose_pipe,
    encoder_weights,
    predict,
    source_of,
)
from ..evaluation.report import examples_of, render, render_short
from ..files import write_atomically
from .app import app
from .explain import explain
from .gpu import use_gpu_or_cpu

# What other programs can rely on; see docs/evaluation.md.
FORMAT, VERSION = "spacy-contrastive-ner.evaluation", 1


@app.command("evaluate")
def evaluate_cli(
    model: str = Arg(..., help="Model name or path"),
    data_path: Optional[Path] = Arg(
        None, help="A .spacy file with gold, or a folder of them; not needed with --against"
    ),
    output: Optional[Path] = Opt(None, "--output", "-o", help="JSON file to write all scores to"),
    against: Optional[Path] = Opt(
        None,
        "--against",
        "-a",
        help="Records of texts and character offsets (.jsonl), as gold that need not fit tokens",
    ),
    train: Optional[Path] = Opt(
        None, "--train", "-t", help="Training data (.spacy): tells seen words and rare labels"
    ),
    rare: Optional[int] = Opt(
        None,
        "--rare",
        "-r",
        min=1,
        help="Score labels apart with fewer mentions than this, in --train or else in DATA",
    ),
    rare_labels: str = Opt("", "--rare-labels", help="Labels to score apart: A,B"),
    few_shot_labels: str = Opt(
        "", "--few-shot-labels", help="Few-shot labels, A,B, for the scores of RuNNE"
    ),
    pipe: Optional[str] = Opt(
        None, "--pipe", "-p", help="Pipe to score [default: the contrastive_ner of the model]"
    ),
    spans_key: Optional[str] = Opt(
        None, "--spans-key", "-k", help="Key of the gold in doc.spans [default: that of the pipe]"
    ),
    missing_key: Optional[str] = Opt(
        None,
        "--missing-key",
        help="Key of the stretches whose annotation is unknown [default: that of the pipe, or missing]",
    ),
    encoding: str = Opt("utf-8", "--encoding", help="Encoding of --against"),
    ents: bool = Opt(False, "--ents", "-e", help="Score doc.ents against doc.ents, nothing else"),
    gold_tokens: bool = Opt(
        False, "--gold-tokens", "-G", help="Predict on the tokens of DATA, not on the model's own"
    ),
    batch_size: Optional[int] = Opt(
        None, "--batch-size", "-b", min=1, help="Documents in a batch [default: that of the model]"
    ),
    n_process: int = Opt(1, "--n-process", "-n", min=1, help="Number of processes"),
    code_path: Optional[Path] = Opt(
        None,
        "--code",
        "-c",
        help="Path to Python file with additional code (registered functions) to be imported",
    ),
    use_gpu: int = Opt(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    silent: bool = Opt(False, "--silent", "-S", help="Print errors only"),
) -> None:
    """
    Score the entities that a model finds, nested ones too.

    What counts is the exact match of start, end and label; discontinuous
    entities are scored as a whole besides. Tells how good the model is by label,
    on rare labels, on nested and discontinuous entities, by length and by what
    was seen in training, how nearly it missed, and how fast it is. With --output
    all of it, and the counts of each document, are written as JSON.
    """
    import_code(code_path)
    try:
        if ents and spans_key is not None:
            raise ValueError("--ents scores doc.ents on both sides: leave out --spans-key.")
        _check_inputs(data_path, against, train)
        _check_output(output, [data_path, against, train])
        use_gpu_or_cpu(use_gpu, silent)
        nlp = _load(model)
        target = choose_pipe(nlp, pipe, ents)
        source = source_of(target, spans_key, missing_key, ents)
        settings = Settings(rare, _names(rare_labels), _names(few_shot_labels))
        if train is not None:
            golds, _ = read_corpus(train, nlp.vocab, source, "The training data")
            settings = settings._replace(training=training_of(golds))
        corpora = _corpora(data_path, against, encoding, nlp, source)
        how = {"batch_size": batch_size, "n_process": n_process, "use_tokens": gold_tokens}
        scored = [_score(nlp, some, target, source, settings, how, silent) for some in corpora]
        result = {
            "format": FORMAT,
            "version": VERSION,
            "model": _about(nlp, model, target),
            **scored[0],
            "against": scored[1] if len(scored) > 1 else None,
        }
        if output is not None:
            text = json.dumps(result, ensure_ascii=False, indent=2)
            write_atomically(output, f"{text}\n".encode())
    except (ValueError, OSError) as error:
        Printer().fail("The model was not evaluated", str(error), exits=1)
    if not silent:
        _tell(result)
        if output is not None:
            Printer().good(f"All scores are in {output}")


class Corpus(NamedTuple):
    """What is scored.

    golds (List[Gold]): Texts with their gold.
    about (Dict[str, Any]): Where they were read and what was noticed.
    place (str): Where the gold stood in it.
    """

    golds: List[Gold]
    about: Dict[str, Any]
    place: str


def _check_inputs(data: Optional[Path], against: Optional[Path], train: Optional[Path]) -> None:
    """Stop before a model is loaded that there is nothing for."""
    if data is None and against is None:
        raise ValueError("There is nothing to score the model on. Give DATA_PATH or --against.")
    for path, what in ((data, "The data"), (train, "The training data")):
        if path is not None:
            find_files(path, what, HINT)
    if against is not None and not against.is_file():
        raise ValueError(f"{against}, for --against, is no file. Name a file of JSON lines.")


def _check_output(output: Optional[Path], inputs: Sequence[Optional[Path]]) -> None:
    """Stop before the work is done if its result cannot be written."""
    if output is None:
        return
    if output.is_dir():
        raise ValueError(f"{output} is a folder. Name a file for the scores.")
    if any(path is not None and path.resolve() == output.resolve() for path in inputs):
        raise ValueError(f"{output} is read and to be written. Name another output.")


def _load(model: str) -> Language:
    try:
        return spacy.load(model)
    # What a damaged model or one of another version leads to is not foreseen.
    except Exception as error:
        message = explain(error) or type(error).__name__
        raise ValueError(
            f"The model {model!r} cannot be loaded: {message.rstrip('.')}. Name an installed "
            "package or the folder of a trained pipeline, such as training/model-best."
        ) from error


def _names(text: str) -> List[str]:
    """Labels as they are written on the command line, each once."""
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _corpora(
    data: Optional[Path], against: Optional[Path], encoding: str, nlp: Language, source: Source
) -> List[Corpus]:
    """Read what is scored."""
    found: List[Corpus] = []
    if data is not None:
        golds, survey = read_corpus(data, nlp.vocab, source, "The data")
        about = {"path": str(data), "not_annotated": survey.not_annotated, "mended": {}}
        found.append(Corpus(golds, about, _place(source.gold_key)))
    if against is not None:
        notes = Notes()
        golds = read_records(against, notes, encoding)
        mended = {kind.name: tally.total for kind, tally in notes.tallies.items()}
        about = {"path": str(against), "not_annotated": 0, "mended": mended}
        found.append(Corpus(golds, about, "character offsets"))
    return found


def _place(key: Optional[str]) -> str:
    return "doc.ents" if key is None else f"doc.spans[{key!r}]"


def _score(
    nlp: Language,
    corpus: Corpus,
    target: Pipe,
    source: Source,
    settings: Settings,
    how: Dict[str, Any],
    silent: bool,
) -> Dict[str, Any]:
    """Find entities in the texts of a corpus and score them."""
    golds = corpus.golds
    counts = Counter(label for gold in golds for _, _, label in spans_of(gold.annotation.entities))
    labels = set(target.labels or ()) | set(counts)
    _check_labels([*settings.rare_labels, *settings.few_shot_labels], labels, settings, corpus)
    # Nothing is shown if stderr is no terminal.
    disable = True if silent else None
    with tqdm(total=len(golds), unit=" documents", disable=disable, leave=False) as bar:
        evaluation, speed = predict(
            nlp, golds, source, settings._replace(labels=labels), on_doc=bar.update, **how
        )
    known = counts if target.labels is None else target.labels
    return {
        "data": {
            **corpus.about,
            "documents": len(golds),
            "empty": sum(not gold.text.strip() for gold in golds),
            "other_tokens": speed.other_tokens,
            "digest": digest_of(golds),
        },
        "scored": {"gold": corpus.place, "predicted": _place(source.key)},
        **evaluation.as_dict(),
        "unknown_labels": {label: counts[label] for label in sorted(set(counts) - set(known))},
        "speed": speed.as_dict(),
    }


def _check_labels(
    names: Sequence[str], labels: Set[str], settings: Settings, corpus: Corpus
) -> None:
    """Stop if a label is named that is nowhere."""
    training = settings.training.counts if settings.training is not None else {}
    wrong = [name for name in names if name not in labels and name not in training]
    if wrong:
        raise ValueError(
            f"There is no label {wrong[0]!r}, neither in {corpus.about['path']} nor in the model. "
            f"Its labels are: {', '.join(sorted(labels))}."
        )


def _about(nlp: Language, model: str, target: Pipe) -> Dict[str, Any]:
    """What the model is."""
    return {
        "path": model,
        "name": f"{nlp.meta['lang']}_{nlp.meta['name']}",
        "version": nlp.meta["version"],
        "pipeline": list(nlp.pipe_names),
        "pipe": target.name,
        "factory": target.factory,
        "labels": target.labels,
        **encoder_weights(nlp),
    }


def _tell(result: Dict[str, Any]) -> None:
    """Print all, and what is out of the ordinary."""
    print(render(result))
    _tell_oddities(result)
    against = result["against"]
    if against is not None:
        print(render_short(against, "Against character offsets"))
        _tell_oddities(against)


def _tell_oddities(found: Dict[str, Any]) -> None:
    """Say what a score may be low for, and what was not scored."""
    msg, data = Printer(), found["data"]
    if data["not_annotated"]:
        msg.info(
            f"Documents without {found['scored']['gold']}, which are not annotated and not scored: "
            f"{number(data['not_annotated'])}"
        )
    if data["empty"]:
        msg.info(f"Documents without any words: {number(data['empty'])}")
    for name, count in data["mended"].items():
        msg.warn(f"{name}: {number(count)}")
    if found["unjudged"]:
        msg.info(f"Predictions where annotation is unknown, not scored: {found['unjudged']:,}")
    if found["unknown_labels"]:
        names = ", ".join(f"{shorten(k)} ({n:,})" for k, n in found["unknown_labels"].items())
        msg.warn(
            f"Labels of the gold that the model does not know, so that they are missed: {names}"
        )
    if data["other_tokens"]:
        msg.info(f"Documents that the model cuts into other tokens: {data['other_tokens']:,}")
    unreachable = found["unreachable"]
    if unreachable["count"]:
        title = f"Gold that cuts a token of the model and is missed: {unreachable['count']:,}"
        msg.warn(title, "\n".join(examples_of(unreachable)))
