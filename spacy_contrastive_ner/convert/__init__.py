"""Reading and writing annotated corpora."""

from .notes import BadInput, Notes
from .records import Entity, Record, Where, entity

__all__ = ["BadInput", "Entity", "Notes", "Record", "Where", "entity"]
