"""Which documents go together into a batch, so that its labels can be compared. Knows no spaCy:
documents are numbers, with a length and their counts of labels."""

import heapq
import random
from collections import Counter, deque
from typing import Deque, Dict, Hashable, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

# How many documents of a queue are looked at for one that fits, or labels for one whose documents do.
LOOK = 32
# How many labels are tried for each that is to be served.
TRIES = 4


class Composer:
    """Composes the batches of one epoch over the documents of one label space.

    A batch opens with the document that waits longest, so that all are visited. Labels are served
    next, those first that were served least often, and least recently: documents with the label
    are added, from a shuffled queue of its own, until the batch has enough mentions of it. The
    rest is filled with documents that were not visited yet. When all were visited, there are
    batches for the labels that were not served, until there are none.

    words (Sequence[int]): The length of each document.
    counts (Sequence[Mapping[str, int]]): How many mentions of each label it has.
    sources (Optional[Sequence[Hashable]]): What it is a copy or a variant of: those of the same
        source are never in one batch, and count once. By default none is.
    mentions (int): How many mentions of a label make it served.
    labels (int): How many labels are served in each batch, at most.
    share (float): The share of the words of a batch that is for serving labels.
    rng (random.Random): Makes the order of documents and labels.
    """

    def __init__(
        self,
        words: Sequence[int],
        counts: Sequence[Mapping[str, int]],
        *,
        sources: Optional[Sequence[Hashable]] = None,
        mentions: int,
        labels: int,
        share: float,
        rng: random.Random,
    ) -> None:
        self.words = words
        self.counts = counts
        self.sources = range(len(words)) if sources is None else sources
        self.labels = labels if share > 0 else 0
        self.share = share
        most = _most(counts, self.sources)
        totals = {label: sum(each.values()) for label, each in sorted(most.items())}
        self.single = [label for label, n in totals.items() if n == 1]
        # How many mentions serve a label. One mention cannot be compared with any other.
        self.wanted = {label: min(mentions, n) for label, n in totals.items() if n > 1}
        order = _spread(self.sources, rng)
        self.waiting: Deque[int] = deque(order)
        self.left = len(words)
        self.visited = [False] * len(words)
        self.queues: Dict[str, List[int]] = {label: [] for label in self.wanted}
        for i in order:
            for label in counts[i]:
                if label in self.wanted:
                    self.queues[label].append(i)
        for queue in self.queues.values():
            rng.shuffle(queue)
        self.unvisited = {label: deque(queue) for label, queue in self.queues.items()}
        # One document of each source, of those with most mentions: together they are enough.
        self.by_length: Dict[str, List[int]] = {}
        for label, queue in self.queues.items():
            full = (i for i in queue if counts[i][label] == most[label][self.sources[i]])
            best = {self.sources[i]: i for i in full}
            self.by_length[label] = sorted(best.values(), key=words.__getitem__)
        self.again = dict.fromkeys(self.wanted, 0)
        # How often a label was served, in which batch last, and its place among equals.
        places = list(self.wanted)
        rng.shuffle(places)
        self.turns: Dict[str, Tuple[int, int, int]] = {
            label: (0, 0, place) for place, label in enumerate(places)
        }
        # Those that were not served yet.
        self.starved = dict.fromkeys(self.wanted if self.labels else ())
        self.n_batches = 0
        # Labels for which batches became too long: their documents do not fit otherwise.
        self.forced: Counter = Counter()
        # How many of these batches have no document that is too long by itself.
        self.n_crowded = 0
        self.longest = 0
        self._batch: List[int] = []
        self._inside: Set[Hashable] = set()
        self._have: Counter = Counter()
        self._total = 0

    @property
    def done(self) -> bool:
        """RETURNS (bool): Whether all documents were visited, and all labels were served."""
        return not self.left and not self.starved

    def compose(self, size: float) -> List[int]:
        """Compose the next batch. The epoch must not be done.

        size (float): The number of words of the batch. It is longer only if its first document
            is, or if a label could not be served at all otherwise.
        RETURNS (List[int]): The documents, no one twice. The first was in no batch before, if there
            are such documents.
        """
        self._batch, self._inside, self._have, self._total = [], set(), Counter(), 0
        self.n_batches += 1
        if self.left:
            self._add(self._look(self.waiting, 1)[0])
        else:
            self._serve_starved(size)
        if self.labels:
            self._serve(size)
        self._fill(size)
        if not self.left:
            self._serve_starved(size)
        for label in self._have:
            if self._is_served(label):
                times, _, place = self.turns[label]
                self.turns[label] = (times + 1, self.n_batches, place)
                self.starved.pop(label, None)
        return self._batch

    def _serve_starved(self, size: float) -> None:
        """Add documents for the labels that were never served, until none fit for several in a row:
        no document waits for the room. An empty batch serves at least one of them."""
        misses = 0
        for label in sorted(self.starved, key=self.turns.__getitem__):
            want = self.wanted[label] - self._have[label]
            if want > 0:
                picks = self._pick(label, want, size - self._total)
                if not self._batch:
                    picks = picks or self._forced(label, want, size)
                misses = 0 if picks else misses + 1
                if misses > LOOK:
                    break
                for i in picks:
                    self._add(i)

    def _serve(self, size: float) -> None:
        """Add documents for the labels whose turn it is."""
        budget = self.share * size
        room = size - self._total
        mine = [label for label in self._have if label in self.wanted]
        if self._total > size:
            # A document that is too long by itself: it gets company for its own labels.
            room = budget
            order = sorted(mine, key=self.turns.__getitem__)
        else:
            tries = TRIES * self.labels
            order = heapq.nsmallest(tries, self.wanted, key=self.turns.__getitem__)
        served = 0
        untouched = True
        for label in order:
            if served == self.labels:
                break
            want = self.wanted[label] - self._have[label]
            picks: List[int] = []
            if want > 0:
                picks = self._pick(label, want, min(budget, room))
                if not picks and untouched:
                    # Whose turn it is may have more than the share, rather than nothing.
                    picks = self._pick(label, want, room)
                if not picks:
                    continue
            untouched = untouched and not picks
            served += 1
            added = sum(map(self._add, picks))
            budget, room = budget - added, room - added
        if not served and mine and not any(map(self._is_served, mine)):
            # Nothing in the batch could be compared. It becomes too long, but of some use.
            for label in sorted(mine, key=self.turns.__getitem__):
                picks = self._forced(label, self.wanted[label] - self._have[label], size)
                if picks:
                    for i in picks:
                        self._add(i)
                    break

    def _pick(self, label: str, want: int, room: float) -> List[int]:
        """Choose documents with at least so many mentions of a label; none if they do not fit."""
        picks: List[int] = []
        left, free = want, room
        picked: Set[Hashable] = set()
        for i in self._candidates(label) if room > 0 else ():
            source = self.sources[i]
            if source in self._inside or source in picked or self.words[i] > free:
                continue
            picks.append(i)
            picked.add(source)
            left -= self.counts[i][label]
            free -= self.words[i]
            if left <= 0:
                return picks
        picks = self._shortest(label, want) if room > 0 else []
        return picks if sum(self.words[i] for i in picks) <= room else []

    def _candidates(self, label: str) -> Iterator[int]:
        """Documents with the label: some that were not visited yet, then some of all, in turn."""
        yield from self._look(self.unvisited[label], LOOK)
        queue = self.queues[label]
        for _ in range(min(LOOK, len(queue))):
            self.again[label] = (self.again[label] + 1) % len(queue)
            yield queue[self.again[label] - 1]

    def _shortest(self, label: str, want: int) -> List[int]:
        """Choose few words with so many mentions of a label: the shortest documents, or one that
        has them all. None if there are not that many outside of the batch, since it has a variant
        of a document with fewer than another has."""
        picks: List[int] = []
        left, length = want, 0
        for i in self.by_length[label]:
            if left <= 0 and self.words[i] >= length:
                break
            if self.sources[i] in self._inside:
                continue
            if self.counts[i][label] >= want:
                return [i]
            if left > 0:
                picks.append(i)
                left -= self.counts[i][label]
                length += self.words[i]
        return picks if left <= 0 else []

    def _forced(self, label: str, want: int, size: float) -> List[int]:
        """Choose documents for a label, though the batch becomes too long."""
        picks = self._shortest(label, want)
        if picks:
            self.forced[label] += 1
            self.n_crowded += max(self.words[i] for i in (*self._batch, *picks)) <= size
            self.longest = max(self.longest, self._total + sum(self.words[i] for i in picks))
        return picks

    def _fill(self, size: float) -> None:
        """Add documents that were not visited yet, as long as there are some that fit."""
        added = True
        while added:
            added = False
            for i in self._look(self.waiting, LOOK):
                fits = self._total + self.words[i] <= size
                if fits and self.sources[i] not in self._inside:
                    self._add(i)
                    added = True

    def _look(self, queue: Deque[int], n: int) -> List[int]:
        """The first documents of a queue that were not visited yet. Those that were leave it."""
        found: List[int] = []
        while queue and len(found) < n:
            i = queue.popleft()
            if not self.visited[i]:
                found.append(i)
        queue.extendleft(reversed(found))
        return found

    def _add(self, i: int) -> int:
        """RETURNS (int): The words of the document, which is now in the batch."""
        self._batch.append(i)
        self._inside.add(self.sources[i])
        self._have.update(self.counts[i])
        self._total += self.words[i]
        self.left -= not self.visited[i]
        self.visited[i] = True
        return self.words[i]

    def _is_served(self, label: str) -> bool:
        return label in self.wanted and self._have[label] >= self.wanted[label]


def _most(
    counts: Sequence[Mapping[str, int]], sources: Sequence[Hashable]
) -> Dict[str, Dict[Hashable, int]]:
    """How many mentions of each label each source has: in the variant that has most."""
    most: Dict[str, Dict[Hashable, int]] = {}
    for source, count in zip(sources, counts):
        for label, n in count.items():
            each = most.setdefault(label, {})
            each[source] = max(n, each.get(source, 0))
    return most


def _spread(sources: Sequence[Hashable], rng: random.Random) -> List[int]:
    """Shuffle documents. Those of one source are spread, so that they do not wait for each other:
    of three, one comes in each third."""
    order = list(range(len(sources)))
    rng.shuffle(order)
    copies = Counter(sources)
    if len(copies) == len(order):
        return order
    turns: Counter = Counter()
    places: List[Tuple[float, int]] = []
    for i in order:
        source = sources[i]
        places.append(((turns[source] + rng.random()) / copies[source], i))
        turns[source] += 1
    return [i for _, i in sorted(places)]
