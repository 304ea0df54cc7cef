"""Does stage 1 help? Stage 1 and 2 beside stage 2 alone, and beside stage 2 with more updates.

    python benchmarks/stage_one.py CORPUS --arms none control infonce --shots 0 20 --seeds 3 --out r.jsonl
    python benchmarks/stage_one.py CORPUS --foreign OTHER [OTHER ...] --shots 20 --out r.jsonl
    python benchmarks/stage_one.py CORPUS --summary r.jsonl --on dev

"none" is stage 2 alone, "control" stage 2 alone with as many more updates as stage 1 makes,
"words" with so many more updates that it sees as many more words as stage 1 does, and "balanced"
the control with the balanced batches of stage 1 instead of plain ones. "transfer" trains the pipe
itself, instead of stage 1, on the other corpora that have no labels but those of this one, and
then goes on as "none", "distance+transfer" does so after stage 1; "mixed" trains it on both at
once, as many words of each in every batch, with as many updates as both stages make. Each other
arm is stage 1 with that objective, then stage 2 as in "none", with the same seed and the same
batches; "joint" learns both at once. With --foreign stage 1 sees only the training sets of other
corpora. With --shots N the training set is documents drawn by the seed until each label has so
many mentions; with --masked it is all documents, and all but N mentions of each label are marked
as missing. Stage 2 keeps the best of --checks checkpoints by dev, with --tune each with the
threshold that is best on dev. Scores of the test set are written to the file, but shown only by
--on test: choose by dev.
"""

import argparse
import random
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import common
import numpy
from spacy.language import Language
from spacy.training import Example
from subsets import MISSING, mask, some_documents, with_labels_of

from spacy_contrastive_ner import losses
from spacy_contrastive_ner.corpora.batcher import make_balanced_batcher
from spacy_contrastive_ner.layers.crf import CRF
from spacy_contrastive_ner.layers.projections import GaussianProjection, MlpProjection
from spacy_contrastive_ner.pretraining import objective as objectives
from spacy_contrastive_ner.pretraining.objective import Objective

Score = Dict[str, Any]


def contrast(loss: Any, projection: Any, **settings: Any) -> Callable[[], Objective]:
    def make() -> Objective:
        return objectives.make_contrastive_objective(
            loss, projection(), missing_key=MISSING, **settings
        )

    return make


def tagging() -> Objective:
    return objectives.make_tagging_objective(crf=CRF(), dropout=0.4, missing_key=MISSING)


def both(make: Callable[[], Objective], weight: float) -> Callable[[], Objective]:
    return lambda: objectives.make_sum_objective(
        {"tag": tagging(), "contrast": make()}, {"contrast": weight}
    )


info_nce = contrast(losses.make_info_nce(0.1), MlpProjection)
segments = contrast(
    losses.make_info_nce(0.1, "labels"), MlpProjection, units="segments", outside="query"
)
distance = contrast(
    losses.make_distance_logistic(temperature=0.25), MlpProjection, units="segments"
)

ARMS: Dict[str, Optional[Callable[[], Objective]]] = {
    "none": None,
    "control": None,
    "words": None,
    "balanced": None,
    "transfer": None,
    "mixed": None,
    "infonce": info_nce,
    "infonce-labels": contrast(losses.make_info_nce(0.1, "labels"), MlpProjection),
    "infonce-query": contrast(losses.make_info_nce(0.1), MlpProjection, outside="query"),
    "infonce-segments": segments,
    "supcon": contrast(losses.make_supcon(0.1), MlpProjection),
    "gaussian": contrast(losses.make_gaussian_kl(None, 1.0), GaussianProjection),
    "distance": distance,
    "distance+transfer": distance,
    "tagging": tagging,
    "tagging+infonce": both(info_nce, 1.0),
    "tagging+segments": both(segments, 0.3),
    "joint": None,
}

OTHERS_IN_STAGE_TWO = ("transfer", "distance+transfer", "mixed")

