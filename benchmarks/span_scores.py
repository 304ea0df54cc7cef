"""What it costs to score all spans for all labels, beside other ways to do so, written out in NumPy.

    python benchmarks/span_scores.py --tokens 2048 --width 12 --labels 18

"factorised" are the margins of the bi-encoder. "materialised" computes the same scores with the vectors
of all these spans made. "BINDER" does as BINDER's code, which makes those of all pairs of tokens. "GLiNER" multiplies the vector of a span, from two hidden
layers over its first and last token, with those of the labels. "spancat" is the dense part of spaCy's
SpanCategorizer: mean and maximum of the tokens of each span, a maxout layer, a linear one. All start
from the same rows, and find the spans above a threshold. The encoder is spaCy's default CNN. They
take turns.
"""

import argparse
import statistics
import time
import tracemalloc
from typing import Any, Callable, Dict, List

import common
import numpy
import spacy
from spacy.tokens import Doc
from thinc.api import NumpyOps

from spacy_contrastive_ner.losses.span_contrast import make_span_contrast
from spacy_contrastive_ner.spans import Margins, Space, Targets, contrast, decode, targets

OPS = NumpyOps()
WIDTH = 96  # of the encoder's rows
D = 64  # of the vectors that are compared
WINDOW = 128  # BINDER's


