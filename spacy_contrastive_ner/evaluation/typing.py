"""How well given spans are typed. No score in here is one of recognition: the borders are gold."""

from collections import Counter
from contextlib import nullcontext
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.language import Language
from spacy.tokens import Doc

from .classes import surface
from .evaluate import N_CONFUSIONS, spans_of
from .gold import Gold, bare_docs
from .predictor import Pipe
from .scores import Score, Scores
from .typing_baselines import TypingTraining

# Samples of documents for an interval, and the share of them that lies within it.
N_SAMPLES, LEVEL = 1000, 0.95

BATCH = 128


class Typed(NamedTuple):
    """A gold mention, and what it was typed as.

    document (int): The index of its document.
    words (str): Its words.
    label (str): Its label.
    predicted (Optional[str]): The most probable label; None if there is none.
    """

    document: int
    words: str
    label: str
    predicted: Optional[str]


class TypedCorpus(NamedTuple):
    """All gold mentions of a corpus, typed.

    mentions (List[Typed]): The mentions: distinct (start, end, label) of each document.
    cut (int): How many of them cut a token of the model, and have no label therefore.
    untyped (int): How many others the model could say nothing about.
    several (int): How many stretches have several labels, of which at most one is right.
    """

    mentions: List[Typed]
    cut: int
    untyped: int
    several: int


