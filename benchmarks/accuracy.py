"""Accuracy of the pipe beside spaCy's spancat and ner: same encoder, same batches, same updates.

    python benchmarks/accuracy.py CORPUS [CORPUS ...] --seeds 3 --out results.jsonl

Every system is trained from scratch for the same number of updates on the same batches. After
each of eight equal parts of the training the dev set is scored, and the best of these eight
models is scored on the test set (--averages: of averages of their weights, as configs/default.cfg has it). "all" is micro F1 over all spans, "macro" the mean over labels,
"flat" micro F1 over the flat view, which is made from gold by the same rule for all systems.
"""

import argparse
import random
from pathlib import Path
from typing import Any, Callable, Dict, List

import common
from spacy.language import Language
from spacy.scorer import Scorer, get_ner_prf
from spacy.training import Example

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
    fresh = common.predicted(nlp, examples)
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
        gold = common.labels_of(examples)
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


def train(system: str, folder: Path, seed: int, args: Any) -> Score:
    nlp = common.pipeline(args.lang, seed)
    parts = common.read_parts(nlp, folder)
    SYSTEMS[system](nlp, common.span_width(parts["train"]))
    optimizer = nlp.initialize(lambda: parts["train"])
    optimizer.learn_rate = args.learn_rate
    if args.averages:
        optimizer.averages = {}
    rng = random.Random(seed)
    plan = [b for _ in range(args.epochs) for b in common.batches(parts["train"], args.words, rng)]
    if args.updates:
        plan = common.plan(parts["train"], args.words, args.updates, seed)
    target = "flat" if system == "ner" else "all"
    run = common.keep_best(
        nlp, optimizer, plan, lambda: evaluate(nlp, parts["dev"])[target], args.checks
    )
    return {**evaluate(nlp, parts["test"]), **dev_by_threshold(nlp, parts["dev"]), **run}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", nargs="+", type=Path)
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS))
    parser.add_argument("--lang", default="xx")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--updates", type=int, default=0, help="updates, instead of epochs")
    parser.add_argument("--checks", type=int, default=8, help="checkpoints scored on dev")
    parser.add_argument("--averages", action="store_true", help="score averages of the weights")
    parser.add_argument("--learn-rate", type=float, default=0.001)
    parser.add_argument("--words", type=int, default=500)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    print(f"{'corpus':<14}{'system':<18}{'all':>13}{'macro':>13}{'flat':>13}{'updates':>9}")
    for folder in args.corpora:
        for system in args.systems:
            runs = []
            for seed in range(args.first_seed, args.first_seed + args.seeds):
                run = train(system, folder, seed, args)
                runs.append(run)
                row = {"corpus": folder.name, "system": system, "seed": seed, **run}
                common.write_rows(args.out, [row])
            cells = []
            for name in ("all", "macro", "flat"):
                values = [run[name] for run in runs if name in run]
                cells.append(common.mean_and_spread(values) if values else "-")
            updates = runs[0]["updates"]
            print(
                f"{folder.name:<14}{system:<18}" + "".join(f"{c:>13}" for c in cells),
                f"{updates:>8.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
