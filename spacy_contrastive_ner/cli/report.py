import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from spacy.cli._util import Arg, Opt, import_code
from spacy.language import Language
from wasabi import Printer

from ..evaluation.analysis.study import Study, study
from ..evaluation.console import oddities
from ..evaluation.evaluate import Settings
from ..evaluation.gold import Source, read_texts, training_of
from ..evaluation.predictor import Pipe, choose_pipe, encoder_weights, source_of
from ..report.build import MOST_DOCUMENTS, Subject, build
from ..report.folder import check_folder, write_report
from ..report.results import results_section
from . import options
from .app import app
from .failing import failing
from .gpu import use_gpu_or_cpu
from .model_scores import (
    FORMAT,
    VERSION,
    Corpus,
    check_inputs,
    corpus_of,
    describe_candidates,
    describe_model,
    describe_scores,
    load_model,
    read_training,
    settle_labels,
)
from .progress import progress
from .signals import ending_cleanly
from .typing_protocols import Protocol

# What draws figures and computes what stands in them.
NEEDED = ("matplotlib", "sklearn", "scipy")
HOW_TO_INSTALL = 'pip install "spacy-contrastive-ner[report]"'


@app.command("report")
@ending_cleanly("Interrupted: nothing was written")
def report_cli(
    model: str = options.MODEL,
    data_path: Path = Arg(..., help="A .spacy file with gold, or a folder of them"),
    output: Path = Arg(..., help="Folder to write the report to"),
    before: Optional[str] = Opt(
        None, "--before", "-B", help="Another model, for what was gained and lost since"
    ),
    stage1: Optional[Path] = Opt(
        None,
        "--stage1",
        "-1",
        help="Folder that `contrastive pretrain` wrote, or weights [default: those that the config of the model names, if they are there]",
    ),
    log: Optional[Path] = Opt(
        None,
        "--log",
        "-l",
        help="Log of `spacy train`, as ConsoleLogger.v3 writes it [default: log.jsonl beside the model, if it is there]",
    ),
    train: Optional[Path] = options.TRAIN,
    scores: Optional[Path] = Opt(
        None,
        "--scores",
        help="What `contrastive evaluate --output` wrote for the same model and data, to be shown as it is [default: the model is evaluated]",
    ),
    rare: Optional[int] = options.RARE,
    pipe: Optional[str] = Opt(
        None, "--pipe", "-p", help="Pipe to report on [default: the contrastive_ner of the model]"
    ),
    spans_key: Optional[str] = options.GOLD_KEY,
    missing_key: Optional[str] = options.GOLD_MISSING_KEY,
    most_documents: int = Opt(
        MOST_DOCUMENTS,
        "--max-docs",
        "-n",
        min=1,
        help="Documents to look through on the page; those with errors come first",
    ),
    batch_size: Optional[int] = options.BATCH_SIZE,
    seed: int = Opt(0, "--seed", "-s", min=0, help="Seed of all that is drawn"),
    force: bool = Opt(False, "--force", "-f", help="Replace an earlier report"),
    code_path: Optional[Path] = options.CODE,
    use_gpu: int = options.GPU,
    silent: bool = options.SILENT,
) -> None:
    """
    Make a page that shows what a model has learned, and what it gets wrong.

    Writes a folder with index.html, which any browser opens without a network:
    the space of the encoder before and after both stages, the training curves,
    scores by every kind of span, what the probabilities are worth, and all
    documents with gold and predicted entities drawn over the text. All figures
    (PNG, SVG) and the numbers behind them (CSV, JSON) lie beside it.
    """
    import_code(code_path)
    with failing("The report was not made"):
        check_needed()
        check_folder(output, force)
        check_inputs(data_path, None, train)
        _check_files(stage1, log, scores)
        use_gpu_or_cpu(use_gpu, silent)
        given = _Given(data_path, spans_key, missing_key, rare, train, batch_size, silent)
        subject, notes = _look(model, pipe, before, given)
        subject = subject._replace(
            stage1=stage1 or _stage_one_of(subject.nlp),
            is_stage1_named=stage1 is not None,
            log=log or _log_of(model),
            most_documents=most_documents,
            seed=seed,
        )
        if scores is not None:
            subject = subject._replace(scores=_read_scores(scores, subject))
        notes += _oddities(subject.scores)
        with _Steps(silent) as steps:
            built = build(subject._replace(notes=notes), steps.begin)
            steps.begin("writing")
            write_report(output, built.page, built.files, force)
    if not silent:
        msg = Printer()
        for note in notes:
            msg.warn(note)
        for panel, why in built.absent:
            msg.info(f"{panel}: {why}")
        msg.good(f"The report is in {output / 'index.html'}")


