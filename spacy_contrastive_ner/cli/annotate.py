import codecs
from enum import Enum
from pathlib import Path
from typing import List, Optional

import spacy
from spacy.cli._util import Arg, Opt
from spacy.language import Language
from spacy.tokens import DocBin
from wasabi import Printer

from ..convert.detect import list_files
from ..convert.distant import Labeller, label_items
from ..convert.docbins import quick_codecs
from ..convert.notes import Kind, Notes
from ..convert.output import check_output
from ..convert.patterns import Pattern, read_gazetteer, read_patterns
from ..convert.raw import SUFFIXES, find_inputs
from ..convert.summary import Summary
from ..convert.textfile import TextFile, names_of
from ..corpora.sources import SUFFIX
from ..files import write_atomically
from . import options
from .app import app
from .failing import failing
from .output import check_not_read
from .signals import ending_cleanly
from .texts import make_tokenizer, read_files

NO_WORDS = Kind("documents without any words")


class Vouch(str, Enum):
    """What is vouched for."""

    matches = "matches"
    sentences = "sentences"
    all = "all"


@app.command("annotate")
@ending_cleanly("Interrupted: nothing was written")
def annotate_cli(
    input_path: Path = Arg(
        ...,
        readable=False,
        help="What to label: .txt (a document each), .jsonl (with 'text'), .spacy; or a folder",
    ),
    output_path: Path = Arg(..., readable=False, help="The .spacy file to write"),
    patterns: Optional[Path] = Opt(
        None,
        "--patterns",
        "-p",
        readable=False,
        help="Patterns of an entity ruler or span ruler (.jsonl)",
    ),
    gazetteer: Optional[Path] = Opt(
        None,
        "--gazetteer",
        "-g",
        readable=False,
        help="Lines of: phrase, tab, label, and maybe tab, id",
    ),
    lang: str = options.LANG,
    pipeline: Optional[str] = Opt(
        None, "--pipeline", help="Pipeline to run instead, for patterns that ask for lemmas or tags"
    ),
    attr: str = Opt(
        "ORTH", "--attr", "-a", help="Attribute of tokens by which phrases are looked for"
    ),
    ignore_case: bool = Opt(False, "--ignore-case", "-i", help="The same as --attr LOWER"),
    longest: bool = Opt(
        False, "--longest", help="Of matches of one label that overlap, take the longest only"
    ),
    vouch: Vouch = Opt(
        Vouch.matches, "--vouch", "-v", help="What is not marked as unknown; see above"
    ),
    spans_key: str = options.SPANS_KEY,
    missing_key: str = options.MISSING_KEY,
    overwrite: bool = Opt(
        False, "--overwrite", help="Replace span groups of these keys that documents have already"
    ),
    encoding: str = Opt("utf-8", "--encoding", help="Encoding of texts, patterns and gazetteer"),
    silent: bool = options.SILENT,
) -> None:
    """
    Label texts with what patterns or a gazetteer find in them (distant labels).

    All matches are kept, nested ones too. What matches with several labels is
    not labelled, but marked as unknown. So is what nobody vouches for, under the
    missing key, so that training takes it for neither entity nor none:
    --vouch matches marks everything outside of the matches, --vouch sentences
    the sentences without any match, --vouch all nothing.
    """
    with failing("Nothing was labelled", output_path):
        if (patterns is None) == (gazetteer is None):
            raise ValueError("Give either --patterns or --gazetteer.")
        keys = options.keys_of(spans_key, missing_key)
        _check_encoding(encoding)
        files = find_inputs(input_path)
        n_others = len(list_files(input_path)) - len(files)
        _check_output(output_path, files)
        notes, nlp = Notes(), _load(lang, pipeline)
        found = _read(patterns, gazetteer, nlp, encoding, notes)
        attr = "LOWER" if ignore_case else attr.upper()
        labeller = Labeller(nlp, found, notes, attr, vouch.value, keys, longest, overwrite)
        summary, docs = Summary(), DocBin(store_user_data=True)
        with quick_codecs():
            items = read_files(files, nlp, encoding, silent, names_of(files))
            for record in label_items(items, nlp, labeller):
                summary.add(record)
                if not record.tokens:
                    notes.add(NO_WORDS, record.where)
                assert record.doc is not None
                docs.add(record.doc)
        if not summary.tokens:
            raise ValueError(f"{input_path} holds no text. Check how it was made.")
        write_atomically(output_path, docs.to_bytes())
    if not silent:
        print(summary.table(notes))
        if n_others:
            what = "1 other file was" if n_others == 1 else f"{n_others} other files were"
            Printer().warn(f"{what} not read: only {', '.join(SUFFIXES)} are")
        n = summary.documents
        what = "1 document is" if n == 1 else f"{n:,} documents are"
        Printer().good(f"{what} in {output_path}")


def _check_encoding(encoding: str) -> None:
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise ValueError(
            f"There is no encoding {encoding!r}. It is for instance utf-8, latin-1 or cp1252."
        ) from None


def _check_output(path: Path, files: List[Path]) -> None:
    """Stop before the work is done if its result cannot be written."""
    if path.suffix != SUFFIX or path.is_dir():
        raise ValueError(f"{path} is no name for the output. Name a file that ends in {SUFFIX}.")
    check_not_read(path, files)
    check_output(path, is_folder=False)


def _load(lang: str, pipeline: Optional[str]) -> Language:
    if pipeline is None:
        return make_tokenizer(lang)
    try:
        return spacy.load(pipeline)
    except OSError as error:
        message = " ".join(str(error).split())
        raise ValueError(f"--pipeline {pipeline} cannot be loaded: {message}") from error


def _read(
    patterns: Optional[Path], gazetteer: Optional[Path], nlp: Language, encoding: str, notes: Notes
) -> List[Pattern]:
    if patterns is not None:
        return read_patterns(TextFile(patterns, encoding), nlp, notes)
    assert gazetteer is not None
    return read_gazetteer(TextFile(gazetteer, encoding), notes)
