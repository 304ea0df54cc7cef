import numpy

from spacy_contrastive_ner.links import FAR, SHARED, hull, shared_labels, targets

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


def test_fragments_may_be_shared():
    target = targets({"X": 0}, [[A, B, A, C]], [[(A, B), (A, C)]], 20)
    assert len(target.spans.start) == 3
    assert links_of(target) == {
        ((0, 0, 1), (0, 3, 4)): True,
        ((0, 0, 1), (0, 6, 8)): True,
        ((0, 3, 4), (0, 6, 8)): False,
    }
    assert not target.lost


def test_what_links_cannot_tell_is_told():
    # All three are linked then, as in one entity of three.
    triangle = [(A, B), (B, C), (A, C)]
    target = targets({"X": 0}, [[A, B, C]], [triangle], 20)
    assert target.is_linked.all()
    assert [reason for _, _, reason in target.lost] == [SHARED] * 3
    # One entity lies in the other.
    target = targets({"X": 0}, [[A, B, C]], [[(A, B), (A, B, C)]], 20)
    assert target.lost == [(0, hull((A, B)), SHARED)]
    # The first and the last are too far from each other to be told from fragments of one entity.
    target = targets({"X": 0}, [[A, B, C]], [[(A, B), (B, C)]], 2)
    assert [reason for _, _, reason in target.lost] == [SHARED] * 2


def test_shared_labels():
    Y, Z = (0, 1, "Y"), (3, 4, "Y")
    documents = [[(A, B), (C, A)], [(Y, Z)], [(Z, Y)], []]
    assert shared_labels(documents) == {"X"}
    assert shared_labels([]) == set()


def test_labels_without_links_cost_nothing():
    target = targets({}, [[A, B]], [[(A, B)]], 20)
    assert not len(target.spans.start) and not len(target.is_linked) and not target.lost
    assert target.is_linked.dtype == numpy.bool_


def test_hull():
    assert hull((C, A)) == (0, 8, "X")
