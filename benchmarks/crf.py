"""The CRF beside that of EDS-NLP (`pip install edsnlp`; needs torch), on the same scores.

    python benchmarks/crf.py --rounds 20

Milliseconds for one batch, medians, both on one thread, taking turns. "loss" is the negative
log-likelihood with its gradient with respect to scores (and transitions, if learned). "decode" is
the best path; for ours also with the exact probability of every entity found, which the other does
not compute.
"""

import argparse
import statistics
import time
from typing import Any, Callable, Dict, List, Optional

import numpy
from thinc.api import NumpyOps

from spacy_contrastive_ner import tracks
from spacy_contrastive_ner.tracks import Transitions

OPS = NumpyOps()


def ours(scores: numpy.ndarray, tags: numpy.ndarray, learned: bool) -> Dict[str, Callable[[], Any]]:
    B, T, K, S = scores.shape
    flat, gold, lengths = scores.reshape((-1, K, S)), tags.reshape((-1, K)), [T] * B
    transitions: Optional[Transitions] = None
    if learned:
        shapes = ((1, 4, 3), (1, 2, 2, 1), (1, 3))
        transitions = Transitions(*(numpy.zeros(shape, dtype="float32") for shape in shapes))
    labels = numpy.arange(K)[:, None]
    return {
        "loss": lambda: tracks.crf_loss(OPS, flat, lengths, gold, transitions=transitions),
        "decode": lambda: tracks.viterbi(OPS, flat, lengths, transitions),
        "decode + probabilities": lambda: tracks.decode(
            flat, lengths, labels, transitions=transitions
        ),
    }


def theirs(
    scores: numpy.ndarray, tags: numpy.ndarray, learned: bool
) -> Dict[str, Callable[[], Any]]:
    import torch
    from edsnlp.pipes.trainable.layers.crf import MultiLabelBIOULDecoder

    torch.set_num_threads(1)
    crf = MultiLabelBIOULDecoder(1, with_start_end_transitions=True, learnable_transitions=learned)
    # Their order of tags is O, I, B, L, U.
    X = torch.tensor(scores[..., [0, 2, 1, 3, 4]])
    gold = torch.tensor(numpy.asarray([0, 2, 1, 3, 4])[tags])
    mask = torch.ones(scores.shape[:2], dtype=torch.bool)

    def loss() -> None:
        leaf = X.clone().requires_grad_(True)
        crf(leaf, mask, gold.unsqueeze(-1) == torch.arange(5)).sum().backward()

    def decode() -> None:
        with torch.no_grad():
            crf.decode(X, mask)

    return {"loss": loss, "decode": decode}


def median_ms(work: Callable[[], Any], into: List[float]) -> None:
    begin = time.perf_counter()
    work()
    into.append(1000 * (time.perf_counter() - begin))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--labels", type=int, default=10)
    args = parser.parse_args()
    rng = numpy.random.default_rng(0)
    print(f"{'documents x tokens':<22}{'transitions':<13}{'what':<26}{'EDS-NLP':>9}{'ours':>9}")
    for B, T in ((64, 20), (16, 64), (16, 256), (4, 1024), (1, 10_000)):
        tags = numpy.zeros((B, T, args.labels), dtype="int64")
        for kind, first in ((1, 2), (2, 3), (3, 4)):
            tags[:, first : T - 5 + first : 12] = kind
        # Scores of a trained model: mostly sure, now and then not.
        scores = rng.normal(0, 1.5, (B, T, args.labels, 5)).astype("float32")
        scores += 6 * (tags[..., None] == numpy.arange(5))
        for learned in (False, True):
            systems = {
                "EDS-NLP": theirs(scores, tags, learned),
                "ours": ours(scores, tags, learned),
            }
            times: Dict[Any, List[float]] = {}
            for _ in range(args.rounds if B * T < 10_000 else 5):
                for name, works in systems.items():
                    for what, work in works.items():
                        median_ms(work, times.setdefault((name, what), []))
            for what in systems["ours"]:
                cells = [
                    f"{statistics.median(times[name, what]):.1f}" if (name, what) in times else "-"
                    for name in systems
                ]
                kind = "learned" if learned else "constraints"
                print(f"{B} x {T:<18}{kind:<13}{what:<26}{cells[0]:>9}{cells[1]:>9}", flush=True)


if __name__ == "__main__":
    main()
