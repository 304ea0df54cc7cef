"""Errors about the data of pretraining: what is wrong, and the way out."""

import math
import warnings
from collections import Counter
from typing import Dict, Hashable, List, Sequence, Set, Tuple

from spacy.tokens import Doc

from ..corpora.marks import get_mark, is_marked
from .terms import ContrastTerm, Term

# So many documents, or batches, may pass before one of them must be annotated. Not every reader
# says when an epoch ends.
DOCUMENTS = 1000
BATCHES = 100

# What `spacy contrastive convert` calls the group of stretches whose annotation is unknown.
MISSING = "missing"


class Watch:
    """Watches the documents that pass, and stops if nothing can be learned from them.

    terms (Sequence[Term]): What reads annotation.
    """

    def __init__(self, terms: Sequence[Term]) -> None:
        self.terms = list(terms)
        self.readings = list(dict.fromkeys(term.reading for term in terms))
        self.n_batches = 0
        self.n_losses = 0
        self.n_nothing = 0
        self.n_docs = 0
        self.n_tokens = 0
        self.n_annotated = 0
        self.n_missing = 0
        self.keys: Counter = Counter()
        # By term and label space: of each label some mentions, as many as are needed to learn.
        self.mentions: Dict[Tuple[int, str], Dict[str, Set[Hashable]]] = {}
        self.satisfied = False
        self.lost_end_told = False

    def see(self, docs: Sequence[Doc]) -> None:
        """Look at a batch.

        docs (Sequence[Doc]): The annotated documents.
        """
        if self.satisfied:
            return
        self.n_batches += 1
        for doc in docs:
            self.n_docs += 1
            self.n_tokens += len(doc)
            self.keys.update(list(doc.spans))
            self.keys["doc.ents"] += bool(doc.ents)
            self.n_missing += MISSING in doc.spans and len(doc.spans[MISSING]) > 0
            self.n_annotated += any(reading.annotates(doc) for reading in self.readings)
            for number, term in enumerate(self.terms):
                if term.reading.annotates(doc):
                    self._count(doc, number, term)

    def _count(self, doc: Doc, number: int, term: Term) -> None:
        """Count the mentions of a document. Those of its copies are the same."""
        mark = get_mark(doc)
        source = mark.source or self.n_docs
        seen = self.mentions.setdefault((number, mark.space), {})
        nth: Counter = Counter()
        for _, _, label in term.classes(term.reading(doc)).spans:
            nth[label] += 1
            mentions = seen.setdefault(label, set())
            if len(mentions) < term.least_mentions:
                mentions.add((source, nth[label]))

    def lose_patience(self) -> None:
        """Stop if there has been no annotation for too long."""
        if self.n_docs >= DOCUMENTS or self.n_batches >= BATCHES:
            self.require_annotation()

    def end_epoch(self) -> None:
        """Stop if a whole epoch held nothing to learn from, and warn if much of it did."""
        if not self.satisfied:
            self.require_annotation()
            self.require_pairs()
            self.require_others()
            self.tell_of_spaces()
            self.tell_of_missing()
            self.satisfied = True
        self.tell_of_nothing()

    def heard(self, learned: bool) -> None:
        """Count batches in which nothing could be learned.

        learned (bool): Whether a batch had anything to learn from.
        """
        self.n_losses += 1
        self.n_nothing += not learned

    def tell_of_nothing(self) -> None:
        """Warn if an epoch had many batches in which nothing could be learned."""
        if 2 * self.n_nothing > self.n_losses:
            warnings.warn(
                f"[pretraining] Nothing could be learned from {self.n_nothing} of {self.n_losses} "
                "batches: they hold no two entities that could be compared. Raise the size of the "
                "batches, or cut long documents (max_length of the reader); if another batcher is "
                "in use than spacy-contrastive-ner.BalancedBatcher.v1, take that.",
                stacklevel=2,
            )
        self.n_losses = self.n_nothing = 0

    def require_marks(self, docs: Sequence[Doc]) -> None:
        """Stop if a judge waits for epochs that nobody announces.

        docs (Sequence[Doc]): The documents of a batch.
        """
        if docs and not any(is_marked(doc) for doc in docs):
            raise ValueError(
                "[pretraining.objective.judge] judges when an epoch ends, but the reader of the "
                "corpus does not say when. Use the reader spacy-contrastive-ner.Corpus.v1, or "
                "`spacy contrastive pretrain` instead of `spacy pretrain`."
            )

    def tell_of_lost_end(self) -> None:
        """Warn, once, if a judge came too late, as the last document of an epoch never came."""
        if not self.lost_end_told:
            self.lost_end_told = True
            warnings.warn(
                "[pretraining.objective.judge] The document that ends an epoch was left out, as by "
                "discard_oversize of the batcher: such epochs are judged one batch late, and the last "
                "of all is not. Set discard_oversize = false and max_length in the reader, which cuts "
                "long documents instead.",
                stacklevel=4,
            )

    def require_annotation(self) -> None:
        """Stop if no document was annotated."""
        if self.n_annotated:
            return
        where = " or ".join(str(reading) for reading in self.readings)
        if not self.n_docs or not self.n_tokens:
            raise ValueError(
                "[pretraining] The corpus is empty: there is not one word in it. Check the path in "
                "the block that [pretraining] corpus names, and its max_length."
            )
        there = [f"doc.spans[{key!r}] ({n} docs)" for key, n in self.keys.items() if n]
        there = [name.replace("doc.spans['doc.ents']", "doc.ents") for name in there]
        ways = [f"annotate the entities of every document in {where}"]
        if there:
            ways.append(
                "set spans_key (or use_ents) in [pretraining.objective] to what is there: "
                + ", ".join(there)
            )
        ways.append(
            "if the documents were cut or split while reading, use the reader "
            "spacy-contrastive-ner.Corpus.v1, as that of spaCy drops span groups when it splits"
        )
        raise ValueError(
            f"[pretraining] None of the {self.n_docs} documents has annotation in {where}. "
            f"Either {'; or '.join(ways)}."
        )

    def require_pairs(self) -> None:
        """Stop if no label occurs twice, so that nothing can be compared."""
        if any(self._has_pairs(*place) for place in self.mentions):
            return
        names = self._labels()
        if not names:
            raise ValueError(
                f"[pretraining] The {self.n_docs} documents are annotated, but hold no entity at "
                "all. Contrastive pretraining needs labels with at least two mentions."
            )
        have = "has one" if len(names) == 1 else "have one each"
        raise ValueError(
            f"[pretraining] No label has two mentions ({', '.join(names)} {have}), so no two rows "
            "are alike. Add annotated documents, or bring labels together with merge in "
            "[pretraining.objective]."
        )

    def require_others(self) -> None:
        """Stop if all rows are alike, so that there is nothing to tell them from."""
        if any(self._is_useful(*place) for place in self.mentions):
            return
        number, _ = next(place for place in self.mentions if self._has_pairs(*place))
        n_spaces = len({space for _, space in self.mentions})
        there = "there is one label only" if n_spaces == 1 else "each label space has one label"
        raise ValueError(
            f"[pretraining] No two rows differ, as {there} ({', '.join(self._labels())}) and "
            f"{self._bar(number)} leaves out what is outside of entities: add labels, or "
            f"{self._way_out(number)} in [pretraining.objective]."
        )

    def tell_of_spaces(self) -> None:
        """Warn if nothing can be learned from some label spaces, though from others."""
        for number, space in self.mentions:
            if not self._is_useful(number, space):
                name, where = self.terms[number].name, f"the label space {space!r}"
                reason, way_out = "no label has two mentions", "annotate more of it"
                if self._has_pairs(number, space):
                    reason = f"it has one label only, and {self._bar(number)}"
                    way_out = f"add labels, or {self._way_out(number)}"
                warnings.warn(
                    f"[pretraining] The objective ({name}) learns nothing from {where}, as {reason}: "
                    f"{way_out}, or let it share a space with other corpora (spaces of the reader).",
                    stacklevel=3,
                )

    def tell_of_missing(self) -> None:
        """Warn if what is unknown is learned as being outside of entities."""
        if self.n_missing and any(reading.missing_key is None for reading in self.readings):
            warnings.warn(
                f"[pretraining] {self.n_missing} documents have spans in doc.spans[{MISSING!r}], with "
                "which `spacy contrastive convert` marks what is unknown, but missing_key is not set: "
                f'it is learned as being outside of entities. Set missing_key = "{MISSING}" in '
                "[pretraining.objective], and in the reader and the pipe.",
                stacklevel=3,
            )

    def _has_pairs(self, number: int, space: str) -> bool:
        least = self.terms[number].least_mentions
        return any(len(found) >= least for found in self.mentions[number, space].values())

    def _is_useful(self, number: int, space: str) -> bool:
        """Whether a term can learn from a label space: if some rows are alike, and some are not."""
        n_labels = len(self.mentions[number, space])
        return self._has_pairs(number, space) and n_labels >= self.terms[number].least_classes

    def _labels(self) -> List[str]:
        return sorted({label for seen in self.mentions.values() for label in seen})

    def _bar(self, number: int) -> str:
        """What keeps rows outside of entities from being compared."""
        term = self.terms[number]
        return term.sampling.bars_outside if isinstance(term, ContrastTerm) else ""

    def _way_out(self, number: int) -> str:
        name = self._bar(number).split(" = ")[0]
        return 'write outside = "negative"' if name == "outside" else f"raise {name}"

    def require_finite(self, loss: float, docs: Sequence[Doc]) -> None:
        """Stop if the loss is not finite: nothing sensible can follow from it.

        loss (float): The loss.
        docs (Sequence[Doc]): The documents it was computed for.
        """
        if not math.isfinite(loss):
            texts = ", ".join(repr(doc.text[:40]) for doc in docs[:1])
            raise ValueError(
                "[pretraining] The loss is not finite (NaN or infinite), in a batch that begins "
                f"with {texts}. Training diverged: lower the learning rate, raise the temperature "
                "or clip gradients; and check the encoder's weights and word vectors for NaN."
            )
