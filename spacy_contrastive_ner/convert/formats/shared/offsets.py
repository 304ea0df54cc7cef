"""What offsets count, and where ends are: converting, and finding it out from the texts."""

import unicodedata
from bisect import bisect_left
from typing import Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, TypeVar

import numpy

from ...notes import Notes
from ...records import Where

# Evidence is looked for in this many spans, and for no longer than this many records or characters.
ENOUGH_SPANS, MAX_RECORDS, MAX_CHARACTERS = 300, 2000, 4_000_000
# How many spans must speak for another reading than the usual one, where there are no surface
# strings. Entities that leave out a plural "s" look like inclusive ends, hence more of these.
FEW_UNITS, FEW_ENDS = 2, 3
# Below, the evidence cannot be called contradictory.
SOME = 10

# Scripts that do not mark words with blanks, or (Hangul) add short particles to them: any place
# may be the border of an entity.
UNSPACED = (
    (0x0E00, 0x109F),
    (0x1100, 0x11FF),
    (0x1780, 0x17FF),
    (0x2E80, 0xA4CF),
    (0xA960, 0xA97F),
    (0xAC00, 0xD7FF),
    (0xF900, 0xFAFF),
    (0xFF00, 0xFFEF),
    (0x1B000, 0x1B2FF),
    (0x20000, 0x3FFFF),
)


class Reading(NamedTuple):
    """How offsets are to be understood.

    units (str): What they count: "characters" (code points), "bytes" (of UTF-8) or "utf-16".
    ends (str): Whether the end is the last character ("inclusive") or the one after it
        ("exclusive").
    """

    units: str
    ends: str

    def __str__(self) -> str:
        names = {"characters": "characters", "bytes": "bytes of UTF-8", "utf-16": "UTF-16 units"}
        return f"offsets count {names[self.units]}, ends are {self.ends}"


class Ruler:
    """Turns offsets into code points.

    text (str): The text.
    units (str): What the offsets count.
    crlf_is_one (bool): Whether they count CR LF as one character.
    """

    def __init__(self, text: str, units: str, crlf_is_one: bool = False) -> None:
        self.places: Optional[List[int]] = None
        crlf_is_one = crlf_is_one and "\r\n" in text
        if crlf_is_one or not (units == "characters" or text.isascii()):
            codes = numpy.frombuffer(text.encode("utf-32-le"), dtype="<u4")
            widths = numpy.ones(len(codes) + 1, dtype="i8")
            widths[0] = 0
            for limit, value in LIMITS[units]:
                widths[1:][codes >= limit] = value
            if crlf_is_one:
                widths[1:-1][(codes[:-1] == 13) & (codes[1:] == 10)] = 0
            # Otherwise, places are what they are in code points.
            if (widths[1:] != 1).any():
                self.places = numpy.cumsum(widths).tolist()

    def at(self, offset: int) -> Optional[int]:
        """RETURNS (Optional[int]): The offset in code points, beyond the text if it is there; None
        if it lies within a character.
        """
        if self.places is None or offset < 0:
            return offset
        if offset > self.places[-1]:
            return len(self.places) - 1 + offset - self.places[-1]
        index = bisect_left(self.places, offset)
        return index if self.places[index] == offset else None

    def around(self, start: int, end: int) -> Tuple[int, int]:
        """RETURNS (Tuple[int, int]): A stretch, made longer where it cuts a character."""
        first, last = self.at(start), self.at(end)
        if first is None:
            first = bisect_left(self.places or [], start) - 1
        if last is None:
            last = bisect_left(self.places or [], end)
        return first, last


# From which code point on a character is how wide.
LIMITS = {
    "characters": (),
    "bytes": ((0x80, 2), (0x800, 3), (0x10000, 4)),
    "utf-16": ((0x10000, 2),),
}


class Sample(NamedTuple):
    """A span, as evidence.

    start (int): Its start.
    end (int): Its end.
    surface (Optional[str]): Its text, as given in the file.
    """

    start: int
    end: int
    surface: Optional[str]


class Evidence(NamedTuple):
    """A text with its spans.

    text (str): The text.
    samples (Sequence[Sample]): The spans.
    where (Where): Where it was read.
    """

    text: str
    samples: Sequence[Sample]
    where: Where


