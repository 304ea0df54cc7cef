"""White space between tokens: how the last column of CoNLL-U and its kin tells it."""

import re
from functools import lru_cache
from typing import List, Optional, Sequence, Tuple

from ...records import Stretch

# As UDPipe writes white space; "\p" is "|", which parts the attributes.
ESCAPES = {" ": r"\s", "\t": r"\t", "\r": r"\r", "\n": r"\n", "|": r"\p", "\\": r"\\"}
MEANINGS = {escape: sign for sign, escape in ESCAPES.items()}
ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})|\\.", re.DOTALL)
TELLS_SPACING = re.compile(r"(?:^|\|)(?:SpaceAfter=No|NoSpaceAfter|Spaces(?:After|Before)=)")


@lru_cache(maxsize=65536)
def spacing_of(misc: str) -> Tuple[Optional[str], str, Optional[str]]:
    """Read the spacing from a cell of the last column.

    misc (str): The cell: attributes, between them "|".
    RETURNS (Tuple[Optional[str], str, Optional[str]]): The white space after the token, None if
        it is not told; that before it; the token, if its column cannot hold it.
    """
    after: Optional[str] = None
    before, form = "", None
    for part in misc.split("|"):
        key, _, value = part.partition("=")
        if key == "NoSpaceAfter" or (key == "SpaceAfter" and value == "No"):
            after = ""
        elif key == "SpacesAfter":
            after = unescape(value)
        elif key == "SpacesBefore":
            before = unescape(value)
        elif key == "Form":
            form = unescape(value)
    return after, before, form


def kb_id_of(misc: str, layer: int) -> str:
    """RETURNS (str): What the entity of a layer (from 1) refers to, as we write it."""
    key = f"KB{layer}="
    values = (part[len(key) :] for part in misc.split("|") if part.startswith(key))
    return unescape(next(values, ""))


def escape(text: str) -> str:
    """RETURNS (str): A text as a value in the last column."""
    return "".join(
        ESCAPES.get(sign) or (f"\\u{ord(sign):04x}" if _is_odd(sign) else sign) for sign in text
    )


def unescape(text: str) -> str:
    """RETURNS (str): The text that a value in the last column stands for."""
    if "\\" not in text:
        return text
    return ESCAPED.sub(
        lambda match: chr(int(match[1], 16)) if match[1] else MEANINGS.get(match[0], match[0]),
        text,
    )


def find_in(text: str, forms: Sequence[str]) -> Optional[List[Stretch]]:
    """Find tokens in the text of their sentence.

    text (str): The text.
    forms (Sequence[str]): The tokens.
    RETURNS (Optional[List[Stretch]]): Where they are; None if the text is not these tokens and
        white space.
    """
    tokens: List[Stretch] = []
    at = 0
    for form in forms:
        start = text.find(form, at)
        if start < 0 or text[at:start].strip():
            return None
        at = start + len(form)
        tokens.append((start, at))
    return None if text[at:].strip() else tokens


def _is_odd(sign: str) -> bool:
    """Whether it cannot be seen, or other programs may take it for the end of a line."""
    return sign.isspace() or (ord(sign) < 0x10000 and not sign.isprintable())
