"""Recognising CoNLL-U with entities."""

import re
from typing import Optional

from ...textfile import Head

ID = re.compile(r"\d+(?:[-.]\d+)?")
GLOBAL = re.compile(r"#\s*global\.Entity\s*=\s*(\S+)")
ENTITY = re.compile(r"(?:^|\|)Entity=")
# Tags among the remarks, such as "name=B-PER" of NorNE.
TAG = re.compile(r"(?:^|\|)([A-Za-z_]+)=(?:[BIESLU]-[^|]+)(?=\||$)")


def is_conllu(head: Head) -> Optional[str]:
    """RETURNS (Optional[str]): What says that a file is CoNLL-U with entities, or None."""
    declared = any(GLOBAL.match(line) for line in head.lines[:50])
    rows = [line.split("\t") for line in head.lines if line and not line.startswith("#")]
    if not rows or any(len(cells) != 10 or not ID.fullmatch(cells[0]) for cells in rows):
        return None
    if declared or any(ENTITY.search(cells[9]) for cells in rows):
        return "CoNLL-U, entities as brackets in MISC (Entity=)"
    tag = next((match for cells in rows if (match := TAG.search(cells[9]))), None)
    return f"CoNLL-U, tags in MISC ({tag[1]}=)" if tag else None
