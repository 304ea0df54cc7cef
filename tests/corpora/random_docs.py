"""Random documents with everything that can be annotated on them."""

from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.util import filter_spans

LABELS = ["ORG", "PER", "GPE", "LAW"]


def random_spans(rng, doc, n, longest=6):
    spans = set()
    for _ in range(n):
        start = rng.randrange(len(doc))
        end = min(len(doc), start + rng.randint(1, longest))
        spans.add((start, end, rng.choice(LABELS)))
    return [
        Span(doc, start, end, label, kb_id=f"Q{i}", span_id=f"id{i}")
        for i, (start, end, label) in enumerate(sorted(spans))
    ]


def random_doc(vocab, rng, n_tokens=None, sentences=True, density=0.4, missing=False):
    n = n_tokens or rng.randint(1, 40)
    words = [f"w{rng.randrange(50)}" for _ in range(n)]
    spaces = [rng.random() < 0.8 for _ in range(n)]
    starts = [i == 0 or rng.random() < 0.2 for i in range(n)] if sentences else None
    tags = [rng.choice(["NN", "VB"]) for _ in range(n)]
    doc = Doc(vocab, words=words, spaces=spaces, sent_starts=starts, tags=tags)
    spans = random_spans(rng, doc, int(density * n))
    doc.spans["sc"] = SpanGroup(
        doc, name="sc", spans=spans, attrs={"scores": list(range(len(spans))), "by": "me"}
    )
    doc.spans["other"] = random_spans(rng, doc, int(density * n / 2))
    doc.spans["empty"] = []
    if missing:
        doc.spans["unknown"] = random_spans(rng, doc, 2)
    doc.set_ents(filter_spans(random_spans(rng, doc, int(density * n))))
    doc.cats = {"news": 1.0}
    doc.user_data["id"] = rng.randrange(1000)
    return doc


def plain_doc(vocab, text, spans=(), key="sc", **kwargs):
    """A document of words, all followed by a space but the last; (start, end, label) each span."""
    words = text.split()
    spaces = [True] * (len(words) - 1) + [False]
    doc = Doc(vocab, words=words, spaces=spaces, **kwargs)
    doc.spans[key] = [Span(doc, *span) for span in spans]
    return doc


def save(path, docs):
    path.parent.mkdir(parents=True, exist_ok=True)
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return path


def triples(spans):
    return sorted((span.start, span.end, span.label_) for span in spans)
