"""Labels without training: a bi-encoder that never learned two labels gets them by five examples.

    python benchmarks/new_labels.py CORPUS [CORPUS ...] --seeds 2 --draws 5 --trained --out new.jsonl
    python benchmarks/new_labels.py litbank --encoder FOLDER --words 300 --learn-rate 1e-4

The two are the second and the third most frequent label of the training set. Their gold is removed
from training and dev: nobody looked for them, so that what they cover is negative. Examples are all
mentions of a label in passages of the training set that are drawn until there are five. On the test
set, F1 (precision, recall) over seeds and draws: "as added"; at the threshold that is best on dev,
which takes gold that one would not have; the same with random spans for examples; exact matches of
the five surfaces; as many random spans as there is gold; every span; and a model that was trained
on all gold. On dev, F1 by rules for the threshold. With --encoder, a transformer, labels are added
by description, too.
"""

import argparse
import random
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Sequence, Set, Tuple

import accuracy
import common
import numpy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.types import Ragged

from spacy_contrastive_ner import spans
from spacy_contrastive_ner.models.label_vectors import margins_of

Score = Dict[str, float]
Found = List[Tuple[str, Score]]
DESCRIPTIONS = {
    "FAC": "a building, a room, a street or another place made by people: house, kitchen, road",
    "GPE": "a country, a city, a village or another place with a government",
    "LOC": "a place in nature or a region: mountain, river, sea, forest, the world",
    "ORG": "an organization such as a company, an army, a school or a church",
    "PER": "a person or a group of people, by name, by role or in relation to others",
    "VEH": "a vehicle: a ship, a boat, a carriage, a train",
}


class Curve:
    """The margins of all spans of some documents for a label, and which of them are gold."""

    def __init__(self, pipe: Any, rows: Ragged, gold: Sequence[Doc], label: str) -> None:
        names = pipe.model.attrs["names"]
        least = numpy.full(len(names), numpy.inf)
        least[names.index(label)] = -1e9
        found = spans.decode(pipe.model.ops, margins_of(pipe.model, rows), least)
        self.gold = gold
        self.places = list(zip(*(column.tolist() for column in found[:3])))
        true = {(i, s.start, s.end) for i, doc in enumerate(gold) for s in with_label(doc, label)}
        self.margins, self.n_gold = found.probability, len(true)
        self.is_gold = numpy.asarray([place in true for place in self.places], dtype="bool")

    def at(self, threshold: float) -> Score:
        """The score of the spans whose margin reaches the threshold."""
        return prf(self.is_gold[self.margins >= threshold], self.n_gold)

    def of(self, words: Set[Tuple[str, ...]]) -> Score:
        """The score of the spans with these words."""
        some = (tuple(t.text for t in self.gold[i][a:b]) in words for i, a, b in self.places)
        return prf(self.is_gold[numpy.fromiter(some, dtype="bool")], self.n_gold)

    def best(self) -> float:
        """The threshold with the highest F1."""
        order = numpy.argsort(-self.margins, kind="stable")
        f = 2 * numpy.cumsum(self.is_gold[order]) / (numpy.arange(len(order)) + 1 + self.n_gold)
        return float(self.margins[order[f.argmax()]])


def with_label(doc: Doc, label: str) -> List[Span]:
    return [span for span in doc.spans[common.KEY] if span.label_ == label]


def prf(is_right: Sequence[bool], n_gold: int) -> Score:
    right, n = int(sum(is_right)), len(is_right)
    return {"f": 2 * right / max(1, n + n_gold), "p": right / max(1, n), "r": right / n_gold}


def scored(nlp: Language, examples: Sequence[Example]) -> Tuple[Ragged, List[Doc]]:
    """The rows of some texts, which no label changes, and their gold."""
    rows = rows_of(nlp.get_pipe("contrastive_ner"), [eg.predicted for eg in examples])
    return rows, [eg.reference for eg in examples]


def rows_of(pipe: Any, docs: Sequence[Doc]) -> Ragged:
    parts = [pipe.model.predict(list(docs[i : i + 32])) for i in range(0, len(docs), 32)]
    lengths = numpy.concatenate([part.lengths for part in parts])
    return Ragged(numpy.concatenate([part.dataXd for part in parts]), lengths)


def draw(nlp: Language, train: List[Example], label: str, n: int, rng: random.Random) -> List[Span]:
    """Draw passages that have so many mentions together, none of them wider than what is known."""
    space = nlp.get_pipe("contrastive_ner").model.get_ref("space").layers[0]
    chosen: List[Span] = []
    for example in rng.sample(train, len(train)):
        own = with_label(example.reference, label)
        fits = all(len(span) <= len(space.get_param("widths")) for span in own)
        if own and fits and len(own) <= n - len(chosen):
            doc = nlp(common.blank_copy(nlp, example).predicted)
            chosen += [doc[span.start : span.end] for span in own]
    return chosen


def by_rules(pipe: Any, label: str, mentions: List[Span]) -> Dict[str, float]:
    """Thresholds. "left out" are the margins of mentions to the mean of the other ones."""
    docs = list({id(span.doc): span.doc for span in mentions}.values())
    places = [(docs.index(span.doc), span.start, span.end) for span in mentions]
    rows, left_out = rows_of(pipe, docs), []
    for i, place in enumerate(places):
        pipe.add_label(label, examples=mentions[:i] + mentions[i + 1 :])
        curve = Curve(pipe, rows, [], label)
        left_out.append(curve.margins[curve.places.index(place)])
    pipe.add_label(label, examples=mentions)
    curve = Curve(pipe, rows, [], label)
    margins = dict(zip(curve.places, curve.margins.tolist()))
    own = [margins[place] for place in places]
    highest: Dict[int, float] = {}
    for place, margin in margins.items():
        if place not in places:
            highest[place[0]] = max(margin, highest.get(place[0], margin))
    others = list(highest.values())
    high = numpy.median(others)
    return {
        "half-way (as added)": (numpy.median(own) + high) / 2,
        "own, median": numpy.median(own),
        "own, lowest": min(own),
        "others, median": high,
        "others, highest": max(others),
        "left out, half-way": (numpy.median(left_out) + high) / 2,
        "left out, median": numpy.median(left_out),
    }


