"""What the benchmarks share: reading corpora, encoders, batches, scores.

A corpus is a folder with train.jsonl, dev.jsonl and test.jsonl. Each line is one document:
{"text": str, "spans": [{"start", "end", "label"}], "tokens": [[start, end]], "sents": [[...]]}
with character offsets, ends exclusive. Without "tokens" the language's tokenizer is used, or each
character is a token if "lang" is written without blanks; with "sents" long documents are cut into
passages.
"""

import json
import multiprocessing
import random
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Set, Tuple

import numpy
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.training.pretrain import make_update
from spacy.vocab import Vocab
from thinc.api import Adam, Model, Optimizer

from spacy_contrastive_ner.annotations import flat_view
from spacy_contrastive_ner.corpora.marks import Mark, set_mark

KEY = "sc"
WITHOUT_BLANKS = ("ja", "zh")

Record = Dict[str, Any]

# The default encoder of spaCy's CPU templates, the same for every system.
TOK2VEC = {
    "@architectures": "spacy.Tok2Vec.v2",
    "embed": {
        "@architectures": "spacy.MultiHashEmbed.v2",
        "width": 96,
        "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"],
        "rows": [5000, 1000, 2500, 1000],
        "include_static_vectors": False,
    },
    "encode": {
        "@architectures": "spacy.MaxoutWindowEncoder.v2",
        "width": 96,
        "window_size": 1,
        "maxout_pieces": 3,
        "depth": 4,
    },
}


def transformer(path: Path) -> Dict[str, Any]:
    """A transformer from a folder as the encoder."""
    return {
        "@architectures": "spacy-transformers.Tok2VecTransformer.v3",
        "name": str(path),
        "get_spans": {
            "@span_getters": "spacy-transformers.strided_spans.v1",
            "window": 128,
            "stride": 96,
        },
        "tokenizer_config": {"use_fast": True},
        "pooling": {"@layers": "reduce_mean.v1"},
    }


def read_records(path: Path, passage: int = 128) -> List[Record]:
    """Read one file, with long documents cut into passages of whole sentences.

    passage (int): About how many tokens a passage has.
    """
    records: List[Record] = []
    for line in path.read_text(encoding="utf8").splitlines():
        record = json.loads(line)
        records.extend(_passages(record, passage) if record.get("sents") else [record])
    return records


def _passages(record: Record, size: int) -> Iterator[Record]:
    """Cut a document at sentence borders that no span crosses."""
    begin, tokens = None, 0
    for start, end in record["sents"]:
        begin = start if begin is None else begin
        tokens += sum(1 for a, b in record["tokens"] if start <= a and b <= end)
        crossed = any(s["start"] < end < s["end"] for s in record["spans"])
        last = end == record["sents"][-1][1]
        if (tokens >= size and not crossed) or last:
            yield {
                "text": record["text"][begin:end],
                "spans": [
                    {**s, "start": s["start"] - begin, "end": s["end"] - begin}
                    for s in record["spans"]
                    if begin <= s["start"] and s["end"] <= end
                ],
                "tokens": [
                    [a - begin, b - begin] for a, b in record["tokens"] if begin <= a and b <= end
                ],
            }
            begin, tokens = None, 0


def make_doc(nlp: Language, record: Record) -> Doc:
    """Make an unannotated document with the record's tokens."""
    text, tokens = record["text"], _tokens(record)
    if tokens is None:
        return nlp.make_doc(text)
    words = [text[a:b] for a, b in tokens]
    nexts = [a for a, _ in tokens[1:]] + [len(text)]
    return Doc(nlp.vocab, words=words, spaces=[b < n for (_, b), n in zip(tokens, nexts)])


def _tokens(record: Record) -> Optional[List[List[int]]]:
    """The tokens of a record, None if they are the tokenizer's."""
    if "tokens" not in record and record.get("lang") in WITHOUT_BLANKS:
        text = record["text"]
        return [[i, i + 1] for i, character in enumerate(text) if not character.isspace()]
    return record.get("tokens")


