"""XML and SGML with the entities as elements in the text."""

from .read import FORMAT

__all__ = ["FORMAT"]
