"""Do tags of word pieces pay? SubwordTagger beside MultiHeadTagger, which pools the pieces of a token.

    python benchmarks/subwords.py CORPUS --encoder FOLDER --seeds 3 --updates 100 --out r.jsonl
    python benchmarks/subwords.py CORPUS --summary r.jsonl

Both have the same transformer, seeds, batches and number of updates, and are scored as they are after
the last one; nothing is chosen by a score. Columns are F1 over all spans and over labels, precision, recall,
recall of the gold whose tokens are all one piece and of the gold with a longer token, and the processor
seconds of training.
"""

import argparse
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

import common
from spacy.language import Language
from spacy.training import Example

ARCHITECTURES = {
    "tokens": "spacy-contrastive-ner.MultiHeadTagger.v1",
    "pieces": "spacy-contrastive-ner.SubwordTagger.v1",
}
CE = {"@losses": "spacy-contrastive-ner.CrossEntropyDice.v1"}
LOSSES: Dict[str, Dict[str, Any]] = {
    "crf": {"crf": {"@layers": "spacy-contrastive-ner.CRF.v1"}},
    "ce": {"crf": None, "loss": CE},
    "coner": {
        "crf": None,
        "loss": {**CE, "alpha": 0.1, "beta": 1.0, "scope": "batch", "label_smoothing": 0.01},
    },
}
COLUMNS = ("micro", "macro", "precision", "recall", "recall_one", "recall_more")

Score = Dict[str, Any]


def count_pieces(nlp: Language) -> Callable[[str], int]:
    """How many pieces a word has by itself."""
    model = nlp.get_pipe("contrastive_ner").model
    tokenizer = next(node for node in model.walk() if node.name == "transformer").tokenizer
    known: Dict[str, int] = {}

    def count(word: str) -> int:
        if word not in known:
            known[word] = len(tokenizer.tokenize(word))
        return known[word]

    return count


def evaluate(nlp: Language, examples: List[Example]) -> Score:
    """Micro and macro F1, precision and recall, and recall by the pieces of the gold's tokens."""
    fresh = common.predicted(nlp, examples)
    pieces_of = count_pieces(nlp)
    rows: Dict[str, List[int]] = {}
    hits: Dict[str, List[bool]] = {"one": [], "more": []}
    for example in fresh:
        gold = {(s.start, s.end, s.label_): s for s in example.reference.spans[common.KEY]}
        found = {(s.start, s.end, s.label_) for s in example.predicted.spans[common.KEY]}
        for at, some in enumerate((gold.keys() & found, found - gold.keys(), gold.keys() - found)):
            for *_, label in some:
                rows.setdefault(label, [0, 0, 0])[at] += 1
        for key, span in gold.items():
            longer = any(pieces_of(token.text) > 1 for token in span)
            hits["more" if longer else "one"].append(key in found)
    tp, fp, fn = (sum(row[i] for row in rows.values()) for i in range(3))
    scored = [common.f_score(row) for row in rows.values() if row[0] + row[2]]
    return {
        "micro": common.f_score((tp, fp, fn)),
        "macro": sum(scored) / max(1, len(scored)),
        "precision": tp / max(1, tp + fp),
        "recall": tp / max(1, tp + fn),
        **{f"recall_{name}": sum(some) / max(1, len(some)) for name, some in hits.items()},
        **{f"gold_{name}": len(some) for name, some in hits.items()},
    }


def run(arm: str, parts: Dict[str, List[Example]], seed: int, args: Any) -> Score:
    nlp = common.pipeline(args.lang, seed)
    model = {
        "@architectures": ARCHITECTURES[arm],
        "tok2vec": common.transformer(args.encoder),
        "dropout": 0.4,
        **LOSSES[args.loss],
    }
    nlp.add_pipe("contrastive_ner", config={"model": model})
    optimizer = nlp.initialize(lambda: parts["train"])
    optimizer.learn_rate = args.learn_rate
    plan = common.plan(parts["train"], args.words, args.updates, seed)
    begin = time.process_time()
    for batch in plan:
        nlp.update(batch, sgd=optimizer, drop=0.1)
    seconds = time.process_time() - begin
    score: Score = {"train_seconds": seconds, "dev": evaluate(nlp, parts["dev"])}
    if args.test:
        score["test"] = evaluate(nlp, parts["test"])
    return score


def summary(path: Path, corpora: List[str], on: str) -> None:
    """Mean and spread of each arm, and of their differences seed by seed."""
    rows = common.read_rows(path)
    for corpus in corpora:
        of = {
            arm: {row["seed"]: row for row in rows if (row["corpus"], row["arm"]) == (corpus, arm)}
            for arm in ARCHITECTURES
        }
        some = next(iter(of["tokens"].values()))
        print(f"\n{corpus}, {on}: {some['setting']}")
        gold = (some[on]["gold_one"], some[on]["gold_more"])
        print(f"gold with tokens of one piece: {gold[0]}, with longer ones: {gold[1]}")
        print(f"{'':<12}" + "".join(f"{name:>16}" for name in COLUMNS) + f"{'train s':>10}")
        for arm, runs in of.items():
            cells = [
                common.mean_and_spread([row[on][name] for row in runs.values()]) for name in COLUMNS
            ]
            seconds = common.spread([row["train_seconds"] for row in runs.values()])[0]
            print(f"{arm:<12}" + "".join(f"{cell:>16}" for cell in cells) + f"{seconds:>10.0f}")
        seeds = sorted(of["tokens"].keys() & of["pieces"].keys())
        for name in ("micro", "macro"):
            gains = [100 * (of["pieces"][s][on][name] - of["tokens"][s][on][name]) for s in seeds]
            print(f"pieces - tokens, {name}: " + ", ".join(f"{gain:+.1f}" for gain in gains))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", nargs="+", type=Path)
    parser.add_argument("--encoder", type=Path, help="folder of a transformer")
    parser.add_argument("--loss", default="crf", choices=list(LOSSES))
    parser.add_argument("--lang", default="xx")
    parser.add_argument(
        "--arms", nargs="+", default=list(ARCHITECTURES), choices=list(ARCHITECTURES)
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=100)
    parser.add_argument("--words", type=int, default=300)
    parser.add_argument("--learn-rate", type=float, default=1e-4)
    parser.add_argument("--limit", type=int, default=0, help="documents of dev and test, 0 for all")
    parser.add_argument("--test", action="store_true", help="score the test set, too")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--summary", type=Path)
    parser.add_argument("--on", default="dev", choices=["dev", "test"])
    args = parser.parse_args()
    if args.summary:
        summary(args.summary, [folder.name for folder in args.corpora], args.on)
        return
    if args.encoder is None:
        parser.error("--encoder: name the folder of a transformer")
    names = ("loss", "updates", "words", "learn_rate", "limit")
    setting = common.settings_of(args, names)
    for folder in args.corpora:
        for seed in range(args.seeds):
            for arm in args.arms:
                nlp = common.pipeline(args.lang, seed)
                parts = common.read_parts(nlp, folder, args.limit)
                row = {"corpus": folder.name, "arm": arm, "seed": seed, "setting": setting}
                row.update(run(arm, parts, seed, args))
                shown = ", ".join(f"{name} {100 * row['dev'][name]:.1f}" for name in COLUMNS)
                print(f"{folder.name} {arm} seed {seed}: {shown}", flush=True)
                common.write_rows(args.out, [row])


if __name__ == "__main__":
    main()
