"""Tags of tokens in columns: what they mean, and how entities are written as such."""

import re
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

# What stands where there is no entity. "_" is "not annotated" in the columns of HIPE.
OUTSIDE = frozenset(("O", "o", "_", "-"))
# What a tag does: open an entity, go on with it, end it, or be one of a single token.
OPENS, ENDS, SINGLE = frozenset("B"), frozenset("EL"), frozenset("SU")
TAG = re.compile(r"([BIMESLU])(?:[-_:](.+))?", re.DOTALL)
# Between several tags in one cell; only where a tag follows, as labels hold such signs, too.
BETWEEN_TAGS = re.compile(r"[|,;+&/ ]+(?=[BIMESLU][-_:]|O(?:$|[|,;+&/ ]))")
# The labels of chunkers. A column of these stands beside the entities in CoNLL files.
CHUNKS = frozenset(
    [
        "NP",
        "VP",
        "PP",
        "ADVP",
        "ADJP",
        "SBAR",
        "PRT",
        "CONJP",
        "INTJ",
        "LST",
        "UCP",
        "NC",
        "VC",
        "PC",
        "AP",
        "PRED",
        "ADVC",
        "ADJC",
    ]
)
# The first and last tag of an entity, the ones between, and that of a single token.
SCHEMES = {"BIO": tuple("BIIB"), "BIOES": tuple("BIES"), "BILOU": tuple("BILU")}

Tag = Tuple[str, str]


class Span(NamedTuple):
    """An entity between tokens of a sentence.

    start (int): Its first token.
    end (int): The token after its last.
    label (str): The label.
    """

    start: int
    end: int
    label: str


class Oddity(NamedTuple):
    """A tag that does not follow the scheme.

    token (int): The token that has it.
    label (str): Its label.
    is_orphan (bool): Whether it continues nothing; else it is the last of an entity that has no
        end.
    """

    token: int
    label: str
    is_orphan: bool


class TagReader:
    """Reads the cells of a column of tags. Each distinct cell is parsed once.

    label (str): The label of tags that are a mere "B" or "I".
    plain (bool): Whether cells are labels without a prefix: equal neighbours are one entity.
    split (bool): Whether a cell may hold several tags.
    scheme (str): The scheme. Whatever it is, entities are the same; it says which tags are odd.
    """

    def __init__(
        self, label: str = "ENTITY", plain: bool = False, split: bool = True, scheme: str = "BIO"
    ) -> None:
        self.label, self.plain, self.split = label, plain, split
        # In IOB1, an entity begins with I- unless it touches another one of its label.
        self.may_begin_inside = plain or scheme in ("IOB1", "IO")
        self.has_ends = scheme in ("BIOES", "BMES", "BILOU")
        self.known: Dict[str, Optional[Tuple[Tag, ...]]] = {}

    def parse(self, cell: str) -> Optional[Tuple[Tag, ...]]:
        """RETURNS (Optional[Tuple[Tag, ...]]): The (prefix, label) of each tag in a cell, none for
        a token outside of entities; None if the cell holds something else.
        """
        try:
            return self.known[cell]
        except KeyError:
            tags = self.known[cell] = self._parse(cell)
            return tags

    def spans(self, cells: Sequence[str]) -> Tuple[List[Span], List[Oddity]]:
        """Read a column of a sentence. All its cells must be tags.

        cells (Sequence[str]): The cells.
        RETURNS (Tuple[List[Span], List[Oddity]]): The entities, and what was odd.
        """
        spans: List[Span] = []
        odd: List[Oddity] = []
        # (label, first token) of the entities that may go on, those that began first before others
        open_: List[Tuple[str, int]] = []
        for i, cell in enumerate(cells):
            tags = () if cell == "O" else self.parse(cell) or ()
            if not tags and not open_:
                continue
            open_ = self._step(i, tags, open_, spans, odd)
        self._step(len(cells), (), open_, spans, odd)
        return spans, odd

    def _step(
        self,
        i: int,
        tags: Tuple[Tag, ...],
        open_: List[Tuple[str, int]],
        spans: List[Span],
        odd: List[Oddity],
    ) -> List[Tuple[str, int]]:
        """Go on by one token, and return which entities are open behind it."""
        going_on: List[Tuple[str, int]] = []
        for prefix, label in tags:
            if prefix in SINGLE:
                spans.append(Span(i, i + 1, label))
                continue
            start = i
            if prefix not in OPENS:
                there = next((at for at in open_ if at[0] == label), None)
                if there is not None:
                    start = there[1]
                    open_.remove(there)
                elif not self.may_begin_inside:
                    odd.append(Oddity(i, label, is_orphan=True))
            if prefix in ENDS:
                spans.append(Span(start, i + 1, label))
            else:
                going_on.append((label, start))
        for label, start in open_:
            spans.append(Span(start, i, label))
            if self.has_ends:
                odd.append(Oddity(i - 1, label, is_orphan=False))
        if len(going_on) > 1:
            going_on.sort(key=lambda at: at[1])
        return going_on

    def _parse(self, cell: str) -> Optional[Tuple[Tag, ...]]:
        cell = cell.strip(" ")
        if cell in OUTSIDE:
            return ()
        if not cell:
            return None
        if self.plain:
            return (("I", cell),)
        parts = BETWEEN_TAGS.split(cell) if self.split else [cell]
        tags: List[Tag] = []
        for part in parts:
            match = TAG.fullmatch(part)
            if match:
                tags.append((match[1], match[2] or self.label))
            elif part not in OUTSIDE:
                return None
        return tuple(tags)


