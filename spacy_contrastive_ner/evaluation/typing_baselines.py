"""What can be said of a span's label without any model of text: what typing given spans is held against."""

from collections import Counter
from math import log
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Tuple

from .classes import surface
from .evaluate import spans_of
from .gold import Gold

Baseline = Callable[[str], str]


class TypingTraining:
    """The mentions of the training data: their words and their labels.

    golds (Iterable[Gold]): Its documents.
    """

    def __init__(self, golds: Iterable[Gold]) -> None:
        self.counts: Counter = Counter()
        self.labels_of: Dict[str, Counter] = {}
        for gold in golds:
            for start, end, label in spans_of(gold.annotation.entities):
                words = surface(gold.text, start, end)
                self.counts[label] += 1
                self.labels_of.setdefault(words, Counter())[label] += 1

    def baselines(self) -> Dict[str, Baseline]:
        """RETURNS (Dict[str, Baseline]): By name, what gives the words of a span a label."""
        majority = _most_frequent(self.counts)
        naive = NaiveBayes(self)

        def lexicon(words: str) -> str:
            known = self.labels_of.get(words)
            return majority if known is None else _most_frequent(known, self.counts)

        return {"majority": lambda words: majority, "lexicon": lexicon, "context_free": naive.label}


def _most_frequent(counts: Counter, then: Optional[Counter] = None) -> str:
    """The most frequent label; of several the one that is more frequent elsewhere, then the first."""
    return min(counts, key=lambda name: (-counts[name], -(then or counts)[name], name))


class NaiveBayes:
    """Labels by the words of a span, their beginnings, endings and shapes, as if each spoke for itself.

    training (TypingTraining): The mentions it learns from.
    """

    def __init__(self, training: TypingTraining) -> None:
        self._counts = training.counts
        self._features: Dict[str, Counter] = {label: Counter() for label in training.counts}
        for words, labels in training.labels_of.items():
            some = Counter(features(words))
            for label, n in labels.items():
                for feature, count in some.items():
                    self._features[label][feature] += n * count
        self._known = set().union(*self._features.values()) if self._features else set()
        self._totals = {label: sum(some.values()) for label, some in self._features.items()}

    def label(self, words: str) -> str:
        """RETURNS (str): The most probable label."""
        known = [feature for feature in features(words) if feature in self._known]
        return max(sorted(self._counts), key=lambda label: self._score(label, known))

    def _score(self, label: str, known: List[Tuple[str, str]]) -> float:
        seen, below = self._features[label], self._totals[label] + len(self._known)
        likelihood = sum(log((seen[feature] + 1) / below) for feature in known)
        return log(self._counts[label]) + likelihood


def features(words: str) -> Iterator[Tuple[str, str]]:
    """YIELDS (Tuple[str, str]): What is seen of the words of a span."""
    parts = words.split()
    yield "length", str(min(len(parts), 4))
    if parts:
        yield "first", parts[0].lower()
        yield "last", parts[-1].lower()
    for word in parts:
        yield "word", word.lower()
        yield "prefix", word[:3]
        yield "suffix", word[-3:]
        yield "shape", _shape(word)


def _shape(word: str) -> str:
    """`McX-2` as `XxX-d`: repeated kinds once."""
    kinds = [
        "d" if c.isdigit() else "X" if c.isupper() else "x" if c.isalpha() else c for c in word
    ]
    return "".join(kind for i, kind in enumerate(kinds) if not i or kind != kinds[i - 1])
