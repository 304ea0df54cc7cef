"""The bar that shows how far a command is."""

from typing import Any

from tqdm import tqdm


def progress(silent: bool, **settings: Any) -> tqdm:
    """Make a progress bar. At the end it is gone, and nothing is shown if stderr is no terminal.

    silent (bool): Whether to do without.
    **settings (Any): What else tqdm is told, such as `total` and `unit`.
    RETURNS (tqdm): The bar.
    """
    return tqdm(disable=True if silent else None, leave=False, **settings)
