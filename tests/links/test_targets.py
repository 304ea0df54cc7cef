import numpy

from spacy_contrastive_ner.links import FAR, SHARED, hull, targets

A, B, C = (0, 1, "X"), (3, 4, "X"), (6, 8, "X")


def links_of(target):
    rows = list(zip(*(column.tolist() for column in target.spans[:3])))
    return {
        (rows[a], rows[b]): bool(linked)
        for a, b, linked in zip(target.pairs.left, target.pairs.right, target.is_linked)
    }


def test_fragments_of_one_entity_are_linked():
    other = (3, 4, "Y")
    target = targets({"X": 0}, [[C, A, B, other], [A, B]], [[(A, C)], []], 20)
    assert not target.lost
    assert links_of(target) == {
        ((0, 0, 1), (0, 3, 4)): False,
        ((0, 0, 1), (0, 6, 8)): True,
        ((0, 3, 4), (0, 6, 8)): False,
        ((1, 0, 1), (1, 3, 4)): False,
    }


def test_what_is_too_far_is_lost_but_for_what_is_near():
    target = targets({"X": 0}, [[A, B, C]], [[(A, B, C)]], 2)
    assert links_of(target) == {((0, 0, 1), (0, 3, 4)): True, ((0, 3, 4), (0, 6, 8)): True}
    assert not target.lost
    target = targets({"X": 0}, [[A, B, C]], [[(A, C)]], 2)
    assert not target.is_linked.any()
    assert target.lost == [(0, (0, 8, "X"), FAR)]


def test_what_is_shared_is_told():
    target = targets({"X": 0}, [[A, B, A, C]], [[(A, B), (A, C)]], 20)
    assert len(target.spans.start) == 3
    assert links_of(target) == {
        ((0, 0, 1), (0, 3, 4)): True,
        ((0, 0, 1), (0, 6, 8)): True,
        ((0, 3, 4), (0, 6, 8)): False,
    }
    assert [reason for _, _, reason in target.lost] == [SHARED, SHARED]


def test_labels_without_links_cost_nothing():
    target = targets({}, [[A, B]], [[(A, B)]], 20)
    assert not len(target.spans.start) and not len(target.is_linked) and not target.lost
    assert target.is_linked.dtype == numpy.bool_


def test_hull():
    assert hull((C, A)) == (0, 8, "X")
