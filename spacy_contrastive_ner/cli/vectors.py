import shlex
from pathlib import Path
from typing import Iterator, List, Union

import spacy
import typer
from spacy.cli._util import Arg, Opt
from spacy.language import Language
from spacy.tokens import Doc
from tqdm import tqdm
from wasabi import Printer

from ..convert.output import check_output, explain
from ..convert.raw import find_inputs, read_items
from ..files import write_atomically
from ..pretraining.word_vectors import MODELS, Counts, Training, check_training, train_vectors
from .app import app
from .signals import ending_cleanly

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
    lang: str = Opt("en", "--lang", "-l", help="Language of the tokenizer"),
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
    silent: bool = Opt(False, "--silent", "-S", help="Print errors only"),
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
    try:
        check_training(training)
        files = [file for path in input_paths for file in find_inputs(path)]
        if any(output_path.resolve() == file.resolve() for file in files):
            raise ValueError(f"{output_path} is read and to be written. Name another output.")
        check_output(output_path, is_folder=False)
        nlp = _tokenizer(lang)
        data, counts = train_vectors(_texts(files, nlp, encoding, silent), nlp, training)
        write_atomically(output_path, data)
    except OSError as error:
        Printer().fail("No vectors were written", explain(error, str(output_path)), exits=1)
    except ValueError as error:
        Printer().fail("No vectors were written", str(error), exits=1)
    if not silent:
        _tell(output_path, lang, mode, counts)


def _tokenizer(lang: str) -> Language:
    try:
        nlp = spacy.blank(lang)
    except ImportError as error:
        message = " ".join(str(error).split())
        raise ValueError(f"There is no tokenizer for --lang {lang}: {message}") from error
    # The limit is there for pipes that need much memory.
    nlp.max_length = 10**9
    return nlp


def _texts(
    files: List[Path], nlp: Language, encoding: str, silent: bool
) -> Iterator[Union[str, Doc]]:
    """What is read, with a progress bar."""
    total = sum(file.stat().st_size for file in files)
    disable = True if silent else None
    with tqdm(total=total, unit="B", unit_scale=True, disable=disable, leave=False) as bar:
        for file in files:
            for item in read_items(file, nlp, encoding, bar.update):
                yield item.content


def _tell(path: Path, lang: str, mode: str, counts: Counts) -> None:
    """Say what was trained, and what to do with it."""
    Printer().good(
        f"Saved the vectors: {path}",
        f"{counts.known:,} different words, from {counts.words:,} words in {counts.documents:,} documents",
    )
    command = f"python -m spacy init vectors {lang} {shlex.quote(str(path))} vectors --mode {mode}"
    typer.echo(f"\nMake a pipeline of them, and train with --paths.vectors vectors:\n\n{command}")
