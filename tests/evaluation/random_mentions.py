"""Random spans that nest, cross and repeat each other."""

from hypothesis import strategies as st

LABELS = ("A", "B")


@st.composite
def mention(draw, length=8):
    start = draw(st.integers(0, length - 1))
    return (start, draw(st.integers(start + 1, length)), draw(st.sampled_from(LABELS)))


def mentions(length=8, max_size=5):
    return st.sets(mention(length), max_size=max_size)
