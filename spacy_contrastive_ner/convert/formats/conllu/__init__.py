"""CoNLL-U with entities in its last column."""

from .read import FORMAT

__all__ = ["FORMAT"]
