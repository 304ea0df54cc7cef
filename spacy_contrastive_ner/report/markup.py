"""Texts and data as HTML in which they stay what they are: text and data."""

import html
import json
import re
from typing import Any

# What HTML cannot hold: halves of surrogate pairs, and control characters other than white space.
UNFIT = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
# What could end a script, begin a comment in it, or end a line in it, and what UTF-8 cannot hold.
# JSON has none of these outside strings.
UNSAFE = re.compile("[<>&\u2028\u2029\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
DIGITS = 6


def escape(text: Any) -> str:
    """RETURNS (str): A text for use in HTML, also as the value of an attribute."""
    return html.escape(UNFIT.sub("\ufffd", str(text)))


def isolated(text: Any) -> str:
    """RETURNS (str): A text in HTML whose direction does not change what stands around it."""
    return f"<bdi>{escape(text)}</bdi>"


def marked(text: str) -> str:
    """RETURNS (str): A text in HTML. What stands between backticks is code."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", escape(text))


def paragraphs(text: str) -> str:
    """RETURNS (str): Text as paragraphs, which blank lines part, with code between backticks."""
    parts = (part.strip() for part in re.split(r"\n\s*\n", text))
    return "".join(f"<p>{marked(part)}</p>\n" for part in parts if part)


def json_block(name: str, value: Any) -> str:
    """RETURNS (str): Data in a block that nothing runs, for scripts to read. All numbers in it are
    finite."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return f'<script type="application/json" id="{escape(name)}">{text}</script>\n'


def plain(value: Any) -> Any:
    """RETURNS (Any): Data as JSON knows it, arrays as lists, numbers with as many digits as can be
    seen, and None for those that are not finite."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, float):
        # False for what is not a number, too.
        return float(f"{value:.{DIGITS}g}") if abs(value) < float("inf") else None
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value
