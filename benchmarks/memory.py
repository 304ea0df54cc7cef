"""Does a memory help where there are few mentions? The tagger (or the bi-encoder) alone, with its
memory, and the memory alone.

    python benchmarks/memory.py CORPUS [CORPUS ...] --shots 5 20 --seeds 3 --out memory.jsonl
    python benchmarks/memory.py CORPUS [CORPUS ...] --model bi-encoder --out bi.jsonl
    python benchmarks/memory.py CORPUS [CORPUS ...] --summary memory.jsonl --on dev

The training set is documents drawn by the seed until each label has so many mentions. The model is
trained on them, the best of --checks checkpoints by dev; then it remembers the same documents. "head":
without memory. "threshold": without memory, its threshold chosen on dev. "memory": with it, weight and
temperature chosen on dev. "both": with memory, weight and threshold chosen on dev. "default": with the
weight and the temperature that it has if nothing is chosen. "nearest": the memory alone, with StructShot's
transitions, its temperature chosen on dev. Speed is that of the whole pipe on test, in words a second of
processor time. Scores of the test set are written to the file, but shown only by --on test.
"""

import argparse
import time
from pathlib import Path
from typing import Any, Dict, List

import common
from spacy.language import Language
from spacy.training import Example
from subsets import some_documents

from spacy_contrastive_ner.layers.memory import WEIGHT
from spacy_contrastive_ner.remembering import TEMPERATURES

ARMS = ("head", "threshold", "memory", "both", "default", "nearest")

THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.35)
MODELS: Dict[str, Dict[str, Any]] = {
    "tagger": {
        "@architectures": "spacy-contrastive-ner.MultiHeadTagger.v1",
        "crf": {"@layers": "spacy-contrastive-ner.CRF.v1"},
    },
    "bi-encoder": {"@architectures": "spacy-contrastive-ner.BiEncoder.v1"},
}
# Their thresholds when none is chosen.
USUAL = {"tagger": 0.35, "bi-encoder": 0.5}


def train(nlp: Language, parts: Dict[str, List[Example]], seed: int, args: Any) -> None:
    """Train, and keep the checkpoint that is best on dev."""
    optimizer = nlp.initialize(lambda: parts["train"])
    plan = common.plan(parts["train"], args.words, args.updates, seed)
    common.keep_best(
        nlp, optimizer, plan, lambda: common.counts(nlp, parts["dev"])["micro"], args.checks
    )


def measure(nlp: Language, parts: Dict[str, List[Example]]) -> Dict[str, Any]:
    """Scores on dev and test, and words a second on test."""
    dev = common.counts(nlp, parts["dev"])
    words = sum(len(example.predicted) for example in parts["test"])
    begun = time.process_time()
    test = common.counts(nlp, parts["test"])
    return {"dev": dev, "test": test, "speed": words / (time.process_time() - begun)}


