"""Annotation that stands beside the text, by offsets: finding out how these count.

Offsets are said to be characters, but tools count line ends of two characters as one, byte order
marks, bytes or UTF-16 units, or the text was changed after it was annotated. Most formats repeat
the text of each mention, which tells.
"""

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from .notes import Kind, Notes
from .records import Entity, Stretch, Where

COUNTED = Kind("Documents whose offsets do not count the characters of the text")
MOVED = Kind("Offsets that did not fit the text moved to where the mention stands")
UNLIKE = Kind("Mentions whose text is not what stands at their offsets, kept as they are")

MARK = "\ufeff"
# A mention of this length is moved on its own, to a place at most so far away: a longer way needs
# several mentions that agree on it.
MIN_CHARS, MAX_WAY = 3, 16
# So many mentions are asked how far all of them are to be moved.
MAX_ASKED = 50


class Mention(NamedTuple):
    """An annotated mention, before it is known how its offsets count.

    fragments (Tuple[Stretch, ...]): The start and end of its parts, as they were read.
    label (str): The label.
    kb_id (str): What it refers to in a knowledge base, "" if that is not known.
    surface (str): Its text as the annotation has it, "" if it does not.
    line (int): The line where it was read, 0 if that is not known.
    """

    fragments: Tuple[Stretch, ...]
    label: str
    kb_id: str = ""
    surface: str = ""
    line: int = 0

    def at(self, place: Callable[[int], int]) -> "Mention":
        """RETURNS (Mention): The mention with other offsets."""
        moved = tuple((place(start), place(end)) for start, end in self.fragments)
        return self._replace(fragments=moved)

    def moved(self, way: int) -> "Mention":
        """RETURNS (Mention): The mention so many characters further on."""
        return self.at(lambda offset: offset + way)

    def entity(self) -> Entity:
        """RETURNS (Entity): The entity, with its fragments in order."""
        return Entity(tuple(sorted(self.fragments)), self.label, self.kb_id)


@dataclass
class Fitted:
    """A text and its mentions, whose offsets are now characters of the text.

    text (str): The text.
    mentions (List[Mention]): The mentions.
    counting (str): How the offsets were found to count, "" if as characters of the text.
    moved (List[int]): Which mentions stand elsewhere than they said.
    unlike (List[int]): Which have another text than what stands at their offsets.
    """

    text: str
    mentions: List[Mention]
    counting: str
    moved: List[int]
    unlike: List[int]


def fit(text: str, mentions: Sequence[Mention]) -> Fitted:
    """Find out how the offsets of mentions count.

    text (str): The text, with its line ends and its byte order mark, if it begins with one.
    mentions (Sequence[Mention]): The mentions.
    RETURNS (Fitted): The text, without the mark if the offsets do not count it, and the mentions.
    """
    best = Fitted(text, list(mentions), "", [], _unlike(text, mentions))
    if not best.unlike:
        return best
    for counting, other, place in _countings(text):
        placed = [mention.at(place) for mention in mentions]
        unlike = _unlike(other, placed)
        if len(unlike) < len(best.unlike):
            best = Fitted(other, placed, counting, [], unlike)
    if best.unlike:
        _move(best)
    return best


def settle(fitted: Fitted, where: Where, notes: Notes) -> Optional[List[Entity]]:
    """Tell what was found out about the offsets of a document.

    fitted (Fitted): What was found out.
    where (Where): Where the document was read.
    notes (Notes): Where it is told.
    RETURNS (Optional[List[Entity]]): The entities; None if most mentions do not fit the text, which
        is bad input.
    """
    if fitted.counting:
        notes.decided(f"offsets do not count characters, but so: {fitted.counting}")
        notes.add(COUNTED, where, text=fitted.counting)
    for i in fitted.moved:
        _tell(MOVED, fitted.mentions[i], where, notes)
    n_told = sum(bool(mention.surface) for mention in fitted.mentions)
    if 2 * len(fitted.unlike) > n_told:
        first = fitted.mentions[fitted.unlike[0]]
        found = first.entity().text_in(fitted.text)
        notes.bad(
            where._replace(line=first.line or where.line),
            f"{len(fitted.unlike)} of {n_told} mentions are not what stands at their offsets: "
            f"{first.surface[:60]!r} is {found[:60]!r} in the text",
            "Check that annotation and text belong together, or take the offsets as they are: "
            "--read surfaces=ignore",
        )
        return None
    for i in fitted.unlike:
        _tell(UNLIKE, fitted.mentions[i], where, notes)
    return [mention.entity() for mention in fitted.mentions]


def are_alike(found: str, surface: str) -> bool:
    """Whether a mention is the text that stands at its offsets. White space counts for nothing
    (formats of lines hold no line ends), nor do quotes that a table program puts around a cell.

    found (str): The text at the offsets.
    surface (str): The text of the mention.
    RETURNS (bool): Whether they are alike.
    """
    if found == surface:
        return True
    found, surface = "".join(found.split()), "".join(surface.split())
    if found == surface or _plain(found) == _plain(surface):
        return True
    if len(surface) > 1 and surface[0] == surface[-1] == '"':
        return found == surface[1:-1].replace('""', '"')
    return False


