import numpy
from hypothesis import given
from hypothesis import strategies as st

from spacy_contrastive_ner.links import Spans, gap_bucket, pair_up

spans = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 12), st.integers(1, 5), st.integers(0, 2)),
    max_size=12,
)


@given(spans, st.integers(0, 12))
def test_pairs_are_all_that_are_near(drawn, max_distance):
    columns = [(doc, start, start + size, label) for doc, start, size, label in drawn]
    table = numpy.asarray(columns, dtype="int64").reshape((-1, 4))
    pairs = pair_up(Spans(*table.T), max_distance)
    expected = [
        (i, j, b[1] - a[2])
        for i, a in enumerate(columns)
        for j, b in enumerate(columns)
        if (a[0], a[3]) == (b[0], b[3]) and 0 <= b[1] - a[2] <= max_distance
    ]
    assert list(zip(*(column.tolist() for column in pairs))) == expected


def test_buckets_of_gaps():
    gaps = numpy.asarray([0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 1000])
    assert gap_bucket(gaps).tolist() == [0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 11]
