"""Tracks: entities as BILOU tag sequences, and what can be computed on them.

A track is one tag sequence over a document: tag 0 is O, then B, I, L, U for each of the `M`
labels that the track carries, `1 + 4M` tags. A model has `K` tracks, and its scores are one array
`[n_tokens, K, 1 + 4M]`, the documents of a batch one after the other. Arrays only: nothing in here
knows spaCy, and all of it runs on NumPy and CuPy alike, through the `Ops` object handed in.
"""

from .decoding import Found, LabelSpans, Threshold, decode, probabilities, viterbi
from .encoding import Lost, Targets, spans, targets
from .layout import Layout, layers_needed
from .likelihood import crf_loss, log_partition, posteriors
from .subwords import Subwords, legal_tags, mask_scores
from .transitions import Transitions

__all__ = [
    "Found",
    "LabelSpans",
    "Layout",
    "Lost",
    "Subwords",
    "Targets",
    "Threshold",
    "Transitions",
    "crf_loss",
    "decode",
    "layers_needed",
    "legal_tags",
    "log_partition",
    "mask_scores",
    "posteriors",
    "probabilities",
    "spans",
    "targets",
    "viterbi",
]
