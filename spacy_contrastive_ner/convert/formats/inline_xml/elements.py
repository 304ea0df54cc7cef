"""What the elements of an XML text are: documents, sentences, entities, or something else."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Dict, FrozenSet, Iterable, List, Optional

from ...safe_xml import Event


def words(text: str) -> FrozenSet[str]:
    """RETURNS (FrozenSet[str]): The words of a text."""
    return frozenset(text.split())


# The element that is put around a file without a root.
WRAP = "several-roots"

ALTERNATIVES = "alt"
DOCUMENTS = frozenset(("doc", "document", "article", "pubmedarticle", "tei"))
SENTENCES = frozenset(("s", "sent", "sentence"))
TEXTS = frozenset(("text", "texto", "body"))
# Their text is the name of the document.
NAMES = frozenset(("docid", "docno", "bibliomisc", "pmid"))
NAME_ATTRIBUTES = ("id", "docid", "docno", "xml:id", "pmid", "name", "n", "file")
# Whether their text holds entities is not known.
UNKNOWN = frozenset(("omitido",))

BLOCKS = (
    DOCUMENTS
    | SENTENCES
    | TEXTS
    | words(
        """
    abstract articleinfo articleset blockquote caption chapter corpus dd div dl dt front head
    header headline h1 h2 h3 h4 h5 h6 item l lg li line list ol p para paragraph passage pre sec
    section set table tbody td th thead title tr turn u ul utterance
    """
    )
)
# Elements of HTML and its like that say how a text looks: they are entities only if asked for.
MARKUP = words(
    """
    a abbr b bdi bdo big bold br button c center cite code col del details dfn em ext-link figure
    font footer form foreign g gap graphic hi html head body i img inline-formula input ins italic
    kbd label lb link main math meta milestone nav nobr note option omitido pb pc picture q ref sc
    script seg small source span strike strong style sub summary sup svg tex-math tok token tt
    underline var video w wbr xref
    """
)
# What the attribute with the label is called, the best first.
LABELS = (
    *("sem", "categ", "type", "label", "class", "category", "cat", "entity_type", "ne_type"),
    *("netype", "ne", "kind", "semclass", "tag"),
)
# Elements that say no more than that they are entities.
GENERIC = words(
    """
    annotation cons em entity enamex e m mark markable mention name named-entity ne numex rs span
    tag term timex timex2 timex3
    """
)


@dataclass
class Stats:
    """What was seen of the elements of one name.

    n (int): How many there are.
    n_texts (int): How many have text.
    beside_text (bool): Whether text stands beside one of them.
    parents (Counter): In what they stand.
    children (Counter): What stands in them.
    attributes (Counter): The attributes that they have.
    """

    n: int = 0
    n_texts: int = 0
    beside_text: bool = False
    parents: Counter = field(default_factory=Counter)
    children: Counter = field(default_factory=Counter)
    attributes: Counter = field(default_factory=Counter)


@dataclass
class Roles:
    """What the elements are.

    documents (FrozenSet[str]): The documents; none if the whole file is one.
    texts (FrozenSet[str]): What holds the texts of documents; none if all of a document does.
    sentences (FrozenSet[str]): The sentences.
    entities (FrozenSet[str]): The entities.
    label (str): The attribute with their label, or "tag".
    """

    documents: FrozenSet[str]
    texts: FrozenSet[str]
    sentences: FrozenSet[str]
    entities: FrozenSet[str]
    label: str


def survey(events: Iterable[Event]) -> Dict[str, Stats]:
    """Count the elements of a file.

    events (Iterable[Event]): The file, or the beginning of one.
    RETURNS (Dict[str, Stats]): What was seen, by the names of the elements, in order.
    """
    stats: Dict[str, Stats] = {}
    # Of each open element: its name, whether it has text itself, or in it, and its children.
    names: List[str] = [""]
    own: List[bool] = [False]
    inner: List[bool] = [False]
    children: List[Counter] = [Counter()]

    def close() -> None:
        name, has_own, has_text, inside = names.pop(), own.pop(), inner.pop(), children.pop()
        seen = stats[name]
        seen.n_texts += has_text
        seen.children.update(inside)
        inner[-1] = inner[-1] or has_text
        if has_own:
            for child in inside:
                stats[child].beside_text = True

    for event in events:
        if event.kind == "text":
            if not own[-1] and event.text.strip():
                own[-1] = inner[-1] = True
        elif event.kind == "start":
            seen = stats.setdefault(event.name, Stats())
            seen.n += 1
            seen.parents[names[-1]] += 1
            seen.attributes.update(event.attrs.keys())
            children[-1][event.name] += 1
            names.append(event.name)
            own.append(False)
            inner.append(False)
            children.append(Counter())
        else:
            close()
    while len(names) > 1:
        close()
    return stats


def find_entities(stats: Dict[str, Stats]) -> List[str]:
    """Find the elements of entities: those with text, beside text or in each other.

    stats (Dict[str, Stats]): What was seen.
    RETURNS (List[str]): Their names, in order.
    """
    chosen = {
        name
        for name, seen in stats.items()
        if _may_be_entity(name, seen) and (seen.beside_text or _is_known(name, seen))
    }
    grown = True
    while grown:
        inside = {
            name
            for name, seen in stats.items()
            if _may_be_entity(name, seen) and any(parent in chosen for parent in seen.parents)
        }
        grown = bool(inside - chosen)
        chosen |= inside
    return [name for name in stats if name in chosen]


def find_label(stats: Dict[str, Stats], entities: Iterable[str]) -> str:
    """Find what holds the label: an attribute, or "tag" for the name of the element.

    stats (Dict[str, Stats]): What was seen.
    entities (Iterable[str]): The elements of entities.
    RETURNS (str): The name of the attribute, or "tag".
    """
    names = list(entities)
    if len(names) > 1 and not all(name.lower() in GENERIC for name in names):
        return "tag"
    attributes: Counter = Counter()
    for name in names:
        attributes.update(stats[name].attributes)
    for wanted in LABELS:
        fitting = [name for name in attributes if name.lower() == wanted]
        if fitting:
            return max(fitting, key=lambda name: attributes[name])
    return "tag"


def find_documents(stats: Dict[str, Stats], entities: Iterable[str]) -> List[str]:
    """Find the elements of documents.

    stats (Dict[str, Stats]): What was seen.
    entities (Iterable[str]): The elements of entities.
    RETURNS (List[str]): One name, or none if the file as a whole is one document.
    """
    for name in stats:
        if name.lower() in DOCUMENTS:
            return [name]
    # Else what the root consists of, if it is several times the same.
    root = next(iter(stats), "")
    inside = list(stats[root].children) if root else []
    if len(inside) == 1 and stats[inside[0]].n > 1 and not stats[inside[0]].beside_text:
        name = inside[0]
        if name not in set(entities) and name.lower() not in SENTENCES | {"p", "para", "paragraph"}:
            return [name]
    return []


def attribute(attrs: Dict[str, str], name: str) -> Optional[str]:
    """RETURNS (Optional[str]): The value of an attribute, whether its name has capitals or not."""
    if name in attrs:
        return attrs[name]
    return next((value for key, value in attrs.items() if key.lower() == name.lower()), None)


def _may_be_entity(name: str, seen: Stats) -> bool:
    lower = name.lower()
    if not seen.n_texts or lower in BLOCKS or lower in NAMES | UNKNOWN | {ALTERNATIVES, WRAP}:
        return False
    if any(child.lower() in BLOCKS for child in seen.children):
        return False
    has_label = any(key.lower() in ("sem", "categ", "type", "label") for key in seen.attributes)
    return lower not in MARKUP or (has_label and lower in GENERIC)


def _is_known(name: str, seen: Stats) -> bool:
    """Whether an element is an entity though no text stands beside it."""
    lower = {key.lower() for key in seen.attributes}
    return (
        (name.lower() == "cons" and "sem" in lower)
        or (name.lower() == "em" and "categ" in lower)
        or name.lower() in ("enamex", "timex", "numex")
    )
