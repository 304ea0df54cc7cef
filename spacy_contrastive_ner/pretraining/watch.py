"""Errors about the data of pretraining: what is wrong, and the way out."""

import math
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Sequence

from spacy.tokens import Doc
from thinc.api import Model

from ..corpora.marks import get_mark, is_marked

if TYPE_CHECKING:
    from .terms import Term

# So many documents, or batches, may pass before one of them must be annotated. Not every reader
# says when an epoch ends.
DOCUMENTS = 1000
BATCHES = 100


class Watch:
    """Watches the documents that pass, and stops if nothing can be learned from them.

    terms (Sequence[Term]): What reads annotation.
    """

    def __init__(self, terms: Sequence["Term"]) -> None:
        self.terms = list(terms)
        self.readings = list(dict.fromkeys(term.reading for term in terms))
        self.n_batches = 0
        self.n_losses = 0
        self.n_nothing = 0
        self.n_docs = 0
        self.n_tokens = 0
        self.n_annotated = 0
        self.keys: Counter = Counter()
        self.mentions: Counter = Counter()
        self.satisfied = False

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
            self.n_annotated += any(reading.annotates(doc) for reading in self.readings)
            space = get_mark(doc).space
            for number, term in enumerate(self.terms):
                if term.reading.annotates(doc):
                    gold = term.classes(term.reading(doc))
                    self.mentions.update((number, space, label) for _, _, label in gold.spans)
        self.satisfied = any(
            n >= self.terms[number].least_mentions for (number, _, _), n in self.mentions.items()
        )

    def lose_patience(self) -> None:
        """Stop if there has been no annotation for too long."""
        if self.n_docs >= DOCUMENTS or self.n_batches >= BATCHES:
            self.require_annotation()

    def end_epoch(self) -> None:
        """Stop if a whole epoch held nothing to learn from, and warn if much of it did."""
        self.tell_of_nothing()
        if self.satisfied:
            return
        self.require_annotation()
        self.require_pairs()

    def heard(self, loss: float) -> None:
        """Count batches in which nothing could be learned.

        loss (float): The loss of a batch.
        """
        self.n_losses += 1
        self.n_nothing += loss == 0.0

    def tell_of_nothing(self) -> None:
        """Warn if an epoch had many batches in which nothing could be learned."""
        if 2 * self.n_nothing > self.n_losses:
            warnings.warn(
                f"[pretraining] Nothing could be learned from {self.n_nothing} of {self.n_losses} "
                "batches: they hold no two entities that could be compared. Raise the size of the "
                "batches, cut long documents (max_length of the reader), or use "
                "spacy-contrastive-ner.BalancedBatcher.v1.",
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
        if self.satisfied:
            return
        if not self.mentions:
            raise ValueError(
                f"[pretraining] The {self.n_docs} documents are annotated, but hold no entity at "
                "all. Contrastive pretraining needs labels with at least two mentions."
            )
        names = ", ".join(sorted({label for _, _, label in self.mentions}))
        raise ValueError(
            f"[pretraining] No label has two mentions ({names} have one each), so no two rows are "
            "alike. Add annotated documents, or bring labels together with merge in "
            "[pretraining.objective]."
        )

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


def require_no_listener(encoder: Model) -> None:
    """Stop if the encoder is not one but listens to one.

    encoder (Model): The encoder.
    """
    for node in encoder.walk():
        kind, upstream = type(node).__name__, getattr(node, "upstream_name", None)
        if kind.endswith("Listener"):
            default = "tok2vec" if kind.startswith("Tok2Vec") else "transformer"
            name = upstream if isinstance(upstream, str) and upstream != "*" else default
            raise ValueError(
                f"[pretraining] The layer to pretrain is a {kind}: it only passes on what the "
                f'component {name!r} computes. Write component = "{name}" and layer = "" in '
                "[pretraining], so that `spacy pretrain` and `spacy train` both mean the encoder "
                "itself."
            )