# Those that need no corpus with the same labels.
USUAL = [arm for arm in ARMS if arm not in OTHERS_IN_STAGE_TWO]


def stage_one(
    make: Callable[[], Objective], nlp: Language, examples: List[Example], args: Any, seed: int
) -> bytes:
    """Pretrain the encoder of the pipe, and return its weights."""
    encoder = nlp.get_pipe("contrastive_ner").model.get_ref("tok2vec")
    batcher = make_balanced_batcher(size=args.words_one, seed=seed)
    return common.pretrain(
        make(), nlp, encoder, examples, batcher, args.updates_one, args.learn_rate, seed
    )


def model_of(arm: str, encoder: Optional[Path]) -> Dict[str, Any]:
    """The default model; with "joint" it learns the objective of "infonce-segments" as well."""
    tagger = {
        "@architectures": "spacy-contrastive-ner.MultiHeadTagger.v1",
        "tok2vec": common.TOK2VEC if encoder is None else common.transformer(encoder),
        "dropout": 0.4,
        "crf": {"@layers": "spacy-contrastive-ner.CRF.v1"},
    }
    if arm != "joint":
        return tagger
    loss = {"@losses": "spacy-contrastive-ner.InfoNCE.v1", "reduction": "labels"}
    objective = {
        "@architectures": "spacy-contrastive-ner.ContrastiveObjective.v1",
        "loss": loss,
        "projection": {"@layers": "spacy-contrastive-ner.MlpProjection.v1"},
        "units": "segments",
        "outside": "query",
    }
    objective = {
        "@architectures": "spacy-contrastive-ner.SumObjective.v1",
        "objectives": {"contrast": objective},
        "weights": {"contrast": 0.1},
    }
    return {
        "@architectures": "spacy-contrastive-ner.JointTagger.v1",
        "tagger": tagger,
        "objective": objective,
    }


def batches(
    arm: str, train: List[Example], updates: int, words: int, seed: int
) -> List[List[Example]]:
    """The batches of stage 2. For "balanced" those of the batcher of stage 1."""
    if arm != "balanced":
        return common.plan(train, words, updates, seed)
    rng = random.Random(seed)
    balanced = make_balanced_batcher(size=words, seed=seed)
    plan: List[List[Example]] = []
    epoch = 0
    while len(plan) < updates:
        order = list(train)
        rng.shuffle(order)
        common.mark_epoch(order, epoch)
        plan += balanced(order)
        epoch += 1
    return plan[:updates]


def more_updates(arm: str, train: List[Example], args: Any) -> int:
    """How many more updates stage 2 makes instead of stage 1."""
    if arm in ("control", "balanced", "mixed"):
        return int(args.updates_one)
    if arm != "words":
        return 0
    # No batch is larger than the training set.
    total = sum(len(example.predicted) for example in train)
    ratio = min(args.words_one, total) / min(args.words_two, total)
    return round(args.updates_one * ratio)


def others(nlp: Language, folders: List[Path]) -> List[Example]:
    """The training sets of other corpora."""
    known: List[Example] = []
    for folder in folders:
        some = common.read_examples(nlp, folder, "train")
        common.mark(some, folder.name)
        known += some
    return known


def stage_two(optimizer: Any, args: Any) -> Any:
    """The optimizer with the settings of stage 2."""
    optimizer.learn_rate = args.learn_rate_two or args.learn_rate
    optimizer.averages = {} if args.averages else None
    return optimizer


