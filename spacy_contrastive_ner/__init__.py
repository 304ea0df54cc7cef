"""Nested, overlapping and rare entities for spaCy, with honest probabilities."""

__version__ = "0.1.0"
