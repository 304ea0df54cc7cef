"""UIMA CAS as XMI and JSON."""

from .read import FORMAT

__all__ = ["FORMAT"]