def check_needed() -> None:
    """Stop if something is not installed that draws figures or computes them."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ValueError(
            f"A report needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
            f"installed: {HOW_TO_INSTALL}"
        )


def _check_files(stage1: Optional[Path], log: Optional[Path], scores: Optional[Path]) -> None:
    """Stop before the work is done if something that is named is not there."""
    if stage1 is not None and not stage1.exists():
        raise ValueError(f"{stage1}, for --stage1, does not exist. Name what `pretrain` wrote.")
    for path, name in ((log, "--log"), (scores, "--scores")):
        if path is not None and not path.is_file():
            raise ValueError(f"{path}, for {name}, is no file.")


class _Given(NamedTuple):
    """What is asked for, on whatever model."""

    data: Path
    spans_key: Optional[str]
    missing_key: Optional[str]
    rare: Optional[int]
    train: Optional[Path]
    batch_size: Optional[int]
    silent: bool


def _look(
    model: str, pipe: Optional[str], before: Optional[str], given: _Given
) -> Tuple[Subject, List[str]]:
    """Let the model, and the one before it, find entities, and say what is out of the ordinary."""
    nlp = load_model(model)
    target = choose_pipe(nlp, pipe)
    source = source_of(target, given.spans_key, given.missing_key, False)
    notes: List[str] = []
    corpus, annotated = _read(nlp, source, given, notes)
    settings = Settings(given.rare)
    if given.train is not None:
        golds = read_training(given.train, nlp, source)
        settings = settings._replace(training=training_of(golds))
    found = _study(nlp, target, source, corpus, annotated, settings, given)
    subject = Subject(
        nlp,
        target,
        found,
        _scores(nlp, model, target, source, corpus, found),
        model,
        str(given.data),
        training=settings.training,
    )
    if before is not None:
        old = load_model(before)
        # The other model may call its pipe otherwise.
        other = choose_pipe(old, pipe if pipe in old.pipe_names else None)
        place = Source(source.gold_key, other.key, source.missing_key)
        try:
            found = _study(old, other, place, corpus, annotated, settings, given, False)
        except ValueError as error:
            raise ValueError(f"{before}, for --before: {error}") from error
        subject = subject._replace(before=found, before_name=before)
    return subject, notes


def _read(nlp: Language, source: Source, given: _Given, notes: List[str]) -> Tuple[Corpus, bool]:
    """Read the documents with their gold or, if there is none at all, without."""
    try:
        return corpus_of(given.data, nlp, source), True
    except ValueError as error:
        golds = read_texts(given.data, nlp.vocab, "The data")
        if not golds:
            raise
        notes.append(f"There is nothing to compare predictions with: {error}")
        return Corpus(golds, {"path": str(given.data)}, ""), False


def _study(
    nlp: Language,
    target: Pipe,
    source: Source,
    corpus: Corpus,
    annotated: bool,
    settings: Settings,
    given: _Given,
    candidates: bool = True,
) -> Study:
    settings = settle_labels(settings, target, corpus)
    how: Dict[str, Any] = {} if candidates else {"candidate_words": 0}
    total = len(corpus.golds)
    with progress(given.silent, total=total, unit=" documents", desc="predicting") as bar:
        return study(
            nlp,
            corpus.golds,
            target,
            source,
            settings,
            annotated=annotated,
            batch_size=given.batch_size,
            on_doc=bar.update,
            **how,
        )


def _oddities(scores: Optional[Mapping[str, Any]]) -> List[str]:
    """What scores may be low for, and what was not scored."""
    found = oddities(scores) if scores is not None else ()
    return [f"{text}{': ' * bool(some)}{'; '.join(some)}." for _, text, some in found]


def _scores(
    nlp: Language, model: str, target: Pipe, source: Source, corpus: Corpus, found: Study
) -> Optional[Dict[str, Any]]:
    """What `contrastive evaluate` would write."""
    if found.evaluation is None:
        return None
    return {
        "format": FORMAT,
        "version": VERSION,
        "protocol": Protocol.detection.value,
        "model": describe_model(nlp, model, target),
        **describe_scores(found.evaluation, found.speed, corpus, target, source),
        **describe_candidates(nlp, corpus, target),
        "against": None,
    }


def _read_scores(path: Path, subject: Subject) -> Mapping[str, Any]:
    """Read what `evaluate` wrote, and stop if it is about something else."""
    try:
        found = json.loads(path.read_text(encoding="utf8"))
    except ValueError as error:
        raise ValueError(f"{path}, for --scores, is no JSON ({error}).") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError(
            f"{path}, for --scores, was not written by `contrastive evaluate --output`, or by one "
            "of its protocols for typing. Leave out --scores, or evaluate the model without --protocol."
        )
    own = subject.scores
    if own is None:
        raise ValueError(f"{path} holds scores, but the data have no gold. Leave out --scores.")
    try:
        list(oddities(found)), results_section(found, ())
        about, micro = dict(found["data"]), dict(found["micro"])
        model = found["model"]["path"]
    # Somebody may have edited it.
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{path}, for --scores, is damaged ({error!r:.100}). Leave out --scores, or evaluate the "
            "model again."
        ) from error
    if about.get("digest") != own["data"]["digest"]:
        raise ValueError(
            f"{path} holds scores on other data ({about.get('path')}). Leave out --scores, "
            "or evaluate the model on the same data."
        )
    if micro != own["micro"]:
        raise ValueError(
            f"{path} holds the scores of another model ({model}): it finds {micro['right']:,} of "
            f"{micro['support']:,} spans, this one {own['micro']['right']:,}. Leave out --scores, or evaluate this one."
        )
    return found


def _stage_one_of(nlp: Language) -> Optional[Path]:
    """The weights that training started from, if they are still there."""
    name = encoder_weights(nlp)["init_tok2vec"]
    path = Path(name) if name else None
    return path if path is not None and path.is_file() else None


def _log_of(model: str) -> Optional[Path]:
    """The log beside a model, as the project writes it."""
    path = Path(model).parent / "log.jsonl"
    return path if Path(model).is_dir() and path.is_file() else None


class _Steps:
    """Tells on a line what is under way."""

    def __init__(self, silent: bool) -> None:
        self._bar = progress(silent, bar_format="{desc} ({elapsed})")

    def begin(self, name: str) -> None:
        """Begin a step.

        name (str): What is done.
        """
        self._bar.set_description_str(name)

    def __enter__(self) -> "_Steps":
        return self

    def __exit__(self, *_: Any) -> None:
        self._bar.close()
