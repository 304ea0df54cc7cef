"""Losses as functions of arrays, one a file, each with its gradient in closed form."""

from .cross_entropy_dice import cross_entropy_dice, make_cross_entropy_dice

__all__ = ["cross_entropy_dice", "make_cross_entropy_dice"]
