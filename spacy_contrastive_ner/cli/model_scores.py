"""What `evaluate`, `compare` and `report` share: a model is loaded, its data read, and both are scored."""

from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set

import spacy
from spacy.language import Language

from ..convert.notes import Notes
from ..corpora.sources import find_files
from ..evaluation.evaluate import Evaluation, Settings, spans_of
from ..evaluation.gold import HINT, Gold, Source, digest_of, read_corpus, read_records
from ..evaluation.predictor import Pipe, Speed, encoder_weights, predict
from ..evaluation.typing import find_candidates
from .explain import explain
from .output import check_not_read
from .progress import progress

# What other programs can rely on; see docs/evaluation.md.
FORMAT, VERSION = "spacy-contrastive-ner.evaluation", 1

# What is read, for errors.
DATA, TRAINING = "The data", "The training data"


class Corpus(NamedTuple):
    """What is scored.

    golds (List[Gold]): Texts with their gold.
    about (Dict[str, Any]): Where they were read and what was noticed.
    place (str): Where the gold stood in it.
    """

    golds: List[Gold]
    about: Dict[str, Any]
    place: str


def check_inputs(data: Optional[Path], against: Optional[Path], train: Optional[Path]) -> None:
    """Stop before a model is loaded that there is nothing for."""
    if data is None and against is None:
        raise ValueError("There is nothing to score the model on. Give DATA_PATH or --against.")
    for path, what in ((data, DATA), (train, TRAINING)):
        if path is not None:
            find_files(path, what, HINT)
    if against is not None and not against.is_file():
        raise ValueError(f"{against}, for --against, is no file. Name a file of JSON lines.")


def check_output(output: Optional[Path], inputs: Sequence[Optional[Path]]) -> None:
    """Stop before the work is done if its result cannot be written."""
    if output is None:
        return
    if output.is_dir():
        raise ValueError(f"{output} is a folder. Name a file for the scores.")
    check_not_read(output, inputs)


def check_ents(ents: bool, spans_key: Optional[str]) -> None:
    """Stop if gold is looked for at two places."""
    if ents and spans_key is not None:
        raise ValueError("--ents scores doc.ents on both sides: leave out --spans-key.")


def load_model(model: str) -> Language:
    """Load a pipeline, or say what is the matter with it."""
    try:
        return spacy.load(model)
    # What a damaged model or one of another version leads to is not foreseen.
    except Exception as error:
        message = explain(error) or type(error).__name__
        raise ValueError(
            f"The model {model!r} cannot be loaded: {message.rstrip('.')}. Name an installed "
            "package or the folder of a trained pipeline, such as training/model-best."
        ) from error


def read_corpora(
    data: Optional[Path], against: Optional[Path], encoding: str, nlp: Language, source: Source
) -> List[Corpus]:
    """Read what is scored."""
    found: List[Corpus] = []
    if data is not None:
        found.append(corpus_of(data, nlp, source))
    if against is not None:
        notes = Notes()
        golds = read_records(against, notes, encoding)
        mended = {kind.name: tally.total for kind, tally in notes.tallies.items()}
        about = {"path": str(against), "not_annotated": 0, "mended": mended}
        found.append(Corpus(golds, about, "character offsets"))
    return found


def corpus_of(data: Path, nlp: Language, source: Source) -> Corpus:
    """Read annotated documents."""
    golds, survey = read_corpus(data, nlp.vocab, source, DATA)
    about = {"path": str(data), "not_annotated": survey.not_annotated, "mended": {}}
    return Corpus(golds, about, _place(source.gold_key))


def read_training(train: Path, nlp: Language, source: Source) -> List[Gold]:
    """Read the training data, which tell what is rare and what was seen."""
    return read_corpus(train, nlp.vocab, source, TRAINING)[0]


def _place(key: Optional[str]) -> str:
    return "doc.ents" if key is None else f"doc.spans[{key!r}]"


def score_model(
    nlp: Language,
    corpus: Corpus,
    target: Pipe,
    source: Source,
    settings: Settings,
    how: Dict[str, Any],
    silent: bool,
) -> Dict[str, Any]:
    """Find entities in the texts of a corpus and score them."""
    settings = settle_labels(settings, target, corpus)
    golds = corpus.golds
    with progress(silent, total=len(golds), unit=" documents") as bar:
        evaluation, speed = predict(nlp, golds, source, settings, on_doc=bar.update, **how)
    return describe_scores(evaluation, speed, corpus, target, source)


def settle_labels(settings: Settings, target: Pipe, corpus: Corpus) -> Settings:
    """Tell what labels there are, and stop if another one is to be scored apart."""
    labels = set(target.labels or ()) | set(_label_counts(corpus))
    _check_labels([*settings.rare_labels, *settings.few_shot_labels], labels, settings, corpus)
    return settings._replace(labels=labels)


def _label_counts(corpus: Corpus) -> Counter:
    return Counter(
        label for gold in corpus.golds for _, _, label in spans_of(gold.annotation.entities)
    )


def describe_scores(
    evaluation: Evaluation, speed: Speed, corpus: Corpus, target: Pipe, source: Source
) -> Dict[str, Any]:
    """All scores of a corpus, and what they are about, as they are written as JSON."""
    golds, counts = corpus.golds, _label_counts(corpus)
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


def describe_candidates(
    nlp: Language, corpus: Corpus, target: Pipe, use_tokens: bool = False
) -> Dict[str, Any]:
    """What a pipe looks at before it chooses, as it is written as JSON beside the scores."""
    looked = find_candidates(nlp, corpus.golds, target, use_tokens=use_tokens)
    return {"candidates": None if looked is None else looked.as_dict()}


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


def describe_model(nlp: Language, model: str, target: Pipe) -> Dict[str, Any]:
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
