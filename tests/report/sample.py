"""A page about nothing, with all that can be on one."""

import re
from functools import lru_cache

from spacy_contrastive_ner.evaluation.figures.style import COLOURS, new_figure
from spacy_contrastive_ner.evaluation.tables import Table
from spacy_contrastive_ner.report.documents import Browser
from spacy_contrastive_ner.report.page import render_page
from spacy_contrastive_ner.report.panel_files import files_of
from spacy_contrastive_ner.report.panels import Panel, Section

ATTACK = (
    "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'></script><!-- &amp;"
)
HOSTILE = [
    ATTACK,
    "\u202eover\u202c \u2066isolate\u2069 zero\u200bwidth e\u0301\u0301\u0301 combining\u200f",
    "NUL \x00 bell \x07 lone \ud83d and \ude00 halves \u2028 line \u2029 sep \ufffe \x85",
    "👩‍👩‍👧 of 🇫🇷 שלום עולם مرحبا بالعالم 東京都",
    "\n\n\n",
    "",
    "x" * 5000,
    "carriage\r\nreturn\rs",
]
LABELS = ["PER", "LOC", ATTACK]


def mark(text, words, label, side, kind="right", **more):
    """A mark of the first place where words stand."""
    start = text.index(words)
    partner = more.pop("partner", None)
    return {
        "start": start,
        "end": start + len(words),
        "label": label,
        "side": side,
        "kind": kind,
        "label_right": None,
        "score": None,
        "group": None,
        "nested": False,
        "new": None,
        "partner": partner,
        "change": None,
        **more,
    }


def document(name, text, marks, before=None):
    return {"id": name, "text": text, "marks": marks, "before": before}


# Nested, crossing, discontinuous, with signs outside of the first plane before all.
TEXT = "😀😀 The Bank of New York and of London spoke to Ann Lee of Paris."
NESTED = document(
    "nested",
    TEXT,
    [
        mark(TEXT, "Bank of New York", "ORG", "gold"),
        mark(TEXT, "New York", "LOC", "gold", nested=True, new=True),
        mark(TEXT, "New York", "LOC", "predicted", score=0.99996, nested=True, new=True),
        mark(TEXT, "Bank of New York", "ORG", "predicted", score=0.75),
        mark(TEXT, "York and of London", "MISC", "gold", "missed"),
        mark(TEXT, "Lee of Paris", "PER", "predicted", "spurious", score=0.25),
        mark(TEXT, "Ann Lee", "PER", "gold", "too short", label_right=True),
        mark(TEXT, "Ann", "PER", "predicted", "too short", label_right=True, score=0.5),
        mark(TEXT, "Bank", "FRAG", "gold", group=3),
        mark(TEXT, "London", "FRAG", "gold", group=3),
    ],
)


def plain_documents(n):
    """Documents with a missed place each, every third with a spurious one, too."""
    documents = []
    for i in range(n):
        text = f"Document {i} is about Lima and Rome."
        marks = [mark(text, "Lima", "LOC", "gold", "missed", new=i % 2 == 0)]
        marks.append(mark(text, "Rome", "LOC", "gold"))
        marks.append(mark(text, "Rome", "LOC", "predicted", score=round(0.5 + i / (4 * n), 4)))
        if i % 3 == 0:
            marks.append(mark(text, f"Document {i}", "PER", "predicted", "spurious", score=0.3))
        documents.append(document(f"plain {i}", text, marks))
    return documents


def hostile_documents():
    found = []
    for i, text in enumerate(HOSTILE):
        marks = []
        words = re.findall(r"\S\S+", text)
        if words:
            marks = [mark(text, words[0], text[:30], side) for side in ("gold", "predicted")]
            marks.append(mark(text, words[-1], ATTACK, "gold", "missed"))
            marks.append(mark(text, text.strip(), ATTACK, "predicted", "spurious", score=0.1))
        found.append(document(f"hostile {i} {text[:20]}", text, marks))
    return found