def parts_of_types(types: str) -> List[str]:
    """RETURNS (List[str]): The types of a mention that has several, as "type1,type2"."""
    return list(dict.fromkeys(part for part in re.split(r"[,|](?=\S)", types) if part)) or [types]


def without_surfaces(mentions: Sequence[Mention]) -> List[Mention]:
    """RETURNS (List[Mention]): The mentions as if their text was not known, so that their offsets
    are taken as they are.
    """
    return [mention._replace(surface="") for mention in mentions]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _tell(kind: Kind, mention: Mention, where: Where, notes: Notes) -> None:
    place = where._replace(line=mention.line or where.line)
    notes.add(kind, place, mention.label, mention.surface)


def _unlike(text: str, mentions: Sequence[Mention]) -> List[int]:
    """RETURNS (List[int]): Which mentions are not what stands at their offsets."""
    return [i for i, mention in enumerate(mentions) if not _fits(text, mention)]


def _fits(text: str, mention: Mention) -> bool:
    if not mention.surface:
        return True
    if any(start < 0 or end > len(text) for start, end in mention.fragments):
        return False
    # The fragments may be listed, and their text joined, in another order than they stand.
    return any(
        are_alike(" ".join(text[start:end] for start, end in fragments), mention.surface)
        for fragments in {mention.fragments, tuple(sorted(mention.fragments))}
    )


def _countings(text: str) -> Iterator[Tuple[str, str, Callable[[int], int]]]:
    """List the ways in which offsets may count, other than as characters of the text.

    YIELDS (Tuple[str, str, Callable]): The way in words, the text that is counted, and what makes
        an offset one of characters of this text.
    """
    widths: Dict[str, Optional[Callable[[str], int]]] = {"": None}
    if not text.isascii():
        if max(text) > "\uffff":
            widths["UTF-16 units"] = lambda char: 1 + (char > "\uffff")
        widths["bytes of UTF-8"] = lambda char: len(char.encode("utf-8", "surrogatepass"))
    ends = [""]
    if "\r\n" in text:
        ends.append("line ends of two characters as one")
    elif "\n" in text:
        ends.append("line ends as two characters")
    marks = [""] + ["no byte order mark"] * text.startswith(MARK)
    for mark in marks:
        for end in ends:
            for width, measure in widths.items():
                words = ", ".join(word for word in (width, end, mark) if word)
                if words:
                    counted = text[1:] if mark else text
                    yield words, counted, _counter(counted, end, measure)


def _counter(text: str, ends: str, measure: Optional[Callable[[str], int]]) -> Callable[[int], int]:
    """RETURNS (Callable[[int], int]): What makes an offset one of characters of the text."""
    widths = [1] * len(text) if measure is None else [measure(char) for char in text]
    if ends:
        # No offset lies between the two characters of a line end.
        for match in re.finditer("\r\n|\n", text):
            widths[match.start()] = 0 if len(match.group()) == 2 else 2
    starts = [0, *accumulate(widths)]

    def place(offset: int) -> int:
        if offset >= starts[-1]:
            return len(text) + offset - starts[-1]
        return bisect_left(starts, offset) if offset > 0 else offset

    return place


def _move(fitted: Fitted) -> None:
    """Move mentions that do not fit: all by as much as most of them agree on, others to where they
    stand if that is near.
    """
    text, mentions = fitted.text, fitted.mentions
    usual, left = _usual_way(fitted), []
    for i in fitted.unlike:
        near = sorted(
            (way for way in _ways(text, mentions[i]) if abs(way) <= MAX_WAY),
            key=lambda way: (abs(way), way),
        )
        certain = len(mentions[i].surface) >= MIN_CHARS and not _is_between(near)
        for way in usual + near[:certain]:
            moved = mentions[i].moved(way)
            if _fits(text, moved):
                mentions[i] = moved
                fitted.moved.append(i)
                usual = usual or [way]
                break
        else:
            left.append(i)
    fitted.unlike = left


def _usual_way(fitted: Fitted) -> List[int]:
    """RETURNS (List[int]): How far most of the mentions that do not fit are to be moved, if they
    agree.
    """
    asked = fitted.unlike[:MAX_ASKED]
    votes: Counter = Counter()
    for i in asked:
        votes.update(_ways(fitted.text, fitted.mentions[i]))
    most = max(votes.values(), default=0)
    ways = sorted((way for way, n in votes.items() if n == most), key=lambda way: (abs(way), way))
    return ways[:1] if most > 1 and 2 * most > len(asked) else []


def _is_between(near: List[int]) -> bool:
    """RETURNS (bool): Whether a mention stands as near before as after its offsets."""
    return len(near) > 1 and abs(near[0]) == abs(near[1])


def _ways(text: str, mention: Mention) -> List[int]:
    """RETURNS (List[int]): How far a mention may have to be moved. One of several fragments is
    looked for by what its first one must be.
    """
    start, end = mention.fragments[0]
    wanted = mention.surface if len(mention.fragments) == 1 else mention.surface[: end - start]
    if not wanted.strip():
        return []
    pattern = r"\s+".join(re.escape(word) for word in wanted.split())
    return [match.start() - start for match in re.finditer(pattern, text)]