def run(arm: str, folder: Path, shots: int, seed: int, args: Any) -> Score:
    nlp = common.pipeline(args.lang, seed)
    parts = common.read_parts(nlp, folder, args.limit)
    train = parts["train"]
    common.mark(train, folder.name)
    if shots and args.masked:
        mask(train, shots, seed)
    elif shots:
        train = some_documents(train, shots, seed)
    nlp.add_pipe(
        "contrastive_ner", config={"model": model_of(arm, args.encoder), "missing_key": MISSING}
    )
    weights = None
    make = ARMS[arm]
    if make is not None:
        known = others(nlp, args.foreign) if args.foreign else train
        weights = stage_one(make, nlp, known, args, seed)
    common.pipeline(args.lang, seed)  # the same seed for stage 2
    optimizer = stage_two(nlp.initialize(lambda: train), args)
    if weights is not None:
        nlp.get_pipe("contrastive_ner").model.get_ref("tok2vec").from_bytes(weights)
    if arm in OTHERS_IN_STAGE_TWO:
        known = with_labels_of(train, others(nlp, args.foreign), dict(args.rename))
    if arm.endswith("transfer"):
        for batch in common.plan(known, args.words_one, args.updates_one, seed):
            nlp.update(batch, sgd=optimizer, drop=0.1)
        optimizer = stage_two(nlp.resume_training(), args)
    updates = args.updates_two + more_updates(arm, train, args)
    plan = batches(arm, train, updates, args.words_two, seed)
    if arm == "mixed":
        theirs = common.plan(known, args.words_two, updates, seed)
        plan = [ours + more for ours, more in zip(plan, theirs)]
    on_dev: List[Score] = []

    def score() -> float:
        if args.tune:
            fresh = [common.blank_copy(nlp, example) for example in parts["dev"]]
            nlp.get_pipe("contrastive_ner").tune_threshold(fresh)
        on_dev.append(common.counts(nlp, parts["dev"]))
        on_dev[-1]["threshold"] = nlp.get_pipe("contrastive_ner").cfg["threshold"]
        return float(on_dev[-1]["micro"])

    # The threshold that was chosen is kept with the weights.
    common.keep_best(nlp, optimizer, plan, score, args.checks)
    # The first of the best, as it was kept.
    best = max(on_dev, key=lambda some: some["micro"])
    return {"dev": best, "test": common.counts(nlp, parts["test"])}


def summary(path: Path, corpora: List[str], on: str) -> None:
    """Mean and spread of each arm, and how often documents and seeds drawn anew say otherwise."""
    rows = common.read_rows(path)
    rows = [row for row in rows if row["corpus"] in corpora]
    # Those for which it makes no difference what other corpora there were.
    without_others = [
        arm for arm, make in ARMS.items() if make is None and arm not in OTHERS_IN_STAGE_TWO
    ]
    for row in rows:
        row["key"] = (row["corpus"], row.get("encoder", "CNN"), row["shots"], row.get("setting"))
        row["of"] = "" if row["arm"] in without_others else row["foreign"]
    for key in dict.fromkeys(row["key"] for row in rows):
        for foreign in dict.fromkeys(row["of"] for row in rows if row["key"] == key):
            arms: Dict[str, Dict[int, Score]] = {}
            for row in rows:
                fits = row["of"] == foreign or row["arm"] in without_others
                if row["key"] == key and fits:
                    arms.setdefault(row["arm"], {})[row["seed"]] = row
            corpus, encoder, shots, _ = key
            origin = f", with {foreign}" if foreign else ""
            print(f"\n{corpus}{origin}, {encoder}, {shots or 'all'} mentions a label, {on}")
            print(
                f"{'arm':<18}{'micro':>14}{'macro':>14}{'vs control':>12}{'not > 0':>9}{'seeds':>7}"
            )
            for arm in ARMS:
                if arm in arms:
                    show_arm(arm, arms[arm], arms.get("control", {}), on)


def show_arm(arm: str, runs: Dict[int, Score], control: Dict[int, Score], on: str) -> None:
    cells = []
    for name in ("micro", "macro"):
        cells.append(common.mean_and_spread([run[on][name] for run in runs.values()]))
    gain, share = ("-", "-") if arm == "control" else paired(runs, control, on)
    print(f"{arm:<18}{cells[0]:>14}{cells[1]:>14}{gain:>12}{share:>9}{len(runs):>7}")


