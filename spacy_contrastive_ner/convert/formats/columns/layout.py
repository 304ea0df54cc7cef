"""What the columns of a file are."""

import re
from dataclasses import dataclass, field
from typing import Dict, List, NamedTuple, Optional, Sequence

from ..shared.tags import TagReader

BLANKS = re.compile(r"[ \t]+")


class Wanted(NamedTuple):
    """What the user said about the columns; the options of the reader."""

    token: str = "auto"
    tags: Optional[List[str]] = None
    misc: str = "auto"
    separator: str = "auto"
    comments: str = "auto"
    scheme: str = "auto"
    label: str = "ENTITY"
    joiner: str = "auto"
    segmentation: str = "auto"


class NotColumns(ValueError):
    """The file is not, or not plainly, made of columns with tags. The text says why."""


@dataclass
class Layout:
    """What the columns of a file are.

    tabs (bool): Whether tabs part them, not blanks.
    n_columns (int): How many cells a line has.
    width (int): How many of these are more than trailing tabs.
    token (int): Which holds the token.
    tags (List[int]): Which hold tags.
    names (List[str]): What they are called; empty if that is not known.
    header (Optional[List[str]]): The line with their names, if there is one.
    misc (Optional[int]): Which holds remarks such as "SpaceAfter=No", if any.
    links (Dict[int, int]): For a column of tags, which one says what its entities refer to.
    readers (Dict[int, TagReader]): For each column of tags, what reads its cells.
    comments (str): Whether lines that begin with "#" are comments: "yes", "no", or "auto" for those
        that are no line of a token.
    characters (bool): Whether tokens are characters, with nothing between them.
    segmentation (bool): Whether each token ends in a digit that is no part of it.
    marks (int): How many marks of documents were seen.
    hashes_are_tokens (bool): Whether all the lines seen with "#" in front are tokens.
    told (List[str]): What was found out, in words.
    own (bool): Whether the file was written by this package.
    """

    tabs: bool
    n_columns: int
    width: int
    token: int = 0
    tags: List[int] = field(default_factory=list)
    names: List[str] = field(default_factory=list)
    header: Optional[List[str]] = None
    misc: Optional[int] = None
    links: Dict[int, int] = field(default_factory=dict)
    readers: Dict[int, TagReader] = field(default_factory=dict)
    comments: str = "auto"
    characters: bool = False
    segmentation: bool = False
    marks: int = 0
    told: List[str] = field(default_factory=list)
    hashes_are_tokens: bool = False
    own: bool = False

    def split(self, line: str) -> List[str]:
        """RETURNS (List[str]): The cells of a line, as many as the layout has if that is possible:
        trailing tabs do not matter, and a line that begins with a blank may be that of a blank.
        """
        if self.tabs:
            cells = line.split("\t")
        else:
            cells = [cell for cell in BLANKS.split(line) if cell]
            if len(cells) == self.n_columns - 1 and self.token == 0 and line[:1] in (" ", "\t"):
                cells.insert(0, " ")
        while len(cells) > self.width and not cells[-1].strip():
            cells.pop()
        if len(cells) == self.width:
            cells.extend([""] * (self.n_columns - self.width))
        return cells

    def is_row(self, cells: Sequence[str]) -> bool:
        """RETURNS (bool): Whether these are the cells of a token."""
        return len(cells) == self.n_columns and all(
            self.readers[column].parse(cells[column]) is not None for column in self.tags
        )

    def is_comment(self, line: str) -> bool:
        """RETURNS (bool): Whether a line is a comment."""
        if not line.startswith("#") or self.comments == "no":
            return False
        if self.comments == "yes":
            return True
        return "\t" not in line if self.own else not self.is_row(self.split(line))
