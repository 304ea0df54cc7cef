import shutil
from contextlib import ExitStack
from pathlib import Path
from textwrap import fill
from typing import Callable, Dict, List, Mapping, Optional, Sequence

import spacy
import typer
from spacy.cli._util import Arg, Opt
from spacy.language import Language
from wasabi import Printer

from ..convert.detect import Found, find
from ..convert.documents import ALIGNMENTS
from ..convert.format import Format, describe_options, parse_options
from ..convert.labels import Labels, odd_names, parse_merge, parse_names, parse_rename
from ..convert.notes import Notes
from ..convert.output import explain
from ..convert.run import Conversion, Result, convert
from ..convert.sentences import SENTENCES
from ..convert.splits import parse_split
from ..convert.tokens import TOKENIZERS
from . import options
from .app import app
from .progress import progress
from .signals import ending_cleanly
from .texts import NO_LIMIT

AUTO = "auto"
MODES = ("mentions", "documents")


def _formats() -> Dict[str, Format]:
    """The formats. To import them takes longer than all other commands, which need not wait."""
    from ..convert.formats import FORMATS

    return FORMATS


def show_formats(wanted: bool) -> None:
    """Print the formats and their options, and stop."""
    if not wanted:
        return
    width = min(100, shutil.get_terminal_size().columns)

    def show(text: str, depth: int) -> None:
        indent = " " * depth
        typer.echo(fill(text, width, initial_indent=indent, subsequent_indent=indent))

    for format in _formats().values():
        direction = "in and out" if format.write else "in"
        typer.secho(format.name, bold=True, nl=False)
        typer.echo(f" ({direction}): {format.about}")
        show(" ".join(format.suffixes), 4)
        for flag, function in (("--read", format.read), ("--write", format.write)):
            for usage, about in describe_options(function) if function else ():
                typer.echo(f"    {flag} {usage}")
                show(about, 8)
    raise typer.Exit


