"""Few-shot episodes: which labels, which documents show them, and in which they are looked for.

After Few-NERD and CONTaiNER: documents are drawn greedily until each label has K mentions, and those
that would lead to more than 2K are left out. All that is known of a document here is how many
mentions of each label it has.
"""

from random import Random
from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

# The mentions of each label in a document.
Counts = Mapping[str, int]

# So many orders of documents are tried with some labels, and so many times labels are drawn.
ORDERS, DRAWS = 10, 20

# A label may have so many times the mentions that are asked for.
MOST = 2


class Request(NamedTuple):
    """What an episode should be like.

    ways (int): The number of labels.
    shots (int): The mentions of each label in the support set, at least.
    queries (int): Those in the query set, at least.
    """

    ways: int
    shots: int
    queries: int


class Episode(NamedTuple):
    """An episode.

    labels (List[str]): Its labels, sorted.
    support (List[int]): The documents that show them, by number, sorted.
    queries (List[int]): Other documents, in which they are looked for, sorted.
    """

    labels: List[str]
    support: List[int]
    queries: List[int]


def draw_episodes(
    counts: Sequence[Counts], n: int, request: Request, seed: int = 0
) -> List[Episode]:
    """Draw episodes. Each depends on the seed and on its number, so that the first of many are those of
    few.

    counts (Sequence[Counts]): Of each document the mentions of each label.
    n (int): How many.
    request (Request): What they should be like.
    seed (int): Another one draws others.
    RETURNS (List[Episode]): The episodes.
    """
    for name, value in {"episodes": n, **request._asdict()}.items():
        if value < 1:
            raise ValueError(f"--{name} is {value}, but must be at least 1.")
    labels = find_labels(counts, request)
    return [_draw(counts, labels, request, Random(f"{seed} {number}")) for number in range(n)]


def find_labels(counts: Sequence[Counts], request: Request) -> List[str]:
    """Find the labels that episodes can be made of, or stop if there are too few.

    counts (Sequence[Counts]): Of each document the mentions of each label.
    request (Request): What is asked for.
    RETURNS (List[str]): The labels with enough mentions, sorted.
    """
    total, documents = _sum(counts), _sum([dict.fromkeys(doc, 1) for doc in counts])
    needed = request.shots + request.queries
    enough = sorted(label for label, n in total.items() if n >= needed and documents[label] > 1)
    if len(enough) < request.ways:
        lacking = ", ".join(
            f"{label!r} has {total[label]} in {_documents(documents[label])}"
            for label in sorted(set(total) - set(enough), key=lambda label: (-total[label], label))
        )
        raise ValueError(
            f"--ways {request.ways} asks for so many labels with {needed} mentions ({request.shots} for "
            f"--shots, {request.queries} for --queries) in two documents or more, but there are "
            f"{len(enough)}{': ' + ', '.join(map(repr, enough)) if enough else ''}; "
            f"{lacking or 'there are no others'}. Ask for less, or cut long documents."
        )
    return enough


def _draw(counts: Sequence[Counts], names: List[str], request: Request, rng: Random) -> Episode:
    """Draw an episode of some of these labels."""
    lacking = ""
    for _ in range(DRAWS):
        labels = sorted(rng.sample(names, request.ways))
        order = [i for i, doc in enumerate(counts) if any(doc.get(label) for label in labels)]
        best: Optional[Tuple[int, Episode]] = None
        for _ in range(ORDERS):
            rng.shuffle(order)
            episode = _draw_in(order, counts, labels, request)
            if episode is None:
                continue
            surplus = _surplus(counts, episode, request)
            if best is None or surplus < best[0]:
                best = surplus, episode
            if not surplus:
                break
        if best is not None:
            return best[1]
        lacking = _lacking(counts, labels)
    raise ValueError(
        f"No support set with {request.shots} mentions of each label was found that leaves "
        f"{request.queries} of each in other documents: {lacking}. Ask for less, or cut long documents."
    )


