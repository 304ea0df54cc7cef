"""The regions that Label Studio exports, and where they are."""

import re
from collections import Counter
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from ...notes import Kind, Notes
from ...records import Record, Stretch, Where
from ..shared.json_lines import Wrong, kind_of, name_of, whole_number
from ..shared.offsets import Ruler, squeezed
from .tasks import Annotation

RELATIONS = Kind("relation between entities, passed over")
NO_LABEL = Kind("region without a label, passed over", True)
OTHER = Kind("annotation of another kind than a label of a text, passed over")
MENDED = Kind("region whose offsets count otherwise than those of others, placed by its text")
OTHER_SURFACE = Kind("region whose given text is not what is at its offsets, which are kept")

# What offsets may count, and whether CR LF is one character to them. Browsers count the first;
# what was imported by a program may count the second; some versions drop CR.
Rule = Tuple[str, bool]
RULES: List[Rule] = [
    ("utf-16", False),
    ("characters", False),
    ("utf-16", True),
    ("characters", True),
]
NAMES = {"utf-16": "UTF-16 units", "characters": "characters"}
LABELS = ("labels", "hypertextlabels", "htmllabels")
LINK = re.compile(r"(?:[a-z0-9+-]+://|/data/)\S+")
TEXT_NODE = "/text()[1]"


class Region(NamedTuple):
    """A region.

    start (int): Its start.
    end (int): Its end, exclusive.
    labels (Tuple[str, ...]): Its labels.
    surface (Optional[str]): Its text, if it is given.
    target (str): The name of what it is marked in, "" if that is not known.
    is_shown (bool): Whether its offsets count what is shown, not what "data" holds.
    """

    start: int
    end: int
    labels: Tuple[str, ...]
    surface: Optional[str]
    target: str
    is_shown: bool = False


def regions_of(annotation: Annotation, where: Where, notes: Notes) -> Iterator[Region]:
    """Read the regions of an annotation.

    annotation (Annotation): The annotation.
    where (Where): Where it stands.
    notes (Notes): Told about what is no labelled region.
    YIELDS (Region): The regions.
    """
    for item in annotation.result:
        if not isinstance(item, dict):
            raise Wrong(f"a result is {kind_of(item)}, not an object", "Export the tasks as JSON")
        kind, value = name_of(item.get("type")), item.get("value")
        if kind == "relation":
            notes.add(RELATIONS, where)
            continue
        labels = _labels(value)
        if kind == "paragraphlabels" or (isinstance(value, dict) and "paragraphlabels" in value):
            raise Wrong(
                "there are regions in a dialogue (paragraphlabels), which is no single text",
                "Label the dialogue as one text, with a Text tag",
            )
        if labels is None or not isinstance(value, dict):
            notes.add(OTHER, where, kind)
        elif not labels:
            notes.add(NO_LABEL, where, text=name_of(value.get("text")))
        else:
            surface = value.get("text")
            start, end, is_shown = _offsets(value)
            yield Region(
                start=start,
                end=end,
                labels=labels,
                surface=surface if isinstance(surface, str) and surface else None,
                target=name_of(item.get("to_name")),
                is_shown=is_shown,
            )


def _labels(value: Any) -> Optional[Tuple[str, ...]]:
    """RETURNS (Optional[Tuple[str, ...]]): The labels of a region of a text; None if it is not one."""
    if not isinstance(value, dict) or "start" not in value or "end" not in value:
        return None
    for key in LABELS:
        if isinstance(value.get(key), list):
            return tuple(name_of(label) for label in value[key] if name_of(label))
    # What was answered to a question about a region has its place, too.
    is_bare = set(value) <= {"start", "end", "text", "startOffset", "endOffset", "globalOffsets"}
    return () if is_bare else None


def _offsets(value: Dict[str, Any]) -> Tuple[int, int, bool]:
    start, end = value["start"], value["end"]
    if not isinstance(start, str) and not isinstance(end, str):
        return whole_number(start, "a start"), whole_number(end, "an end"), False
    shown = value.get("globalOffsets")
    if isinstance(shown, dict):
        first, last = shown.get("start"), shown.get("end")
        return whole_number(first, "a start"), whole_number(last, "an end"), True
    if start == end == TEXT_NODE and "startOffset" in value and "endOffset" in value:
        first, last = value["startOffset"], value["endOffset"]
        return whole_number(first, "a start"), whole_number(last, "an end"), True
    raise Wrong(
        f"a region has its place as a path in a web page, {start!r:.40}, without globalOffsets",
        "Mark it as plain text (a Text tag), or export it with a version that writes globalOffsets",
    )