class Verdict(NamedTuple):
    """What was found out.

    reading (Reading): How offsets are to be understood.
    fitting (int): How many spans fit it.
    total (int): How many there are.
    by_surface (bool): Whether they fit surface strings, rather than words.
    alike (List[Reading]): The readings under which all spans are the same.
    rival (Optional[Reading]): Another reading that spans ask for.
    apart (Tuple[int, int]): How many spans fit only the reading, and only the rival.
    is_contradictory (bool): Whether those that fit only the rival are more than stray ones.
    """

    reading: Reading
    fitting: int
    total: int
    by_surface: bool
    alike: List[Reading]
    rival: Optional[Reading] = None
    apart: Tuple[int, int] = (0, 0)
    is_contradictory: bool = False

    def __str__(self) -> str:
        how = "have their given text" if self.by_surface else "begin and end where words do"
        text = f"{self.reading} ({self.fitting} of {self.total} spans looked at {how})"
        if self.rival is None:
            return text
        return f"{text}; {self.apart[1]} would only if {self.rival}, too few to go by"


def judge(evidence: Iterable[Evidence], readings: Sequence[Reading]) -> Verdict:
    """Find out how offsets are to be understood.

    evidence (Iterable[Evidence]): Texts and spans.
    readings (Sequence[Reading]): What is possible, the usual one first.
    RETURNS (Verdict): What was found out. The usual reading, if the evidence is not clear.
    """
    places: List[List[Optional[Tuple[int, int]]]] = []
    surfaces, words = [], []
    for text, samples, _ in evidence:
        rulers = {reading.units: Ruler(text, reading.units) for reading in readings}
        for sample in samples:
            found = [_place(rulers[reading.units], reading, sample) for reading in readings]
            places.append(found)
            if sample.surface is not None:
                surfaces.append([_has_surface(text, place, sample.surface) for place in found])
            words.append([_has_words(text, place) for place in found])
    # Surface strings that are found nowhere (because they are normalised) are no evidence.
    by_surface = bool(surfaces) and 2 * max(map(sum, zip(*surfaces))) >= len(surfaces)
    fits = numpy.array(surfaces if by_surface else words, dtype=bool).reshape(-1, len(readings))
    best = int(fits.sum(0).argmax())
    only_usual, only_best = _apart(fits, 0, best)
    needed = 1 if by_surface else FEW_UNITS
    if not by_surface and readings[best].ends != readings[0].ends:
        needed = FEW_ENDS
    is_clear = only_best >= max(needed, 4 * only_usual) and fits[:, best].mean() >= 0.6
    chosen = best if is_clear else 0
    alike = [
        reading
        for i, reading in enumerate(readings)
        if all(place[i] == place[chosen] for place in places)
    ]
    verdict = Verdict(readings[chosen], int(fits[:, chosen].sum()), len(fits), by_surface, alike)
    apart = {reading: _apart(fits, best, i) for i, reading in enumerate(readings)}
    rival = max(readings, key=lambda reading: min(apart[reading]))
    total, least = sum(apart[rival]), min(apart[rival])
    if total >= SOME and 5 * least > total:
        return verdict._replace(
            reading=readings[best], rival=rival, apart=apart[rival], is_contradictory=True
        )
    if chosen != best:
        return verdict._replace(rival=readings[best], apart=(only_usual, only_best))
    return verdict


def _apart(fits: numpy.ndarray, one: int, other: int) -> Tuple[int, int]:
    """RETURNS (Tuple[int, int]): How many spans fit one reading only, and another one only."""
    only_one, only_other = fits[:, one] & ~fits[:, other], fits[:, other] & ~fits[:, one]
    return int(only_one.sum()), int(only_other.sum())


def _place(ruler: Ruler, reading: Reading, sample: Sample) -> Optional[Tuple[int, int]]:
    start, end = ruler.at(sample.start), ruler.at(sample.end + (reading.ends == "inclusive"))
    # The last byte of a character that has several is no start of one.
    return None if start is None or end is None else (start, end)


def _has_surface(text: str, place: Optional[Tuple[int, int]], surface: str) -> bool:
    if place is None or place[0] < 0:
        return False
    found = text[place[0] : place[1]]
    if found == surface:
        return True
    is_trimmed = bool(found) and not (found[0].isspace() or found[-1].isspace())
    return is_trimmed and squeezed(found) == squeezed(surface)


def squeezed(text: str) -> str:
    """RETURNS (str): A text without case and white space, to compare it."""
    return "".join(text.split()).casefold()


