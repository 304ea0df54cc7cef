"""Slow, obviously right versions of what the package computes: enumeration, naive loops, float64.

They share no code with the package. Tags are numbered as everywhere: 0 is O, then B, I, L, U of
each label.
"""

import functools
import itertools
import math
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy

Path = Tuple[int, ...]


def kind(tag: int) -> str:
    return "O" if tag == 0 else "BILU"[(tag - 1) % 4]


def place(tag: int) -> int:
    return (tag - 1) // 4


def may_follow(before: int, tag: int) -> bool:
    """Whether the BILOU scheme allows a tag behind another."""
    if kind(before) in "BI":
        return kind(tag) in "IL" and place(tag) == place(before)
    return kind(tag) in "OBU"


def paths(n_tokens: int, n_tags: int) -> Iterator[Path]:
    """Every legal tag sequence."""

    def extend(path: Path) -> Iterator[Path]:
        if len(path) == n_tokens:
            if not path or kind(path[-1]) in "OLU":
                yield path
            return
        for tag in range(n_tags):
            if may_follow(path[-1] if path else 0, tag):
                yield from extend((*path, tag))

    return extend(())


def path_spans(path: Path) -> List[Tuple[int, int, int]]:
    """The (start, end, place) of each entity on a legal path."""
    found = []
    for i, tag in enumerate(path):
        if kind(tag) in "BU":
            start = i
        if kind(tag) in "LU":
            found.append((start, i + 1, place(tag)))
    return found


class Table:
    """Transition scores between all pairs of tags, plus start and end, for one track."""

    def __init__(self, closed: numpy.ndarray, opened: numpy.ndarray, end: numpy.ndarray) -> None:
        M = opened.shape[-1]
        self.start: Dict[int, float] = {}
        self.end: Dict[int, float] = {}
        self.between: Dict[Tuple[int, int], float] = {}
        tag = lambda k, m: 1 + 4 * m + "BILU".index(k)  # noqa: E731
        sources = [0] + [tag("L", m) for m in range(M)] + [tag("U", m) for m in range(M)]
        goals = [0] + [tag("B", m) for m in range(M)] + [tag("U", m) for m in range(M)]
        for j, goal in enumerate(goals):
            for i, source in enumerate(sources):
                self.between[source, goal] = float(closed[i, j])
            self.start[goal] = float(closed[-1, j])
        for i, source in enumerate(sources):
            self.end[source] = float(end[i])
        for m in range(M):
            for i, before in enumerate("BI"):
                for j, after in enumerate("IL"):
                    self.between[tag(before, m), tag(after, m)] = float(opened[i, j, m])

    def score(self, path: Path) -> float:
        if not path:
            return 0.0
        total = self.start[path[0]] + self.end[path[-1]]
        return total + sum(self.between[pair] for pair in zip(path, path[1:]))


def path_score(scores: numpy.ndarray, path: Path, table: Optional[Table] = None) -> float:
    """scores: [n_tokens, n_tags], one document on one track."""
    total = sum(float(scores[i, tag]) for i, tag in enumerate(path))
    return total + (table.score(path) if table else 0.0)


def log_sum(values: Sequence[float]) -> float:
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))


def all_paths(scores: numpy.ndarray, table: Optional[Table] = None) -> List[Tuple[Path, float]]:
    return [(path, path_score(scores, path, table)) for path in paths(*scores.shape)]


def log_partition(scores: numpy.ndarray, table: Optional[Table] = None) -> float:
    return log_sum([score for _, score in all_paths(scores, table)])


def tag_posteriors(scores: numpy.ndarray, table: Optional[Table] = None) -> numpy.ndarray:
    """The probability of each tag at each token. [n_tokens, n_tags]"""
    total = log_partition(scores, table)
    out = numpy.zeros(scores.shape)
    for path, score in all_paths(scores, table):
        for i, tag in enumerate(path):
            out[i, tag] += math.exp(score - total)
    return out