class Rulers:
    """Reads offsets in a text, under several rules.

    text (str): The text.
    rules (List[Rule]): What they may count, the usual one first.
    """

    def __init__(self, text: str, rules: List[Rule]) -> None:
        self.text = text
        self.rulers: List[Ruler] = []
        # Which ruler is that of each rule. Mostly, all rules are the same for a text.
        self.index: List[int] = []
        for units, crlf_is_one in rules:
            ruler = Ruler(text, units, crlf_is_one)
            same = [i for i, other in enumerate(self.rulers) if other.places == ruler.places]
            self.index.append(same[0] if same else len(self.rulers))
            if not same:
                self.rulers.append(ruler)

    def places(self, region: Region) -> List[Optional[Stretch]]:
        """RETURNS (List[Optional[Stretch]]): Where a region is, under each rule that makes a
        difference.
        """
        found: List[Optional[Stretch]] = []
        for ruler in self.rulers:
            start, end = ruler.at(region.start), ruler.at(region.end)
            found.append(None if start is None or end is None else (start, end))
        return found


def choose_rule(
    regions: Iterable[Tuple[str, Region]], rules: List[Rule], notes: Notes
) -> List[Rule]:
    """Find out what the offsets of a file count.

    regions (Iterable[Tuple[str, Region]]): The texts and their regions.
    rules (List[Rule]): What they may count, the usual one first.
    notes (Notes): Told about it, if it makes a difference.
    RETURNS (List[Rule]): The same, the one that fits best first.
    """
    votes = Counter[Rule]()
    n_telling = n_silent = 0
    rulers = Rulers("", rules)
    for text, region in regions:
        if text is not rulers.text:
            rulers = Rulers(text, rules)
        places = rulers.places(region)
        if len(set(places)) == 1:
            continue
        n_silent += region.surface is None
        if region.surface is not None:
            n_telling += 1
            fits = [_fits(text, place, region.surface) for place in places]
            votes.update(rule for rule, i in zip(rules, rulers.index) if fits[i])
    rules = sorted(rules, key=lambda rule: -votes[rule])
    units, crlf_is_one = rules[0]
    how = f"offsets count {NAMES[units]}{', CR LF as one' if crlf_is_one else ''}"
    if n_telling and votes[rules[0]]:
        notes.decided(f"{how} ({votes[rules[0]]} of {n_telling} regions have their text so)")
    elif n_telling or n_silent:
        notes.decided(f"{how}, as the regions do not show what they count (--read offsets=...)")
    return rules


def _fits(text: str, place: Optional[Stretch], surface: str) -> bool:
    return place is not None and _clean(text[slice(*place)]) == _clean(surface)


def _clean(text: str) -> str:
    # Line ends are exported as a backslash and an n.
    return text.replace("\\n", "\n").replace("\r\n", "\n")


def place_of(region: Region, record: Record, rulers: Rulers, notes: Notes) -> Stretch:
    """Find out where a region is.

    region (Region): The region.
    record (Record): Its record.
    rulers (Rulers): What offsets may count; the first is usual in the file.
    notes (Notes): Told about what was mended.
    RETURNS (Stretch): Its place, in code points.
    """
    places = rulers.places(region)
    usual = places[0] or rulers.rulers[0].around(region.start, region.end)
    if region.surface is None or _fits(record.text, places[0], region.surface):
        return usual
    for place in places[1:]:
        if place is not None and _fits(record.text, place, region.surface):
            notes.add(MENDED, record.where, region.labels[0], region.surface)
            return place
    if squeezed(_clean(record.text[slice(*usual)])) != squeezed(_clean(region.surface)):
        if region.is_shown:
            raise Wrong(
                f"the region {region.surface!r:.40} is not where its offsets say, as they count"
                " the web page as it is shown",
                "Mark it as plain text (a Text tag)",
            )
        notes.add(OTHER_SURFACE, record.where, region.labels[0], region.surface)
    return usual
