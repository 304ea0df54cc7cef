"""What a format is to the converter."""

import inspect
import re
import types
import typing
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from .notes import Notes
from .records import Record
from .textfile import Head, TextFile

# Other parameters of a reader or writer are its options.
GIVEN = ("file", "records", "path", "notes")


class Format(NamedTuple):
    """A format of annotated text.

    name (str): Its name on the command line.
    about (str): What it is, in a few words.
    suffixes (Tuple[str, ...]): How its files are called. In a folder only such files are read.
    recognise (Callable[[Head], Optional[str]]): Given the beginning of a file, the reason why it is
        of this format ("a JSON object with ..."), or None.
    read (Callable[..., Iterator[Record]]): `read(file: TextFile, notes: Notes, *, option=default,
        ...)` yields the records of a file. The options are documented in its docstring.
    write (Optional[Callable[..., None]]): `write(records: Iterable[Record], path: Path, notes:
        Notes, *, option=default, ...)` writes records to a file that is not there yet (or, with
        `to_folder`, into an empty folder), if that is possible.
    to_folder (bool): Whether it writes several files.
    needs_tokens (bool): Whether it writes tokens: every record then has `tokens`, and each fragment
        of its entities starts and ends with one.
    instead (Optional[Callable[[Path], Path]]): Where a document is several files, the one to read
        when another of them is the input.
    """

    name: str
    about: str
    suffixes: Tuple[str, ...]
    recognise: Callable[[Head], Optional[str]]
    read: Callable[..., Iterator[Record]]
    write: Optional[Callable[..., None]] = None
    to_folder: bool = False
    needs_tokens: bool = False
    instead: Optional[Callable[[Path], Path]] = None


Reader = Callable[[TextFile, Notes], Iterator[Record]]
Writer = Callable[[Iterable[Record], Path, Notes], None]


def options_of(function: Callable[..., Any]) -> Dict[str, inspect.Parameter]:
    """RETURNS (Dict[str, inspect.Parameter]): The options of a reader or writer, by name."""
    parameters = inspect.signature(function).parameters
    return {name: value for name, value in parameters.items() if name not in GIVEN}


def describe_options(function: Callable[..., Any]) -> List[Tuple[str, str]]:
    """Describe the options of a reader or writer by its docstring.

    function (Callable[..., Any]): The reader or writer.
    RETURNS (List[Tuple[str, str]]): How each option is written, and what it is, with its default.
    """
    abouts: Dict[str, str] = {}
    names: List[str] = []
    for line in inspect.cleandoc(function.__doc__ or "").splitlines():
        found = re.match(r"(\w+(?:, \w+)*) \(.*?\): (.*)", line)
        if found:
            names = found[1].split(", ")
            abouts.update(dict.fromkeys(names, found[2]))
        elif line.startswith(" "):
            abouts.update({name: f"{abouts[name]} {line.strip()}" for name in names})
        else:
            names = []
    hints = typing.get_type_hints(function)
    described: List[Tuple[str, str]] = []
    for name, parameter in options_of(function).items():
        default = str(parameter.default)
        default = default.lower() if isinstance(parameter.default, bool) else default
        has_default = parameter.default is not None and default
        tail = f" [default: {default}]" if has_default else ""
        described.append((f"{name}={_values(hints[name])}", abouts.get(name, "") + tail))
    return described


def _values(hint: Any) -> str:
    """What can be written for a type."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _values(next(arg for arg in args if arg is not type(None)))
    if origin is typing.Literal:
        return "|".join(str(arg) for arg in args)
    if origin in (list, List):
        return "A,B"
    return {bool: "true|false", int: "NUMBER", float: "NUMBER", Path: "PATH"}.get(hint, "NAME")


def parse_options(
    function: Callable[..., Any], settings: List[str], flag: str, name: str
) -> Dict[str, Any]:
    """Read options as they are written on the command line.

    function (Callable[..., Any]): The reader or writer whose options they are.
    settings (List[str]): The options, each as "name=value".
    flag (str): How they are given on the command line, for errors.
    name (str): The name of the format, for errors.
    RETURNS (Dict[str, Any]): Their values.
    """
    known = options_of(function)
    hints = typing.get_type_hints(function)
    values: Dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if key not in known:
            there = ", ".join(known) or "no options"
            raise ValueError(
                f"{flag} {setting}: the format {name!r} has no option {key!r}. It has: {there}."
            )
        if not equals:
            raise ValueError(f"{flag} {setting}: write it as {flag} {key}=VALUE.")
        try:
            values[key] = _parse(text, hints[key])
        except ValueError as error:
            raise ValueError(f"{flag} {setting}: {error}") from None
    return values


def _parse(text: str, hint: Any) -> Any:
    """Read a value of a type: str, int, float, bool, Path, Literal, List[...] or Optional[...]."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _parse(text, next(arg for arg in args if arg is not type(None)))
    if origin is typing.Literal:
        if text in args:
            return text
        raise ValueError(f"it is one of {', '.join(str(arg) for arg in args)}.")
    if origin in (list, List):
        return [_parse(part, args[0]) for part in text.split(",") if part]
    if hint is bool:
        if text.lower() in ("true", "yes", "1"):
            return True
        if text.lower() in ("false", "no", "0"):
            return False
        raise ValueError("it is true or false.")
    if hint in (int, float):
        try:
            return hint(text)
        except ValueError:
            raise ValueError("it is a number.") from None
    return hint(text)
