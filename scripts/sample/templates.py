"""Templates of annotated text: what they are, and how a text is made of one.

| written | meaning |
|---|---|
| `[ORG ...]` | an entity; entities nest |
| `[PER#1 ...]` | a fragment: all with the same label and number in a template are one entity |
| `[ORG+1 ...]` | the same for an entity without gaps that crosses another one: its parts are joined |
| `{town}` | a word of this pool, or one of the templates of this rule |
| `{person:p}` | the same, remembered as `p`, and what it is made of as `p.surname` and the like |
| `{=p.surname}` | what was remembered, once more |
| `(said\\|announced\\|)` | one of these |
| `//` | the end of a sentence, with a blank around it |
"""

import re
from random import Random
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple, Union

TOKEN = re.compile(r"\[(?P<open>[A-Z]+(?:[#+]\d+)?) |\{(?P<ref>[^{}]+)\}|(?P<end> ?// ?)|[\]()|]")


class Text(NamedTuple):
    """Plain text."""

    text: str


class Mark(NamedTuple):
    """An entity, or with a key (#1, +1) one of its fragments or parts."""

    label: str
    key: str
    inside: List["Node"]


class Ref(NamedTuple):
    """A rule or a pool, and the name under which what it gives is remembered."""

    name: str
    variable: str


class Choice(NamedTuple):
    """One of several sequences."""

    options: List[List["Node"]]


class End(NamedTuple):
    """The end of a sentence."""


class Open(NamedTuple):
    """The beginning of an entity or a fragment, with a number that its fragments share."""

    label: str
    group: int


class Close(NamedTuple):
    """The end of what was opened last."""


Node = Union[Text, Mark, Ref, Choice, End]
Event = Union[str, End, Open, Close]
Stretch = Tuple[int, int]
Entity = Tuple[Tuple[Stretch, ...], str]


class Made(NamedTuple):
    """A text.

    text (str): The text.
    entities (List[Entity]): The fragments and the label of each entity, outermost first.
    sents (List[Stretch]): Where the sentences start and end.
    """

    text: str
    entities: List[Entity]
    sents: List[Stretch]


def parse(template: str) -> List[Node]:
    """RETURNS (List[Node]): What a template is made of."""
    return _parse(template, 0, "")[0]


def _parse(template: str, at: int, until: str) -> Tuple[List[Node], int]:
    """RETURNS (Tuple[List[Node], int]): What stands there up to one of some signs, and where."""
    nodes: List[Node] = []
    while at < len(template):
        found = TOKEN.search(template, at)
        if found is None:
            nodes.append(Text(template[at:]))
            at = len(template)
            break
        if found.start() > at:
            nodes.append(Text(template[at : found.start()]))
        at = found.end()
        if found["open"]:
            label = re.sub("[^A-Z]", "", found["open"])
            inside, at = _parse(template, at, "]")
            nodes.append(Mark(label, found["open"][len(label) :], inside))
            at += 1
        elif found["ref"]:
            name, _, variable = found["ref"].partition(":")
            nodes.append(Ref(name, variable))
        elif found["end"]:
            nodes.append(End())
        elif found.group() == "(":
            options = []
            while template[at - 1] != ")":
                option, at = _parse(template, at, "|)")
                options.append(option)
                at += 1
            nodes.append(Choice(options))
        elif found.group() in until:
            return nodes, found.start()
        else:
            raise ValueError(f"{found.group()!r} at character {found.start()} of {template!r}.")
    if until:
        raise ValueError(f"There is no {until!r} in {template!r}.")
    return nodes, at


def has_fragments(nodes: List[Node]) -> bool:
    """RETURNS (bool): Whether there is a fragment, apart from what stands in choices and rules."""
    marks = [node for node in nodes if isinstance(node, Mark)]
    return any(mark.key.startswith("#") or has_fragments(mark.inside) for mark in marks)


