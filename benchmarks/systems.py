"""The five published systems and the default, each as `contrastive init-config` writes it, in one table.

    python benchmarks/systems.py CORPUS [CORPUS ...] --seeds 3 --out r.jsonl
    python benchmarks/systems.py CORPUS [CORPUS ...] --encoder FOLDER --learn-rate 1e-4 --out r.jsonl
    python benchmarks/systems.py CORPUS [CORPUS ...] --summary r.jsonl

Pipe, stage 1 and its batches are those of the config. The encoder, the batches of stage 2, the rate of
learning and the number of updates are the same for all: what a system does not spend on stage 1 it has more
of in stage 2. "default-one" is the default without stage 1; spaCy's ner and spancat stand beside them, on a CNN.
The best of --checks checkpoints by F1 on dev is scored on test: micro F1 over all spans and over the flat
view, the mean over labels, and words in a second of processor time, predicting the test set. Runs that the
file has are not made again.
"""

import argparse
import time
from pathlib import Path
from typing import Any, Dict, List

import accuracy
import common
import span_typing
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_model_from_config, registry
from thinc.api import Config

from spacy_contrastive_ner.cli.init_config import CNN, choose, render

# Without a stage 1, as published, but for "default-one".
ONE_STAGE = ("default-one", "binder", "sng")
OURS = ("default", "default-one", "coner", "nerco", "gaussian", "sng", "binder")
SPACY = ("spancat", "ner")
COLUMNS = {"all": 100, "macro": 100, "flat": 100, "words_per_second": 1, "train_seconds": 1}
NAMES = ("all spans", "macro", "flat view", "words/s", "train s")

Score = Dict[str, Any]


def config_of(system: str, args: Any) -> Config:
    text = render(choose(args.lang, str(args.encoder or CNN), system.split("-")[0]))
    return Config().from_str(text, interpolate=False)


def make_pipeline(config: Config, seed: int) -> Language:
    config = config.copy()
    config["system"].update(seed=seed, gpu_allocator=None)
    # Corpora are read by the benchmark.
    config["corpora"] = {}
    config.pop("pretraining", None)
    return load_model_from_config(config, auto_fill=True, validate=False)


def stage_one(config: Config, train: List[Example], args: Any, seed: int) -> bytes:
    """The weights of the encoder after stage 1 of a config."""
    nlp = make_pipeline(config, seed)
    encoder = nlp.get_pipe(nlp.pipe_names[0]).model
    block = Config({"pretraining": config["pretraining"], "system": {"seed": seed}}).interpolate()
    known = {name: block["pretraining"][name] for name in ("objective", "batcher")}
    known["batcher"]["size"] = args.words_one
    made = registry.resolve(known, validate=False)
    return common.pretrain(
        made["objective"],
        nlp,
        encoder,
        train,
        made["batcher"],
        updates=args.updates_one,
        learn_rate=args.learn_rate,
        seed=seed,
    )


def run(system: str, folder: Path, seed: int, args: Any) -> Score:
    config = None if system in SPACY else config_of(system, args)
    nlp = common.pipeline(args.lang, seed) if config is None else make_pipeline(config, seed)
    parts = common.read_parts(nlp, folder, args.limit)
    begin, weights = time.process_time(), None
    common.mark(parts["train"], folder.name)
    if config is not None and system not in ONE_STAGE:
        weights = stage_one(config, parts["train"], args, seed)
    common.pipeline(args.lang, seed)  # the same seed for stage 2
    if config is None:
        accuracy.SYSTEMS[system](nlp, common.span_width(parts["train"]))
    elif system == "sng" and not args.encoder:
        span_typing.add_vectors(nlp, parts["train"])
    optimizer = nlp.initialize(lambda: parts["train"])
    optimizer.learn_rate = args.learn_rate
    optimizer.averages = {} if args.averages else None
    if weights is not None:
        nlp.get_pipe(nlp.pipe_names[0]).model.from_bytes(weights)
    updates = args.updates_two + (0 if weights is not None else args.updates_one)
    plan = common.plan(parts["train"], args.words_two, updates, seed)
    target = "flat" if system == "ner" else "all"
    spent = [0.0]

    def score() -> float:
        start = time.process_time()
        value = accuracy.evaluate(nlp, parts["dev"])[target]
        spent[0] += time.process_time() - start
        return value

    best = common.keep_best(nlp, optimizer, plan, score, args.checks)
    seconds = time.process_time() - begin - spent[0]
    scores = accuracy.evaluate(nlp, parts["test"])
    speed = words_per_second(nlp, parts["test"], 1 if args.encoder else 3)
    return {**best, **scores, "words_per_second": speed, "train_seconds": seconds}