def base(folder: Path, seed: int, args: Any, hidden: bool) -> Tuple[Language, Dict, List[str]]:
    """Train on all labels, or on all but two."""
    nlp = common.pipeline(args.lang, seed)
    parts = common.read_parts(nlp, folder)
    parts["test"] = parts["test"][: args.test or None]
    known = {p: common.read_examples(nlp, folder, p) for p in ("train", "dev")}
    counts = Counter(s.label_ for eg in parts["train"] for s in eg.reference.spans[common.KEY])
    new = [label for label, _ in counts.most_common(3)[1:]]
    for doc in (eg.reference for some in known.values() for eg in some if hidden):
        doc.spans[common.KEY] = [s for s in doc.spans[common.KEY] if s.label_ not in new]
    model: Dict[str, Any] = {"dropout": 0.1 if args.encoder else 0.4}
    if args.encoder:
        written = {k: DESCRIPTIONS[k] for k in counts if not hidden or k not in new}
        model.update(
            tok2vec=common.transformer(args.encoder), types="descriptions", descriptions=written
        )
    accuracy.binder(**model)(nlp, 0)
    optimizer = nlp.initialize(lambda: known["train"])
    optimizer.learn_rate = args.learn_rate
    plan = common.plan(known["train"], args.words, args.updates, seed)

    def score() -> float:
        return accuracy.evaluate(nlp, known["dev"])["all"]

    run = common.keep_best(nlp, optimizer, plan, score, args.checks)
    print(folder.name, seed, run, flush=True)
    return nlp, parts, new


def measure(nlp: Language, parts: Dict, sets: Dict, label: str, seed: int, args: Any) -> Found:
    """Add a label that the model does not know, by description and by several draws of examples."""
    pipe: Any = nlp.get_pipe("contrastive_ner")
    out: Found = []

    def score(way: str, rules: Dict[str, float]) -> None:
        dev, test = (Curve(pipe, *sets[part], label) for part in ("dev", "test"))
        for rule, threshold in {**rules, "best": dev.best()}.items():
            out.append((f"dev: {way}, {rule}", dev.at(threshold)))
            if rule in ("half-way (as added)", "best"):
                out.append((f"{way}, {rule}", test.at(threshold)))

    pipe.add_label(label)
    test = Curve(pipe, *sets["test"], label)
    if args.encoder:
        pipe.add_label(label, description=DESCRIPTIONS[label])
        score("description", {"half-way (as added)": 0.0})
    for i in range(args.draws):
        rng = random.Random(f"{seed} {i} {label}")
        mentions = draw(nlp, parts["train"], label, args.examples, rng)
        score("examples", by_rules(pipe, label, mentions))
        words = {tuple(token.text for token in span) for span in mentions}
        out.append(("surfaces", test.of(words)))
        starts = [rng.randrange(len(span.doc) - len(span) + 1) for span in mentions]
        others = [span.doc[a : a + len(span)] for a, span in zip(starts, mentions)]
        pipe.add_label(label, examples=others)
        score("random examples", {})
    out.append(("random spans", dict.fromkeys("fpr", test.n_gold / len(test.places))))
    out.append(("every span", test.at(-numpy.inf)))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", nargs="+", type=Path)
    parser.add_argument("--lang", default="xx")
    counts = {"seeds": 2, "draws": 5, "examples": 5, "updates": 400, "words": 500, "checks": 4}
    for name, value in counts.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--learn-rate", type=float, default=0.001)
    parser.add_argument("--test", type=int, default=0, help="Only so many texts of the test set")
    parser.add_argument("--trained", action="store_true", help="Train on all gold as well, seed 0")
    parser.add_argument("--encoder", type=Path, help="Folder of a transformer")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    for folder in args.corpora:
        found: Dict[Tuple[str, str], List[Score]] = {}
        for seed in range(args.seeds):
            nlp, parts, new = base(folder, seed, args, True)
            sets = {part: scored(nlp, parts[part]) for part in ("dev", "test")}
            for label in new:
                for way, score in measure(nlp, parts, sets, label, seed, args):
                    found.setdefault((label, way), []).append(score)
        if args.trained:
            nlp, parts, new = base(folder, 0, args, False)
            test = scored(nlp, parts["test"])
            for label in new:
                curve = Curve(nlp.get_pipe("contrastive_ner"), *test, label)
                found[label, "trained"] = [curve.at(0.0)]
        for (label, way), some in sorted(found.items()):
            f = common.mean_and_spread([score["f"] for score in some])
            p, r = (sum(100 * score[x] for score in some) / len(some) for x in "pr")
            cell = f"{f} ({p:.0f}, {r:.0f})"
            print(f"{folder.name:<9}{label:<11}{way:<40}{cell}  n={len(some)}")
            row = {"corpus": folder.name, "label": label, "way": way, "runs": some}
            common.write_rows(args.out, [row])


if __name__ == "__main__":
    main()
