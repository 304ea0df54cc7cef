"""Distant labels: entities from patterns or a gazetteer, and what these cannot vouch for."""

from bisect import bisect_right
from itertools import groupby
from typing import Any, Dict, Iterable, Iterator, List, Set, Tuple

import numpy
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.util import filter_spans

from .documents import ID, META, Keys, read_doc_record, write_flat_view
from .notes import BadInput, Kind, Notes
from .patterns import Pattern
from .raw import Item
from .records import Record, Stretch, Where

VOUCH = ("matches", "sentences", "all")
KEYS = Keys()

AMBIGUOUS = Kind("matches with several labels, marked as unknown")
OTHER_IDS = Kind("matches with several ids, which got none")
REPLACED_ENTS = Kind("documents whose doc.ents were replaced by the flat view")


class Labeller:
    """Writes distant labels to documents.

    nlp (Language): The pipeline that tokenizes phrases. It gets a span ruler, which is not run in it.
    patterns (List[Pattern]): What to look for.
    notes (Notes): Where ambiguous matches are counted.
    attr (str): The attribute of tokens by which phrases are looked for.
    vouch (str): What is vouched for, with entities or without: "matches", the sentences that hold
        one ("sentences"), or "all".
    keys (Keys): Where entities and what is unknown are written.
    longest (bool): Whether, of matches of one label that overlap, only the longest counts.
    overwrite (bool): Whether span groups of these keys give way that a document has already.
    """

    def __init__(
        self,
        nlp: Language,
        patterns: List[Pattern],
        notes: Notes,
        attr: str = "ORTH",
        vouch: str = "matches",
        keys: Keys = KEYS,
        longest: bool = False,
        overwrite: bool = False,
    ) -> None:
        self.notes, self.vouch, self.keys = notes, vouch, keys
        self.longest, self.overwrite = longest, overwrite
        name = "distant_labels"
        config = {"spans_key": keys.spans, "phrase_matcher_attr": attr}
        # The pipes before it prepare the phrases.
        try:
            ruler: Any = nlp.add_pipe("span_ruler", name=name, config=config)
            ruler.add_patterns(patterns)
        except ValueError as error:
            message = " ".join(str(error).split())
            raise ValueError(
                f"Phrases cannot be looked for by their {attr}: {message} Use --attr ORTH or LOWER, "
                "or name a pipeline that sets it: --pipeline."
            ) from error
        self.ruler = ruler
        nlp.disable_pipe(name)
        self.sentencizer = nlp.create_pipe("sentencizer")

    def __call__(self, doc: Doc, where: Where) -> Record:
        """Label a document.

        doc (Doc): The document. Its `doc.ents` are replaced.
        where (Where): Where it was read.
        RETURNS (Record): What it is now.
        """
        there = [key for key in self.keys if key in doc.spans]
        if there and not self.overwrite:
            raise BadInput(
                where,
                f"the document has doc.spans[{there[0]!r}] already",
                "Write to another key (--spans-key, --missing-key), or replace what is there: "
                "--overwrite",
            )
        try:
            matches = self.ruler.match(doc)
        except ValueError as error:
            message = " ".join(str(error).split())
            raise BadInput(
                where,
                f"the patterns cannot be looked for: {message}",
                "Name a pipeline that sets what they ask for: --pipeline",
            ) from error
        spans, unknown = self._resolve(doc, matches, where)
        if self.longest:
            by_label = groupby(sorted(spans, key=_label), key=_label)
            spans = sorted(span for _, some in by_label for span in filter_spans(some))
        if self.vouch == "sentences" and len(doc) and not doc.has_annotation("SENT_START"):
            self.sentencizer(doc)
        gaps = unvouched(doc, spans, self.vouch)
        missing = [Span(doc, start, end) for start, end in gaps]
        # What is unknown for all labels need not be said for one.
        starts = [start for start, _ in gaps]
        for span in unknown:
            i = bisect_right(starts, span.start) - 1
            if i < 0 or span.end > gaps[i][1]:
                missing.append(span)
        if doc.ents:
            self.notes.add(REPLACED_ENTS, where)
        doc.spans[self.keys.spans] = SpanGroup(doc, name=self.keys.spans, spans=spans)
        doc.spans[self.keys.missing] = SpanGroup(doc, name=self.keys.missing, spans=missing)
        write_flat_view(doc, spans, missing)
        return read_doc_record(doc, where, self.keys.spans, self.keys.missing)

    def _resolve(
        self, doc: Doc, matches: List[Span], where: Where
    ) -> Tuple[List[Span], List[Span]]:
        """The entities, and what matches with several labels leave unknown, for each of these. An
        id of a pattern is one in a knowledge base: as an id of the span, which it is to spaCy, it
        would make all its matches the fragments of one entity."""
        labels: Dict[Stretch, Dict[str, Set[str]]] = {}
        for span in matches:
            start, end = _without_space(span)
            if start < end:
                ids = labels.setdefault((start, end), {}).setdefault(span.label_, set())
                ids.add(span.id_)
        spans: List[Span] = []
        unknown: List[Span] = []
        for (start, end), ids_of in labels.items():
            text = doc[start:end].text
            if len(ids_of) > 1:
                self.notes.add(AMBIGUOUS, where, " or ".join(sorted(ids_of)), text)
                unknown += [Span(doc, start, end, label) for label in sorted(ids_of)]
                continue
            ((label, ids),) = ids_of.items()
            ids -= {""}
            if len(ids) > 1:
                self.notes.add(OTHER_IDS, where, label, text)
            kb_id = ids.pop() if len(ids) == 1 else ""
            spans.append(Span(doc, start, end, label, kb_id=kb_id))
        return sorted(spans), unknown