def span_posteriors(
    scores: numpy.ndarray, table: Optional[Table] = None
) -> Dict[Tuple[int, int, int], float]:
    """The probability of each span: the share of all paths that hold it."""
    total = log_partition(scores, table)
    out: Dict[Tuple[int, int, int], float] = {}
    for path, score in all_paths(scores, table):
        for span in path_spans(path):
            out[span] = out.get(span, 0.0) + math.exp(score - total)
    return out


def allowed_log_partition(
    scores: numpy.ndarray, allowed: numpy.ndarray, table: Optional[Table] = None
) -> float:
    """The log of the sum over the paths that keep to the allowed tags."""
    fit = [
        score
        for path, score in all_paths(scores, table)
        if all(allowed[i, tag] for i, tag in enumerate(path))
    ]
    return log_sum(fit)


def subword_paths(counts: Sequence[int], n_tags: int) -> Dict[Path, List[Tuple[int, int, int]]]:
    """Every tag sequence of word pieces that stands for entities of tokens, with these entities. A
    token has so many pieces; with none it can neither begin nor end an entity."""
    found = {}
    for path in paths(len(counts), n_tags):
        spans = path_spans(path)
        if not all(counts[start] and counts[end - 1] for start, end, _ in spans):
            continue
        tags = [0] * sum(counts)
        for start, end, m in spans:
            first, last = sum(counts[:start]), sum(counts[:end]) - 1
            for piece in range(first, last + 1):
                tags[piece] = 1 + 4 * m + "BILU".index("I")
            tags[first] = 1 + 4 * m + "BILU".index("B")
            tags[last] = 1 + 4 * m + "BILU".index("U" if first == last else "L")
        found[tuple(tags)] = spans
    return found


def best_flat_view(
    spans: Sequence[Tuple[int, int, float]],
) -> Tuple[float, List[Tuple[int, ...]]]:
    """The highest total score of any set of spans that do not overlap, and all sets that reach
    it, by trying every subset."""
    best, sets = 0.0, [()]
    for size in range(1, len(spans) + 1):
        for chosen in itertools.combinations(range(len(spans)), size):
            ordered = sorted(spans[i][:2] for i in chosen)
            if any(a[1] > b[0] for a, b in zip(ordered, ordered[1:])):
                continue
            total = sum(spans[i][2] for i in chosen)
            if total > best + 1e-9:
                best, sets = total, [chosen]
            elif abs(total - best) <= 1e-9:
                sets.append(chosen)
    return best, sets


def cross_entropy_dice(
    scores: numpy.ndarray,
    tags: numpy.ndarray,
    *,
    allowed: Optional[numpy.ndarray] = None,
    weights: Optional[numpy.ndarray] = None,
    legal: Optional[numpy.ndarray] = None,
    alpha: float = 1.0,
    beta: float = 0.0,
    gamma: float = 1e-3,
    scope: str = "token",
    label_smoothing: float = 0.0,
) -> float:
    """One token and track after the other, in float64."""
    N, K, T = scores.shape
    total = 0.0
    for k in range(K):
        seen = []
        for n in range(N):
            can_be = [t for t in range(T) if legal is None or legal[n, t]]
            top = max(float(scores[n, k, t]) for t in can_be)
            exps = [
                math.exp(float(scores[n, k, t]) - top) if t in can_be else 0.0 for t in range(T)
            ]
            probs = [e / sum(exps) for e in exps]
            gold = int(tags[n, k])
            weight = 1.0 if weights is None else float(weights[k, gold])
            if allowed is not None and allowed[n, k].sum() > 1:
                inside = sum(p for p, may in zip(probs, allowed[n, k]) if may)
                total -= weight * alpha * math.log(inside)
                continue
            for t in can_be:
                wanted = label_smoothing / len(can_be) + (1 - label_smoothing) * (t == gold)
                total -= weight * alpha * wanted * math.log(probs[t])
            seen.append((weight, 1.0 - probs[0], float(gold > 0)))
        if scope == "token":
            for weight, P, Y in seen:
                total += weight * beta * (1 - (2 * P * Y + gamma) / (P * P + Y * Y + gamma))
        elif seen:
            upper = 2 * sum(P * Y for _, P, Y in seen) + gamma
            lower = sum(P * P + Y * Y for _, P, Y in seen) + gamma
            total += sum(weight for weight, _, _ in seen) * beta * (1 - upper / lower)
    return total


