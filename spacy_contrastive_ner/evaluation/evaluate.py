"""Scores of predicted entities that may nest, cross and have gaps.

Everything is counted in characters, so that gold need not fit the tokens of the model. What is
scored first is the span, (start, end, label), and each fragment of a discontinuous entity is one;
entities as a whole, right if all their fragments are, are scored beside.
"""

from collections import Counter
from functools import partial
from typing import (
    Any,
    Callable,
    Collection,
    Container,
    Dict,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from ..convert.records import Stretch
from .classes import (
    DOCUMENT_LENGTHS,
    NESTING_DEPTHS,
    SENTENCE_LENGTHS,
    SPAN_LENGTHS,
    STRUCTURES,
    SURFACES,
    TRAINING_FREQUENCIES,
    Classified,
    Ruler,
    Training,
    class_names,
    nesting_depths,
    structures,
    surface,
)
from .matching import SCHEMES, Mention, Outcomes, outcomes_of, scheme_of
from .scores import Score, Scores, by_label, of_group, runne, tally

# An entity: its fragments, in order, and its label.
Whole = Tuple[Tuple[Stretch, ...], str]

# So many examples are kept of each label of which gold cannot be found, and so many confusions.
N_EXAMPLES, N_CONFUSIONS = 3, 20


class Annotation(NamedTuple):
    """The annotation of a text.

    entities (List[Whole]): The entities.
    missing (List[Mention]): Stretches whose annotation is unknown: for the given label, or for all
        labels if it is "".
    """

    entities: List[Whole]
    missing: List[Mention]


class Document(NamedTuple):
    """A document to be scored.

    id (str): Its name.
    text (str): Its text.
    gold (Annotation): The gold annotation. All places are in characters.
    predicted (List[Whole]): The entities that were predicted.
    tokens (List[Stretch]): The tokens of the prediction.
    sents (Optional[Sequence[Stretch]]): The sentences, if they are known.
    """

    id: str
    text: str
    gold: Annotation
    predicted: List[Whole]
    tokens: List[Stretch]
    sents: Optional[Sequence[Stretch]] = None


class Settings(NamedTuple):
    """What to score apart.

    rare (Optional[int]): Labels are rare that have fewer mentions in training or, if that is not
        given, in gold.
    rare_labels (Sequence[str]): Labels that are rare anyhow.
    few_shot_labels (Sequence[str]): Few-shot labels, for the scores of RuNNE.
    training (Optional[Training]): What is annotated in the training data.
    labels (Optional[Container[str]]): All labels there are. What is marked as unknown for another
        one is unknown for all labels.
    """

    rare: Optional[int] = None
    rare_labels: Sequence[str] = ()
    few_shot_labels: Sequence[str] = ()
    training: Optional[Training] = None
    labels: Optional[Container[str]] = None


class Evaluation:
    """Scores of documents, which are added one by one.

    settings (Optional[Settings]): What to score apart.
    """

    def __init__(self, settings: Optional[Settings] = None) -> None:
        self.settings = settings or Settings()
        self.labels: Scores = {}
        self.entity_labels: Scores = {}
        self.flat_labels: Scores = {}
        self.discontinuous, self.borders = Score(), Score()
        # Of the gold spans whose borders were predicted, how many there are, and how many with
        # their label.
        self.n_bordered = self.n_typed = 0
        self.classes: Dict[str, Scores] = {}
        self._prepare("structure", STRUCTURES)
        self._prepare("span_length", class_names(SPAN_LENGTHS))
        self._prepare("sentence_length", class_names(SENTENCE_LENGTHS))
        self._prepare("document_length", class_names(DOCUMENT_LENGTHS))
        self._prepare("nesting_depth", class_names(NESTING_DEPTHS))
        self._prepare("surface", SURFACES)
        self._prepare("training_frequency", class_names(TRAINING_FREQUENCIES))
        self.confusions: Counter = Counter()
        self.outcomes: Counter = Counter()
        self.unreachable: Dict[str, Dict[str, Any]] = {}
        self.n_unjudged = 0
        self.documents: List[Dict[str, Any]] = []

    def _prepare(self, name: str, classes: Sequence[str]) -> None:
        self.classes[name] = {each: Score() for each in classes}

    def add(self, document: Document) -> None:
        """Score a document.

        document (Document): The document.
        """
        missing = self.missing_of(document.gold)
        gold = spans_of(document.gold.entities)
        every = spans_of(document.predicted)
        predicted = {span for span in every if span in gold or not touches([span], missing)}
        self.n_unjudged += len(every) - len(predicted)
        words = [(start, end) for start, end in document.tokens if document.text[start:end].strip()]
        self._add_spans(document, gold, predicted, len(words))
        self._add_entities(document, missing)
        self._add_borders(gold, predicted)
        self._add_classes(document, gold, predicted, words)
        self.outcomes.update(outcomes_of(gold, predicted))
        self._add_unreachable(document, gold)

    def add_flat(self, gold: Annotation, predicted: Sequence[Whole]) -> None:
        """Score the flat view of a document.

        gold (Annotation): Its gold annotation.
        predicted (Sequence[Whole]): The entities that were predicted.
        """
        right, missing = spans_of(gold.entities), self.missing_of(gold)
        some = {s for s in spans_of(predicted) if s in right or not touches([s], missing)}
        tally(self.flat_labels, right, some, _labelled)

    def missing_of(self, gold: Annotation) -> List[Mention]:
        """RETURNS (List[Mention]): The stretches whose annotation is unknown, for a label that there
        is, or for all."""
        labels = self.settings.labels
        return [
            (start, end, label if labels is None or label in labels else "")
            for start, end, label in gold.missing
        ]

    def _add_spans(
        self, document: Document, gold: Set[Mention], predicted: Set[Mention], n_words: int
    ) -> None:
        tally(self.labels, gold, predicted, _labelled)
        counts: Dict[str, List[int]] = {}
        sides = (gold & predicted, predicted - gold, gold - predicted)
        for place, side in enumerate(sides):
            for _, _, label in side:
                counts.setdefault(label, [0, 0, 0])[place] += 1
        tp, fp, fn = map(len, sides)
        self.documents.append(
            {
                "id": document.id,
                "words": n_words,
                "tp": tp,
                "fp": fp,
                "fn": fn,
                "labels": {label: counts[label] for label in sorted(counts)},
            }
        )

    def _add_entities(self, document: Document, missing: List[Mention]) -> None:
        gold = set(document.gold.entities)
        predicted = {
            entity
            for entity in document.predicted
            if entity in gold or not touches(spans_of([entity]), missing)
        }
        tally(self.entity_labels, gold, predicted, lambda side: ((e[1], e) for e in side))
        parted = {"": self.discontinuous}
        tally(parted, gold, predicted, lambda side: (("", e) for e in side if len(e[0]) > 1))

    def _add_borders(self, gold: Set[Mention], predicted: Set[Mention]) -> None:
        """Compare the labels of each stretch that has some."""
        labels_at: Dict[Stretch, Tuple[Set[str], Set[str]]] = {}
        for side, mentions in enumerate((gold, predicted)):
            for start, end, label in mentions:
                labels_at.setdefault((start, end), (set(), set()))[side].add(label)
        for right, found in labels_at.values():
            is_both = bool(right and found)
            self.borders.add(Score(bool(right), bool(found), is_both, is_both))
            if is_both:
                self.n_bordered += len(right)
                self.n_typed += len(right & found)
                missed, wrong = right - found, found - right
                self.confusions.update((a, b) for a in missed for b in wrong)

    def _add_classes(
        self,
        document: Document,
        gold: Set[Mention],
        predicted: Set[Mention],
        words: Sequence[Stretch],
    ) -> None:
        ruler = Ruler(words, document.sents)
        training = self.settings.training
        ways: Dict[str, Callable[[Set[Mention]], Classified]] = {
            "structure": structures,
            "span_length": ruler.span_lengths,
            "document_length": ruler.document_lengths,
            "nesting_depth": nesting_depths,
        }
        if document.sents:
            ways["sentence_length"] = ruler.sentence_lengths
        if training is not None:
            ways["surface"] = partial(training.surfaces, document.text)
            ways["training_frequency"] = training.frequencies
        for name, classify in ways.items():
            tally(self.classes[name], gold, predicted, classify)

    def _add_unreachable(self, document: Document, gold: Set[Mention]) -> None:
        """Count the gold whose borders are no borders of tokens."""
        starts = {start for start, _ in document.tokens}
        ends = {end for _, end in document.tokens}
        for start, end, label in sorted(gold):
            if start in starts and end in ends:
                continue
            entry = self.unreachable.setdefault(label, {"count": 0, "examples": []})
            entry["count"] += 1
            if len(entry["examples"]) < N_EXAMPLES:
                text = surface(document.text, start, end)
                where = {"document": document.id, "start": start, "end": end, "text": text}
                entry["examples"].append(where)

    def as_dict(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): All scores, as they can be written as JSON. docs/evaluation.md
        explains the keys.
        """
        outcomes = Outcomes(**self.outcomes)
        sents = self.classes["sentence_length"]
        has_sents = any(score.support or score.predicted for score in sents.values())
        structure = _as_dicts(self.classes["structure"])
        structure["discontinuous"] = self.discontinuous.as_dict()
        return {
            **by_label(self.labels),
            "rare": self._rare(),
            "runne": self._runne(),
            "entities": by_label(self.entity_labels),
            "flat": self._flat(),
            "structure": structure,
            "borders": self.borders.as_dict(),
            "type_accuracy": self.n_typed / self.n_bordered if self.n_bordered else None,
            "confusions": [
                {"gold": a, "predicted": b, "count": n} for (a, b), n in self._worst_confusions()
            ],
            "partial": {name: scheme_of(outcomes, name) for name in SCHEMES},
            "outcomes": outcomes._asdict(),
            "span_length": _as_dicts(self.classes["span_length"]),
            "sentence_length": _as_dicts(sents) if has_sents else None,
            "document_length": _as_dicts(self.classes["document_length"]),
            "nesting_depth": _as_dicts(self.classes["nesting_depth"]),
            "surface": self._by_training("surface"),
            "training_frequency": self._by_training("training_frequency"),
            "unreachable": {
                "count": sum(entry["count"] for entry in self.unreachable.values()),
                "labels": {label: self.unreachable[label] for label in sorted(self.unreachable)},
            },
            "unjudged": self.n_unjudged,
            "documents": self.documents,
        }

    def _worst_confusions(self) -> List[Tuple[Tuple[str, str], int]]:
        order = sorted(self.confusions.items(), key=lambda item: (-item[1], item[0]))
        return order[:N_CONFUSIONS]

    def _flat(self) -> Optional[Dict[str, Any]]:
        # Corpora of nested entities often have nothing in doc.ents; that is no gold.
        is_gold = any(score.support for score in self.flat_labels.values())
        return by_label(self.flat_labels) if is_gold else None

    def _by_training(self, name: str) -> Optional[Dict[str, Any]]:
        if self.settings.training is None:
            return None
        return _as_dicts(self.classes[name])

    def _runne(self) -> Optional[Dict[str, Any]]:
        few_shot = self.settings.few_shot_labels
        return runne(self.labels, few_shot) if few_shot else None

    def _rare(self) -> Optional[Dict[str, Any]]:
        settings = self.settings
        if settings.rare is None and not settings.rare_labels:
            return None
        names = set(settings.rare_labels)
        if settings.rare is not None:
            # A label that is only predicted is none of the data.
            counts = {k: score.support for k, score in self.labels.items() if score.support}
            if settings.training is not None:
                counts = {**dict.fromkeys(counts, 0), **settings.training.counts}
            names |= {label for label, count in counts.items() if count < settings.rare}
        return {
            "below": settings.rare,
            "counted_in": "training" if settings.training is not None else "gold",
            "labels": sorted(names),
            "without_gold": sorted(n for n in names if not self.labels.get(n, Score()).support),
            **of_group(self.labels, names),
            "others": of_group(self.labels, set(self.labels) - names),
        }


def spans_of(entities: Collection[Whole]) -> Set[Mention]:
    """RETURNS (Set[Mention]): Their fragments, each by itself, without duplicates."""
    return {(start, end, label) for parts, label in entities for start, end in parts}


def _labelled(mentions: Set[Mention]) -> Classified:
    return ((mention[2], mention) for mention in mentions)


def touches(spans: Collection[Mention], missing: List[Mention]) -> bool:
    """RETURNS (bool): Whether it is not known if spans are right, as they touch unknown stretches."""
    return any(
        start < last and first < end and unknown in ("", label)
        for first, last, unknown in missing
        for start, end, label in spans
    )


def _as_dicts(scores: Scores) -> Dict[str, Any]:
    return {name: score.as_dict() for name, score in scores.items()}
