"""Finding out from the beginning of a file what its columns are."""

import re
from collections import Counter
from typing import List, Optional, Sequence, Tuple

from ..shared.spacing import TELLS_SPACING
from ..shared.tags import CHUNKS, OUTSIDE, TagReader, scheme_of
from .layout import Layout, NotColumns, Wanted
from .marks import DOCSTART, DOCUMENT

# How columns of tokens and of remarks are called in headers.
TOKEN_NAMES = ("FORM", "TOKEN", "TOKENS", "WORD", "WORDS")
# "# global.columns = FORM NER" of CoNLL-U Plus; the other marks files that we wrote.
COLUMN_NAMES = re.compile(r"#\s*global\.columns\s*=\s*(.+)", re.IGNORECASE)
OWN_MARK = re.compile(r"#\s*global\.tags\s*=\s*(BIOES|BIO|BILOU)")
# A tag with a label, for columns without a single O.
LABELED = re.compile(r"[BIMESLU][-_:][\w./-]+")
# Tokens are taken to be characters if this share of those in such a script are single ones.
CHARACTERS = 0.9
CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]")


def find_layout(lines: Sequence[str], wanted: Wanted, least: float = 0.5) -> Layout:
    """Find out what the columns of a file are.

    lines (Sequence[str]): Its first lines.
    wanted (Wanted): What the user said about it.
    least (float): The least share of lines that must have the same number of columns.
    RETURNS (Layout): The layout.
    """
    lines = [line for line in lines if line.strip()]
    names = next((match[1].split() for line in lines if (match := COLUMN_NAMES.match(line))), [])
    own = any(OWN_MARK.match(line) for line in lines[:5]) and bool(names)
    if own and wanted.token == "auto" and wanted.tags is None:
        scheme = next(match[1] for line in lines if (match := OWN_MARK.match(line)))
        return _own_layout(names, scheme)
    hashes = [line for line in lines if line.startswith("#")]
    rows = [line for line in lines if not line.startswith("#") and not line.startswith(DOCSTART)]
    if wanted.comments == "no":
        rows = [line for line in lines if not line.startswith(DOCSTART)]
    layout, table = _find_shape(rows or hashes, wanted, least)
    header = _find_columns(layout, table, names, wanted)
    if header:
        table = table[1:]
    layout.comments = wanted.comments
    _find_out_about_tokens(layout, table, wanted)
    layout.told.insert(0, _describe(layout))
    _find_comments(layout, hashes, lines)
    return layout


def _own_layout(names: List[str], scheme: str) -> Layout:
    """RETURNS (Layout): That of files which this package wrote: token, tags, remarks."""
    n = len(names)
    layout = Layout(True, n, n, 0, list(range(1, n - 1)), names, misc=n - 1, own=True)
    # Labels are written so that no cell needs to be taken apart.
    layout.readers = {column: TagReader(split=False, scheme=scheme) for column in layout.tags}
    layout.told = [f"columns that say themselves what they are: {', '.join(names)}"]
    return layout


def _find_shape(
    lines: Sequence[str], wanted: Wanted, least: float
) -> Tuple[Layout, List[List[str]]]:
    """Find out what parts the columns, and how many there are."""
    n_tabs = sum("\t" in line for line in lines)
    tabs = n_tabs >= 0.5 * len(lines) if wanted.separator == "auto" else wanted.separator == "tab"
    layout = Layout(tabs, 0, 0)
    counts = Counter(len(layout.split(line)) for line in lines)
    n, share = counts.most_common(1)[0] if counts else (0, 0)
    if n < 2:
        raise NotColumns("the lines have no columns")
    if share < least * len(lines):
        raise NotColumns("the lines differ in their number of columns")
    # Without a width, trailing tabs are still there, and tell how many cells lines usually have.
    raw = Counter(line.count("\t") + 1 for line in lines) if tabs else counts
    n = raw.most_common(1)[0][0]
    layout.n_columns = layout.width = n
    table = [cells for line in lines if len(cells := layout.split(line)) == n]
    while layout.width > 2 and not any(cells[layout.width - 1].strip() for cells in table):
        layout.width -= 1
    return layout, table


