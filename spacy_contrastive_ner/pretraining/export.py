"""A pretrained transformer as a folder that others can load."""

from pathlib import Path

from thinc.api import Model

from ..files import require_free, write_folder


def check_export(tok2vec: Model, folder: Path, output: Path) -> Model:
    """Stop if there is nothing to export, or no place for it: ask before training.

    tok2vec (Model): The encoder.
    folder (Path): The folder, which must not exist or be empty.
    output (Path): The folder for weights, log and checkpoint.
    RETURNS (Model): The transformer in the encoder.
    """
    found = [node for node in tok2vec.walk() if hasattr(node, "transformer")]
    if not found:
        raise ValueError(
            "The encoder is no transformer of spacy-transformers, so there is nothing to export in "
            "the format of Hugging Face. Its weights are for [initialize] init_tok2vec."
        )
    if output.resolve().is_relative_to(folder.resolve()):
        raise ValueError(
            f"{folder} cannot hold the export, as weights, log and checkpoint go to {output}. Name "
            f"another folder to export to, such as {output / 'exported'}."
        )
    require_free(folder, "to export to")
    return found[0]


def export_transformer(tok2vec: Model, weights: Path, folder: Path) -> None:
    """Write a transformer and its tokenizer as Hugging Face does, to be named in another config.

    tok2vec (Model): The encoder that was pretrained.
    weights (Path): Its weights, as `spacy pretrain` writes them.
    folder (Path): The folder, which must not exist or be empty.
    """
    node = check_export(tok2vec, folder, weights.parent)
    # Reading the weights would replace them by others that lack small numbers (such as the epsilon
    # of layer norm) and have settings of their own.
    settings, tokenizer = node.transformer.config, node.tokenizer
    tok2vec.from_bytes(weights.read_bytes())
    node.transformer.config = settings

    def write(beside: Path) -> None:
        node.transformer.save_pretrained(beside)
        tokenizer.save_pretrained(beside)

    write_folder(folder, write)