def _has_words(text: str, place: Optional[Tuple[int, int]]) -> bool:
    """Whether a stretch begins and ends where words do."""
    if place is None or not 0 <= place[0] < place[1] <= len(text):
        return False
    start, end = place
    if text[start].isspace() or text[end - 1].isspace():
        return False
    return not (_is_in_word(text, start) or _is_in_word(text, end))


def _is_in_word(text: str, place: int) -> bool:
    return 0 < place < len(text) and _is_letter(text[place - 1]) and _is_letter(text[place])


def _is_letter(character: str) -> bool:
    if not (character.isalnum() or unicodedata.category(character).startswith("M")):
        return False
    code = ord(character)
    return code < 0x0E00 or not any(first <= code <= last for first, last in UNSPACED)


ItemT = TypeVar("ItemT")


class Settler:
    """Finds out how the offsets of a file are to be understood, while it is read.

    readings (Sequence[Reading]): What is possible, the usual one first.
    notes (Notes): Told about what was found out.
    """

    def __init__(self, readings: Sequence[Reading], notes: Notes) -> None:
        self.alive, self.notes = list(readings), notes

    def settle(
        self, items: Iterable[Tuple[ItemT, Optional[Evidence]]]
    ) -> Iterator[Tuple[ItemT, Reading]]:
        """Hold items back until it is known how to read them. Nothing is yielded after evidence
        that contradicts itself, if such input is skipped.

        items (Iterable[Tuple[ItemT, Optional[Evidence]]]): The items, with their texts and spans;
            None for one whose reading does not matter.
        YIELDS (Tuple[ItemT, Reading]): The items, and how their offsets are to be read.
        """
        held: List[ItemT] = []
        evidence: List[Evidence] = []
        n_spans = size = 0
        for item, found in items:
            matters = found is not None and self._matters(found)
            if not held and not matters:
                yield item, self.alive[0]
                continue
            held.append(item)
            if found is not None and matters:
                evidence.append(found)
                n_spans, size = n_spans + len(found.samples), size + len(found.text)
            if n_spans >= ENOUGH_SPANS or len(held) >= MAX_RECORDS or size >= MAX_CHARACTERS:
                if not self._decide(evidence):
                    return
                yield from ((each, self.alive[0]) for each in held)
                held, evidence, n_spans, size = [], [], 0, 0
        if held and self._decide(evidence):
            yield from ((each, self.alive[0]) for each in held)

    def _matters(self, evidence: Evidence) -> bool:
        """Whether the readings that are still possible differ for a text."""
        if len(self.alive) == 1 or not evidence.samples:
            return False
        if len({reading.ends for reading in self.alive}) > 1:
            return True
        text, units = evidence.text, {reading.units for reading in self.alive}
        if text.isascii() or len(units) == 1:
            return False
        return "bytes" in units or len(text.encode("utf-16-le")) > 2 * len(text)

    def _decide(self, evidence: List[Evidence]) -> bool:
        verdict = judge(evidence, self.alive)
        if verdict.is_contradictory:
            self._refuse(verdict, evidence[0].where)
            return False
        is_known = len({reading.ends for reading in self.alive}) == 1
        # That offsets still count characters needs no second word.
        if not is_known or verdict.reading != self.alive[0] or verdict.rival:
            self.notes.decided(str(verdict))
        # From now on all must agree with what is yielded.
        self.alive = [verdict.reading, *(r for r in verdict.alike if r != verdict.reading)]
        return True

    def _refuse(self, verdict: Verdict, where: Where) -> None:
        one, other = verdict.reading, verdict.rival
        assert other is not None
        how = "have their given text" if verdict.by_surface else "begin and end with words"
        options = [
            f"--read {name}={a} or --read {name}={b}"
            for name, a, b in (("ends", one.ends, other.ends), ("offsets", one.units, other.units))
            if a != b
        ]
        self.notes.bad(
            where,
            f"the offsets from here on contradict each other: {verdict.apart[0]} spans {how} only"
            f" if {one}, {verdict.apart[1]} only if {other}",
            f"Say how they are meant: {'; '.join(options)}",
        )


def stated(units: str, ends: str, usual: Reading) -> List[Reading]:
    """RETURNS (List[Reading]): What is possible under the options of a reader, the usual one first."""
    all_units = ("characters", "utf-16", "bytes") if units == "auto" else (units,)
    all_ends = (usual.ends, *({"exclusive", "inclusive"} - {usual.ends}))
    all_ends = all_ends if ends == "auto" else (ends,)
    return [Reading(unit, end) for end in all_ends for unit in all_units]
