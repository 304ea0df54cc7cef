from typing import Any, List

import numpy


def choose_tokens(classes: numpy.ndarray, most: int, seed: int = 0) -> numpy.ndarray:
    """Choose which tokens are stored. Tokens without any class (O) are drawn first, down to half of what
    there is room for; then those of the classes, the rare ones last.

    classes (numpy.ndarray): Which classes each token has. [n, C], bool
    most (int): How many tokens there is room for.
    seed (int): What the draw depends on.
    RETURNS (numpy.ndarray): The places of the chosen tokens, ascending. [<= most]
    """
    n = len(classes)
    if n <= most:
        return numpy.arange(n)
    rng = numpy.random.default_rng(seed)
    is_some: Any = classes.any(axis=1)
    outside = numpy.flatnonzero(~is_some)
    n_some = n - len(outside)
    n_outside = min(len(outside), max(most - n_some, most // 2))
    chosen: List[numpy.ndarray] = [rng.permutation(outside)[:n_outside]]
    room = most - n_outside
    sizes = classes.sum(axis=0)
    is_left: Any = is_some.copy()
    order = [c for c in numpy.argsort(sizes, kind="stable").tolist() if sizes[c]]
    for i, c in enumerate(order):
        of_class = numpy.flatnonzero(is_left & classes[:, c])
        some = rng.permutation(of_class)[: room // (len(order) - i)]
        # A token of several classes counts for the rarest.
        is_left[of_class] = False
        chosen.append(some)
        room -= len(some)
    return numpy.sort(numpy.concatenate(chosen))