class Candidates(NamedTuple):
    """What a pipe looks at.

    proposed (int): How many spans it looked at.
    gold (int): How many distinct stretches are gold.
    found (int): How many of these it looked at.
    """

    proposed: int
    gold: int
    found: int

    def as_dict(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The counts, as they can be written as JSON."""
        return {**self._asdict(), "recall": self.found / self.gold if self.gold else None}


def type_gold(
    nlp: Language,
    golds: Sequence[Gold],
    target: Pipe,
    *,
    use_tokens: bool = False,
    on_doc: Optional[Callable[[], Any]] = None,
) -> TypedCorpus:
    """Have gold spans typed.

    nlp (Language): The pipeline.
    golds (Sequence[Gold]): The texts with their gold.
    target (Pipe): The pipe that types: one of this package.
    use_tokens (bool): Whether texts have the tokens of the gold, not those of the pipeline.
    on_doc (Optional[Callable[[], Any]]): Called after each document.
    RETURNS (TypedCorpus): The mentions, with their labels.
    """
    pipe = nlp.get_pipe(target.name)
    if not hasattr(pipe, "type_spans"):
        raise ValueError(
            f"The pipe {target.name!r} ({target.factory}) cannot type given spans, which the protocols "
            "oracle-typing and honest-typing ask for. Score it with --protocol detection."
        )
    found: List[Typed] = []
    cut = untyped = several = 0
    for batch in _batches_before(nlp, golds, target, use_tokens):
        docs = [doc for _, doc in batch]
        mentions = [sorted(spans_of(golds[i].annotation.entities)) for i, _ in batch]
        spans = [_tokens(doc, some) for doc, some in zip(docs, mentions)]
        given = [sorted({span for span in some if span is not None}) for some in spans]
        labels = _most_probable(pipe, docs, given)
        for (i, _), gold_spans, places, predicted in zip(batch, mentions, spans, labels):
            several += len(gold_spans) - len({mention[:2] for mention in gold_spans})
            for (start, end, label), place in zip(gold_spans, places):
                guess = None if place is None else predicted[place]
                cut += place is None
                untyped += place is not None and guess is None
                found.append(Typed(i, surface(golds[i].text, start, end), label, guess))
            if on_doc is not None:
                on_doc()
    return TypedCorpus(found, cut, untyped, several)


def _batches_before(
    nlp: Language, golds: Sequence[Gold], target: Pipe, use_tokens: bool
) -> "Iterable[List[Tuple[int, Doc]]]":
    """Documents that went through all pipes before this one, with their numbers."""
    after = nlp.pipe_names[nlp.pipe_names.index(target.name) :]
    nlp.max_length = max([nlp.max_length, *(len(gold.text) for gold in golds)])
    with nlp.select_pipes(disable=after) if after else nullcontext():
        docs = enumerate(nlp.pipe(bare_docs(golds, nlp, use_tokens)))
        batch: List[Tuple[int, Doc]] = []
        for item in docs:
            batch.append(item)
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch


def _tokens(doc: Doc, mentions: Sequence[Tuple[int, int, str]]) -> List[Optional[Tuple[int, int]]]:
    """The tokens of each mention, None if it cuts one."""
    found: List[Optional[Tuple[int, int]]] = []
    for start, end, _ in mentions:
        span = doc.char_span(start, end)
        found.append(None if span is None else (span.start, span.end))
    return found


def _most_probable(
    pipe: Any, docs: List[Doc], given: List[List[Tuple[int, int]]]
) -> List[Dict[Tuple[int, int], Optional[str]]]:
    """The label of each span of each document."""
    found: List[Dict[Tuple[int, int], Optional[str]]] = []
    for spans, values in zip(given, pipe.type_spans(docs, given)):
        is_known = ~numpy.isnan(values).any(axis=1)
        best = numpy.where(numpy.isnan(values), -1, values).argmax(axis=1).tolist()
        names = [pipe.labels[k] if ok else None for k, ok in zip(best, is_known.tolist())]
        found.append(dict(zip(spans, names)))
    return found


def find_candidates(
    nlp: Language, golds: Sequence[Gold], target: Pipe, *, use_tokens: bool = False
) -> Optional[Candidates]:
    """Tell how many gold spans a pipe looks at when it looks for entities: what it does not look at it
    cannot find.

    nlp (Language): The pipeline.
    golds (Sequence[Gold]): The texts with their gold.
    target (Pipe): The pipe.
    use_tokens (bool): Whether texts have the tokens of the gold, not those of the pipeline.
    RETURNS (Optional[Candidates]): The counts; None for a pipe that weighs all spans, or does not tell.
    """
    pipe: Any = nlp.get_pipe(target.name)
    if "propose" not in getattr(getattr(pipe, "model", None), "attrs", {}):
        return None
    proposed = n_gold = n_found = 0
    for batch in _batches_before(nlp, golds, target, use_tokens):
        for (i, doc), some in zip(batch, pipe.propose_spans([doc for _, doc in batch]) or []):
            looked_at = {(doc[start].idx, doc[start:end].end_char) for start, end in some}
            gold = {mention[:2] for mention in spans_of(golds[i].annotation.entities)}
            proposed, n_gold = proposed + len(looked_at), n_gold + len(gold)
            n_found += len(gold & looked_at)
    return Candidates(proposed, n_gold, n_found)


def score_typed(mentions: Sequence[Typed]) -> Dict[str, Any]:
    """Score typed mentions. As many spans are given as are typed, so that accuracy is what micro
    precision, recall and F1 would be.

    mentions (Sequence[Typed]): The mentions.
    RETURNS (Dict[str, Any]): The scores, as they can be written as JSON.
    """
    correct = sum(m.predicted == m.label for m in mentions)
    labels: Scores = {}
    for m in mentions:
        is_right = m.predicted == m.label
        labels.setdefault(m.label, Score()).add(Score(1, 0, is_right, 0))
        if m.predicted is not None:
            labels.setdefault(m.predicted, Score()).add(Score(0, 1, 0, is_right))
    with_gold = [score.f or 0.0 for score in labels.values() if score.support]
    confused = Counter(
        (m.label, m.predicted) for m in mentions if m.predicted not in (None, m.label)
    )
    worst = sorted(confused.items(), key=lambda item: (-item[1], item[0]))[:N_CONFUSIONS]
    return {
        "mentions": len(mentions),
        "correct": correct,
        "accuracy": correct / len(mentions) if mentions else None,
        "macro_f": sum(with_gold) / len(with_gold) if with_gold else None,
        "labels": {label: labels[label].as_dict() for label in sorted(labels)},
        "confusions": [{"gold": a, "predicted": b, "count": n} for (a, b), n in worst],
    }


def sng_convention(accuracy: Optional[float]) -> Optional[float]:
    """What SNG published as F1: precision is the accuracy, and recall is said to be 1, because a span with
    a wrong label counts as spurious but not as missed. It is none.

    accuracy (Optional[float]): The share of given spans that are typed right.
    RETURNS (Optional[float]): 2 p / (1 + p).
    """
    return None if accuracy is None else 2 * accuracy / (1 + accuracy)


def describe_typing(
    typed: TypedCorpus, training: Optional[TypingTraining] = None
) -> Dict[str, Any]:
    """All scores of a typed corpus, as they are written as JSON.

    typed (TypedCorpus): The corpus.
    training (Optional[TypingTraining]): The mentions of the training data, for what honest typing needs:
        baselines, and scores for words that were seen there and others.
    RETURNS (Dict[str, Any]): The scores.
    """
    scores = score_typed(typed.mentions)
    counts = {"cut": typed.cut, "untyped": typed.untyped, "several_labels": typed.several}
    if training is None:
        return {
            "typing": {**scores, **counts},
            "sng_convention": sng_convention(scores["accuracy"]),
        }
    baselines = {}
    for name, baseline in training.baselines().items():
        guessed = [m._replace(predicted=baseline(m.words)) for m in typed.mentions]
        baselines[name] = {**_brief(score_typed(guessed)), **_by_surface(guessed, training)}
    return {
        "typing": {
            **scores,
            **counts,
            **_by_surface(typed.mentions, training),
            "interval": interval_of(typed.mentions),
        },
        "baselines": baselines,
        "sng_convention": sng_convention(scores["accuracy"]),
    }


def _brief(scores: Dict[str, Any]) -> Dict[str, Any]:
    return {key: scores[key] for key in ("mentions", "correct", "accuracy", "macro_f")}


def _by_surface(mentions: Sequence[Typed], training: TypingTraining) -> Dict[str, Any]:
    """Scores of mentions whose words are mentions in training, with whatever label, and of the others."""
    sides: Dict[str, List[Typed]] = {"seen": [], "unseen": []}
    for m in mentions:
        sides["seen" if m.words in training.labels_of else "unseen"].append(m)
    return {name: _brief(score_typed(some)) for name, some in sides.items()}


def interval_of(mentions: Sequence[Typed], seed: int = 0) -> Optional[List[float]]:
    """Tell how far accuracy would vary with other documents: the bootstrap over documents.

    mentions (Sequence[Typed]): The mentions.
    seed (int): All chance depends on it.
    RETURNS (Optional[List[float]]): The borders of 95 % of the samples; None with fewer than two documents.
    """
    documents = sorted({m.document for m in mentions})
    if len(documents) < 2:
        return None
    place = {document: i for i, document in enumerate(documents)}
    counts = numpy.zeros((len(documents), 2))
    for m in mentions:
        counts[place[m.document]] += (m.predicted == m.label, 1)
    rng = numpy.random.default_rng(seed)
    drawn = rng.integers(0, len(documents), (N_SAMPLES, len(documents)))
    correct, total = counts[drawn].sum(axis=1).T
    borders = numpy.quantile(correct / total, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return [float(border) for border in borders]
