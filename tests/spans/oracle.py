"""The bi-encoder's scores and losses, written with every span's vector made, in torch."""

from typing import List, Sequence, Tuple

import pytest

# Part of an extra. Tests that import this are skipped without it.
torch = pytest.importorskip("torch")

Place = Tuple[int, int, int]  # text, first token, last token


def views(rows: torch.Tensor, n_tokens: Sequence[int], width: int):
    """For each text its rows, split into views: [(start, end, first, last, p, q), ...]"""
    rest = (rows.shape[1] - 4 * width) // 2
    sizes = [width] * 4 + [rest] * 2
    return [block.split(sizes, dim=1) for block in rows.split([n + 1 for n in n_tokens])]


def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * b).sum() / (a * a).sum().sqrt() / (b * b).sum().sqrt()


def boundary_margin(text, types, scales, which: int, token: int, label: int) -> torch.Tensor:
    scale, unit = scales[which].exp(), types[label, which]
    row = text[which]
    return scale * (cosine(row[token + 1], unit) - cosine(row[0], unit))


def span_margin(text, types, widths, scales, start: int, last: int, label: int) -> torch.Tensor:
    _, _, first, end, p, q = text
    unit, scale = types[label, 2], scales[2].exp()
    vector = first[start + 1] + end[last + 1] + widths[last - start]
    score = scale * cosine(vector, unit)
    if p.shape[1]:
        score = score + scales[3].exp() * cosine(p[start + 1], q[last + 1])
    return score - scale * cosine(first[0] + end[0], unit)


def touches(stretches, start: int, last: int, label: int) -> bool:
    """Whether a span lies over unknown text: (start, end, label, or None for all)."""
    return any(a <= last and start < b and lab in (None, label) for a, b, lab in stretches)


def loss(
    rows: torch.Tensor,
    types: torch.Tensor,
    widths: torch.Tensor,
    scales: torch.Tensor,
    n_tokens: Sequence[int],
    gold: Sequence[Sequence[Place]],
    unknown: Sequence[Sequence[Tuple]],
    weights,
    others: str = "negative",
    label_weights: Sequence[float] = (),
) -> torch.Tensor:
    """Term by term, as in the formulas. Gold entities are (start, last, label) of each text."""
    K, W = len(types), len(widths)
    label_weights = list(label_weights) or [1.0] * K
    texts = views(rows, n_tokens, types.shape[2])
    n_gold = max(1, sum(map(len, gold)))
    n_thresholds = max(1, K * sum(1 for n in n_tokens if n))
    zero = rows.sum() * 0
    total = zero
    for d, n in enumerate(n_tokens):
        if not n:
            continue
        for k in range(K):
            own = [(i, j) for i, j, label in gold[d] if label == k]
            left_out = [(i, j) for i, j, label in gold[d] if label == k or others == "ignore"]
            for term, weight in ((0, weights.start), (1, weights.end), (2, weights.span)):
                negatives: List[torch.Tensor] = [zero]
                if term < 2:
                    gone = {span[term] for span in left_out}
                    negatives += [
                        boundary_margin(texts[d], types, scales, term, i, k)
                        for i in range(n)
                        if i not in gone and not touches(unknown[d], i, i, k)
                    ]
                    mine = [boundary_margin(texts[d], types, scales, term, s[term], k) for s in own]
                else:
                    negatives += [
                        span_margin(texts[d], types, widths, scales, i, j, k)
                        for i in range(n)
                        for j in range(i, min(n, i + W))
                        if (i, j) not in left_out and not touches(unknown[d], i, j, k)
                    ]
                    mine = [span_margin(texts[d], types, widths, scales, i, j, k) for i, j in own]
                V = torch.logsumexp(torch.stack(negatives), 0)
                factor = weight * label_weights[k]
                total = total + factor * weights.thresholds * V / n_thresholds
                for margin in mine:
                    pair = torch.stack([V, margin])
                    part = torch.logsumexp(pair, 0) - margin
                    total = total + factor * weights.entities * part / n_gold
        for i, j, k in gold[d]:
            if not weights.anchor:
                continue
            mine = span_margin(texts[d], types, widths, scales, i, j, k)
            rivals = [
                span_margin(texts[d], types, widths, scales, i, j, other)
                for other in range(K)
                if (i, j, other) not in gold[d] and not touches(unknown[d], i, j, other)
            ]
            part = torch.logsumexp(torch.stack([mine, *rivals]), 0) - mine
            factor = weights.anchor * weights.entities * label_weights[k] / n_gold
            total = total + factor * part
    return total