def _label(span: Span) -> str:
    return span.label_


def _without_space(span: Span) -> Stretch:
    """The tokens of a span without white space at its edges."""
    start, end = span.start, span.end
    while start < end and span.doc[start].is_space:
        start += 1
    while start < end and span.doc[end - 1].is_space:
        end -= 1
    return start, end


def unvouched(doc: Doc, spans: List[Span], vouch: str) -> List[Stretch]:
    """Find what nobody vouches for.

    doc (Doc): The document, with sentences if they are asked for.
    spans (List[Span]): Its entities.
    vouch (str): What is vouched for; see `Labeller`.
    RETURNS (List[Stretch]): The stretches of tokens that are not, apart from white space.
    """
    if vouch == "all" or not len(doc):
        return []
    known = numpy.zeros(len(doc) + 2, dtype="bool")
    known[[0, -1]] = True
    for span in spans:
        known[span.start + 1 : span.end + 1] = True
    if vouch == "sentences":
        for sent in doc.sents:
            known[sent.start + 1 : sent.end + 1] = known[sent.start + 1 : sent.end + 1].any()
    borders = numpy.flatnonzero(numpy.diff(known)).tolist()
    stretches = (_without_space(doc[a:b]) for a, b in zip(borders[::2], borders[1::2]))
    return [(start, end) for start, end in stretches if start < end]


def label_items(items: Iterable[Item], nlp: Language, labeller: Labeller) -> Iterator[Record]:
    """Label texts, which are run through the pipeline, and documents, which are not.

    items (Iterable[Item]): What is to be labelled.
    nlp (Language): The pipeline.
    labeller (Labeller): Labels it.
    YIELDS (Record): What each is then, with its `doc`.
    """
    for are_texts, some in groupby(items, key=lambda item: isinstance(item.content, str)):
        docs = ((_make_doc(item, nlp), item) for item in some)
        for doc, item in nlp.pipe(docs, as_tuples=True) if are_texts else docs:
            yield labeller(doc, item.where)


def _make_doc(item: Item, nlp: Language) -> Doc:
    if isinstance(item.content, Doc):
        return item.content
    try:
        doc = nlp.make_doc(item.content)
    except ValueError as error:
        message = " ".join(str(error).split())
        raise BadInput(
            item.where, f"cannot be tokenized: {message}", "Cut it into several"
        ) from None
    for key, value in ((ID, item.id), (META, item.meta)):
        if value:
            doc.user_data[key] = value
    return doc
