"""What the pipe says about spans that are given to it, and which spans it looks at itself."""

from typing import List, Optional, Sequence, Tuple, Union

import numpy
from spacy.tokens import Doc, Span

from .models.proposals import Proposals
from .pipe_part import PipePart

GivenSpan = Union[Span, Tuple[int, int]]


class GivenSpans(PipePart):
    """The part of the pipe that types given spans. It is one with the rest: `ContrastiveNER`."""

    def type_spans(
        self, docs: Sequence[Doc], spans: Sequence[Sequence[GivenSpan]]
    ) -> List[numpy.ndarray]:
        """Tell what given spans are, if they are entities: how probable each label is, whether or not the
        component would have found them. The documents stay as they are.

        docs (Sequence[Doc]): Documents that went through the components before this one.
        spans (Sequence[Sequence[GivenSpan]]): The spans of each: spans of spaCy, or pairs of the first token
            and the one after the last.
        RETURNS (List[numpy.ndarray]): For each document, the probabilities of the labels for each span, in
            the order of `labels`; they sum to 1. A span about which the model can say nothing has NaN.
        """
        if "type" not in self.model.attrs:
            raise ValueError(
                f"[{self.name}] Its model cannot type given spans. The architectures SpanTyper, "
                "MultiHeadTagger and BiEncoder can."
            )
        pairs = [_pairs(self.name, doc, some) for doc, some in zip(docs, spans, strict=True)]
        counts = [len(some) for some in pairs]
        document = numpy.repeat(numpy.arange(len(pairs)), counts)
        columns = numpy.concatenate([numpy.zeros((0, 2), dtype="int64"), *pairs])
        every = numpy.concatenate((document[:, None], columns), axis=1)
        values = numpy.zeros((len(every), len(self.labels)))
        if len(every) and self.labels:
            distinct, place = numpy.unique(every, axis=0, return_inverse=True)
            self._warn_of_unseen(docs)
            rows = self.model.predict(list(docs))
            lengths = [len(doc) for doc in docs]
            found = self.model.attrs["type"](self.model, lengths, rows, Proposals(*distinct.T))
            values = _normalised(found)[place.reshape(-1)]
        return numpy.split(values, numpy.cumsum(counts)[:-1]) if counts else []

    def propose_spans(self, docs: Sequence[Doc]) -> Optional[List[List[Tuple[int, int]]]]:
        """Tell which spans are looked at when entities are found.

        docs (Sequence[Doc]): Documents that went through the components before this one.
        RETURNS (Optional[List[List[Tuple[int, int]]]]): The first token and the one after the last of each
            span, by document; None for a model that weighs all there are.
        """
        if "propose" not in self.model.attrs:
            return None
        found: List[List[Tuple[int, int]]] = [[] for _ in docs]
        if any(len(doc) for doc in docs):
            self._warn_of_unseen(docs)
            lengths = [len(doc) for doc in docs]
            some = self.model.attrs["propose"](self.model, lengths, self.model.predict(list(docs)))
            for i, start, end in zip(*(column.tolist() for column in some)):
                found[i].append((start, end))
        return found


def _pairs(name: str, doc: Doc, spans: Sequence[GivenSpan]) -> numpy.ndarray:
    """First tokens and ends. [S, 2]"""
    found = [(s.start, s.end) if isinstance(s, Span) else (int(s[0]), int(s[1])) for s in spans]
    for start, end in found:
        if not 0 <= start < end <= len(doc):
            raise ValueError(
                f"[{name}] Tokens {start} to {end} are no span of a document of {len(doc)} tokens."
            )
    return numpy.asarray(found, dtype="int64").reshape((-1, 2))


def _normalised(logs: numpy.ndarray) -> numpy.ndarray:
    """Probabilities that sum to 1, of logarithms of what they are proportional to."""
    logs = logs.astype("float64")
    highest = logs.max(axis=1, keepdims=True)
    # Where nothing is possible, nothing is known.
    highest[~numpy.isfinite(highest)] = numpy.nan
    values = numpy.exp(logs - highest)
    return values / values.sum(axis=1, keepdims=True)
