"""Reading corpora, batching them, and adding variants of their documents."""

from .marks import Mark, get_mark, set_mark

__all__ = ["Mark", "get_mark", "set_mark"]
