"""Errors of spaCy and other libraries, told by what to do about them."""

import re
from typing import Iterator, List

from thinc.api import ConfigValidationError

from .. import __version__

EXTRA = 'pip install "spacy-contrastive-ner[transformers]"'
OURS = "spacy-contrastive-ner."
# How errors of the library that loads encoders begin or go on when there is none to be had.
NO_ENCODER = ("couldn't connect to", "is not a local folder", "Repo id must", "outgoing traffic")


def explain(error: BaseException) -> str:
    """Tell what went wrong while a pipeline was made, in one paragraph.

    error (BaseException): What was raised.
    RETURNS (str): What to do about it, or else the message of the error.
    """
    if isinstance(error, ConfigValidationError) and error.errors:
        return _explain_settings(error)
    text = " ".join(str(error).split())
    missing = re.search(r"\[E002\] Can't find factory for '(.+?)'", text)
    if missing:
        return f"The pipeline has a component {missing[1]!r}, {_provide(missing[1])}"
    missing = re.search(r"Could not find function '(.+?)' in function registry '(.+?)'", text)
    if missing:
        return f"Could not find function {missing[1]!r} ({missing[2]}), {_provide(missing[1])}"
    for one in _chain(error):
        if any(sign in str(one) for sign in NO_ENCODER):
            return (
                "The transformer that the config names is no folder here and not among those that were downloaded, "
                "and it cannot be had from huggingface.co. Correct its name, or download it where there is "
                "a network and name its folder: --components.transformer.model.name FOLDER"
            )
    return text


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that led to it."""
    found: List[BaseException] = []
    todo = [error]
    while todo:
        one = todo.pop()
        if one in found:
            continue
        found.append(one)
        yield one
        todo += [other for other in (one.__cause__, one.__context__) if other is not None]


def _provide(name: str) -> str:
    """What to do to have a component or a registered function."""
    if name.startswith(OURS):
        return (
            f"which spacy-contrastive-ner {__version__} does not have: the config is of another version. "
            "Install that one, or write the config anew: python -m spacy contrastive init-config"
        )
    if "transformer" in name:
        return f"which is not installed here. Install it: {EXTRA}"
    return (
        "which is not installed here. Install the package that has it, or name its file by --code"
    )


def _explain_settings(error: ConfigValidationError) -> str:
    """Settings that a function does not know, or does not get."""
    wrong = []
    for item in error.errors or ():
        place = " -> ".join(str(part) for part in item.get("loc", ()))
        message = re.sub(r": '\w+'$", "", str(item.get("msg", "")))
        wrong.append(f"{error.parent + ' -> ' if error.parent else ''}{place} {message}")
    return (
        f"{error.title}: {'; '.join(wrong)}. If the config is of another version, take out what is not expected, and "
        "let `python -m spacy init fill-config` put in what is missing; or write it anew by "
        "`python -m spacy contrastive init-config`."
    )