def scheme_of(columns: Iterable[Sequence[str]]) -> str:
    """Find out which scheme tags follow.

    columns (Iterable[Sequence[str]]): Columns of tags; "" between sentences.
    RETURNS (str): One of BIO, IOB1, BIOES, BMES, BILOU.
    """
    reader = TagReader()
    prefixes: Set[str] = set()
    begins_inside = begins_needlessly = 0
    for column in columns:
        last = ""
        for cell in column:
            tags = reader.parse(cell) or ()
            prefixes.update(prefix for prefix, _ in tags)
            if len(tags) == 1:
                prefix, label = tags[0]
                begins_inside += prefix == "I" and last != label
                begins_needlessly += prefix == "B" and last != label
            last = tags[0][1] if tags else ""
    if prefixes & set("LU"):
        return "BILOU"
    if "M" in prefixes:
        return "BMES"
    if prefixes & set("ES"):
        return "BIOES"
    return "IOB1" if begins_inside and not begins_needlessly else "BIO"


def layers_of(spans: Sequence[Span]) -> List[List[int]]:
    """Lay entities out in layers in which they do not overlap. What contains another entity is in
    an earlier layer, so that the outermost come first.

    spans (Sequence[Span]): The entities.
    RETURNS (List[List[int]]): For each layer, which entities are in it.
    """
    layers: List[List[int]] = []
    ends: List[int] = []
    # (number, layer) of those that reach beyond the start of the current one
    active: List[Tuple[int, int]] = []
    for i in sorted(range(len(spans)), key=lambda i: (spans[i].start, -spans[i].end)):
        span = spans[i]
        active = [at for at in active if spans[at[0]].end > span.start]
        layer = max((at for j, at in active if spans[j].end >= span.end), default=-1) + 1
        while layer < len(layers) and ends[layer] > span.start:
            layer += 1
        if layer == len(layers):
            layers.append([])
            ends.append(0)
        layers[layer].append(i)
        ends[layer] = span.end
        active.append((i, layer))
    return layers


def write_tags(cells: List[str], span: Span, label: str, scheme: str) -> None:
    """Write an entity into a column.

    cells (List[str]): The column, changed in place.
    span (Span): The entity.
    label (str): The label as it is to be written.
    scheme (str): BIO, BIOES or BILOU.
    """
    first, inner, last, single = SCHEMES[scheme]
    if span.end - span.start == 1:
        cells[span.start] = f"{single}-{label}"
        return
    cells[span.start] = f"{first}-{label}"
    for i in range(span.start + 1, span.end - 1):
        cells[i] = f"{inner}-{label}"
    cells[span.end - 1] = f"{last}-{label}"
