"""Learning from a gazetteer: distant labels with and without what nobody vouches for, beside gold.

    python benchmarks/distant.py CORPUS [CORPUS ...] --share 0.3 --seeds 2 --updates 250 --out distant.jsonl

The gazetteer is a share of the distinct mentions of the training set with their labels, drawn by the
seed. It labels the text of the training set as `contrastive annotate --patterns` does. "gold" is
trained on gold; "all" on distant labels as if there were nothing else (no missing_key); "sentences"
and "matches" with what `--vouch` of that name leaves unknown under the missing key. All systems see
the same text in the same batches, for as many updates; the best of four checkpoints by F1 on the
gold of dev is scored on test. "gazetteer" is no model: its matches in the test set. Micro F1, and
the means of precision and recall.
"""

import argparse
import random
from pathlib import Path
from typing import Any, Dict, List, Tuple

import accuracy
import common
import numpy
import spacy
from spacy.language import Language
from spacy.training import Example

from spacy_contrastive_ner.convert.distant import Labeller
from spacy_contrastive_ner.convert.notes import Notes
from spacy_contrastive_ner.convert.records import Where

SYSTEMS = {
    "tagger": accuracy.ours({}, missing_key="missing"),
    "bi-encoder": accuracy.binder(dropout=0.4),
}
Row = Dict[str, Any]


def gazetteer(examples: List[Example], share: float, seed: int) -> List[Dict[str, Any]]:
    """Patterns of tokens for a share of the distinct mentions."""
    mentions = {
        (tuple(token.text for token in span), span.label_)
        for example in examples
        for span in example.reference.spans[common.KEY]
    }
    chosen = random.Random(seed).sample(sorted(mentions), round(share * len(mentions)))
    return [
        {"label": label, "pattern": [{"ORTH": word} for word in words], "id": ""}
        for words, label in chosen
    ]


def label(
    nlp: Language, examples: List[Example], patterns: List[Dict[str, Any]], vouch: str
) -> List[Example]:
    """The same texts with distant labels."""
    blank = spacy.blank(nlp.lang, vocab=nlp.vocab)
    labeller = Labeller(blank, patterns, Notes(), vouch=vouch)
    out = []
    for example in examples:
        doc = common.blank_copy(nlp, example).predicted
        labeller(doc, Where(Path("text")))
        out.append(Example(common.blank_copy(nlp, example).predicted, doc))
    return out


def prf(rows: Any) -> Row:
    right, wrong, missed = (int(n) for n in numpy.sum(rows, axis=0))
    return {
        "f": 2 * right / max(1, 2 * right + wrong + missed),
        "p": right / max(1, right + wrong),
        "r": right / max(1, right + missed),
    }


def compare(labelled: List[Example], gold: List[Example]) -> Row:
    """Score distant labels against gold."""
    rows = []
    for some, example in zip(labelled, gold):
        found, true = (
            {(s.start, s.end, s.label_) for s in doc.spans[common.KEY]}
            for doc in (some.reference, example.reference)
        )
        rows.append([len(found & true), len(found - true), len(true - found)])
    return prf(rows)


def train(system: str, labels: str, parts: Dict[str, List[Example]], seed: int, args: Any) -> Row:
    nlp = common.pipeline(args.lang, seed)
    own = {p: [common.blank_copy(nlp, eg) for eg in parts[p]] for p in ("dev", "test", labels)}
    SYSTEMS[system](nlp, 0)
    nlp.get_pipe("contrastive_ner").cfg["missing_key"] = "missing"
    optimizer = nlp.initialize(lambda: own[labels])
    plan = common.plan(own[labels], args.words, args.updates, seed)
    run = common.keep_best(nlp, optimizer, plan, lambda: common.counts(nlp, own["dev"])["micro"], 4)
    on_test = common.counts(nlp, own["test"])
    return {**run, **prf(on_test["docs"]), "macro": on_test["macro"]}


def measure(folder: Path, seed: int, args: Any) -> List[Row]:
    nlp = common.pipeline(args.lang, seed)
    parts = common.read_parts(nlp, folder)
    parts["test"] = parts["test"][: args.test or None]
    patterns = gazetteer(parts["train"], args.share, seed)
    for vouch in ("all", "sentences", "matches"):
        parts[vouch] = label(nlp, parts["train"], patterns, vouch)
    parts["gold"] = parts.pop("train")
    in_test = compare(label(nlp, parts["test"], patterns, "all"), parts["test"])
    in_train = compare(parts["all"], parts["gold"])
    out: List[Row] = [
        {"system": "gazetteer", "labels": "(train)", **in_train},
        {"system": "gazetteer", "labels": "(test)", **in_test},
    ]
    for labels in args.labels:
        for system in args.systems:
            row = {"system": system, "labels": labels, **train(system, labels, parts, seed, args)}
            out.append(row)
            print(folder.name, seed, row, flush=True)
    return [{"corpus": folder.name, "seed": seed, **row} for row in out]


def show(rows: List[Row]) -> None:
    keys: List[Tuple[str, ...]] = [(r["corpus"], r["system"], r["labels"]) for r in rows]
    for key in sorted(set(keys), key=keys.index):
        some = [row for row, own in zip(rows, keys) if own == key]
        mean, sd = common.spread([100 * row["f"] for row in some])
        p, r = (100 * sum(row[x] for row in some) / len(some) for x in "pr")
        print(
            "".join(f"{word:<12}" for word in key),
            f"{mean:5.1f} ± {sd:.1f} ({p:.0f}, {r:.0f})  n={len(some)}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", nargs="+", type=Path)
    parser.add_argument("--lang", default="xx")
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--updates", type=int, default=250)
    parser.add_argument("--words", type=int, default=500)
    parser.add_argument("--test", type=int, default=0, help="Only so many texts of the test set")
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS))
    parser.add_argument("--labels", nargs="+", default=["gold", "all", "sentences", "matches"])
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    for folder in args.corpora:
        rows: List[Row] = []
        for seed in range(args.seeds):
            rows += measure(folder, seed, args)
        show(rows)
        common.write_rows(args.out, rows)


if __name__ == "__main__":
    main()
