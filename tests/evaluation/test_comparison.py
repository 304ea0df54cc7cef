"""Tables for the console."""

import re

import numpy as np

from spacy_contrastive_ner.evaluation.comparison import render
from spacy_contrastive_ner.evaluation.significance import Settings, System, compare

from .test_significance import make_pair

LONG = "A_LABEL_WITH_A_NAME_OF_MANY_LETTERS"


def rendered(baseline, system, labels, draws=400):
    systems = [System("a" * 50, baseline), System("b", system)]
    result = compare(systems, labels, Settings(draws))
    about = {
        "data": {"path": "dev.spacy", "documents": baseline.shape[1], "support": 1234},
        "settings": {"draws": draws, "seed": 0, "level": 0.95},
    }
    text = re.sub(r"\x1b\[[\d;]*m", "", render({**about, **result}))
    assert all(len(line) <= 80 for line in text.splitlines())
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return lines, result["comparisons"][0]


def test_all_of_it():
    sides = make_pair(n_documents=60, runs=(6, 6), n_labels=7, skills=(0.3, 0.9))
    lines, found = rendered(*sides, [LONG, *"uvwxyz"])
    for line in ("Gold dev.spacy", "Documents 60, with 1,234 gold spans", "System b, 6 runs"):
        assert line in lines
    assert "F in % Base F Diff 95 % interval p Holm" in lines
    micro = found["micro"]
    numbers = [f"{100 * micro[key]:.2f}" for key in ("baseline", "system")]
    numbers += [f"{100 * micro[key]:+.2f}" for key in ("difference", "low")]
    assert f"Micro {' '.join(numbers)} to {100 * micro['high']:+.2f} 0.0025" in lines
    assert any(line.startswith("A_LABEL_WITH_A_...") for line in lines)
    assert "Wilcoxon over labels 7 0.0156" in lines
    assert "Sign flips over runs, macro F 6 0.0312" in lines
    assert not any(line.startswith("few") for line in lines)


def test_too_little_is_said_instead_of_p():
    sides = make_pair(n_documents=30, runs=(3, 3), skills=(0.3, 0.9))
    sides[1][:, 5:, 2] = sides[0][:, 5:, 2]
    lines, found = rendered(*sides, ["x", "y", LONG])
    assert any(line.startswith("A_LABEL") and line.endswith(" few") for line in lines)
    for line in (
        "Wilcoxon over labels 3 few",
        "Paired t over runs, micro F 3 few",
        "Sign flips over runs, macro F 3 few",
        "few: too few differences for a p value that tells anything",
    ):
        assert line in lines
    text = " ".join(lines)
    assert found["notes"] and all(note in text for note in found["notes"])


def test_that_nothing_differs_is_told():
    baseline, _ = make_pair(n_documents=30)
    lines, _ = rendered(baseline, baseline, ["x", "y", "z"])
    micro = next(line for line in lines if line.startswith("Micro"))
    assert micro.endswith("+0.00 +0.00 to +0.00 1.0000")


def test_many_labels_and_large_differences():
    shape = (1, 30, 120, 1)
    right, zero = np.ones(shape, dtype="int64"), np.zeros(shape, dtype="int64")
    good, bad = (np.concatenate(c, axis=-1) for c in ((right, zero, zero), (zero, right, right)))
    lines, _ = rendered(good, bad, [f"{i:018}" for i in range(120)], draws=100)
    assert "... and 20 labels more" in lines
    assert any("100.00 0.00 -100.00 -100.00 to -100.00 0.0099" in line for line in lines)