class Maker:
    """Makes texts of templates.

    rules (Dict[str, List[str]]): The templates of each rule.
    draw (Callable[[str], Optional[str]]): Gives a word of a pool, None if there is no such pool.
    random (Random): What choices depend on. Of its methods only `random()` is used, as that one
        gives the same numbers in all versions of Python.
    """

    def __init__(
        self, rules: Dict[str, List[str]], draw: Callable[[str], Optional[str]], random: Random
    ) -> None:
        self.rules = {name: [parse(text) for text in texts] for name, texts in rules.items()}
        self.draw, self.random = draw, random
        self.memory: Dict[str, List[Event]] = {}
        self.fragments = True
        self.n_groups = 0

    def make(self, template: str, fragments: bool = True) -> Made:
        """Make a text.

        template (str): The template.
        fragments (bool): Whether there may be discontinuous entities. If not, what would give some
            is not chosen.
        RETURNS (Made): The text.
        """
        self.memory, self.fragments, self.n_groups = {}, fragments, 0
        return render(self._expand(parse(template), "", {}))

    def _expand(self, nodes: List[Node], path: str, keys: Dict[str, int]) -> List[Event]:
        """Expand what a template is made of.

        nodes (List[Node]): That.
        path (str): Under which name it is remembered; "" if it is not.
        keys (Dict[str, int]): The groups of the fragments of this template.
        RETURNS (List[Event]): What is to be written.
        """
        events: List[Event] = []
        for node in nodes:
            if isinstance(node, Text):
                events.append(node.text)
            elif isinstance(node, End):
                events.append(node)
            elif isinstance(node, Choice):
                events += self._expand(self._choose(node.options), path, keys)
            elif isinstance(node, Mark):
                group = self._group(node, keys)
                events.append(Open(node.label, group))
                events += self._expand(node.inside, path, keys)
                events.append(Close())
            else:
                events += self._refer(node, path)
        return events

    def _refer(self, ref: Ref, path: str) -> List[Event]:
        """RETURNS (List[Event]): What a rule or a pool gives, or what was remembered."""
        if ref.name.startswith("="):
            return self._again(self.memory[ref.name[1:]])
        place = ref.variable or (f"{path.split('.')[0]}.{ref.name}" if path else "")
        word = self.draw(ref.name)
        if word is not None:
            events: List[Event] = [word]
        else:
            events = self._expand(self._choose(self.rules[ref.name]), place, {})
        if place:
            self.memory.setdefault(place, events)
        return events

    def _again(self, events: List[Event]) -> List[Event]:
        """RETURNS (List[Event]): The same; mentions that are repeated are entities of their own."""
        new: Dict[int, int] = {}
        again: List[Event] = []
        for event in events:
            if isinstance(event, Open):
                if event.group not in new:
                    self.n_groups += 1
                    new[event.group] = self.n_groups
                event = Open(event.label, new[event.group])
            again.append(event)
        return again

    def _group(self, mark: Mark, keys: Dict[str, int]) -> int:
        """RETURNS (int): A number for an entity, the same for all its fragments."""
        name = f"{mark.label}{mark.key}"
        if mark.key and name in keys:
            return keys[name]
        self.n_groups += 1
        keys[name] = self.n_groups
        return self.n_groups

    def _choose(self, options: List[List[Node]]) -> List[Node]:
        options = [nodes for nodes in options if self.fragments or not has_fragments(nodes)]
        return options[int(self.random.random() * len(options))]


def render(events: List[Event]) -> Made:
    """Write a text. Sentences start with a capital letter.

    events (List[Event]): What is to be written.
    RETURNS (Made): The text.
    """
    text, begins = "", True
    opened: List[Tuple[Open, int]] = []
    fragments: Dict[Tuple[int, str], List[Stretch]] = {}
    ends: List[int] = []
    for event in events:
        if isinstance(event, Open):
            opened.append((event, len(text)))
        elif isinstance(event, Close):
            mark, start = opened.pop()
            fragments.setdefault((mark.group, mark.label), []).append((start, len(text)))
        elif isinstance(event, End):
            ends.append(len(text))
            text, begins = text + " ", True
        elif event:
            text, begins = text + (event[0].upper() + event[1:] if begins else event), False
    ends.append(len(text))
    entities = [(_join(parts, text), label) for (_, label), parts in fragments.items()]
    entities.sort(key=lambda entity: (entity[0][0][0], -entity[0][-1][1], entity[1], entity[0]))
    starts = [0] + [end + 1 for end in ends[:-1]]
    return Made(text, entities, list(zip(starts, ends)))


def _join(parts: List[Stretch], text: str) -> Tuple[Stretch, ...]:
    """RETURNS (Tuple[Stretch, ...]): Parts in order, those with only a blank between as one."""
    joined: List[Stretch] = []
    for start, end in sorted(parts):
        if joined and not text[joined[-1][1] : start].strip():
            start = joined.pop()[0]
        joined.append((start, end))
    return tuple(joined)
