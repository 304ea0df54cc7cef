"""A transformer of spacy-transformers in two parts: what reads texts piece by piece, and what pools the
pieces to tokens. Only between the two are the pieces to be had."""

from typing import Any, Callable, List, Tuple

from spacy.tokens import Doc
from thinc.api import Model

# What spacy-transformers calls the layer that makes rows of tokens out of those of pieces.
POOLING = "trfs2arrays"


def is_transformer(encoder: Model) -> bool:
    """RETURNS (bool): Whether an encoder is a listener to a transformer, or a transformer of its own, of
    spacy-transformers.
    """
    return bool(encoder.layers) and encoder.layers[-1].name == POOLING


def read_pieces(
    encoder: Model, docs: List[Doc], is_train: bool
) -> Tuple[List[Any], Callable[[List[Any]], Any]]:
    """Run all of a transformer but its pooling.

    encoder (Model[List[Doc], List[Floats2d]]): The transformer.
    docs (List[Doc]): The texts.
    is_train (bool): Whether there will be a gradient.
    RETURNS (Tuple[List[TransformerData], Callable]): What it made of each text, and the callback for the
        gradients of those texts that were read, see `was_read`.
    """
    datas: Any = docs
    callbacks = []
    for reader in encoder.layers[:-1]:
        datas, callback = reader(datas, is_train)
        callbacks.append(callback)

    def backprop(d_datas: Any) -> Any:
        for callback in reversed(callbacks):
            d_datas = callback(d_datas)
        return d_datas

    return datas, backprop


def was_read(data: Any) -> bool:
    """RETURNS (bool): Whether a text was read at all. Those without tokens are not, and have no
    gradient.
    """
    return "last_hidden_state" in data.model_output
