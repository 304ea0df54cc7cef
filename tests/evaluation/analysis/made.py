"""Documents with gold and predictions, made by hand."""

from spacy_contrastive_ner.evaluation.analysis.study import Case
from spacy_contrastive_ner.evaluation.evaluate import Annotation


def whole(start, end, label):
    return ((start, end),), label


def make_case(text, gold=(), predicted=(), missing=(), name="a"):
    """A document whose tokens are the words between single spaces; None for no gold."""
    tokens, start = [], 0
    for word in text.split(" "):
        tokens.append((start, start + len(word)))
        start += len(word) + 1
    annotation = None
    if gold is not None:
        annotation = Annotation([whole(*span) for span in gold], list(missing))
    found = [whole(*span) for span in predicted]
    return Case(name, text, tokens, None, annotation, found, {})


def make_cases(n=12):
    """Documents with an entity in another one, some of which are found."""
    cases = []
    for i in range(n):
        place = ("France", "Norway", "Chile")[i % 3]
        text = f"the Ministry of Health of {place} thanked Anna"
        end = 26 + len(place)
        gold = [(4, end, "ORG"), (26, end, "GPE"), (end + 9, end + 13, "PER")]
        cases.append(make_case(text, gold, gold[: i % 4], name=f"document {i}"))
    return cases
