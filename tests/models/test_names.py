"""The labels of models that have an output for each."""

import pytest
from thinc.api import Model

from spacy_contrastive_ner.annotations import Gold
from spacy_contrastive_ner.models.names import add_label, labels, merge_names, require_known

GOLD = [Gold(3, [(0, 1, "B"), (1, 2, "")], [], []), Gold(2, [(0, 2, "A"), (0, 1, "B")], [], [])]


def model_of(*names, silent=()):
    sizes = []
    attrs = {"names": list(names), "silent": list(silent), "sizes": sizes}
    attrs["resize"] = lambda model: sizes.append(len(model.attrs["names"]))
    return Model("some", lambda *args: None, attrs=attrs)


def test_labels_have_an_order():
    assert list(labels(model_of("B", "A")).items()) == [("B", 1), ("A", 1)]


def test_a_label_that_is_added_is_silent_and_has_room():
    model = model_of("B", "A", silent=["B"])
    add_label(model, "C", None, 2)
    assert model.attrs["names"] == ["B", "A", "C"] and model.attrs["silent"] == ["B", "C"]
    assert model.attrs["sizes"] == [3]


@pytest.mark.parametrize(
    "had, given, names, silent",
    [
        ([], None, ["A", "B"], []),
        (["C", "B"], None, ["C", "B", "A"], ["C"]),
        ([], {"C": 1, "B": 1}, ["C", "B"], ["C"]),
        (["B"], {"C": 1, "B": 1, "A": 1}, ["B", "C", "A"], ["C"]),
    ],
)
def test_labels_that_are_there_stay_in_front(had, given, names, silent):
    model = model_of(*had)
    assert merge_names(model, GOLD, given) == (names, silent)
    assert model.attrs["names"] == had


def test_settings_about_other_labels():
    require_known("some_weights", {"A": 1.0}, ["A", "B"])
    with pytest.raises(ValueError, match="some_weights names C, D, but the labels are A, B"):
        require_known("some_weights", ["D", "A", "C"], ["A", "B"])
