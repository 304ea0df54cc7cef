"""Which mentions can be replaced, against a naive version with sets of tokens."""

import random
from collections import Counter

import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Span

from spacy_contrastive_ner.corpora.donors import find_outermost, find_stretches

from .random_docs import random_doc

VOCAB = spacy.blank("en").vocab


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_what_can_be_replaced(seed):
    rng = random.Random(seed)
    doc = random_doc(VOCAB, rng, rng.randint(2, 20))
    spans = [
        Span(doc, s.start, s.end, s.label, span_id=rng.choice(["", "", "1", "2"]))
        for s in doc.spans["sc"]
    ]
    doc.spans["sc"] = spans
    ids = Counter(span.id_ for span in spans)
    everything = [s for group in doc.spans.values() for s in group] + list(doc.ents)
    expected = set()
    for span in spans:
        here = set(range(span.start, span.end))
        crossed = any(
            here & (other := set(range(s.start, s.end))) and not here <= other and not other <= here
            for s in everything
        )
        parts = any(
            span.start <= s.start and s.end <= span.end and s.id_ and ids[s.id_] > 1 for s in spans
        )
        starts = any(doc[i].is_sent_start for i in here if i > span.start)
        if not (crossed or parts or starts):
            labels = {s.label_ for s in spans if (s.start, s.end) == (span.start, span.end)}
            expected.add((span.start, span.end, tuple(sorted(labels))))
    found = find_stretches(doc, "sc")
    assert len(found) == len(expected) and set(map(tuple, found)) == expected
    outermost = {
        place
        for place in expected
        if not any(
            s.start <= place[0] and place[1] <= s.end and s.end - s.start > place[1] - place[0]
            for s in spans
        )
    }
    assert set(map(tuple, find_outermost(doc, "sc"))) == outermost