def paired(runs: Dict[int, Score], others: Dict[int, Score], on: str) -> Tuple[str, str]:
    """The mean gain in micro F1 over runs with the same seed, and how often it is not above 0 if
    seeds and documents are drawn anew."""
    pairs = [
        (numpy.asarray(runs[seed][on]["docs"]), numpy.asarray(others[seed][on]["docs"]))
        for seed in runs
        if seed in others
    ]
    if not pairs:
        return "-", "-"
    gain = numpy.mean([common.f_score(a.sum(0)) - common.f_score(b.sum(0)) for a, b in pairs])
    rng = numpy.random.default_rng(0)
    below = 0
    for _ in range(2000):
        draw = rng.integers(len(pairs[0][0]), size=len(pairs[0][0]))
        some = [pairs[i] for i in rng.integers(len(pairs), size=len(pairs))]
        gains = [common.f_score(a[draw].sum(0)) - common.f_score(b[draw].sum(0)) for a, b in some]
        below += numpy.mean(gains) <= 0
    return f"{100 * gain:+.1f}", f"{below / 2000:.3f}"


def renaming(pair: str) -> Tuple[str, str]:
    """Read --rename."""
    old, equal, new = pair.partition("=")
    if not (old and equal and new):
        raise argparse.ArgumentTypeError(f"{pair!r} is not like OTH=MISC")
    return old, new


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", nargs="+", type=Path)
    parser.add_argument("--arms", nargs="+", default=USUAL, choices=list(ARMS))
    parser.add_argument("--shots", nargs="+", type=int, default=[0], help="0 for all mentions")
    parser.add_argument("--masked", action="store_true", help="keep mentions, not documents")
    parser.add_argument("--foreign", nargs="*", type=Path, default=[])
    parser.add_argument(
        "--rename",
        nargs="*",
        default=[],
        type=renaming,
        help="for transfers and mixed: how labels of other corpora begin, and here, as OTH=MISC",
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--lang", default="xx")
    parser.add_argument("--updates-one", type=int, default=300)
    parser.add_argument("--updates-two", type=int, default=600)
    parser.add_argument("--words-one", type=int, default=2000)
    parser.add_argument("--words-two", type=int, default=500)
    parser.add_argument("--checks", type=int, default=8, help="checkpoints scored on dev")
    parser.add_argument("--encoder", type=Path, help="folder of a transformer; else a CNN")
    parser.add_argument("--learn-rate", type=float, default=0.001)
    parser.add_argument("--learn-rate-two", type=float, help="that of stage 2, if it is another")
    parser.add_argument("--averages", action="store_true", help="stage 2 averages the weights")
    parser.add_argument("--tune", action="store_true", help="choose the threshold by dev")
    parser.add_argument("--limit", type=int, default=0, help="so many texts of dev and test")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--summary", type=Path)
    parser.add_argument("--on", default="dev", choices=["dev", "test"])
    args = parser.parse_args()
    if args.summary:
        summary(args.summary, [folder.name for folder in args.corpora], args.on)
        return
    names = ("masked", "learn_rate", "updates_one", "updates_two", "words_one", "words_two")
    setting = common.settings_of(args, names)
    if args.tune or args.averages:
        setting += ", " + common.settings_of(args, ("tune", "averages", "learn_rate_two"))
    if args.limit:
        setting += f", limit {args.limit}"
    for folder in args.corpora:
        for shots in args.shots:
            for seed in range(args.first_seed, args.first_seed + args.seeds):
                for arm in args.arms:
                    row = run(arm, folder, shots, seed, args)
                    names = "+".join(other.name for other in args.foreign)
                    encoder = args.encoder.name if args.encoder else "CNN"
                    row = {"corpus": folder.name, "foreign": names, "shots": shots, **row}
                    row.update(arm=arm, seed=seed, encoder=encoder, setting=setting)
                    shown = ", ".join(f"{k} {100 * row['dev'][k]:.1f}" for k in ("micro", "macro"))
                    print(f"{folder.name} {shots} {arm} seed {seed}: dev {shown}", flush=True)
                    common.write_rows(args.out, [row])


if __name__ == "__main__":
    main()
