import shlex
from pathlib import Path
from typing import List

import typer
from spacy.cli._util import Arg, Opt
from wasabi import Printer

from ..convert.output import check_output
from ..convert.raw import find_inputs
from ..files import write_atomically
from ..pretraining.word_vectors import MODELS, Counts, Training, check_training, train_vectors
from . import options
from .app import app
from .failing import failing
from .output import check_not_read
from .signals import ending_cleanly
from .texts import make_tokenizer, read_files

DEFAULTS = Training()


@app.command("vectors")
@ending_cleanly("Interrupted: nothing was written")
def vectors_cli(
    output_path: Path = Arg(..., readable=False, help="The file of vectors to write"),
    input_paths: List[Path] = Arg(
        ...,
        readable=False,
        help="What to train on: .spacy, .txt (a document each), .jsonl (with 'text'); or folders",
    ),
    lang: str = options.LANG,
    mode: str = Opt(
        DEFAULTS.mode,
        "--mode",
        "-m",
        help="floret: words share rows, and none is without a vector. default: a row a word",
    ),
    width: int = Opt(DEFAULTS.width, "--width", "-w", min=1, help="Width of the vectors"),
    model: str = Opt(DEFAULTS.model, "--model", help=f"{' or '.join(MODELS)}"),
    epochs: int = Opt(DEFAULTS.epochs, "--epochs", "-e", min=1, help="How often texts are read"),
    rate: float = Opt(DEFAULTS.rate, "--rate", help="Learning rate at the beginning"),
    window: int = Opt(DEFAULTS.window, "--window", min=1, help="Neighbours on either side"),
    min_count: int = Opt(DEFAULTS.min_count, "--min-count", min=1, help="Pass over rarer words"),
    buckets: int = Opt(DEFAULTS.buckets, "--buckets", min=1, help="Rows of the table of floret"),
    hashes: int = Opt(DEFAULTS.hashes, "--hashes", help="Rows a piece of a word is in, 1 to 4"),
    shortest: int = Opt(
        DEFAULTS.shortest, "--shortest", min=0, help="Characters of a piece, at least"
    ),
    longest: int = Opt(DEFAULTS.longest, "--longest", min=0, help="Characters of a piece, at most"),
    encoding: str = Opt("utf-8", "--encoding", help="Encoding of texts"),
    silent: bool = options.SILENT,
) -> None:
    """
    Train word vectors on your own texts (with floret, the extra `vectors`).

    Annotation is not looked at, but texts are: train on those of the test set
    too, and scores on it say less. What is written is for `spacy init vectors`,
    whose folder is then named with --paths.vectors.
    """
    training = Training(
        mode, width, model, epochs, rate, window, min_count, buckets, hashes, shortest, longest
    )
    with failing("No vectors were written", output_path):
        check_training(training)
        files = [file for path in input_paths for file in find_inputs(path)]
        check_not_read(output_path, files)
        check_output(output_path, is_folder=False)
        nlp = make_tokenizer(lang)
        texts = (item.content for item in read_files(files, nlp, encoding, silent))
        data, counts = train_vectors(texts, nlp, training)
        write_atomically(output_path, data)
    if not silent:
        _tell(output_path, lang, mode, counts)


def _tell(path: Path, lang: str, mode: str, counts: Counts) -> None:
    """Say what was trained, and what to do with it."""
    Printer().good(
        f"Saved the vectors: {path}",
        f"{counts.known:,} different words, from {counts.words:,} words in {counts.documents:,} documents",
    )
    command = f"python -m spacy init vectors {lang} {shlex.quote(str(path))} vectors --mode {mode}"
    typer.echo(f"\nMake a pipeline of them, and train with --paths.vectors vectors:\n\n{command}")