@app.command("convert", no_args_is_help=True)
@ending_cleanly("Interrupted: nothing was written")
def convert_cli(
    input_path: Path = Arg(..., readable=False, help="File or folder to convert"),
    output_path: Path = Arg(
        ...,
        readable=False,
        help="File to write, by its suffix in the format of --to; or folder",
    ),
    from_: str = Opt(AUTO, "--from", "-f", help="Format of the input; by default found out"),
    to: Optional[str] = Opt(
        None, "--to", "-t", help="Format of the output [default: by its suffix, else spacy]"
    ),
    read: List[str] = Opt(
        [], "--read", "-r", help="Option of the reader, as NAME=VALUE; repeatable"
    ),
    write: List[str] = Opt(
        [], "--write", "-w", help="Option of the writer, as NAME=VALUE; repeatable"
    ),
    formats: bool = Opt(
        False,
        "--formats",
        is_eager=True,
        callback=show_formats,
        help="List the formats and the options of their readers and writers",
    ),
    encoding: str = Opt("utf-8", "--encoding", "-e", help="Encoding of the input"),
    lang: str = options.LANG,
    tokenizer: str = Opt(
        AUTO,
        "--tokenizer",
        "-k",
        help="auto: the tokens of the source if it has any, else those of --lang; given; whitespace; characters; or a pipeline, by its name or path",
    ),
    alignment: Optional[str] = Opt(
        None,
        "--alignment",
        "-a",
        help="What becomes of an entity that cuts a token: expand it, contract it, strict: drop it, or retokenize: split the token [default: expand]",
    ),
    sentences: str = Opt(
        "keep",
        "--sentences",
        "-s",
        help="Cut documents into sentences, with entities kept whole: keep (do not), given (those of the source), rules (spaCy's sentencizer)",
    ),
    rename: List[str] = Opt([], "--rename", help="New names of labels: OLD=NEW,... or a JSON file"),
    merge: List[str] = Opt(
        [], "--merge", help="Labels that become one: NEW=A+B,... or a JSON file"
    ),
    only: List[str] = Opt([], "--only", help="Labels that stay, after renaming: A,B"),
    drop: List[str] = Opt([], "--drop", help="Labels that do not stay, after renaming: A,B"),
    split: Optional[str] = Opt(
        None,
        "--split",
        help="Parts by document, with rare labels in each and equal texts together: 80/10/10, or train=80,test=20; OUTPUT is a folder",
    ),
    seed: int = Opt(0, "--seed", help="What draws depend on"),
    shots: int = Opt(
        0, "--shots", min=0, help="So many mentions of a label stay known, in the first part"
    ),
    shot_labels: List[str] = Opt([], "--labels", help="Labels that --shots is about: A,B"),
    shot_mode: str = Opt(
        "mentions",
        "--shots-mode",
        help="mentions: the others are masked as unknown; documents: documents are drawn until there are enough",
    ),
    spans_key: str = Opt("sc", "--spans-key", help="Key of the entities in doc.spans"),
    missing_key: str = options.MISSING_KEY,
    overwrite: bool = Opt(
        False,
        "--overwrite",
        help="Replace the files of the same names in a folder that is not empty, or the input",
    ),
    strict: bool = Opt(False, "--strict", help="Any loss of annotation is an error"),
    skip_bad: bool = Opt(False, "--skip-bad", help="Pass over what cannot be read, and list it"),
    report: Optional[Path] = Opt(
        None,
        "--report",
        readable=False,
        help="File to which every decision is written, as lines of JSON",
    ),
    silent: bool = options.SILENT,
) -> None:
    """
    Convert annotated text to files of spaCy documents, or from one format to
    another.

    The entities go to doc.spans["sc"], nested, overlapping and discontinuous
    ones too (the fragments of one share their Span.id), and as many as fit to
    doc.ents. The format of the input is found out by looking at it; --formats
    lists all formats. Whatever has to be changed, mended or dropped is counted
    by label and told at the end, with examples; --strict makes any loss an error.
    After an error no output is left.

    \b
    python -m spacy contrastive convert brat/ corpus/ --split 80/10/10
    python -m spacy contrastive convert train.conll train.spacy --lang de
    python -m spacy contrastive convert train.spacy train.jsonl
    """
    msg = Printer(no_print=silent)
    try:
        _check_choice("--alignment", alignment or ALIGNMENTS[0], ALIGNMENTS)
        _check_choice("--sentences", sentences, SENTENCES)
        _check_choice("--shots-mode", shot_mode, MODES)
        if strict and skip_bad:
            raise ValueError("--strict and --skip-bad exclude each other.")
        if shot_labels and not shots:
            raise ValueError("--labels is about --shots, which is not given.")
        keys = options.keys_of(spans_key, missing_key)
        formats_there = _formats()
        target = _target(output_path, to, split is not None, formats_there)
        source = None if from_ == AUTO else _known(from_, "--from", formats_there).name
        found = find(input_path, formats_there, source, encoding)
        _tell_found(found, msg)
        conversion = Conversion(
            found=found,
            output=output_path,
            target=target,
            nlp=_pipeline(tokenizer, lang),
            encoding=encoding,
            read=parse_options(found.format.read, read, "--read", found.format.name),
            write=parse_options(_writer(target), write, "--write", target.name),
            keys=keys,
            tokenizer=tokenizer,
            alignment=alignment,
            sentences=sentences,
            labels=Labels(
                parse_rename(rename),
                parse_names(only, "--only"),
                parse_names(drop, "--drop"),
                parse_merge(merge),
            ),
            ratios=None if split is None else parse_split(split),
            shots=shots,
            shot_labels=parse_names(shot_labels, "--labels"),
            shot_mode="documents" if shot_mode == "documents" else "mentions",
            seed=seed,
            overwrite=overwrite,
        )
        notes = Notes(skip_bad=skip_bad, strict=strict)
        result = _run(conversion, notes, report, silent)
        unused = conversion.labels.unused()
    except OSError as error:
        # That it could not be written does not say what.
        written = output_path if report is None else f"{output_path} or {report}"
        Printer().fail("Conversion failed", explain(error, str(written)), exits=1)
    # The last of these: files changed while they were read.
    except (ValueError, RuntimeError) as error:
        Printer().fail("Conversion failed", " ".join(str(error).split()), exits=1)
    _tell(result, conversion, notes, unused, msg)


