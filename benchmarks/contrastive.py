"""Speed and memory of stage 1: a step beside the encoder's own, and the losses beside others.

    python benchmarks/contrastive.py steps CORPUS --rounds 7
    python benchmarks/contrastive.py losses --rows 200 1000 4000 --rounds 7
    python benchmarks/contrastive.py memory --rows 50000

"steps": the time of forward and backward pass and update with each objective, all of a batch's
tokens as rows, over that of the encoder alone, which is handed a gradient. "losses": the same rows
through our losses and through those of pytorch-metric-learning, if it is installed, and GaussianKL
beside the naive tensor of all pairs. "memory": the growth of the peak in a process of its own, or
"too much" if it dies under the cap. Medians; the systems take turns within each round.
"""

import argparse
import importlib.util
import random
import resource
import statistics
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import common
import numpy
from spacy import registry
from thinc.api import Adam, NumpyOps

from spacy_contrastive_ner import losses
from spacy_contrastive_ner.layers.crf import CRF
from spacy_contrastive_ner.layers.projections import GaussianProjection, MlpProjection
from spacy_contrastive_ner.pretraining import objective as objectives

OPS = NumpyOps()
Run = Callable[[], Any]


def contrast(loss: Any, projection: Any, **settings: Any) -> Any:
    settings = {"max_outside": None, **settings}
    return objectives.make_contrastive_objective(loss, projection, **settings)


def all_objectives() -> Dict[str, Any]:
    segments = contrast(losses.make_info_nce(), MlpProjection(), units="segments", outside="query")
    tagging = objectives.make_tagging_objective(crf=CRF())
    return {
        "InfoNCE": contrast(losses.make_info_nce(), MlpProjection()),
        "InfoNCE, no projection": contrast(losses.make_info_nce(), None),
        "InfoNCE, outside as queries": contrast(
            losses.make_info_nce(), MlpProjection(), outside="query"
        ),
        "InfoNCE, segments": segments,
        "SupCon": contrast(losses.make_supcon(), MlpProjection()),
        "GaussianKL": contrast(losses.make_gaussian_kl(), GaussianProjection()),
        "DistanceLogistic": contrast(losses.make_distance_logistic(), MlpProjection()),
        "Tagging": tagging,
        "Tagging + InfoNCE, segments": objectives.make_sum_objective(
            {"tag": tagging, "contrast": segments}
        ),
    }


def steps(corpus: Path, words: int, rounds: int) -> None:
    nlp = common.pipeline("xx", 0)
    examples = common.read_examples(nlp, corpus, "train")
    batch = [eg.reference for eg in common.batches(examples, words, random.Random(0))[0]]
    runs: Dict[str, Run] = {"encoder": encoder_step(nlp, batch)}
    for name, objective in all_objectives().items():
        runs[name] = objective_step(nlp, batch, objective)
    n = sum(len(doc) for doc in batch)
    inside = len({(i, t.i) for i, d in enumerate(batch) for s in d.spans[common.KEY] for t in s})
    print(f"A step on {n} tokens, {inside} of them in entities")
    table(runs, rounds, "encoder")


def encoder(nlp: Any, batch: List[Any]) -> Any:
    model = registry.resolve({"model": common.TOK2VEC})["model"]
    model.initialize(X=batch[:2])
    return model


def encoder_step(nlp: Any, batch: List[Any]) -> Run:
    model, optimizer = encoder(nlp, batch), Adam(0.001, use_averages=False)

    def run() -> None:
        Y, backprop = model.begin_update(batch)
        backprop([y * 1e-3 for y in Y])
        model.finish_update(optimizer)

    return run


def objective_step(nlp: Any, batch: List[Any], objective: Any) -> Run:
    model, optimizer = objective(nlp.vocab, encoder(nlp, batch)), Adam(0.001, use_averages=False)
    model.initialize(X=batch[:2])

    def run() -> None:
        Y, backprop = model.begin_update(batch)
        _, dY = model.attrs["loss"](model.ops, batch, Y)
        backprop(dY)
        model.finish_update(optimizer)

    return run


def table(runs: Dict[str, Run], rounds: int, base: str) -> None:
    fitting = {name: run for name, run in runs.items() if fits(run)}
    times: Dict[str, List[float]] = {name: [] for name in fitting}
    for _ in range(rounds):
        for name, run in fitting.items():
            begin = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - begin)
    print(f"{'':<34}{'ms':>9}{'ratio':>8}")
    for name, values in times.items():
        ratio = statistics.median(a / b for a, b in zip(values, times[base]))
        print(f"{name:<34}{1000 * statistics.median(values):>9.1f}{ratio:>8.2f}", flush=True)
    for name in runs:
        if name not in fitting:
            print(f"{name:<34}  too much memory", flush=True)


def fits(run: Run) -> bool:
    """Run once, and tell whether the memory was enough."""
    try:
        run()
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "memory" in str(error):
            return False
        raise
    return True


