"""Converters: do raw corpora become exactly the records beside them, how fast, in how much memory?

    python benchmarks/convert.py agreement DATA
    python benchmarks/convert.py speed DATA/genia DATA/ncbi_disease --copies 20
    python benchmarks/convert.py memory DATA/ncbi_disease --size 1000

DATA is a folder of the corpora named in RAW, each with its original files in raw/ and normalised
{train,dev,test}.jsonl. "agreement" converts to JSON lines, and what was written to each other
format that can be written and back. "speed" is end to end, as a user runs it, with the start of
Python; "memory" converts a file of so many MB to a folder, and reports the peak of the process.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, List, Sequence, Tuple

from typer.testing import CliRunner

from spacy_contrastive_ner.cli.app import app

# Of each corpus what is converted, with options, and the parts that this should give.
ALL = ("train", "dev", "test")
RAW: List[Tuple[str, str, Sequence[str], Sequence[str]]] = [
    ("danplus", "raw", ALL, ()),
    ("genia", "raw/genia.dev.iob2", ("train", "dev"), ()),
    ("genia", "raw/genia.test.iob2", ("test",), ()),
    ("germeval14", "raw", ALL, ()),
    ("litbank", "raw/entities/tsv", ALL, ("--read", "document=file")),
    ("litbank", "raw/entities/brat", ALL, ()),
    ("meddocan", "raw", ALL, ()),
    ("ncbi_disease", "raw/NCBItrainset_corpus.first200.txt", ("train",), ()),
    ("ncbi_disease", "raw/NCBIdevelopset_corpus.txt", ("dev",), ()),
    ("ncbi_disease", "raw/NCBItestset_corpus.txt", ("test",), ()),
    ("ncbi_disease", "raw/standoff", ("dev",), ()),
    ("weibo", "raw", ALL, ()),
    ("wikipedia_ja", "raw", ALL, ()),
    ("wnut17", "raw", ALL, ()),
]
OUT = {
    "spacy": "a.spacy",
    "columns": "a.conll",
    "brat": "brat",
    "runne": "out.runne.jsonl",
    "label-studio": "a.json",
}


def convert(*args: Any) -> float:
    """Run the command, and return how long it took."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "spacy", "contrastive", "convert", "--silent", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return time.perf_counter() - begin


def convert_here(*args: Any) -> None:
    """Run the command in this process."""
    done = CliRunner().invoke(app, ["convert", "--silent", *map(str, args)])
    if done.exit_code:
        raise SystemExit(f"convert {' '.join(map(str, args))}\n{done.output}")


def records(*paths: Path) -> Counter:
    """The texts with their entities, and how often each is there. White space at the end of a text
    is left out."""
    found: Counter = Counter()
    for path in paths:
        with path.open(encoding="utf8") as file:
            for line in file:
                record = json.loads(line)
                spans = sorted(
                    (span.get("fragments") or [[span["start"], span["end"]]], span["label"])
                    for span in record["spans"]
                )
                found[record["text"].rstrip(), json.dumps(spans)] += 1
    return found


def agreement(data: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        for corpus, raw, parts, options in RAW:
            out = Path(name) / corpus / raw.replace("/", "-")
            out.mkdir(parents=True)
            convert_here(data / corpus / raw, out / "a.jsonl", *options)
            ours = records(out / "a.jsonl")
            theirs = records(*(data / corpus / f"{part}.jsonl" for part in parts))
            same = (ours & theirs).total()
            back = []
            for format, file in OUT.items():
                tokens = ("--alignment", "retokenize") if format in ("spacy", "columns") else ()
                convert_here(out / "a.jsonl", out / file, "--to", format, "--lang", "xx", *tokens)
                convert_here(out / file, out / f"{format}.jsonl", "--from", format)
                again = records(out / f"{format}.jsonl")
                back.append(f"{format} {(ours & again).total()}")
            print(
                f"{corpus}/{raw}: {ours.total()} documents, {theirs.total()} normalised, {same} "
                f"alike; out and in again alike: {', '.join(back)}",
                flush=True,
            )


def enlarge(corpus: Path, out: Path, size: int) -> None:
    """Repeat the training set of a corpus until it has so many bytes; every text is different."""
    lines = (corpus / "train.jsonl").read_text(encoding="utf8").splitlines()
    some = [json.loads(line) for line in lines]
    written = number = 0
    with out.open("w", encoding="utf8") as file:
        while written < size:
            record = some[number % len(some)]
            number += 1
            line = json.dumps({**record, "id": str(number)}, ensure_ascii=False) + "\n"
            written += len(line.encode())
            file.write(line)


def speed(corpora: List[Path], copies: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        for corpus in corpora:
            large = Path(name) / f"{corpus.name}.jsonl"
            enlarge(corpus, large, copies * (corpus / "train.jsonl").stat().st_size)
            columns = large.with_suffix(".conll")
            times = {"JSON lines to .spacy": convert(large, large.with_suffix(".spacy"))}
            times["JSON lines to columns"] = convert(large, columns)
            times["columns to .spacy"] = convert(columns, large.with_suffix(".b.spacy"))
            times["columns to JSON lines"] = convert(columns, large.with_suffix(".b.jsonl"))
            n = 0
            with columns.open(encoding="utf8") as file:
                n = sum(1 for line in file if line.strip() and not line.startswith("#"))
            for what, seconds in times.items():
                print(f"{corpus.name}, {n} tokens, {what}: {n / seconds:.0f} tokens/s", flush=True)


def memory(corpora: List[Path], size: int) -> None:
    for corpus in corpora:
        with tempfile.TemporaryDirectory() as name:
            for n in (size // 20, size):
                large = Path(name) / f"{n}.jsonl"
                enlarge(corpus, large, n * 1_000_000)
                seconds = convert(large, Path(name) / f"out{n}")
                peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
                shards = len(os.listdir(Path(name) / f"out{n}"))
                print(f"{corpus.name}, {n} MB: {seconds:.0f} s, peak {peak} MB, {shards} files")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["agreement", "speed", "memory"])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--copies", type=int, default=20)
    parser.add_argument("--size", type=int, default=1000, help="MB")
    args = parser.parse_args()
    if args.what == "agreement":
        agreement(args.folders[0])
    elif args.what == "speed":
        speed(args.folders, args.copies)
    else:
        memory(args.folders, args.size)


if __name__ == "__main__":
    main()
