"""Options of readers and writers, as they are written on the command line; the table of formats."""

import re
from pathlib import Path
from typing import List, Literal, Optional

import pytest

from spacy_contrastive_ner.convert.format import describe_options, options_of, parse_options
from spacy_contrastive_ner.convert.formats import FORMATS

PAGE = Path(__file__).parents[2] / "docs" / "convert.md"
FUNCTIONS = [
    pytest.param(function, id=f"{name}-{kind}")
    for name, format in FORMATS.items()
    for kind, function in (("read", format.read), ("write", format.write))
    if function
]


def read(
    file,
    notes,
    *,
    name: str = "x",
    ends: Literal["auto", "inclusive"] = "auto",
    n: int = 3,
    share: float = 0.5,
    more: bool = False,
    texts: Optional[Path] = None,
    tags: Optional[List[str]] = None,
    new: "int | None" = None,
):
    """Read it.

    file (TextFile): The file.
    name (str): A name, and
        what it is for.
    ends, n (int): Both.
    more (Dict[str, Tuple[int, str]]): Whether: or not.

    Nothing to do
        with it.
    YIELDS (Record): The records.
    """


def parse(*settings):
    return parse_options(read, list(settings), "--read", "mine")


def test_values():
    settings = ("name=a=b", "ends=inclusive", "n=-4", "share=1e-3", "more=TRUE")
    assert parse(*settings, "texts=a/b", "tags=A,B", "new=5") == {
        "name": "a=b",
        "ends": "inclusive",
        "n": -4,
        "share": 0.001,
        "more": True,
        "texts": Path("a/b"),
        "tags": ["A", "B"],
        "new": 5,
    }
    assert parse("more=no", "name=", "tags=") == {"more": False, "name": "", "tags": []}
    assert parse() == {}


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("nam=x", "the format 'mine' has no option 'nam'. It has: name, ends, n, share"),
        ("file=x", "has no option 'file'"),
        ("more", "write it as --read more=VALUE"),
        ("ends=x", "--read ends=x: it is one of auto, inclusive"),
        ("n=x", "--read n=x: it is a number"),
        ("more=x", "it is true or false"),
    ],
)
def test_errors(setting, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        parse(setting)


def test_no_options():
    with pytest.raises(ValueError, match="It has: no options"):
        parse_options(lambda file, notes: None, ["x=1"], "--read", "mine")


def test_descriptions():
    assert describe_options(read) == [
        ("name=NAME", "A name, and what it is for. [default: x]"),
        ("ends=auto|inclusive", "Both. [default: auto]"),
        ("n=NUMBER", "Both. [default: 3]"),
        ("share=NUMBER", " [default: 0.5]"),
        ("more=true|false", "Whether: or not. [default: false]"),
        ("texts=PATH", ""),
        ("tags=A,B", ""),
        ("new=NUMBER", ""),
    ]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_options_of_formats(function):
    """Each is described, and can be written on the command line."""
    for (usage, about), parameter in zip(
        describe_options(function), options_of(function).values(), strict=True
    ):
        assert len(about.split()) > 2, usage
        assert parameter.kind is parameter.KEYWORD_ONLY
        value = {"true|false": "true", "NUMBER": "1"}.get(usage.split("=")[1])
        value = value or usage.split("=")[1].split("|")[0]
        assert parse_options(function, [f"{parameter.name}={value}"], "--read", "x")
        if parameter.default not in (None, ""):
            default = str(parameter.default)
            parse_options(function, [f"{parameter.name}={default}"], "--read", "x")


def test_the_page_lists_all_formats():
    rows = re.findall(r"^\| `([\w-]+)` \| (.+) \| (\w*) ?\|$", PAGE.read_text("utf-8"), re.M)
    assert {name: out == "yes" for name, _, out in rows} == {
        name: format.write is not None for name, format in FORMATS.items()
    }
    assert [name for name, *_ in rows] == list(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_formats(name):
    format = FORMATS[name]
    assert format.name == name and format.about
    assert format.suffixes and all(suffix.startswith(".") for suffix in format.suffixes)
