"""Arguments and options that several commands have, so that they are called and told alike."""

from typing import List

from spacy.cli._util import Arg, Opt

from ..convert.documents import Keys

MODEL = Arg(..., help="Model name or path")
SILENT = Opt(False, "--silent", "-S", help="Print errors only")

# As in spaCy's own commands.
CODE = Opt(
    None,
    "--code",
    "-c",
    help="Path to Python file with additional code (registered functions) to be imported",
)
GPU = Opt(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU")

# Of commands that score a model.
TRAIN = Opt(None, "--train", "-t", help="Training data (.spacy): tells seen words and rare labels")
RARE = Opt(
    None,
    "--rare",
    "-r",
    min=1,
    help="Score labels apart with fewer mentions than this, in --train or else in DATA",
)
GOLD_KEY = Opt(
    None, "--spans-key", "-k", help="Key of the gold in doc.spans [default: that of the pipe]"
)
GOLD_MISSING_KEY = Opt(
    None,
    "--missing-key",
    help="Key of the stretches whose annotation is unknown [default: that of the pipe, or missing]",
)
BATCH_SIZE = Opt(
    None, "--batch-size", "-b", min=1, help="Documents in a batch [default: that of the model]"
)

# Of commands that read texts, or documents without a model.
LANG = Opt("en", "--lang", "-l", help="Language of the tokenizer")
SPANS_KEY = Opt("sc", "--spans-key", "-k", help="Key of the entities in doc.spans")
MISSING_KEY = Opt(
    "missing",
    "--missing-key",
    help="Key of the stretches in doc.spans whose annotation is unknown",
)


def keys_of(spans_key: str, missing_key: str) -> Keys:
    """RETURNS (Keys): The keys, if they are two."""
    if spans_key == missing_key:
        raise ValueError(f"--spans-key and --missing-key are both {spans_key!r}.")
    return Keys(spans_key, missing_key)


def split_names(text: str) -> List[str]:
    """RETURNS (List[str]): Labels that are written as A,B, each once."""
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
