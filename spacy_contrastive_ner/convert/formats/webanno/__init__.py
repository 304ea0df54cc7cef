"""WebAnno TSV 3."""

from .read import FORMAT

__all__ = ["FORMAT"]
