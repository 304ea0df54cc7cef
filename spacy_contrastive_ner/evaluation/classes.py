"""Classes of spans that are scored apart: nested ones, long ones, ones never seen in training."""

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from functools import lru_cache
from typing import Collection, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

from ..convert.nesting import crossing, nested, outermost_first
from ..convert.records import Stretch
from .matching import Mention

Classified = Iterator[Tuple[str, Mention]]

STRUCTURES = ("nested", "same_label_nested", "crossing", "multi_label", "flat")
# The least number of tokens of each class.
SPAN_LENGTHS = (1, 2, 3, 4, 6, 11)
SENTENCE_LENGTHS = (1, 11, 21, 31, 51)
DOCUMENT_LENGTHS = (1, 26, 51, 101, 251, 501, 1001)
SURFACES = ("seen", "other_label", "unseen")
# The least number of stretches around a span, and of mentions of its label in training.
NESTING_DEPTHS = (0, 1, 2, 3)
TRAINING_FREQUENCIES = (0, 1, 6, 21, 101, 501)


def structures(mentions: Collection[Mention]) -> Classified:
    """Tell how spans lie in and across each other.

    mentions (Collection[Mention]): All gold spans of a document, or all predictions.
    YIELDS (Tuple[str, Mention]): A span, and a class that it is of: "nested": inside another one with
        other borders; "same_label_nested": inside one of the same label; "crossing": sharing text
        with another one without either being inside the other; "multi_label": with the borders of
        one of another label; "flat": sharing no text with another one.
    """
    by_label: Dict[str, List[Stretch]] = {}
    at: Counter = Counter()
    for start, end, label in mentions:
        by_label.setdefault(label, []).append((start, end))
        at[start, end] += 1
    inside, across, lonely = nested(at), crossing(at), _lonely(at)
    inside_own = {label: nested(stretches) for label, stretches in by_label.items()}
    for mention in mentions:
        stretch, label = mention[:2], mention[2]
        if stretch in inside:
            yield "nested", mention
        if stretch in inside_own[label]:
            yield "same_label_nested", mention
        if stretch in across:
            yield "crossing", mention
        if at[stretch] > 1:
            yield "multi_label", mention
        elif stretch in lonely:
            yield "flat", mention


def nesting_depths(mentions: Collection[Mention]) -> Classified:
    """Tell how deep spans lie in each other.

    mentions (Collection[Mention]): All gold spans of a document, or all predictions.
    YIELDS (Tuple[str, Mention]): A span, and how many others with other borders lie around it. Those
        that have their borders in common count once.
    """
    depths = depths_of(mention[:2] for mention in mentions)
    for mention in mentions:
        yield length_class(depths[mention[:2]], NESTING_DEPTHS), mention


def depths_of(stretches: Iterable[Stretch]) -> Dict[Stretch, int]:
    """RETURNS (Dict[Stretch, int]): For each stretch, inside how many others with other borders."""
    found: Dict[Stretch, int] = {}
    # What holds a stretch comes before it, and ends no earlier.
    ends: List[int] = []
    for start, end in outermost_first(stretches):
        found[start, end] = len(ends) - bisect_left(ends, end)
        insort(ends, end)
    return found


def _lonely(stretches: Iterable[Stretch]) -> Set[Stretch]:
    """The stretches that share nothing with another one."""
    found: Set[Stretch] = set()
    ordered = sorted(set(stretches))
    furthest = 0
    for place, (start, end) in enumerate(ordered):
        following = ordered[place + 1][0] if place + 1 < len(ordered) else end
        if start >= furthest and following >= end:
            found.add((start, end))
        furthest = max(furthest, end)
    return found


@lru_cache
def class_names(limits: Tuple[int, ...]) -> List[str]:
    """RETURNS (List[str]): The names of classes of lengths: "1", "4-5", "11+"."""
    names = [
        str(first) if following == first + 1 else f"{first}-{following - 1}"
        for first, following in zip(limits, limits[1:])
    ]
    return [*names, f"{limits[-1]}+"]


def length_class(n: int, limits: Tuple[int, ...]) -> str:
    """RETURNS (str): The class of a length. What is too short is in the first."""
    return class_names(limits)[max(bisect_right(limits, n) - 1, 0)]


class Ruler:
    """Measures in tokens.

    words (Sequence[Stretch]): The tokens of a document, in order, without white space.
    sents (Optional[Sequence[Stretch]]): Its sentences, in order, if they are known.
    """

    def __init__(self, words: Sequence[Stretch], sents: Optional[Sequence[Stretch]]) -> None:
        self.starts, self.ends = [start for start, _ in words], [end for _, end in words]
        self.sents = sents or []
        self.sent_starts = [start for start, _ in self.sents]

    def length(self, start: int, end: int) -> int:
        """RETURNS (int): How many tokens a stretch touches."""
        return max(bisect_left(self.starts, end) - bisect_right(self.ends, start), 0)

    def span_lengths(self, mentions: Iterable[Mention]) -> Classified:
        """YIELDS (Tuple[str, Mention]): Spans with their lengths."""
        for mention in mentions:
            yield length_class(self.length(*mention[:2]), SPAN_LENGTHS), mention

    def sentence_lengths(self, mentions: Iterable[Mention]) -> Classified:
        """YIELDS (Tuple[str, Mention]): Spans with the lengths of the sentences they start in."""
        for mention in mentions:
            place = max(bisect_right(self.sent_starts, mention[0]) - 1, 0)
            if place < len(self.sents):
                yield length_class(self.length(*self.sents[place]), SENTENCE_LENGTHS), mention

    def document_lengths(self, mentions: Iterable[Mention]) -> Classified:
        """YIELDS (Tuple[str, Mention]): Spans with the length of the document."""
        name = length_class(len(self.starts), DOCUMENT_LENGTHS)
        for mention in mentions:
            yield name, mention


class Training:
    """What is annotated in the training data: how often which label, and on which words."""

    def __init__(self) -> None:
        self.counts: Counter = Counter()
        self.labels_of: Dict[str, Set[str]] = {}

    def add(self, text: str, mentions: Iterable[Mention]) -> None:
        """Take the annotation of a document in.

        text (str): Its text.
        mentions (Iterable[Mention]): Its distinct spans.
        """
        for start, end, label in mentions:
            self.counts[label] += 1
            self.labels_of.setdefault(surface(text, start, end), set()).add(label)

    def surfaces(self, text: str, mentions: Iterable[Mention]) -> Classified:
        """YIELDS (Tuple[str, Mention]): Spans of a text, and whether their words were annotated in
        training: "seen" with their label, with an "other_label" only, or "unseen".
        """
        for start, end, label in mentions:
            labels = self.labels_of.get(surface(text, start, end))
            name = "unseen" if labels is None else "seen" if label in labels else "other_label"
            yield name, (start, end, label)

    def frequencies(self, mentions: Iterable[Mention]) -> Classified:
        """YIELDS (Tuple[str, Mention]): Spans, and how often their label occurs in training."""
        for mention in mentions:
            yield length_class(self.counts[mention[2]], TRAINING_FREQUENCIES), mention


def surface(text: str, start: int, end: int) -> str:
    """RETURNS (str): The words of a stretch, with one blank between them."""
    return " ".join(text[start:end].split())