def make_example(nlp: Language, record: Record) -> Example:
    """Make an example with all entities in doc.spans, and their flat view in doc.ents."""
    reference = make_doc(nlp, record)
    tokens = _tokens(record) or [(t.idx, t.idx + len(t)) for t in reference]
    starts = {a: i for i, (a, _) in enumerate(tokens)}
    ends = {b: i + 1 for i, (_, b) in enumerate(tokens)}
    spans = [
        Span(reference, starts[s["start"]], ends[s["end"]], s["label"])
        for s in record["spans"]
        if s["start"] in starts and s["end"] in ends
    ]
    reference.spans[KEY] = spans
    chosen = flat_view([(s.start, s.end) for s in spans], [1.0] * len(spans))
    reference.set_ents([spans[i] for i in chosen], default="outside")
    return Example(make_doc(nlp, record), reference)


def read_examples(nlp: Language, folder: Path, part: str, limit: int = 0) -> List[Example]:
    records = read_records(folder / f"{part}.jsonl")
    return [make_example(nlp, record) for record in records[: limit or None]]


def read_parts(nlp: Language, folder: Path, limit: int = 0) -> Dict[str, List[Example]]:
    """Train, dev and test; of dev and test so many documents, 0 for all."""
    limits = {"train": 0, "dev": limit, "test": limit}
    return {part: read_examples(nlp, folder, part, some) for part, some in limits.items()}


def mark(examples: Sequence[Example], corpus: str) -> None:
    """Note what corpus the examples are of, for `pretrain`."""
    for example in examples:
        example.reference.user_data["mark"] = Mark(corpus, corpus, 0, False)


def mark_epoch(examples: Sequence[Example], epoch: int) -> None:
    """Tell objectives and batchers the corpus of the examples, and the epoch."""
    for example in examples:
        set_mark(example.reference, example.reference.user_data["mark"]._replace(epoch=epoch))


def labels_of(examples: Sequence[Example]) -> Set[str]:
    """The labels of the gold spans."""
    return {span.label_ for example in examples for span in example.reference.spans[KEY]}


def span_width(examples: Sequence[Example], coverage: float = 0.99) -> int:
    """The number of tokens that so large a share of the gold spans does not exceed."""
    lengths = sorted(len(s) for eg in examples for s in eg.reference.spans[KEY])
    return lengths[min(len(lengths) - 1, int(coverage * len(lengths)))]


def batches(examples: Sequence[Example], words: int, rng: random.Random) -> List[List[Example]]:
    """Shuffle examples and cut them into batches of about so many words."""
    shuffled = list(examples)
    rng.shuffle(shuffled)
    out: List[List[Example]] = [[]]
    size = 0
    for example in shuffled:
        if size and size + len(example.predicted) > words:
            out.append([])
            size = 0
        out[-1].append(example)
        size += len(example.predicted)
    return out


def plan(examples: Sequence[Example], words: int, updates: int, seed: int) -> List[List[Example]]:
    """The batches of so many updates, epoch by epoch."""
    rng = random.Random(seed)
    found: List[List[Example]] = []
    while len(found) < updates:
        found += batches(examples, words, rng)
    return found[:updates]


def blank_copy(nlp: Language, example: Example) -> Example:
    """The same example with a fresh prediction."""
    reference = example.reference
    words = [t.text for t in reference]
    spaces = [bool(t.whitespace_) for t in reference]
    return Example(Doc(nlp.vocab, words=words, spaces=spaces), reference)


def predicted(nlp: Language, examples: Sequence[Example]) -> List[Example]:
    """The same examples with what the pipeline predicts."""
    fresh = [blank_copy(nlp, example) for example in examples]
    for _ in zip(fresh, nlp.pipe([example.predicted for example in fresh], batch_size=128)):
        pass
    return fresh


def pipeline(lang: str, seed: int) -> Language:
    spacy.util.fix_random_seed(seed)
    return spacy.blank(lang)


