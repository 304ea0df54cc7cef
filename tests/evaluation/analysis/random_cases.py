"""Documents with made-up probabilities, right as often as these say."""

import numpy

from spacy_contrastive_ner.evaluation.analysis.study import Case, Study
from spacy_contrastive_ner.evaluation.evaluate import Annotation
from spacy_contrastive_ner.evaluation.predictor import Speed


def make_case(id, gold=(), scores=None, candidates=None, missing=(), annotated=True):
    """A document; gold and candidates are places with labels."""
    entities = [(((start, end),), label) for start, end, label in gold]
    annotation = Annotation(entities, list(missing)) if annotated else None
    predicted = [(((start, end),), label) for start, end, label in scores or {}]
    return Case(id, "x" * 1000, [], None, annotation, predicted, scores or {}, candidates)


def make_study(labels=("A", "B", "C"), documents=10, spans=20, threshold=0.35, seed=0):
    """A model whose probabilities are true."""
    rng = numpy.random.default_rng(seed)
    cases = []
    for number in range(documents):
        gold, candidates = [], {}
        for i in range(spans):
            span = (5 * i, 5 * i + 4, labels[int(rng.integers(len(labels)))])
            p = float(numpy.float32(rng.beta(0.5, 0.5)))
            if p >= 0.01:
                candidates[span] = p
            if rng.random() < p:
                gold.append(span)
        scores = {span: p for span, p in candidates.items() if p >= threshold}
        cases.append(make_case(str(number), gold, scores, candidates))
    return Study(cases, None, Speed(1, 1.0, 0), threshold, documents)
