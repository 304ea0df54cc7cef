"""Which documents go together into a batch, so that its labels can be compared. Knows no spaCy:
documents are numbers, with a length and their counts of labels."""

import heapq
import random
from collections import Counter, deque
from typing import Deque, Dict, Iterator, List, Mapping, Sequence, Set, Tuple

# How many documents of a queue are looked at for one that fits.
LOOK = 32
# How many labels are tried for each that is to be served.
TRIES = 4


class Composer:
    """Composes the batches of one epoch over the documents of one label space.

    A batch opens with the document that waits longest, so that all are visited. Labels are served
    next, those first that were served least often, and least recently: documents with the label
    are added, from a shuffled queue of its own, until the batch has enough mentions of it. The
    rest is filled with documents that were not visited yet.

    words (Sequence[int]): The length of each document.
    counts (Sequence[Mapping[str, int]]): How many mentions of each label it has.
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
        mentions: int,
        labels: int,
        share: float,
        rng: random.Random,
    ) -> None:
        self.words = words
        self.counts = counts
        self.labels = labels
        self.share = share
        totals: Counter = Counter()
        for count in counts:
            totals.update(count)
        self.single = sorted(label for label, n in totals.items() if n == 1)
        # How many mentions serve a label. One mention cannot be compared with any other.
        self.wanted = {label: min(mentions, n) for label, n in sorted(totals.items()) if n > 1}
        order = list(range(len(words)))
        rng.shuffle(order)
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
        self.by_length = {
            label: sorted(queue, key=words.__getitem__) for label, queue in self.queues.items()
        }
        self.again = dict.fromkeys(self.wanted, 0)
        # How often a label was served, in which batch last, and its place among equals.
        places = list(self.wanted)
        rng.shuffle(places)
        self.turns: Dict[str, Tuple[int, int, int]] = {
            label: (0, 0, place) for place, label in enumerate(places)
        }
        self.n_batches = 0
        # Labels for which batches became too long: their documents do not fit otherwise.
        self.forced: Counter = Counter()
        self.longest = 0
        self._batch: List[int] = []
        self._inside: Set[int] = set()
        self._have: Counter = Counter()
        self._total = 0

    def compose(self, size: float) -> List[int]:
        """Compose the next batch. There must be a document that was not visited yet.

        size (float): The number of words of the batch. It is longer only if its first document
            is, or if a label could not be served at all otherwise.
        RETURNS (List[int]): The documents, no one twice. The first was in no batch before.
        """
        self._batch, self._inside, self._have, self._total = [], set(), Counter(), 0
        self.n_batches += 1
        self._add(self._look(self.waiting, 1)[0])
        if self.share > 0 and self.labels > 0:
            self._serve(size)
        self._fill(size)
        for label in self._have:
            if self._is_served(label):
                times, _, place = self.turns[label]
                self.turns[label] = (times + 1, self.n_batches, place)
        return self._batch

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
                    picks = self._pick(label, want, room) or self._last_chance(label, want)
                if not picks:
                    continue
            untouched = untouched and not picks
            served += 1
            added = sum(map(self._add, picks))
            budget, room = budget - added, room - added
        if not served and mine and not any(map(self._is_served, mine)):
            # Nothing in the batch could be compared. It becomes too long, but of some use.
            label = min(mine, key=self.turns.__getitem__)
            for i in self._forced(label, self.wanted[label] - self._have[label]):
                self._add(i)

    def _pick(self, label: str, want: int, room: float) -> List[int]:
        """Choose documents with at least so many mentions of a label; none if they do not fit."""
        picks: List[int] = []
        left, free = want, room
        for i in self._candidates(label) if room > 0 else ():
            if i in self._inside or i in picks or self.words[i] > free:
                continue
            picks.append(i)
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
        has them all. There are that many outside of the batch."""
        picks: List[int] = []
        left, length = want, 0
        for i in self.by_length[label]:
            if left <= 0 and self.words[i] >= length:
                break
            if i in self._inside:
                continue
            if self.counts[i][label] >= want:
                return [i]
            if left > 0:
                picks.append(i)
                left -= self.counts[i][label]
                length += self.words[i]
        return picks

    def _last_chance(self, label: str, want: int) -> List[int]:
        """Choose documents that do not fit, for a label that was never served and has no document
        left that could open a batch."""
        if self.turns[label][0] or self._look(self.unvisited[label], 1):
            return []
        return self._forced(label, want)

    def _forced(self, label: str, want: int) -> List[int]:
        picks = self._shortest(label, want)
        self.forced[label] += 1
        self.longest = max(self.longest, self._total + sum(self.words[i] for i in picks))
        return picks

    def _fill(self, size: float) -> None:
        """Add documents that were not visited yet, as long as there are some that fit."""
        added = True
        while added:
            added = False
            for i in self._look(self.waiting, LOOK):
                if self._total + self.words[i] <= size:
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
        self._inside.add(i)
        self._have.update(self.counts[i])
        self._total += self.words[i]
        self.left -= not self.visited[i]
        self.visited[i] = True
        return self.words[i]

    def _is_served(self, label: str) -> bool:
        return label in self.wanted and self._have[label] >= self.wanted[label]