def _find_columns(
    layout: Layout, table: List[List[str]], names: List[str], wanted: Wanted
) -> Optional[List[str]]:
    """Find out which columns hold tags, the tokens and remarks, and whether there is a header."""
    body = table[1:] or table
    columns = list(zip(*body))[: layout.width]
    first = table[0]
    names = names if len(names) == layout.width else []
    asked = _asked_for([wanted.token, wanted.misc, *(wanted.tags or [])], first)
    if asked and not names:
        layout.header = first
    plain = wanted.scheme == "IO"
    if wanted.tags is not None:
        known = names or (first if layout.header else [])
        layout.tags = [_number(tag, known, layout.width) for tag in wanted.tags]
        parse = TagReader().parse
        plain = plain or not any(
            parse(cell) is not None for column in layout.tags for cell in columns[column][:200]
        )
    else:
        layout.tags = [i for i, column in enumerate(columns) if _is_tags(column)]
        layout.tags = _without_chunks(layout.tags, columns, layout)
        if not layout.tags or plain:
            layout.tags, plain = _find_plain_labels(columns, layout.width), True
    if not layout.tags:
        raise NotColumns("no column holds tags (B-PER, I-PER, O)")
    if layout.header is None and not names and len(table) > 1:
        layout.header = first if _is_header(first, layout.tags, plain) else None
    if layout.header is None:
        columns = list(zip(*table))[: layout.width]
    _make_readers(layout, columns, plain, wanted)
    layout.names = names or [name.strip() for name in layout.header or []]
    _find_tokens(layout, columns, wanted)
    _name_labels_and_links(layout, wanted)
    return layout.header


def _is_header(first: Sequence[str], tags: List[int], plain: bool) -> bool:
    """Whether the first line is a header: it has something else where others have tags."""
    if plain:
        return any(name.strip().upper() in TOKEN_NAMES for name in first)
    parse = TagReader().parse
    return any(parse(first[column]) is None for column in tags)


def _asked_for(wanted: Sequence[str], first: Sequence[str]) -> bool:
    """Whether a column is asked for by a name that stands in the first line."""
    return any(name in first for name in wanted if not re.fullmatch(r"-?\d+|auto|none", name))


def _number(name: str, names: Sequence[str], width: int) -> int:
    """RETURNS (int): Which column is meant by a number (from 1, or from the end if negative) or a
    name.
    """
    if name in names:
        return list(names).index(name)
    if re.fullmatch(r"-?\d+", name):
        number = int(name)
        number = number - 1 if number > 0 else width + number
        if 0 <= number < width and name != "0":
            return number
    there = f", called {', '.join(names)}" if names else ""
    raise NotColumns(f"there is no column {name!r}: it has {width} columns{there}")


def _is_tags(column: Sequence[str]) -> bool:
    """Whether a column holds tags: hardly anything else, and at least an O."""
    counts = Counter(column)
    # A column of tags has few distinct cells; this spares the work for the others.
    parse = TagReader().parse
    common = counts.most_common(8)
    if sum(parse(cell) is None for cell, _ in common) > len(common) / 2:
        return False
    bad = sum(n for cell, n in counts.items() if parse(cell) is None)
    # A wrong tag shall be told with its line, in a small file too.
    if bad > max(1, 0.02 * len(column)) or 2 * bad >= len(column):
        return False
    # Without an O, at least labels that are nothing else but that.
    labeled = sum(n for cell, n in counts.items() if LABELED.fullmatch(cell))
    return "O" in counts or 0 < labeled == len(column) - bad


def _without_chunks(tags: List[int], columns: List[Tuple[str, ...]], layout: Layout) -> List[int]:
    """Leave out columns of a chunker, if others hold tags too."""
    reader = TagReader()

    def labels(column: int) -> set:
        return {label for cell in set(columns[column]) for _, label in reader.parse(cell) or ()}

    chunks = [i for i in tags if labels(i) and labels(i) <= CHUNKS]
    if not chunks or len(chunks) == len(tags):
        return tags
    which = ", ".join(str(i + 1) for i in chunks)
    layout.told.append(f"column {which} holds chunks (NP, VP) and is not read")
    return [i for i in tags if i not in chunks]


def _find_plain_labels(columns: List[Tuple[str, ...]], width: int) -> List[int]:
    """Find a column with labels that have no prefix: mostly O, beside it few distinct ones."""
    if len(columns) < 2:
        return []
    for i in reversed(range(width)):
        counts = Counter(columns[i])
        if counts["O"] >= 0.4 * len(columns[i]) and 2 <= len(counts) <= 200:
            others = [cell for cell in counts if cell not in OUTSIDE]
            if len(columns[i]) >= 10 and all(re.match(r"[^\W\d_]", cell) for cell in others):
                return [i]
    return []


def _make_readers(
    layout: Layout, columns: List[Tuple[str, ...]], plain: bool, wanted: Wanted
) -> None:
    """Find out the scheme of the tags."""
    scheme = wanted.scheme
    if plain:
        scheme = "IO"
    elif scheme == "auto":
        scheme = scheme_of(columns[i] for i in layout.tags)
    for column in layout.tags:
        layout.readers[column] = TagReader(wanted.label, plain, True, scheme)
    words = "labels without a prefix" if plain else f"tags: {scheme}"
    layout.told.insert(0, words)