def cosine(a: numpy.ndarray, b: numpy.ndarray) -> float:
    lengths = math.sqrt((a * a).sum()) * math.sqrt((b * b).sum())
    return float((a * b).sum()) / lengths if lengths else 0.0


def related(
    labels: numpy.ndarray, maybe: Optional[numpy.ndarray] = None
) -> Tuple[List[List[int]], List[List[int]]]:
    """The positives and the negatives of each row, one pair at a time."""
    n = len(labels)
    may = labels if maybe is None else labels | maybe
    positives: List[List[int]] = [[] for _ in range(n)]
    negatives: List[List[int]] = [[] for _ in range(n)]
    for i in range(n):
        for j in range(n):
            if i == j:
                continue
            if any(labels[i] & labels[j]):
                positives[i].append(j)
            elif not any(may[i] & may[j]) and (any(labels[i]) or any(labels[j])):
                negatives[i].append(j)
    return positives, negatives


def info_nce(rows, labels, maybe=None, temperature=0.1, reduction="pairs") -> float:
    positives, negatives = related(labels, maybe)
    s = [[cosine(a, b) / temperature for b in rows] for a in rows]
    pairs: List[Tuple[int, int, float]] = []
    for i in range(len(rows)):
        for j in positives[i]:
            if negatives[i]:
                top = max([s[i][j], *(s[i][n] for n in negatives[i])])
                total = sum(math.exp(s[i][n] - top) for n in negatives[i])
                own = math.exp(s[i][j] - top)
                pairs.append((i, j, -(s[i][j] - top) + math.log(own + total)))
    if reduction == "pairs":
        return sum(loss for _, _, loss in pairs) / len(pairs) if pairs else 0.0
    total = 0.0
    for label in range(labels.shape[1]):
        within = [loss for i, j, loss in pairs if labels[i][label] and labels[j][label]]
        total += sum(within) / len(within) if within else 0.0
    return total


def supcon(rows, labels, maybe=None, temperature=0.1) -> float:
    """As published, less log |P|."""
    positives, negatives = related(labels, maybe)
    s = [[cosine(a, b) / temperature for b in rows] for a in rows]
    losses = []
    for i, P in enumerate(positives):
        if P:
            among = log_sum([s[i][a] for a in P + negatives[i]])
            losses.append(sum(among - s[i][p] for p in P) / len(P) - math.log(len(P)))
    return sum(losses) / len(losses) if losses else 0.0


def gaussian_distance(a: numpy.ndarray, b: numpy.ndarray) -> float:
    """Half the sum of both Kullback-Leibler divergences, log-determinants and all."""
    (ma, va), (mb, vb) = numpy.split(a, 2), numpy.split(b, 2)

    def divergence(m, v, m_, v_):
        return 0.5 * (numpy.log(v_ / v) + v / v_ + (m - m_) ** 2 / v_ - 1).sum()

    return float(0.5 * (divergence(ma, va, mb, vb) + divergence(mb, vb, ma, va)))


def gaussian_kl(rows, labels, maybe=None, width=None, temperature=1.0) -> float:
    """As published, less log |P|."""
    positives, negatives = related(labels, maybe)
    losses = []
    for i, P in enumerate(positives):
        if P:
            d = {a: gaussian_distance(rows[i], rows[a]) / temperature for a in P + negatives[i]}
            mean = log_sum([-d[p] for p in P]) - math.log(len(P))
            losses.append(-(mean - log_sum([-x for x in d.values()])) - math.log(len(P)))
    return sum(losses) / len(losses) if losses else 0.0


FLOORS: Dict[Tuple[float, float, float], float] = {}


