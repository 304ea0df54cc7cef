from typing import Tuple

import numpy
from thinc.types import Floats2d

# The variances of a class are drawn towards those of all, as if so many more rows had these.
PRIOR = 10.0

# The smallest variance, as a share of the mean one.
LEAST = 1e-3


def spread_of_classes(rows: Floats2d, classes: numpy.ndarray) -> Tuple[Floats2d, Floats2d]:
    """Take each row for a Gaussian that is as wide as its class: the variances, by column, of the rows
    of the class around their mean.

    rows (Floats2d): The rows, at least one. [n, width]
    classes (numpy.ndarray): The class of each row, 0 .. C - 1. [n]
    RETURNS (Tuple[Floats2d, Floats2d]): The variances of each row, and those within classes on the
        whole, which a row of no known class has. [n, width], [1, width]
    """
    values = numpy.asarray(rows, dtype="float64")
    sizes = numpy.bincount(classes)
    sums = numpy.zeros((2, len(sizes), values.shape[1]))
    numpy.add.at(sums[0], classes, values)
    gap = values - (sums[0] / numpy.maximum(sizes, 1)[:, None])[classes]
    numpy.add.at(sums[1], classes, gap * gap)
    pooled = sums[1].sum(axis=0) / len(values)
    mean = float(pooled.mean())
    pooled = numpy.maximum(pooled, LEAST * mean if mean > 0 else 1.0)
    of_class = (sums[1] + PRIOR * pooled) / (sizes + PRIOR)[:, None]
    of_class = numpy.maximum(of_class, LEAST * pooled.mean())
    return of_class[classes].astype("float32"), pooled[None].astype("float32")