def counts(nlp: Language, examples: List[Example]) -> Dict[str, Any]:
    """Right, wrong and missed entities by document, and micro and macro F1."""
    fresh = predicted(nlp, examples)
    per_doc, per_label = [], {}
    for example in fresh:
        gold = {(s.start, s.end, s.label_) for s in example.reference.spans[KEY]}
        found = {(s.start, s.end, s.label_) for s in example.predicted.spans[KEY]}
        per_doc.append([len(gold & found), len(found - gold), len(gold - found)])
        for label in {label for _, _, label in gold | found}:
            row = per_label.setdefault(label, numpy.zeros(3))
            for at, some in enumerate((gold & found, found - gold, gold - found)):
                row[at] += sum(1 for *_, name in some if name == label)
    labels = [label for label, (tp, _, fn) in per_label.items() if tp + fn]
    return {
        "micro": f_score(numpy.sum(per_doc, axis=0)),
        "macro": sum(f_score(per_label[label]) for label in labels) / len(labels),
        "docs": per_doc,
    }


def pretrain(
    objective: Callable[[Vocab, Model], Model],
    nlp: Language,
    encoder: Model,
    examples: Sequence[Example],
    batcher: Callable[[List[Example]], Iterator[List[Example]]],
    updates: int,
    learn_rate: float,
    seed: int,
) -> bytes:
    """Pretrain an encoder on examples that have a mark, and return its weights."""
    encoder.initialize(X=[nlp.make_doc("one document")])
    model = objective(nlp.vocab, encoder)
    model.initialize(X=[nlp.make_doc("one document")])
    optimizer = Adam(learn_rate, use_averages=False, L2=0.01, L2_is_weight_decay=True)
    epoch = done = 0
    while done < updates:
        order = list(examples)
        random.Random(f"{seed} {epoch}").shuffle(order)
        mark_epoch(order, epoch)
        for batch in batcher(order):
            docs = [example.reference for example in batch]
            make_update(model, docs, optimizer, model.attrs["loss"])
            done += 1
            if done == updates:
                break
        epoch += 1
    return encoder.to_bytes()


def keep_best(
    nlp: Language,
    optimizer: Optimizer,
    plan: List[List[Example]],
    score: Callable[[], float],
    checks: int = 8,
) -> Record:
    """Train on these batches, score after each of so many parts, and go back to the best of them. If the
    optimizer keeps averages of the weights, these are scored and kept, as `spacy train` does."""
    at = {round(len(plan) * (i + 1) / checks) for i in range(checks)}
    best, best_bytes, seconds = -1.0, b"", 0.0
    for step, batch in enumerate(plan, 1):
        begin = time.perf_counter()
        nlp.update(batch, sgd=optimizer, drop=0.1)
        seconds += time.perf_counter() - begin
        if step in at:
            with nlp.use_params(optimizer.averages) if optimizer.averages else nullcontext():
                dev = score()
                if dev > best:
                    best, best_bytes = dev, nlp.to_bytes(exclude=["tokenizer", "vocab"])
    nlp.from_bytes(best_bytes, exclude=["tokenizer", "vocab"])
    return {"dev": best, "updates": len(plan), "train_seconds": seconds}


def in_fork(work: Callable[[Any], None]) -> Tuple[Optional[int], Any]:
    """Work in a process of its own: its exit code and, if that is 0, what it put into the queue."""
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=work, args=(queue,))
    process.start()
    process.join()
    return process.exitcode, queue.get() if process.exitcode == 0 else None


def f_score(row: Any) -> float:
    tp, fp, fn = (float(value) for value in row)
    return 2 * tp / max(1.0, 2 * tp + fp + fn)


def spread(values: Sequence[float]) -> Tuple[float, float]:
    """Mean and standard deviation."""
    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, 0.0
    return mean, (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5


def mean_and_spread(fractions: Sequence[float]) -> str:
    """Both in percent, as they stand in tables."""
    mean, deviation = spread([100 * value for value in fractions])
    return f"{mean:.1f} ± {deviation:.1f}"


def settings_of(args: Any, names: Sequence[str]) -> str:
    """The options on which a result depends, as they are written beside it."""
    return ", ".join(f"{name} {getattr(args, name)}" for name in names)


def read_rows(path: Path) -> List[Record]:
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


def write_rows(path: Optional[Path], rows: Sequence[Record]) -> None:
    """Append results to a file, if there is to be one."""
    if path is not None:
        with path.open("a", encoding="utf8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
