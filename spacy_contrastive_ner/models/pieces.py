"""Annotation of tokens put on their word pieces, and what was found there put on tokens again."""

from typing import Iterable, List, Sequence, Tuple

from ..annotations import Gold
from ..tracks import Lost, Subwords


def on_pieces(words: Subwords, gold: Sequence[Gold]) -> Tuple[List[Gold], List[Lost]]:
    """Put annotation of tokens on their pieces. What an entity covers that cannot be put there is
    missing for its label.

    words (Subwords): The pieces of the tokens.
    gold (Sequence[Gold]): The annotation of the documents, on tokens.
    RETURNS (Tuple[List[Gold], List[Lost]]): The annotation, on pieces, and the entities that are missing.
    """
    found: List[Gold] = []
    lost: List[Lost] = []
    for i, doc in enumerate(gold):
        spans, unknown = [], list(doc.missing)
        for span in doc.spans:
            pieces, reason = words.to_pieces(i, span)
            if pieces is not None:
                spans.append(pieces)
            elif reason is not None:
                lost.append(Lost(i, span, reason))
                unknown.append(span)
        missing = [words.stretch(i, span) for span in unknown]
        missing = [span for span in missing if span[0] < span[1]]
        known = set(spans)
        entities = [
            tuple(span for span in (words.to_pieces(i, own)[0] for own in some) if span in known)
            for some in doc.entities
        ]
        found.append(
            doc._replace(
                n_tokens=words.lengths[i],
                spans=spans,
                missing=missing,
                entities=[some for some in entities if len(some) > 1],
            )
        )
    return found, lost


def on_tokens(words: Subwords, lost: Iterable[Lost]) -> List[Lost]:
    """RETURNS (List[Lost]): The same spans of pieces as spans of tokens."""
    found = []
    for document, (first, last, label), reason in lost:
        start, end = words.to_tokens(document, first, last)
        found.append(Lost(document, (int(start), int(end), label), reason))
    return found
