"""Speed and memory of the pipe beside the encoder alone, spaCy's ner and spancat.

    python benchmarks/speed.py CORPUS --rounds 5

All systems have the same encoder, see the same documents and take turns within each round, so
that the ratios hold when the machine's speed drifts. Systems are first trained for some updates,
so that they predict a realistic number of entities. "ratio" is words per second relative to the
encoder alone in the same round; figures are medians over the rounds. Peak memory is that of a
process of its own, less what it had in use before the first document.
"""

import argparse
import gc
import random
import resource
import statistics
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

import common
import numpy
from accuracy import add_ner, add_spancat, binder, ours
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

LARGE = 100_000


def add_encoder(nlp: Language, width: int) -> None:
    nlp.add_pipe("tok2vec", config={"model": common.TOK2VEC})


SYSTEMS: Dict[str, Callable[[Language, int], None]] = {
    "encoder": add_encoder,
    "ner": add_ner,
    "spancat 1-3": lambda nlp, width: add_spancat(nlp, 3),
    "spancat 99%": add_spancat,
    "ours": ours({}),
    "ours viterbi": ours({}, decoder="viterbi"),
    "ours softmax": ours({"crf": None}),
    "binder": binder(dropout=0.4),
}


def many_labels(examples: List[Example], n_labels: int) -> None:
    """Split each label in several, by the surface, until there are so many."""
    labels = sorted(common.labels_of(examples))
    parts = -(-n_labels // len(labels))
    for eg in examples:
        doc = eg.reference
        doc.spans[common.KEY] = [
            Span(doc, s.start, s.end, f"{s.label_}{sum(map(ord, s.text)) % parts}")
            for s in doc.spans[common.KEY]
        ]
        doc.set_ents(
            [
                Span(doc, e.start, e.end, f"{e.label_}{sum(map(ord, e.text)) % parts}")
                for e in doc.ents
            ]
        )


def build(name: str, examples: List[Example], updates: int) -> Language:
    nlp = common.pipeline("xx", 0)
    examples = [common.blank_copy(nlp, eg) for eg in examples]
    SYSTEMS[name](nlp, common.span_width(examples))
    if "contrastive_ner" in nlp.pipe_names:
        labels = common.labels_of(examples)
        for label in sorted(labels):
            nlp.get_pipe("contrastive_ner").add_label(label, layers=2)
    optimizer = nlp.initialize(lambda: examples)
    if name != "encoder":
        plan = common.batches(examples, 500, random.Random(0))
        for i in range(updates):
            nlp.update(plan[i % len(plan)], sgd=optimizer, drop=0.1)
    return nlp


def share_weights(systems: Dict[str, Language]) -> None:
    """Give the encoder alone the weights of our encoder, so that both compute the same."""
    if "encoder" in systems and "ours" in systems:
        trained = systems["ours"].get_pipe("contrastive_ner").model.get_ref("tok2vec")
        systems["encoder"].get_pipe("tok2vec").model.from_bytes(trained.to_bytes())


def shapes(examples: List[Example]) -> Dict[str, List[List[str]]]:
    """The words of the documents, in three shapes."""
    paragraphs = [[t.text for t in eg.reference] for eg in examples]
    words = [word for paragraph in paragraphs for word in paragraph]
    short = [words[i : i + 15] for i in range(0, len(words), 15)]
    large = (words * (1 + LARGE // len(words)))[:LARGE]
    return {"sentences": short, "paragraphs": paragraphs, "one document": [large]}


def fresh(nlp: Language, documents: List[List[str]]) -> List[Doc]:
    return [Doc(nlp.vocab, words=words) for words in documents]


def time_inference(nlp: Language, documents: List[List[str]]) -> float:
    docs = fresh(nlp, documents)
    begin = time.perf_counter()
    for _ in nlp.pipe(docs, batch_size=64):
        pass
    return sum(map(len, docs)) / (time.perf_counter() - begin)


def time_training(nlp: Language, examples: List[Example]) -> float:
    """Forward, backward and the optimizer's step. For the encoder alone the gradient is given."""
    examples = [common.blank_copy(nlp, eg) for eg in examples]
    plan = common.batches(examples, 1000, random.Random(1))
    optimizer = nlp.create_optimizer()
    begin = time.perf_counter()
    for batch in plan:
        if nlp.pipe_names == ["tok2vec"]:
            model = nlp.get_pipe("tok2vec").model
            Y, backprop = model.begin_update([eg.predicted for eg in batch])
            backprop([y * 1e-3 for y in Y])
            model.finish_update(optimizer)
        else:
            nlp.update(batch, sgd=optimizer, drop=0.1)
    return sum(len(eg.predicted) for eg in examples) / (time.perf_counter() - begin)


def peak_memory(nlp: Language, documents: List[List[str]]) -> float:
    """The growth of the peak in MB, measured in a forked process."""

    def work(queue: Any) -> None:
        docs = fresh(nlp, documents)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in nlp.pipe(docs, batch_size=64):
            pass
        queue.put((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)

    exit_code, growth = common.in_fork(work)
    return growth if exit_code == 0 else float("nan")


def table(title: str, rows: Dict[str, List[float]], memory: Dict[str, float]) -> None:
    print(f"\n{title}\n{'system':<18}{'words/s':>10}{'ratio':>8}{'peak MB':>10}")
    for name, values in rows.items():
        ratios = [a / b for a, b in zip(values, rows["encoder"])]
        peak = f"{memory[name]:.0f}" if name in memory else "-"
        print(
            f"{name:<18}{statistics.median(values):>10.0f}{statistics.median(ratios):>8.2f}"
            f"{peak:>10}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--labels", type=int, nargs="+", default=[6, 30])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=200, help="training before measuring")
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS))
    parser.add_argument(
        "--what", nargs="+", default=["sentences", "paragraphs", "one document", "training"]
    )
    args = parser.parse_args()
    numpy.seterr(all="warn", under="ignore")
    for n_labels in args.labels:
        nlp = common.pipeline("xx", 0)
        train = common.read_examples(nlp, args.corpus, "train")
        if n_labels > 6:
            many_labels(train, n_labels)
        systems = {name: build(name, train, args.updates) for name in args.systems}
        share_weights(systems)
        test = common.read_examples(nlp, args.corpus, "test")
        # What the benchmark itself holds in memory is not for the garbage collector to walk through.
        gc.collect()
        gc.freeze()
        for shape, documents in shapes(test).items():
            if shape not in args.what:
                continue
            rows: Dict[str, List[float]] = {name: [] for name in systems}
            for _ in range(args.rounds):
                for name, system in systems.items():
                    # A span categorizer with long n-grams needs tens of GB for such a document.
                    if shape != "one document" or name != "spancat 99%":
                        rows[name].append(time_inference(system, documents))
            rows = {name: values for name, values in rows.items() if values}
            memory = {name: peak_memory(systems[name], documents) for name in rows}
            table(f"Inference, {n_labels} labels, {shape}", rows, memory)
        if "training" not in args.what:
            continue
        rows = {name: [] for name in systems}
        for _ in range(args.rounds):
            for name, system in systems.items():
                rows[name].append(time_training(system, train[:150]))
        table(f"Training, {n_labels} labels, paragraphs", rows, {})


if __name__ == "__main__":
    main()