def _check_choice(flag: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ValueError(f"{flag} {value}: it is one of {', '.join(known)}.")


def _run(conversion: Conversion, notes: Notes, report: Optional[Path], silent: bool) -> Result:
    """Convert, with a progress bar and a report."""
    conversion.check()
    with ExitStack() as stack:
        if report is not None:
            kept = [*conversion.found.files, conversion.output]
            if any(report.resolve() == path.resolve() for path in kept):
                raise ValueError(f"--report {report}: this is input or output. Name another file.")
            if conversion.is_folder and conversion.output.resolve() in report.resolve().parents:
                raise ValueError(
                    f"--report {report}: this is in the output. Name a file elsewhere."
                )
            # What is no character is written as JSON does: as an escape.
            notes.report = stack.enter_context(
                report.open("w", encoding="utf8", errors="backslashreplace")
            )
        total = conversion.n_bytes() * conversion.n_passes
        bar = stack.enter_context(progress(silent, total=total, unit="B", unit_scale=True))
        return convert(conversion, notes, bar.update)


def _known(name: str, flag: str, formats: Mapping[str, Format]) -> Format:
    if name not in formats:
        raise ValueError(
            f"{flag} {name}: there is no such format. It is one of {', '.join(formats)}."
        )
    return formats[name]


def _target(path: Path, to: Optional[str], is_split: bool, formats: Mapping[str, Format]) -> Format:
    """The format to write, by its name or by the suffix of the output."""
    can_write = [name for name, format in formats.items() if format.write]
    if to is not None:
        format = _known(to, "--to", formats)
        if not format.write:
            raise ValueError(
                f"--to {to}: it can be read only. Write one of {', '.join(can_write)}."
            )
        return format
    if is_split or not path.suffix or path.is_dir():
        return formats["spacy"]
    # The particular formats come first, and are asked for by name.
    for name in reversed(can_write):
        format = formats[name]
        if path.name.lower().endswith(format.suffixes) and not format.to_folder:
            return format
    raise ValueError(
        f"{path}: no format has the suffix {path.suffix!r}. Say which it is: --to with one of "
        f"{', '.join(can_write)}."
    )


def _writer(format: Format) -> Callable[..., None]:
    assert format.write is not None
    return format.write


def _pipeline(tokenizer: str, lang: str) -> Language:
    """What gives the tokenizer and the vocabulary."""
    try:
        nlp = spacy.blank(lang) if tokenizer in TOKENIZERS else spacy.load(tokenizer)
    except OSError as error:
        raise ValueError(
            f"--tokenizer {tokenizer}: it is {', '.join(TOKENIZERS)}, or a pipeline; no such "
            f"pipeline can be loaded: {error}"
        ) from error
    except ImportError as error:
        raise ValueError(
            f"--lang {lang}: {str(error).rstrip('.')}. Or use --lang xx, with --tokenizer characters for languages "
            "that are written without blanks."
        ) from error
    nlp.max_length = NO_LIMIT
    return nlp


def _tell_found(found: Found, msg: Printer) -> None:
    how = f": {found.reason}" if found.reason else ", as given"
    n = f", {len(found.files)} files" if len(found.files) > 1 else ""
    msg.info(f"Reading {found.format.name} ({found.format.about}){how}{n}")
    if found.passed_over:
        names = ", ".join(path.name for path in found.passed_over[:5])
        more = ", ..." if len(found.passed_over) > 5 else ""
        n_others = len(found.passed_over)
        what = "1 other file is" if n_others == 1 else f"{n_others} other files are"
        msg.warn(f"{what} not read as {found.format.name}: {names}{more}")


def _tell(
    result: Result, conversion: Conversion, notes: Notes, unused: List[str], msg: Printer
) -> None:
    """Print what was written, and what had to be decided."""
    if not msg.no_print:
        print(result.summary.table(notes))
    for told, title in ((result.split, "Split"), (result.shots, "Shots")):
        if told is not None:
            header, *rows = told.rows()
            msg.divider(title)
            msg.table(rows, header=header, aligns=("l", *("r" for _ in header[1:])))
            for line in told.told:
                msg.warn(line)
    counts: Dict[str, int] = {
        label: counts.entities for label, counts in result.summary.labels.items()
    }
    for line in (*unused, *conversion.labels.joined(), *odd_names(counts)):
        msg.warn(line)
    if not result.summary.entities.entities:
        msg.warn("There are no entities in it")
    where = ", ".join(str(path) for path in result.outputs)
    n = result.summary.documents
    msg.good(f"Wrote {n} document{'s' * (n != 1)} to {where}")
