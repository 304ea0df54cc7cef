"""A report from what a model finds: its sections, its documents, the page and the files beside it."""

import json
from pathlib import Path
from typing import (
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from spacy.language import Language

from ..convert.summary import number
from ..evaluation.analysis.marks import Mark, marks_of
from ..evaluation.analysis.study import Case, Study
from ..evaluation.classes import Training
from ..evaluation.predictor import Pipe
from .documents import Browser
from .gains import gains_section
from .page import SCATTER, render_page
from .panel_files import files_of
from .panels import Panel, Section
from .probabilities import probabilities_section
from .results import results_section
from .space import space_section
from .training import training_section

# So many documents are on the page, and so many characters of them.
MOST_DOCUMENTS, MOST_CHARACTERS = 10_000, 30_000_000

FINE = ("right", "unjudged")
NO_GOLD = "The data have no gold, so there is nothing to compare predictions with."


class Subject(NamedTuple):
    """What a report is about.

    nlp (Language): The pipeline.
    pipe (Pipe): The pipe of it that is looked at.
    found (Study): What it finds in the documents.
    scores (Optional[Mapping[str, Any]]): What `contrastive evaluate` tells of this, None without gold.
    name (str): What the model is called.
    data (str): What the data are called.
    training (Optional[Training]): What is annotated in the training data.
    before (Optional[Study]): What another model finds in the same documents.
    before_name (str): What that is called.
    stage1 (Optional[Path]): What `contrastive pretrain` wrote.
    is_stage1_named (bool): Whether it was asked for. If it is only what a config names, it need not be
        of this model: the place may have been written to since.
    log (Optional[Path]): What `spacy train` logged.
    most_documents (int): How many documents are on the page at most.
    seed (int): The seed of all that is drawn.
    notes (Sequence[str]): What is to be said before all else.
    """

    nlp: Language
    pipe: Pipe
    found: Study
    scores: Optional[Mapping[str, Any]]
    name: str
    data: str
    training: Optional[Training] = None
    before: Optional[Study] = None
    before_name: str = ""
    stage1: Optional[Path] = None
    is_stage1_named: bool = True
    log: Optional[Path] = None
    most_documents: int = MOST_DOCUMENTS
    seed: int = 0
    notes: Sequence[str] = ()


class Report(NamedTuple):
    """A report.

    page (str): The page.
    files (Dict[str, bytes]): The files beside it, by their paths.
    absent (List[Tuple[str, str]]): The panels that there are not, and why.
    """

    page: str
    files: Dict[str, bytes]
    absent: List[Tuple[str, str]]


def build(subject: Subject, on_step: Optional[Callable[[str], Any]] = None) -> Report:
    """Make a report.

    subject (Subject): What it is about.
    on_step (Optional[Callable[[str], Any]]): Told what is done next.
    RETURNS (Report): The report.
    """
    tell = on_step or (lambda _: None)
    sections = []
    for title, make in _makers(subject, tell):
        tell(title)
        sections.append(make())
    chosen = choose_documents(subject.found.cases, subject.most_documents, subject.training)
    sections = [point_to(section, chosen) for section in sections]
    files = files_of(sections, on_panel=lambda panel: tell(f"drawing: {panel.title}"))
    if subject.scores is not None:
        text = json.dumps(subject.scores, ensure_ascii=False, indent=2)
        files["evaluation.json"] = f"{text}\n".encode("utf8", "backslashreplace")
    tell("the page")
    browser = Browser(_documents(subject, chosen), _told(subject, chosen))
    page = render_page(
        f"{subject.name} on {subject.data}",
        _about(subject),
        sections,
        browser,
        files,
        list(subject.notes),
    )
    absent = [(p.title, p.absent) for section in sections for p in section.panels if p.absent]
    return Report(page, files, absent)


def _makers(
    subject: Subject, tell: Callable[[str], Any]
) -> Iterator[Tuple[str, Callable[[], Section]]]:
    """YIELDS (Tuple[str, Callable[[], Section]]): What each section is about, and what makes it."""
    found, seed = subject.found, subject.seed
    if subject.scores is not None:
        scores = subject.scores
        yield "results", lambda: results_section(scores, found.cases, subject.training)
    else:
        yield "results", lambda: _without_gold()
    if subject.before is not None:
        before, names = subject.before, (subject.before_name, subject.name)
        yield "gains", lambda: gains_section(before, found, names, seed)
    yield "probabilities", lambda: probabilities_section(found, seed=seed)
    yield (
        "the space",
        lambda: space_section(
            subject.nlp,
            subject.pipe,
            found.cases,
            stage1=subject.stage1,
            must_fit=subject.is_stage1_named,
            seed=seed,
            on_step=tell,
        ),
    )
    yield "training", lambda: training_section(subject.nlp.config, subject.stage1, subject.log)


def _without_gold() -> Section:
    return Section("results", "Results", "", [Panel("results", "Results", absent=NO_GOLD)])


def choose_documents(
    cases: Sequence[Case], most: int, training: Optional[Training] = None
) -> List[int]:
    """Choose the documents that are on the page: all, or if there are too many, rather those with
    errors, or with entities, than others.

    cases (Sequence[Case]): The documents.
    most (int): How many at most.
    training (Optional[Training]): What is annotated in the training data.
    RETURNS (List[int]): Their places, in order.
    """

    def interest(place: int) -> int:
        kinds = {mark.kind for mark in marks_of(cases[place], training)}
        return 0 if kinds.difference(FINE) else 1 if kinds else 2

    places = list(range(len(cases)))
    if len(cases) > most or sum(len(case.text) for case in cases) > MOST_CHARACTERS:
        places.sort(key=interest)
    kept: List[int] = []
    room = MOST_CHARACTERS
    for place in places[:most]:
        if kept and len(cases[place].text) > room:
            continue
        kept.append(place)
        room -= len(cases[place].text)
    return sorted(kept)


def _documents(subject: Subject, chosen: Sequence[int]) -> Iterator[Dict[str, Any]]:
    """YIELDS (Dict[str, Any]): The documents as the page shows them."""
    before = subject.before.cases if subject.before is not None else None
    for place in chosen:
        case = subject.found.cases[place]
        old = before[place] if before is not None else None
        marks = marks_of(case, subject.training, old)
        document: Dict[str, Any] = {
            "id": case.id,
            "text": case.text,
            "marks": [mark.as_dict() for mark in marks],
        }
        if old is not None:
            document["before"] = [mark.as_dict() for mark in _predicted(old, subject.training)]
        yield document


def _predicted(case: Case, training: Optional[Training]) -> List[Mark]:
    return [mark for mark in marks_of(case, training) if mark.side == "predicted"]


def point_to(section: Section, chosen: Sequence[int]) -> Section:
    """The section with points that lead to documents as they are numbered on the page."""
    new = {old: place for place, old in enumerate(chosen)}
    panels = []
    for panel in section.panels:
        data = panel.data
        if data is not None and data.get("kind") == SCATTER:
            documents = [new.get(old) for old in data["points"]["document"]]
            data = {**data, "points": {**data["points"], "document": documents}}
        panels.append(panel._replace(data=data))
    return section._replace(panels=panels)


def _told(subject: Subject, chosen: Sequence[int]) -> str:
    n = len(subject.found.cases)
    if len(chosen) == n:
        return f"All {number(n)} documents."
    return (
        f"{number(len(chosen))} of {number(n)} documents, those with errors first of all: a page "
        f"holds {number(subject.most_documents)} of them (--max-docs) and "
        f"{number(MOST_CHARACTERS)} characters. All errors are in tables/errors.csv."
    )


def _about(subject: Subject) -> List[Tuple[str, str]]:
    """Names and values that say what the report is about."""
    found = subject.found
    lines = [
        ("Model", subject.name),
        ("Pipe", f"{subject.pipe.name} ({subject.pipe.factory})"),
        ("Data", subject.data),
        ("Documents", number(len(found.cases))),
        ("Words", number(found.speed.words)),
    ]
    rate = found.speed.as_dict()["words_per_second"]
    if rate:
        lines.append(("Speed", f"{number(round(rate))} words a second"))
    if subject.before is not None:
        lines.append(("Compared with", subject.before_name))
    for name, path in (("Stage 1", subject.stage1), ("Log", subject.log)):
        if path is not None:
            lines.append((name, str(path)))
    return lines