def distance_logistic(
    rows, labels, maybe=None, margin=1.0, label_smoothing=0.001, temperature=1.0
) -> float:
    positives, negatives = related(labels, maybe)

    def cross_entropy(distance: float, y: float) -> float:
        p = (1 + math.exp(-margin)) / (1 + math.exp(distance / temperature - margin))
        return -y * math.log(p) - (1 - y) * math.log(1 - p) if y < 1 else -math.log(p)

    loss = 0.0
    for y, related_rows in ((1.0, positives), (0.0, negatives)):
        smooth = y * (1 - label_smoothing) + label_smoothing / 2
        # The least that any distance on the sphere can give.
        key = (margin, temperature, smooth)
        if key not in FLOORS:
            grid = numpy.sqrt(numpy.maximum(numpy.linspace(0, 2, 20001) ** 2, 1e-7))
            FLOORS[key] = min(cross_entropy(d, smooth) for d in grid)
        floor = FLOORS[key]
        losses = []
        for i, others in enumerate(related_rows):
            for j in others if positives[i] else ():
                squared = 2 - 2 * cosine(rows[i], rows[j])
                losses.append(cross_entropy(math.sqrt(max(squared, 1e-7)), smooth) - floor)
        loss += 0.5 * sum(losses) / len(losses) if losses else 0.0
    return loss


# A row of stage 1: its tokens in the batch, its labels, and those it may have besides.
Row = Tuple[int, int, frozenset, frozenset]


def token_rows(docs, offsets, outside: str) -> List[Row]:
    """One token after the other. docs: (n_tokens, spans, missing). "" stands for outside."""
    names = {label for _, spans, _ in docs for _, _, label in spans}
    every = names | {label for _, _, missing in docs for _, _, label in missing if label}
    rows: List[Row] = []
    for (n_tokens, spans, missing), offset in zip(docs, offsets):
        for token in range(n_tokens):
            labels = {label for start, end, label in spans if start <= token < end}
            gaps = {label for start, end, label in missing if start <= token < end}
            maybe = every if "" in gaps else gaps
            if not labels:
                # Where anything is unknown it is not known to be outside; and what may have every
                # label that there is differs from nothing.
                unknown = bool(gaps) if outside == "query" else names <= maybe
                if outside == "ignore" or unknown:
                    continue
                labels = {""} if outside == "query" else set()
            at = offset + token
            rows.append((at, at + 1, frozenset(labels), frozenset(maybe)))
    return rows


@functools.lru_cache(maxsize=None)
def relation(one: frozenset, may_one: frozenset, other: frozenset, may_other: frozenset) -> str:
    """How two rows relate, by trying all that may be true of them: "alike" if they share a label,
    or have none, whatever is true; "unlike" if they never do; "" if that is unknown."""

    def worlds(labels: frozenset, maybe: frozenset) -> List[frozenset]:
        some = sorted(maybe - labels)
        sizes = range(len(some) + 1)
        return [labels | {*more} for n in sizes for more in itertools.combinations(some, n)]

    found = {
        bool(a & b) or not (a or b) for a in worlds(one, may_one) for b in worlds(other, may_other)
    }
    return "" if len(found) == 2 else "alike" if True in found else "unlike"


def pool(tokens: numpy.ndarray, starts: Sequence[int], ends: Sequence[int]) -> numpy.ndarray:
    """The mean of each stretch, one number at a time."""
    out = numpy.zeros((len(starts), tokens.shape[1]))
    for row, (start, end) in enumerate(zip(starts, ends)):
        for token in range(start, end):
            for column in range(tokens.shape[1]):
                out[row, column] += float(tokens[token, column]) / (end - start)
    return out


def slope(function, array: numpy.ndarray, direction: numpy.ndarray, step: float = 1e-3) -> float:
    """The slope of a function of an array along a direction. The array is moved in place."""
    saved, values = array.copy(), []
    for sign in (1, -1):
        array[...] = saved + sign * step * direction
        values.append(float(function()))
    array[...] = saved
    return (values[0] - values[1]) / (2 * step)


