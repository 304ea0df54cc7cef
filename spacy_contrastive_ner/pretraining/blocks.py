"""Blocks of a config: which are there, and what they stand for."""

from typing import Any

from spacy.schemas import ConfigSchemaPretrain
from spacy.util import dot_to_object, registry
from thinc.api import Config

# spaCy fills them in by itself when it trains, but not when it pretrains.
BLOCKS = ("nlp", "components", "corpora", "initialize", "training", "pretraining")


def require_blocks(config: Config) -> None:
    """Stop if the config is not filled, or [pretraining] has settings that are none.

    config (Config): The config.
    """
    missing = [f"[{name}]" for name in BLOCKS if name not in config]
    if missing:
        raise ValueError(
            f"The config has no {', '.join(missing)}. Fill it: python -m spacy init fill-config "
            "CONFIG FILLED --pretraining"
        )
    known = list(ConfigSchemaPretrain.__annotations__)
    unknown = [name for name in config["pretraining"] if name not in known]
    if unknown:
        raise ValueError(
            f"[pretraining] has {', '.join(unknown)}, but its settings are {', '.join(known)}."
        )


def _block(plain: Config, name: str) -> Any:
    try:
        return dot_to_object(plain, name)
    except (KeyError, TypeError):
        return None


def has_path(plain: Config, name: str) -> bool:
    """Whether there is a block, and its path, if it has any, is given: that of spaCy's own
    [corpora.dev] is null unless someone sets it.

    plain (Config): The config, interpolated.
    name (str): The name of the block, such as corpora.dev.
    RETURNS (bool): Whether documents can be read by it.
    """
    block = _block(plain, name)
    return isinstance(block, dict) and block.get("path", True) not in (None, "")


def read_block(plain: Config, name: str) -> Any:
    """Make the reader of a block.

    plain (Config): The config, interpolated.
    name (str): The name of the block, such as corpora.train.
    RETURNS (Any): The reader.
    """
    block = _block(plain, name)
    if not isinstance(block, dict):
        there = ", ".join(f"corpora.{each}" for each in plain["corpora"])
        raise ValueError(
            f"The config has no block [{name}], which is to say how documents are read. There is "
            f"{there or 'none in [corpora]'}."
        )
    return registry.resolve({"corpus": block})["corpus"]


def require_epochs(n: int) -> None:
    """Stop if there is nothing to do.

    n (int): The setting max_epochs.
    """
    if n < 1:
        raise ValueError(
            f"[pretraining] max_epochs is {n}, so that nothing would be learned: set it to 1 or more."
        )