def long_document(length=1_000_000):
    sentence = "Somebody went from Lima to Rome on one of those days. "
    text = sentence * (length // len(sentence))
    step = len(sentence) * 10
    marks = []
    for at in range(0, len(text) - step, step):
        start = text.index("Lima", at)
        marks.append({"start": start, "end": start + 4, "label": "LOC", "side": "gold"})
        marks[-1]["kind"] = "missed"
    return document("long", text, marks)


def crowded_document(n=300):
    """So many entities on one word that there is no room for all."""
    text = "One word."
    marks = [mark(text, "word", f"L{i}", "predicted", "spurious", score=i / n) for i in range(n)]
    return document("crowded", text, marks)


def points():
    """Four points in the corners, and some without a place."""
    x, y = [0.0, 1.0, 0.0, 1.0, float("nan")], [0.0, 0.0, 1.0, 1.0, 0.5]
    return {
        "kind": "scatter",
        "states": [{"name": "raw", "title": "Before"}, {"name": "best", "title": "After"}],
        "projections": [{"name": "pca", "title": "PCA"}, {"name": "tsne", "title": "t-SNE"}],
        "labels": LABELS,
        "points": {
            "label": [0, 1, 2, -1, 0],
            "kind": ["entity"] * 3 + ["token"] * 2,
            "position": ["B", "I", "L", "O", "U"],
            "right": [True, False, None, None, True],
            "text": ["alpha", "beta", ATTACK, "delta", "nowhere"],
            "document": [0, 1, 2, None, 0],
            "id": ["nested", "plain 0", "plain 1", "-", "nested"],
        },
        "xy": {"raw": {"pca": [x, y], "tsne": [y, x]}, "best": {"pca": [y, x]}},
    }


def draw():
    figure, (left, right) = new_figure(8, 3, columns=2)
    left.bar([0, 1, 2], [3, 1, 2], color=COLOURS[:3], hatch="//")
    left.set_xlabel(ATTACK)
    right.plot([1, 2, 3], marker="o", label="losses")
    right.imshow([[1, 2], [3, 4]])
    right.legend()
    return figure


def sections():
    table = Table.of(
        "numbers",
        ["name", "n", "F1", "known"],
        [
            ["b10", 3, 0.25, True],
            ["b9", 20, None, False],
            [ATTACK, 100, 0.00001, True],
            ["z", 1, 1, None],
        ],
    )
    shown = Panel("bars", "Bars", "Read it so.\n\nAnd so.", draw, f"Bars of {ATTACK}", [table], 3)
    return [
        Section("space", "Space", "Where things are.", [Panel("points", "Points", data=points())]),
        Section(
            "results",
            f"Results {ATTACK}",
            "What came of it.",
            [shown, Panel("none", "Nothing", absent="There is no gold.")],
        ),
    ]


def documents():
    return [NESTED, *plain_documents(60), *hostile_documents()]


def compared_documents():
    """Documents of two models: the second finds Rome where the first found Lima."""
    found = []
    for i in range(6):
        text = "Lima and Rome and Lima."
        change = "gained" if i % 2 else None
        marks = [mark(text, "Rome", "LOC", side, change=change) for side in ("gold", "predicted")]
        if i == 3:
            marks.append(mark(text, "Lima", "LOC", "gold", "missed", change="lost"))
        before = [mark(text, "Lima", "LOC", "predicted", "right", score=0.5)]
        found.append(document(f"pair {i}", text, marks, before))
    return found


@lru_cache(maxsize=None)
def files():
    return files_of(sections())


def page(browser=None, about=(("Model", ATTACK),)):
    """RETURNS (Tuple[str, Dict[str, bytes]]): A page, and its files."""
    browser = Browser(documents(), "All of them.") if browser is None else browser
    title = f"Report {ATTACK}"
    return render_page(title, about, sections(), browser, files(), ["A note."]), files()
