"""Tables of mentions by offsets, texts beside."""

from .read import FORMAT

__all__ = ["FORMAT"]
