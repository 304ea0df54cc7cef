"""Documents in which each character is a token, and what is found in them."""

from spacy_contrastive_ner.evaluation.analysis.study import Case, Study
from spacy_contrastive_ner.evaluation.evaluate import Annotation, Document, Evaluation, Settings
from spacy_contrastive_ner.evaluation.predictor import Speed

TEXT = "abcdefghijklmnopqrst"
# Names that would be taken for markup or mathematics, or are not in the font.
HOSTILE = ("<b>$x_1$</b>", "a" * 200, "人名😀", "שם", "$", "")


def wholes(some):
    return [(((start, end),), label) for start, end, label in some]


def case_of(gold, predicted, *, name="d", text=TEXT, missing=(), scores=None, candidates=None):
    """Spans, or entities with their fragments. gold None: not annotated."""
    gold, predicted = (
        some if some is None or any(isinstance(e[0], tuple) for e in some) else wholes(some)
        for some in (gold, predicted)
    )
    annotation = None if gold is None else Annotation(list(gold), list(missing))
    tokens = [(i, i + 1) for i in range(len(text))]
    return Case(name, text, tokens, None, annotation, list(predicted), scores or {}, candidates)


def evaluation_of(cases, training=None):
    found = Evaluation(Settings(training=training))
    for case in cases:
        found.add(Document(case.id, case.text, case.gold, case.predicted, case.tokens))
    return found


def study_of(cases):
    return Study(list(cases), evaluation_of(cases), Speed(0, 0.0, 0), None, 0)


def random_cases(rng, labels, n=6, kept=0.7):
    """Documents with nested and crossing gold, some of it found, and some that is not gold."""

    def draw(k):
        starts = [rng.randrange(18) for _ in range(k)]
        return {(start, rng.randrange(start + 1, 20), rng.choice(labels)) for start in starts}

    found = []
    for number in range(n):
        gold = draw(6)
        predicted = {span for span in sorted(gold) if rng.random() < kept} | draw(3)
        found.append(case_of(sorted(gold), sorted(predicted), name=f"d{number}"))
    return found
