"""Losses as functions of arrays, one a file, each with its gradient in closed form."""

from .cross_entropy_dice import cross_entropy_dice, make_cross_entropy_dice
from .distance_logistic import distance_logistic, make_distance_logistic
from .gaussian_kl import gaussian_kl, make_gaussian_kl
from .info_nce import info_nce, make_info_nce
from .supcon import make_supcon, supcon

__all__ = [
    "cross_entropy_dice",
    "distance_logistic",
    "gaussian_kl",
    "info_nce",
    "make_cross_entropy_dice",
    "make_distance_logistic",
    "make_gaussian_kl",
    "make_info_nce",
    "make_supcon",
    "supcon",
]