def require_slopes(function, array, gradient, rng, tolerance: float = 5e-3) -> None:
    """Compare a gradient with the slopes along random directions, in single precision. Where the
    function has kinks a difference goes astray, so that one in six may."""
    assert gradient.shape == array.shape
    right = 0
    for _ in range(12):
        direction = rng.normal(size=array.shape).astype(array.dtype)
        direction /= numpy.sqrt((direction * direction).sum())
        expected = float((gradient * direction).sum())
        found = slope(function, array, direction)
        right += abs(found - expected) < tolerance * max(0.1, abs(expected))
    assert right >= 10, f"{right} of 12"


def set_partitions(items):
    """All ways to divide a list into parts."""
    if not items:
        yield []
        return
    first, *rest = items
    for parts in set_partitions(rest):
        yield [[first], *parts]
        for i, part in enumerate(parts):
            yield [*parts[:i], [first, *part], *parts[i + 1 :]]


def gain_of(parts, start, end, pairs, log_odds):
    """The sum of the log-odds within the parts, minus infinity if a part holds spans that overlap."""
    scores = dict(zip(zip(pairs.left.tolist(), pairs.right.tolist()), log_odds.tolist()))
    total = 0.0
    for part in parts:
        for i, j in itertools.combinations(part, 2):
            if start[i] < end[j] and start[j] < end[i]:
                return -math.inf
            total += scores.get((i, j), scores.get((j, i), 0.0))
    return total


def best_partition(start, end, pairs, log_odds):
    """The division with the highest gain; of several the one with the most parts."""
    divisions = [sorted(map(sorted, parts)) for parts in set_partitions(list(range(len(start))))]
    return max(divisions, key=lambda d: (gain_of(d, start, end, pairs, log_odds), len(d)))


def shared_entities(start, end, pairs, log_odds):
    """All sets of two or more spans that may be one entity, but for those within another one."""
    scores = dict(zip(zip(pairs.left.tolist(), pairs.right.tolist()), log_odds.tolist()))

    def is_entity(some):
        both = list(itertools.combinations(some, 2))
        if any(start[a] < end[b] and start[b] < end[a] for a, b in both):
            return False
        if any(scores.get(pair, 1.0) <= 0 for pair in both):
            return False
        reached = {some[0]}
        for _ in some:
            reached |= {i for pair in both if pair in scores for i in pair if reached & set(pair)}
        return len(some) > 1 and reached == set(some)

    spans = range(len(start))
    sizes = range(2, len(start) + 1)
    found = [set(c) for n in sizes for c in itertools.combinations(spans, n) if is_entity(c)]
    return sorted(sorted(some) for some in found if not any(some < other for other in found))


def type_scores(weights: Any, rows: numpy.ndarray) -> numpy.ndarray:
    """The scores of NONE and all labels for one span: an LSTM that reads its rows to the right, one that
    reads them to the left, attention from their last states over all of them."""

    def read(side: str, order: Sequence[int]) -> Dict[int, numpy.ndarray]:
        inputs, states, bias = (getattr(weights, f"{side}_{part}") for part in PARTS)
        width = states.shape[1]
        h, c, found = numpy.zeros(width), numpy.zeros(width), {}
        for t in order:
            gates = inputs @ rows[t] + states @ h + bias
            i, f, o = (1 / (1 + numpy.exp(-gates[k * width : (k + 1) * width])) for k in (0, 1, 3))
            c = f * c + i * numpy.tanh(gates[2 * width : 3 * width])
            found[t] = h = o * numpy.tanh(c)
        return found

    n = len(rows)
    right, left = read("right", range(n)), read("left", range(n)[::-1])
    final = numpy.concatenate((right[n - 1], left[0]))
    states = [numpy.concatenate((right[t], left[t])) for t in range(n)]
    shares = [math.exp(float(state @ final)) for state in states]
    context = sum(share * state for share, state in zip(shares, states)) / sum(shares)
    return weights.W @ context + weights.b


PARTS = ("inputs", "states", "bias")