def _draw_in(
    order: Sequence[int], counts: Sequence[Counts], labels: List[str], request: Request
) -> Optional[Episode]:
    """Draw an episode by taking documents in this order."""
    support = draw_documents(counts, order, labels, request.shots, request.queries)
    if support is None:
        return None
    shown = set(support)
    rest = [i for i in order if i not in shown]
    queries = draw_documents(counts, rest, labels, request.queries)
    return None if queries is None else Episode(labels, sorted(support), sorted(queries))


def _surplus(counts: Sequence[Counts], episode: Episode, request: Request) -> int:
    """How many mentions there are beyond twice those asked for."""
    sides = ((episode.support, request.shots), (episode.queries, request.queries))
    return sum(
        max(0, count_in(counts, documents, label) - MOST * n)
        for documents, n in sides
        for label in episode.labels
    )


def _lacking(counts: Sequence[Counts], labels: Sequence[str]) -> str:
    """Which of these labels is in the fewest documents, and how often it is there."""
    total, documents = _sum(counts), _sum([dict.fromkeys(doc, 1) for doc in counts])
    label = min(labels, key=lambda label: (documents[label], total[label], label))
    return f"{label!r} has {total[label]} mentions in {_documents(documents[label])}"


def draw_documents(
    counts: Sequence[Counts], order: Sequence[int], labels: Sequence[str], n: int, reserve: int = 0
) -> Optional[List[int]]:
    """Take documents until each label has its mentions, and then leave out those that are not needed.

    counts (Sequence[Counts]): Of each document the mentions of each label.
    order (Sequence[int]): The documents that may be taken, in the order in which they are tried.
    labels (Sequence[str]): The labels. Others do not count.
    n (int): The mentions that each label should have, at least. More than twice as many it has only
        if there is no other way.
    reserve (int): The mentions of each label that must be left in other documents.
    RETURNS (Optional[List[int]]): The documents, none of which can be left out; None if there are not
        enough.
    """
    own = {i: {k: counts[i][k] for k in labels if counts[i].get(k)} for i in order}
    left = dict.fromkeys(labels, 0) | _sum(own.values())
    have = dict.fromkeys(labels, 0)
    taken: List[int] = []

    def take(i: int) -> None:
        taken.append(i)
        for label, k in own[i].items():
            have[label] += k
            left[label] -= k

    def spares(i: int) -> bool:
        return all(left[label] - k >= reserve for label, k in own[i].items())

    def helps(i: int) -> bool:
        return any(have[label] < n for label in own[i])

    for i in order:
        fits = all(have[label] + k <= MOST * n for label, k in own[i].items())
        if fits and helps(i) and spares(i):
            take(i)
    # Where mentions come in crowds, more of them have to do: as few as can be.
    while min(have.values()) < n:
        chosen = set(taken)
        some = [i for i in order if i not in chosen and helps(i) and spares(i)]
        if not some:
            return None
        take(min(some, key=lambda i: _excess(have, own[i], n)))
    return _needed(taken, own, have, n)


def _excess(have: Mapping[str, int], more: Counts, n: int) -> int:
    """The mentions beyond twice those asked for that a document would bring."""
    return sum(max(0, have[label] + k - max(MOST * n, have[label])) for label, k in more.items())


def _needed(
    taken: Sequence[int], own: Mapping[int, Counts], have: Dict[str, int], n: int
) -> List[int]:
    """Leave out documents without which all labels have their mentions, the largest first."""
    kept = list(taken)
    for i in sorted(taken, key=lambda i: -sum(own[i].values())):
        if all(have[label] - k >= n for label, k in own[i].items()):
            kept.remove(i)
            for label, k in own[i].items():
                have[label] -= k
    return kept


def count_in(counts: Sequence[Counts], documents: Sequence[int], label: str) -> int:
    """RETURNS (int): The mentions of a label in some of the documents."""
    return sum(counts[i].get(label, 0) for i in documents)


def _sum(counts: Iterable[Counts]) -> Dict[str, int]:
    total: Dict[str, int] = {}
    for doc in counts:
        for label, n in doc.items():
            total[label] = total.get(label, 0) + n
    return total


def _documents(n: int) -> str:
    return f"{n} document" + "s" * (n != 1)
