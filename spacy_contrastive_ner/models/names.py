"""The labels of models that have an output for each, whatever its layers. In their `attrs` are `names`, in
the order of the outputs, `silent`, those that are not predicted until they have been learned, and
`resize(model)`, which gives the model the outputs of its names, if it has any yet."""

from typing import Collection, Dict, List, Optional, Sequence, Tuple

from thinc.api import Model

from ..annotations import Gold


def labels(model: Model) -> Dict[str, int]:
    """RETURNS (Dict[str, int]): The labels. (The number beside each is the layers that a tagger would
    need; here it is always 1.)"""
    return dict.fromkeys(model.attrs["names"], 1)


def add_label(model: Model, label: str, layers: Optional[int], max_layers: int) -> None:
    """Make room for one more label. It is not predicted until it has been learned; the scores of the
    others do not change.

    model (Model[List[Doc], Ragged]): The model.
    label (str): The new label.
    layers (Optional[int]): Has no meaning here.
    max_layers (int): Has no meaning here.
    """
    model.attrs.update(names=[*model.attrs["names"], label], silent=[*model.attrs["silent"], label])
    model.attrs["resize"](model)


def merge_names(
    model: Model, gold: Sequence[Gold], given: Optional[Dict[str, int]]
) -> Tuple[List[str], List[str]]:
    """The labels that a model is to have. Those that it has already stay in front.

    model (Model[List[Doc], Ragged]): The model. It stays as it is.
    gold (Sequence[Gold]): The annotation of the training data, or of a sample.
    given (Optional[Dict[str, int]]): The labels, if they are known. If None, they come from the data.
    RETURNS (Tuple[List[str], List[str]]): The labels, and those among them that the data lacks.
    """
    seen = {label for doc in gold for _, _, label in doc.spans} - {""}
    names = list(model.attrs["names"])
    names += [label for label in (sorted(seen) if given is None else given) if label not in names]
    return names, [label for label in names if label not in seen]


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