def _find_tokens(layout: Layout, columns: List[Tuple[str, ...]], wanted: Wanted) -> None:
    """Find out which column holds the tokens, and which remarks."""
    rest = [i for i in range(layout.width) if i not in layout.tags]
    upper = [name.upper() for name in layout.names]
    if wanted.misc not in ("auto", "none"):
        layout.misc = _number(wanted.misc, layout.names, layout.width)
    elif wanted.misc == "auto":
        told = [i for i in rest if any(map(TELLS_SPACING.search, set(columns[i])))]
        named = [i for i, name in enumerate(upper) if name == "MISC" and i in rest]
        layout.misc = next(iter(named + told), None)
    if wanted.token != "auto":
        layout.token = _number(wanted.token, layout.names, layout.width)
        return
    named = [i for i in rest if i < len(upper) and upper[i] in TOKEN_NAMES]
    rest = named[:1] or [i for i in rest if i != layout.misc]
    if not rest:
        raise NotColumns("no column is left for the tokens")
    layout.token = max(rest, key=lambda i: (_looks_like_tokens(columns[i]), -i))


def _looks_like_tokens(column: Sequence[str]) -> Tuple[bool, int]:
    """How much a column looks like tokens: no numbers, names of documents or numbered names, and
    many different ones.
    """
    distinct = set(column)
    numbers = sum(not any(map(str.isalpha, cell)) for cell in column)
    numbered = len(column) >= 20 and len(distinct) == len(column)
    return numbers < 0.9 * len(column) and not numbered, len(distinct)


def _name_labels_and_links(layout: Layout, wanted: Wanted) -> None:
    """Columns with a name: a mere B or I there has it as its label; those of HIPE say what their
    entities refer to.
    """
    for column in layout.tags:
        if column >= len(layout.names):
            continue
        name = layout.names[column]
        if wanted.label == "ENTITY" and len(layout.tags) > 1:
            layout.readers[column].label = name
            layout.readers[column].known.clear()
        link = re.sub(r"NE-(?:COARSE|FINE)-(LIT|METO)", r"NEL-\1", name)
        if link != name and link in layout.names:
            layout.links[column] = layout.names.index(link)


def _find_out_about_tokens(layout: Layout, table: List[List[str]], wanted: Wanted) -> None:
    """Find out whether tokens are characters, and whether they end in a digit that is none of
    theirs.
    """
    tokens = [cells[layout.token] for cells in table]
    if wanted.segmentation == "auto":
        short = sum(len(token) == 2 for token in tokens)
        layout.segmentation = (
            len(tokens) >= 5
            and short >= 0.8 * len(tokens)
            and all(len(token) > 1 and token[-1] in "0123456789" for token in tokens)
        )
    else:
        layout.segmentation = wanted.segmentation == "yes"
    if layout.segmentation:
        layout.told.append("each token ends in a digit of segmentation, which is cut off")
        tokens = [token[:-1] for token in tokens]
    if wanted.joiner == "auto":
        words = [token for token in tokens if CJK.search(token)]
        single = sum(len(token) == 1 for token in words)
        layout.characters = bool(words) and single >= CHARACTERS * len(words)
    else:
        layout.characters = wanted.joiner == "none"
    if layout.characters:
        layout.told.append("tokens are characters, with nothing between them")


def _find_comments(layout: Layout, hashes: List[str], lines: List[str]) -> None:
    """Say what lines with "#" are, and count the marks of documents."""
    comments = [line for line in hashes if layout.is_comment(line)]
    if hashes:
        layout.hashes_are_tokens = not comments and layout.comments == "auto"
        n = len(hashes) - len(comments)
        tokens = "one is a token" if n == 1 else f"{n} are tokens"
        layout.told.append(
            f"of the first {len(hashes)} lines with # in front, {tokens}, the others comments"
            if comments and n
            else f"lines with # in front are {'comments' if comments else 'tokens'}"
        )
    starts = sum(line.startswith(DOCSTART) for line in lines)
    named = sum(bool(DOCUMENT.fullmatch(line)) for line in comments)
    # A single mark without a name may be that of the whole file.
    layout.marks = named or (starts if starts > 1 else 0)


def _describe(layout: Layout) -> str:
    """RETURNS (str): The layout in words."""

    def name(column: int) -> str:
        known = column < len(layout.names) and layout.names[column]
        return f"{column + 1} ({known})" if known else str(column + 1)

    tags = ", ".join(map(name, layout.tags))
    parted = "tabs" if layout.tabs else "blanks"
    return f"columns parted by {parted}: token {name(layout.token)}, tags {tags}"
