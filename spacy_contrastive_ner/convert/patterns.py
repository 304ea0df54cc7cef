"""What to look for to label texts: patterns of spaCy's rulers, and gazetteers."""

import json
from typing import Any, Dict, List, Set, Tuple

from spacy.language import Language
from spacy.matcher import Matcher

from .notes import BadInput, Kind, Notes
from .raw import parse_object
from .records import Where
from .textfile import TextFile

# How the columns of a gazetteer are called.
PHRASE_NAMES = ("phrase", "term", "name", "text", "surface", "mention", "entity", "pattern")
LABEL_NAMES = ("label", "type", "tag", "class", "category", "entity_type")

TWICE = Kind("lines that say the same as another one")

Pattern = Dict[str, Any]


def read_patterns(file: TextFile, nlp: Language, notes: Notes) -> List[Pattern]:
    """Read patterns as spaCy's entity ruler and span ruler save them: lines of JSON with a "label"
    and a "pattern", which is a phrase or a list of tokens, and maybe an "id".

    file (TextFile): The file.
    nlp (Language): The pipeline that is to run them.
    notes (Notes): Where duplicates are counted.
    RETURNS (List[Pattern]): The patterns.
    """
    patterns: List[Pattern] = []
    seen: Set[str] = set()
    matcher = Matcher(nlp.vocab, validate=True)
    for number, line in file.lines():
        if not line.strip():
            continue
        where = file.where(number)
        pattern = parse_object(line, where)
        label, what = pattern.get("label"), pattern.get("pattern")
        if not isinstance(label, str) or not label.strip():
            raise BadInput(where, "the pattern has no 'label'", 'Add one: "label": "ORG"')
        if isinstance(what, str) and what.strip():
            what = " ".join(what.split())
        elif isinstance(what, list) and what:
            _check_pattern(matcher, what, where)
        else:
            raise BadInput(
                where,
                f"'pattern' is no phrase and no list of tokens: {what!r:.60}",
                'Write a phrase, "Bank of England", or tokens, [{"LOWER": "bank"}]',
            )
        entry = {"label": label.strip(), "pattern": what, "id": str(pattern.get("id") or "")}
        key = json.dumps(entry, sort_keys=True)
        if key in seen:
            notes.add(TWICE, where, label, str(what))
            continue
        seen.add(key)
        patterns.append(entry)
    return _told(patterns, file, notes)


def _check_pattern(matcher: Matcher, tokens: List[Any], where: Where) -> None:
    """Stop at a pattern that the matcher does not take."""
    try:
        matcher.add("pattern", [tokens])
        matcher.remove("pattern")
    except Exception as error:
        message = " ".join(str(error).split())
        raise BadInput(
            where,
            f"no valid token pattern: {message[:300]}",
            "Correct it, as https://spacy.io/usage/rule-based-matching#matcher shows",
        ) from None


def read_gazetteer(file: TextFile, notes: Notes) -> List[Pattern]:
    """Read a gazetteer: lines with a phrase, its label and maybe an id in a knowledge base, with
    tabs between them. The first line may be a header; lines that begin with # and have no tab are
    comments.

    file (TextFile): The file.
    notes (Notes): Where duplicates are counted.
    RETURNS (List[Pattern]): A pattern for each phrase.
    """
    patterns: List[Pattern] = []
    seen: Set[Tuple[str, ...]] = set()
    is_first = True
    for number, line in file.lines():
        if not line.strip() or (line.startswith("#") and "\t" not in line):
            continue
        where = file.where(number)
        columns = [" ".join(column.split()) for column in line.split("\t")]
        if not 2 <= len(columns) <= 3:
            raise BadInput(
                where,
                f"{len(columns)} columns instead of 2 or 3: {line[:60]!r}",
                "Write a phrase, its label and maybe an id, with tabs between them",
            )
        phrase, label, *ids = columns
        names = (phrase.lower(), label.lower())
        if is_first and names[0] in PHRASE_NAMES and names[1] in LABEL_NAMES:
            notes.decided(f"{file.path.name}: the first line is a header")
        elif not phrase or not label:
            lacking = "phrase" if label else "label"
            raise BadInput(where, f"the {lacking} is empty: {line[:60]!r}", "Fill it in")
        elif tuple(columns) in seen:
            notes.add(TWICE, where, label, phrase)
        else:
            seen.add(tuple(columns))
            patterns.append({"label": label, "pattern": phrase, "id": "".join(ids)})
        is_first = False
    return _told(patterns, file, notes)


def _told(patterns: List[Pattern], file: TextFile, notes: Notes) -> List[Pattern]:
    if not patterns:
        raise BadInput(file.where(), "there is nothing in it to look for", "Check how it was made")
    n_phrases = sum(isinstance(pattern["pattern"], str) for pattern in patterns)
    labels = {pattern["label"] for pattern in patterns}
    notes.decided(
        f"{file.path.name}: {n_phrases:,} phrases and {len(patterns) - n_phrases:,} token patterns "
        f"for {len(labels):,} labels"
    )
    return patterns
