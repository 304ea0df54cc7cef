"""Label Studio's exports, in and out."""

from .read import FORMAT

__all__ = ["FORMAT"]
