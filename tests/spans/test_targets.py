import numpy
import pytest

from spacy_contrastive_ner.spans import targets, width_for
from spacy_contrastive_ner.spans.targets import TOO_WIDE, UNSEEN_WIDTH
from spacy_contrastive_ner.tracks.encoding import NO_LABEL, OUTSIDE, TWICE


def test_rows_of_entities():
    spans = [[(0, 2, "B"), (1, 2, "A")], [], [(0, 1, "A")]]
    found = targets(["A", "B"], 2, [2, 0, 1], spans, [[], [], []])
    # Rows: text 0 has 0 to 2, text 1 has 3, text 2 has 4 and 5.
    assert found.text.tolist() == [0, 0, 2] and found.start.tolist() == [1, 2, 5]
    assert found.width.tolist() == [1, 0, 0] and found.label.tolist() == [1, 0, 0]
    assert found.unknown is None and not found.lost


def test_what_is_no_candidate_is_returned():
    spans = [[(0, 3, "A"), (0, 1, "X"), (1, 1, "A"), (2, 9, "A"), (0, 1, "A"), (0, 1, "A")]]
    found = targets(["A"], 2, [3], spans, [[]])
    reasons = {item.span: item.reason for item in found.lost}
    assert reasons == {
        (0, 3, "A"): TOO_WIDE,
        (0, 1, "X"): NO_LABEL,
        (1, 1, "A"): OUTSIDE,
        (2, 9, "A"): OUTSIDE,
        (0, 1, "A"): TWICE,
    }
    assert found.start.tolist() == [1]
    # What lies within the entity that is too wide is not taught to be none.
    assert found.unknown is not None and numpy.diff(found.unknown[:, 0]).tolist() == [0, 1, 1, 1]


def test_unknown_rows():
    missing = [[(1, 2, "")], [(0, 5, "B"), (3, 3, "A")]]
    found = targets(["A", "B"], 2, [3, 2], [[], []], missing)
    assert found.unknown is not None
    # One row for each text, and one for each token; a stretch never reaches into the next text.
    unknown = numpy.diff(found.unknown, axis=0).T.tolist()
    assert unknown == [[0, 0, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 1, 1]]


@pytest.mark.parametrize(
    "coverage,width", [(0.5, 1), (0.7, 1), (0.75, 2), (0.9, 2), (0.95, 7), (1.0, 7)]
)
def test_width_for_a_share_of_the_entities(coverage, width):
    widths = [1] * 7 + [2] * 2 + [7]
    spans = [[(i * 10, i * 10 + n, "A") for i, n in enumerate(widths)]]
    assert width_for(spans, coverage) == width


def test_width_without_entities():
    """Nothing says how wide entities are: those that come later should fit."""
    assert width_for([], 0.995) == width_for([[], []], 0.5) == UNSEEN_WIDTH > 5