def random_rows(n: int, width: int, share: float) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Rows of six classes and, for the rest, of none (which others can only call a seventh)."""
    rng = numpy.random.default_rng(0)
    kinds = numpy.where(rng.random(n) < share, rng.integers(0, 6, n), 6)
    return rng.normal(size=(n, width)).astype("float32"), kinds


def our_run(name: str, rows: numpy.ndarray, kinds: numpy.ndarray, query: bool) -> Run:
    labels = numpy.eye(7, dtype="bool")[kinds][:, : 7 if query else 6]
    loss = {"InfoNCE": losses.info_nce, "SupCon": losses.supcon, "GaussianKL": losses.gaussian_kl}
    return lambda: loss[name](OPS, rows, labels)


def their_run(name: str, rows: numpy.ndarray, kinds: numpy.ndarray) -> Run:
    import torch
    from pytorch_metric_learning import losses as others

    loss = {"InfoNCE": others.NTXentLoss, "SupCon": others.SupConLoss}[name](temperature=0.1)
    target = torch.from_numpy(kinds)

    def run() -> None:
        X = torch.from_numpy(rows).requires_grad_()
        loss(X, target).backward()

    return run


def naive_gaussian(rows: numpy.ndarray, kinds: numpy.ndarray) -> Run:
    """All pairs as one tensor, as published."""
    import torch

    same = torch.from_numpy((kinds[:, None] == kinds) & ~numpy.eye(len(kinds), dtype="bool"))
    own = torch.eye(len(kinds), dtype=torch.bool)

    def run() -> None:
        X = torch.from_numpy(rows).requires_grad_()
        m, v = X.chunk(2, dim=1)
        gap = (m[:, None] - m[None]) ** 2
        parts = v[:, None] / v[None] + v[None] / v[:, None] + gap * (1 / v[:, None] + 1 / v[None])
        scores = -(0.25 * parts.sum(-1) - m.shape[1] / 2)
        scores = scores.masked_fill(own, -torch.inf)
        near = torch.logsumexp(scores.masked_fill(~same, -torch.inf), 1)
        (torch.logsumexp(scores, 1) - near).mean().backward()

    return run


def gaussian_rows(n: int) -> Tuple[numpy.ndarray, numpy.ndarray]:
    rows, kinds = random_rows(n, 128, 1.0)
    rows[:, 64:] = numpy.exp(0.2 * rows[:, 64:])
    return rows * numpy.float32(0.3), kinds


def compare_losses(sizes: List[int], rounds: int) -> None:
    others = importlib.util.find_spec("pytorch_metric_learning") is not None
    if others:
        import torch

        torch.set_num_threads(1)
    for n in sizes:
        for name in ("InfoNCE", "SupCon"):
            # Theirs compare all rows alike, so ours do too; and as they are used, with rows
            # outside entities as negatives only.
            rows, kinds = random_rows(n, 64, 0.2)
            runs = {
                f"{name}, all rows are queries": our_run(name, rows, kinds, True),
                f"{name}, outside as negatives": our_run(name, rows, kinds, False),
            }
            if others:
                runs[f"{name}, metric-learning"] = their_run(name, rows, kinds)
            print(f"\n{n} rows of 64, a fifth in entities")
            table(runs, rounds, f"{name}, all rows are queries")
        if n <= 2000 and others:
            rows, kinds = gaussian_rows(n)
            print(f"\n{n} rows of 64 means and variances")
            runs = {
                "GaussianKL": our_run("GaussianKL", rows, kinds, True),
                "GaussianKL, naive": naive_gaussian(rows, kinds),
            }
            table(runs, rounds, "GaussianKL")


def memory(n: int, cap: int) -> None:
    print(f"{n} rows of 64 (GaussianKL: 64 means and variances), cap {cap} MB")
    for name in ("InfoNCE", "SupCon", "GaussianKL"):
        rows, kinds = gaussian_rows(n) if name == "GaussianKL" else random_rows(n, 64, 0.2)
        show_peak(name, our_run(name, rows, kinds, True), cap)
        if importlib.util.find_spec("pytorch_metric_learning") and name != "GaussianKL":
            show_peak(f"{name}, metric-learning", their_run(name, rows, kinds), cap)


def show_peak(name: str, run: Run, cap: int) -> None:
    """Run in a process of its own, which may not grow by more than the cap."""

    def work(queue: Any) -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + cap * 2**20, -1))
        begin = time.perf_counter()
        if not fits(run):
            queue.put(None)
            return
        seconds = time.perf_counter() - begin
        queue.put(((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, seconds))

    exit_code, found = common.in_fork(work)
    if exit_code != 0:
        print(f"{name:<34}  failed with exit code {exit_code}", flush=True)
    elif found is None:
        print(f"{name:<34}  too much", flush=True)
    else:
        print(f"{name:<34}{found[0]:>9.0f} MB{found[1]:>9.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("steps", "losses", "memory"):
        command = commands.add_parser(name)
        command.add_argument("--rounds", type=int, default=7)
        if name == "steps":
            command.add_argument("corpus", type=Path)
            command.add_argument("--words", type=int, default=4000)
        elif name == "losses":
            command.add_argument("--rows", type=int, nargs="+", default=[200, 1000, 4000])
        else:
            command.add_argument("--rows", type=int, default=50000)
            command.add_argument("--cap", type=int, default=1024, help="MB")
    args = parser.parse_args()
    if args.command == "steps":
        steps(args.corpus, args.words, args.rounds)
    elif args.command == "losses":
        compare_losses(args.rows, args.rounds)
    else:
        memory(args.rows, args.cap)


if __name__ == "__main__":
    main()
