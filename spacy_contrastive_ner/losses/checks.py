"""What settings of losses can be."""

import math


def require_positive(**values: float) -> None:
    """Stop if a setting is no positive number: NaN and infinity are none either.

    values (float): The settings, by name.
    """
    for name, value in values.items():
        if not 0.0 < value < math.inf:
            raise ValueError(f"{name} is {value}, but must be positive and finite.")


def require_weight(**values: float) -> None:
    """Stop if a setting is no weight: a number that is positive or 0.

    values (float): The settings, by name.
    """
    for name, value in values.items():
        if not 0.0 <= value < math.inf:
            raise ValueError(f"{name} is {value}, but must be finite and not negative.")