def words_per_second(nlp: Language, examples: List[Example], repeats: int) -> float:
    """How fast texts are predicted, in processor time: the best of so many times."""
    seconds = []
    for _ in range(repeats):
        docs = [common.blank_copy(nlp, example).predicted for example in examples]
        begin = time.process_time()
        for _ in nlp.pipe(docs, batch_size=128):
            pass
        seconds.append(time.process_time() - begin)
    return sum(map(len, docs)) / min(seconds)


def summary(rows: List[Score], corpora: List[str]) -> None:
    """Mean and standard deviation over seeds, by corpus, encoder and setting."""
    rows = [row for row in rows if row["corpus"] in corpora]
    for key in dict.fromkeys((row["corpus"], row["encoder"], row["setting"]) for row in rows):
        print(f"\n{key[0]}, {key[1]}: {key[2]}")
        print(f"{'':<14}" + "".join(f"{name:>15}" for name in NAMES) + f"{'seeds':>7}")
        for system in (*OURS, *SPACY):
            runs = [
                row
                for row in rows
                if (row["corpus"], row["encoder"], row["setting"], row["system"]) == (*key, system)
            ]
            cells = []
            for name, factor in COLUMNS.items():
                values = [factor * row[name] for row in runs if name in row]
                mean, sd = common.spread(values) if values else (0.0, 0.0)
                text = f"{mean:.1f} ± {sd:.1f}" if factor == 100 else f"{mean:.0f}"
                cells.append(text if values else "-")
            if runs:
                line = "".join(f"{cell:>15}" for cell in cells)
                print(f"{system:<14}{line}{len(runs):>7}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpora", nargs="+", type=Path)
    parser.add_argument("--systems", nargs="+", default=list(OURS), choices=[*OURS, *SPACY])
    parser.add_argument("--encoder", type=Path, help="folder of a transformer; else a CNN")
    parser.add_argument("--lang", default="xx")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--updates-one", type=int, default=150)
    parser.add_argument("--updates-two", type=int, default=600)
    parser.add_argument("--words-one", type=int, default=2000)
    parser.add_argument("--words-two", type=int, default=500)
    parser.add_argument("--checks", type=int, default=4, help="checkpoints scored on dev")
    parser.add_argument("--limit", type=int, default=0, help="texts of dev and test, 0 for all")
    parser.add_argument("--learn-rate", type=float, default=0.001)
    parser.add_argument("--averages", action="store_true", help="score averages of the weights")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--summary", type=Path)
    args = parser.parse_args()
    names = [folder.name for folder in args.corpora]
    if args.summary:
        summary(common.read_rows(args.summary), names)
        return
    of = ("updates_one", "words_one", "updates_two", "words_two", "learn_rate", "limit", "averages")
    setting = common.settings_of(args, of)
    encoder = args.encoder.name if args.encoder else "CNN"
    rows = common.read_rows(args.out) if args.out and args.out.exists() else []
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for folder in args.corpora:
            for system in args.systems:
                row = {"corpus": folder.name, "system": system, "seed": seed}
                row.update(encoder=encoder, setting=setting)
                if any(row.items() <= known.items() for known in rows):
                    continue
                row.update(run(system, folder, seed, args))
                rows.append(row)
                shown = ", ".join(f"{k} {f * row[k]:.1f}" for k, f in COLUMNS.items() if k in row)
                print(f"{folder.name} {system} seed {seed}: {shown}", flush=True)
                common.write_rows(args.out, [row])
    summary(rows, names)


if __name__ == "__main__":
    main()