class Case:
    """Rows of one text, and everything that the scorers need."""

    def __init__(self, n: int, n_widths: int, n_labels: int) -> None:
        rng = numpy.random.default_rng(0)
        self.n, self.W, self.K = n, n_widths, n_labels
        self.X = rng.normal(size=(n + 1, WIDTH)).astype("float32")
        self.affine = rng.normal(0, 0.1, (4 * D, WIDTH)).astype("float32")
        draw = rng.normal
        self.space = Space(
            draw(size=(n_labels, 3, D)).astype("float32"),
            draw(0, 0.1, (n_widths, D)).astype("float32"),
            numpy.full(4, 2.66, dtype="float32"),
        )
        self.least = numpy.full(n_labels, 6.0)
        spans = [
            (i * 20, i * 20 + 1 + i % n_widths, f"L{i % n_labels}") for i in range(n // 20 - 2)
        ]
        names = [f"L{k}" for k in range(n_labels)]
        self.goal: Targets = targets(names, n_widths, [n], [spans], [[]])
        self.wide = draw(0, 0.1, (8 * D, 2 * WIDTH)).astype("float32")
        self.narrow = draw(0, 0.1, (D, 8 * D)).astype("float32")
        self.maxout = draw(0, 0.1, (128 * 3, 2 * WIDTH)).astype("float32")
        self.out = draw(0, 0.1, (n_labels, 128)).astype("float32")

    def margins(self) -> Margins:
        return Margins(OPS, OPS.gemm(self.X, self.affine, trans2=True), [self.n], self.space)

    def pairs(self) -> Any:
        """First and last row of every span."""
        first = numpy.arange(1, self.n + 1)[:, None] + numpy.zeros(self.W, dtype="int64")
        last = first + numpy.arange(self.W)
        valid = last <= self.n
        return first[valid], last[valid]


def factorised(case: Case) -> int:
    return len(decode(OPS, case.margins(), case.least).start)


def materialised(case: Case) -> int:
    views = OPS.gemm(case.X, case.affine, trans2=True)
    first, last = case.pairs()
    vectors = views[first, 2 * D : 3 * D] + views[last, 3 * D :] + case.space.widths[last - first]
    vectors /= numpy.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    types = case.space.types[:, 2] / numpy.linalg.norm(case.space.types[:, 2], axis=1)[:, None]
    text = views[0, 2 * D : 3 * D] + views[0, 3 * D :]
    scores = OPS.gemm(vectors, types, trans2=True) * float(numpy.exp(case.space.scales[2]))
    scores -= text @ types.T / numpy.linalg.norm(text) * float(numpy.exp(case.space.scales[2]))
    return int((scores >= case.least).sum())


def binder(case: Case) -> int:
    """As BINDER's code: windows of 128, eight at a time, in each the vectors of all pairs of tokens, of
    which those that are no spans are thrown away."""
    rng = numpy.random.default_rng(0)
    linear = rng.normal(0, 0.1, (D, 2 * WIDTH + D)).astype("float32")
    types = case.space.types[:, 2] / numpy.linalg.norm(case.space.types[:, 2], axis=1)[:, None]
    widths = rng.normal(0, 0.1, (WINDOW + 1, D)).astype("float32")
    first, last = numpy.divmod(numpy.arange(WINDOW * WINDOW), WINDOW)
    width = widths[numpy.maximum(last - first + 1, 0)]
    is_span, found = (last >= first) & (last < first + case.W), 0
    for start in range(1, case.n + 1, 8 * WINDOW):
        batch = case.X[start : start + 8 * WINDOW]
        windows = [batch[i : i + WINDOW] for i in range(0, len(batch) - WINDOW + 1, WINDOW)]
        pairs = [numpy.concatenate((h[first], h[last], width), axis=1) for h in windows]
        vectors = OPS.gemm(numpy.concatenate(pairs), linear, trans2=True)
        vectors /= numpy.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
        scores = OPS.gemm(vectors, numpy.ascontiguousarray(types), trans2=True)
        scores = scores.reshape((len(windows), -1, case.K))
        found += int((scores[:, is_span] * 14.3 >= case.least).sum())
    return found


def gliner(case: Case) -> int:
    first, last = case.pairs()
    both = numpy.concatenate((case.X[first], case.X[last]), axis=1)
    hidden = numpy.maximum(OPS.gemm(both, case.wide, trans2=True), 0)
    vectors = OPS.gemm(hidden, case.narrow, trans2=True)
    scores = OPS.gemm(vectors, numpy.ascontiguousarray(case.space.types[:, 2]), trans2=True)
    return int((scores >= case.least).sum())


def spancat(case: Case) -> int:
    first, last = case.pairs()
    sums = numpy.concatenate((numpy.zeros((1, WIDTH), "float32"), numpy.cumsum(case.X, axis=0)))
    lengths = (last - first + 1).astype("float32")[:, None]
    mean = (sums[last + 1] - sums[first]) / lengths
    highest = numpy.empty_like(mean)
    running = case.X.copy()
    for w in range(case.W):
        at = last - first == w
        highest[at] = running[first[at]]
        running[: -w - 1] = numpy.maximum(running[: -w - 1], case.X[w + 1 :])
    both = numpy.concatenate((mean, highest), axis=1)
    hidden = OPS.gemm(both, case.maxout, trans2=True).reshape((-1, 128, 3)).max(axis=2)
    scores = OPS.gemm(numpy.ascontiguousarray(hidden), case.out, trans2=True)
    return int((scores >= case.least).sum())


def learn(case: Case) -> int:
    """Forward and backward, from the rows to their gradient."""
    rows = OPS.gemm(case.X, case.affine, trans2=True)
    margins = Margins(OPS, rows, [case.n], case.space)
    _, gradients = contrast(OPS, margins, case.goal, make_span_contrast())
    return len(OPS.gemm(gradients.rows, case.affine)) + len(
        OPS.gemm(gradients.rows, case.X, trans1=True)
    )


def make_encoder(n: int) -> Callable[[bool], None]:
    nlp = spacy.blank("xx")
    pipe: Any = nlp.add_pipe("tok2vec", config={"model": common.TOK2VEC})
    nlp.initialize()
    words = [f"w{i % 997}" for i in range(n)]

    def run(is_train: bool) -> None:
        doc = Doc(nlp.vocab, words=words)
        Y, backprop = pipe.model([doc], is_train)
        if is_train:
            backprop(Y)

    return run


SCORERS: Dict[str, Callable[[Case], int]] = {
    "factorised": factorised,
    "materialised": materialised,
    "BINDER": binder,
    "GLiNER": gliner,
    "spancat": spancat,
    "learning": learn,
}


def peak(scorer: Callable[[Case], int], case: Case) -> float:
    """The most memory that arrays took at once, in MB. NumPy reports its arrays to tracemalloc."""
    tracemalloc.start()
    scorer(case)
    most = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--width", type=int, default=12)
    parser.add_argument("--labels", type=int, default=18)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    sizes = [args.tokens, args.width, args.labels]
    case, encoder = Case(*sizes), make_encoder(args.tokens)
    times: Dict[str, List[float]] = {}
    systems: Dict[str, Callable[[], Any]] = {
        "encoder": lambda: encoder(False),
        "encoder, learning": lambda: encoder(True),
        **{name: lambda scorer=scorer: scorer(case) for name, scorer in SCORERS.items()},
    }
    for _ in range(args.rounds):
        for name, system in systems.items():
            begin = time.perf_counter()
            system()
            times.setdefault(name, []).append(1000 * (time.perf_counter() - begin))
    assert factorised(case) == materialised(case)
    print(f"{args.tokens} tokens, spans of up to {args.width}, {args.labels} labels")
    for name, values in times.items():
        memory = f"{peak(SCORERS[name], case):>10.1f} MB" if name in SCORERS else ""
        base = "encoder, learning" if "learning" in name else "encoder"
        ratio = statistics.median(a / b for a, b in zip(values, times[base]))
        print(f"{name:<20}{statistics.median(values):>10.1f} ms{ratio:>8.2f}{memory}", flush=True)


if __name__ == "__main__":
    main()