def run(folder: Path, shots: int, seed: int, args: Any) -> Dict[str, Any]:
    nlp = common.pipeline(args.lang, seed)
    parts = common.read_parts(nlp, folder, args.limit)
    parts["train"] = some_documents(parts["train"], shots, seed)
    memory = {"@layers": "spacy-contrastive-ner.Memory.v1", "distance": args.distance, "k": args.k}
    memory["transition_power"] = args.power
    model = {**MODELS[args.model], "tok2vec": common.TOK2VEC, "dropout": 0.4, "memory": memory}
    usual = USUAL[args.model]
    thresholds = sorted({*THRESHOLDS, usual})
    config = {"model": model, "threshold": usual}
    pipe: Any = nlp.add_pipe("contrastive_ner", config=config)
    train(nlp, parts, seed, args)
    out = {"head": measure(nlp, parts)}
    by_threshold = {}
    for threshold in thresholds:
        pipe.cfg["threshold"] = threshold
        by_threshold[threshold] = common.counts(nlp, parts["dev"])["micro"]
    pipe.cfg["threshold"] = max(by_threshold, key=lambda t: by_threshold[t])
    out["threshold"] = measure(nlp, parts)
    pipe.cfg["threshold"] = usual
    pipe.remember(parts["train"])
    default = pipe.memory["temperature"]
    table = pipe.tune_memory(parts["dev"])
    chosen = pipe.memory
    out["memory"] = measure(nlp, parts)
    tables = {}
    for threshold in thresholds:
        pipe.cfg["threshold"] = threshold
        tables[threshold] = max(pipe.tune_memory(parts["dev"], temperature=default).values())
    pipe.cfg["threshold"] = max(tables, key=lambda t: tables[t])
    pipe.tune_memory(parts["dev"], temperature=default)
    both = pipe.memory["weight"], pipe.cfg["threshold"]
    out["both"] = measure(nlp, parts)
    pipe.cfg["threshold"] = usual
    pipe.tune_memory(weight=WEIGHT, temperature=default)
    out["default"] = measure(nlp, parts)
    pipe.cfg["decoder"] = "nearest"
    tried = {}
    for temperature in TEMPERATURES:
        pipe.tune_memory(temperature=temperature)
        tried[temperature] = common.counts(nlp, parts["dev"])["micro"]
    pipe.tune_memory(temperature=max(tried, key=lambda t: tried[t]))
    out["nearest"] = measure(nlp, parts)
    rows = [[*key, round(f, 4)] for key, f in table.items()]
    names = ("tokens", "bytes", "weight", "temperature")
    return {
        **out,
        "table": rows,
        "both_at": both,
        "threshold_at": by_threshold,
        **{name: chosen[name] for name in names},
    }


def summary(path: Path, corpora: List[str], on: str) -> None:
    rows = common.read_rows(path)
    for corpus in corpora:
        for shots in sorted({row["shots"] for row in rows if row["corpus"] == corpus}):
            some = [row for row in rows if row["corpus"] == corpus and row["shots"] == shots]
            chosen = ", ".join(f"{row['weight']} at {row['temperature']}" for row in some)
            sizes = [row["tokens"] for row in some]
            print(f"\n{corpus}, {shots} mentions a label, {on}, {len(some)} seeds")
            print(f"{sum(sizes) // len(sizes)} tokens stored; weights chosen: {chosen}")
            print(f"{'arm':<10}{'micro':>14}{'macro':>14}{'gain':>8}{'speed':>8}")
            for arm in ARMS:
                cells = []
                for name in ("micro", "macro"):
                    cells.append(common.mean_and_spread([row[arm][on][name] for row in some]))
                gains = [100 * (row[arm][on]["micro"] - row["head"][on]["micro"]) for row in some]
                speed = common.spread([row[arm]["speed"] / row["head"]["speed"] for row in some])
                gain = f"{sum(gains) / len(gains):+.1f}"
                print(f"{arm:<10}{cells[0]:>14}{cells[1]:>14}{gain:>8}{speed[0]:>8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", nargs="+", type=Path)
    parser.add_argument("--model", default="tagger", choices=list(MODELS))
    parser.add_argument("--shots", nargs="+", type=int, default=[5, 20])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--lang", default="xx")
    parser.add_argument("--updates", type=int, default=200)
    parser.add_argument("--words", type=int, default=500)
    parser.add_argument("--checks", type=int, default=4, help="checkpoints scored on dev")
    parser.add_argument("--limit", type=int, default=0, help="documents of dev and of test")
    parser.add_argument("--distance", default="cosine")
    parser.add_argument("--k", type=int, default=16)
    parser.add_argument("--power", type=float, default=0.1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--summary", type=Path)
    parser.add_argument("--on", default="dev", choices=["dev", "test"])
    args = parser.parse_args()
    if args.summary is not None:
        return summary(args.summary, [corpus.name for corpus in args.corpora], args.on)
    for folder in args.corpora:
        for shots in args.shots:
            for seed in range(args.first_seed, args.first_seed + args.seeds):
                result = run(folder, shots, seed, args)
                row = {"corpus": folder.name, "model": args.model, "shots": shots, "seed": seed}
                row.update(result)
                text = " ".join(f"{arm} {100 * row[arm]['dev']['micro']:.1f}" for arm in ARMS)
                print(folder.name, shots, seed, "dev", text, flush=True)
                common.write_rows(args.out, [row])
    return None


if __name__ == "__main__":
    main()
