"""Scores, and what they say about a model.

What is of use in a notebook can be imported from here; it is looked up when it is asked for, as not all
that it needs is installed everywhere, and each pipeline imports this package.
"""

from importlib import import_module
from typing import Any, List

# Where each name is.
NAMES = {
    "evaluate_docs": "gold",
    "compare": "significance",
    "Table": "tables",
    "study": "analysis.study",
    "study_docs": "analysis.study",
    "errors_of": "analysis.errors",
    "marks_of": "analysis.marks",
    "gains_of": "analysis.gains",
    "scored_spans": "analysis.probabilities",
    "reliability": "analysis.probabilities",
    "calibration": "analysis.probabilities",
    "by_threshold": "analysis.probabilities",
    "score_differences": "analysis.probabilities",
    "look_into": "analysis.space",
    "silhouette_table": "analysis.space",
    "purity_table": "analysis.space",
    "training_curves": "analysis.training",
    "pretraining_curves": "analysis.training",
    "overall_table": "analysis.breakdowns",
    "labels_table": "analysis.breakdowns",
    "class_table": "analysis.breakdowns",
    "styled": "figures.style",
    "scores_figure": "figures.results",
    "confusions_figure": "figures.results",
    "kinds_figure": "figures.results",
    "reliability_figure": "figures.probabilities",
    "threshold_figure": "figures.probabilities",
    "difference_figure": "figures.probabilities",
    "states_figure": "figures.space",
    "differences_figure": "figures.gains",
    "probe_figure": "figures.training",
    "losses_figure": "figures.training",
}

__all__ = sorted(NAMES)


def __getattr__(name: str) -> Any:
    if name not in NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{NAMES[name]}"), name)


def __dir__() -> List[str]:
    return __all__
