"""Accuracy of the pipe beside spaCy's spancat and ner: same encoder, same batches, same updates.

    python benchmarks/accuracy.py CORPUS [CORPUS ...] --seeds 3 --out results.jsonl

Every system is trained from scratch for the same number of updates on the same batches. After
each of eight equal parts of the training the dev set is scored, and the best of these eight
models is scored on the test set. "all" is micro F1 over all spans, "macro" the mean over labels,
"flat" micro F1 over the flat view, which is made from gold by the same rule for all systems.
"""

import argparse
import json
import random
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

import common
from spacy.language import Language
from spacy.scorer import Scorer, get_ner_prf
from spacy.training import Example
from thinc.api import Optimizer

Score = Dict[str, float]


def ours(model: Dict[str, Any], **settings: Any) -> Callable[[Language, int], None]:
    def add(nlp: Language, width: int) -> None:
        config = {"model": {"tok2vec": common.TOK2VEC, **model}, **settings}
        nlp.add_pipe("contrastive_ner", config=config)

    return add


def add_spancat(nlp: Language, width: int) -> None:
    suggester = {"@misc": "spacy.ngram_range_suggester.v1", "min_size": 1, "max_size": width}
    model = {"@architectures": "spacy.SpanCategorizer.v1", "tok2vec": common.TOK2VEC}
    model["reducer"] = {"@layers": "spacy.mean_max_reducer.v1", "hidden_size": 128}
    model["scorer"] = {"@layers": "spacy.LinearLogistic.v1", "nO": None, "nI": None}
    config = {"spans_key": common.KEY, "suggester": suggester, "model": model}
    nlp.add_pipe("spancat", config=config)


def add_ner(nlp: Language, width: int) -> None:
    model = {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "ner",
        "extra_state_tokens": False,
        "hidden_width": 64,
        "maxout_pieces": 2,
        "use_upper": True,
        "tok2vec": common.TOK2VEC,
    }
    nlp.add_pipe("ner", config={"model": model})


def binder(**model: Any) -> Callable[[Language, int], None]:
    return ours({"@architectures": "spacy-contrastive-ner.BiEncoder.v1", **model}, threshold=0.5)


DICE = {"@losses": "spacy-contrastive-ner.CrossEntropyDice.v1", "beta": 1.0, "scope": "batch"}

SYSTEMS: Dict[str, Callable[[Language, int], None]] = {
    "ours": ours({}),
    "ours-viterbi": ours({}, decoder="viterbi"),
    "ours-softmax": ours({"crf": None}),
    "ours-dice": ours({"crf": None, "loss": DICE}),
    "binder": binder(dropout=0.4),
    "binder-fit": binder(dropout=0.4, fit_width=32),
    "spancat": add_spancat,
    "ner": add_ner,
}


def evaluate(nlp: Language, examples: List[Example]) -> Score:
    """Score all spans and the flat view; a pipeline without one of them is not scored on it."""
    fresh = [common.blank_copy(nlp, example) for example in examples]
    for _ in zip(fresh, nlp.pipe([example.predicted for example in fresh], batch_size=128)):
        pass
    out = {}
    if "ner" not in nlp.pipe_names:
        attr = f"spans_{common.KEY}"
        scores = Scorer.score_spans(
            fresh,
            attr,
            getter=lambda doc, _: doc.spans.get(common.KEY, []),
            has_annotation=lambda doc: common.KEY in doc.spans,
            allow_overlap=True,
        )
        per_type = scores[f"{attr}_per_type"]
        gold = {s.label_ for eg in examples for s in eg.reference.spans[common.KEY]}
        out["all"] = scores[f"{attr}_f"]
        out["macro"] = sum(per_type[label]["f"] for label in gold) / len(gold)
    if "spancat" not in nlp.pipe_names:
        out["flat"] = get_ner_prf(fresh)["ents_f"]
    return out


def dev_by_threshold(nlp: Language, examples: List[Example]) -> Score:
    """The F-score on the dev set for several thresholds, where the pipe has one to choose."""
    if "contrastive_ner" not in nlp.pipe_names:
        return {}
    cfg = nlp.get_pipe("contrastive_ner").cfg
    scores = {}
    for threshold in (0.2, 0.3, 0.35, 0.4, 0.5):
        if cfg["decoder"] == "posterior":
            cfg["threshold"] = threshold
            scores[f"dev@{threshold}"] = evaluate(nlp, examples)["all"]
    return scores


def keep_best(
    nlp: Language,
    optimizer: Optimizer,
    plan: List[List[Example]],
    score: Callable[[], float],
    checks: int = 8,
) -> Score:
    """Train on these batches, score after each of so many parts, and go back to the best of them."""
    at = {round(len(plan) * (i + 1) / checks) for i in range(checks)}
    best, best_bytes, seconds = -1.0, b"", 0.0
    for step, batch in enumerate(plan, 1):
        begin = time.perf_counter()
        nlp.update(batch, sgd=optimizer, drop=0.1)
        seconds += time.perf_counter() - begin
        if step in at:
            dev = score()
            if dev > best:
                best, best_bytes = dev, nlp.to_bytes(exclude=["tokenizer", "vocab"])
    nlp.from_bytes(best_bytes, exclude=["tokenizer", "vocab"])
    return {"dev": best, "updates": len(plan), "train_seconds": seconds}


def train(system: str, folder: Path, lang: str, seed: int, epochs: int, words: int) -> Score:
    nlp = common.pipeline(lang, seed)
    rng = random.Random(seed)
    parts = {p: common.read_examples(nlp, folder, p) for p in ("train", "dev", "test")}
    SYSTEMS[system](nlp, common.span_width(parts["train"]))
    optimizer = nlp.initialize(lambda: parts["train"])
    plan = [b for _ in range(epochs) for b in common.batches(parts["train"], words, rng)]
    target = "flat" if system == "ner" else "all"
    run = keep_best(nlp, optimizer, plan, lambda: evaluate(nlp, parts["dev"])[target])
    return {**evaluate(nlp, parts["test"]), **dev_by_threshold(nlp, parts["dev"]), **run}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", nargs="+", type=Path)
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS))
    parser.add_argument("--lang", default="xx")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--words", type=int, default=500)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    print(f"{'corpus':<14}{'system':<18}{'all':>13}{'macro':>13}{'flat':>13}{'updates':>9}")
    for folder in args.corpora:
        for system in args.systems:
            runs = []
            for seed in range(args.seeds):
                run = train(system, folder, args.lang, seed, args.epochs, args.words)
                runs.append(run)
                if args.out:
                    row = {"corpus": folder.name, "system": system, "seed": seed, **run}
                    with args.out.open("a", encoding="utf8") as file:
                        file.write(json.dumps(row) + "\n")
            cells = []
            for name in ("all", "macro", "flat"):
                values = [100 * run[name] for run in runs if name in run]
                mean, sd = common.spread(values) if values else (0.0, 0.0)
                cells.append(f"{mean:.1f} ± {sd:.1f}" if values else "-")
            updates = runs[0]["updates"]
            print(
                f"{folder.name:<14}{system:<18}" + "".join(f"{c:>13}" for c in cells),
                f"{updates:>8.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
