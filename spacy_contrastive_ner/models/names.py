from typing import Collection, Sequence


def require_known(setting: str, given: Collection[str], names: Sequence[str]) -> None:
    """Stop if a setting is about labels that a model does not have.

    setting (str): The name of the setting.
    given (Collection[str]): The labels that it names.
    names (Sequence[str]): The labels of the model.
    """
    unknown = set(given) - set(names)
    if unknown:
        raise ValueError(
            f"{setting} names {', '.join(sorted(unknown))}, but the labels are {', '.join(names)}."
        )
