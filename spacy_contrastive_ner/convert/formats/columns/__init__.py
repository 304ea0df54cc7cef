"""A token a line and columns of tags (CoNLL and its kin), in and out."""

from .read import FORMAT

__all__ = ["FORMAT"]
