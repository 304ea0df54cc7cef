"""Files of spaCy documents, one document after the other."""

from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Iterator

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from srsly.msgpack import msgpack_decoders, msgpack_encoders

from .notes import BadInput
from .records import Where


def docs_in(path: Path, vocab: Vocab) -> Iterator[Doc]:
    """Read a file of documents. Only one document is made at a time.

    path (Path): The file.
    vocab (Vocab): The vocabulary of the documents.
    YIELDS (Doc): The documents, empty ones too.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadInput(
            Where(path), f"cannot be opened: {reason}", "Check the path and its rights"
        ) from None
    n_read = 0
    try:
        docs = DocBin(store_user_data=True).from_bytes(data).get_docs(vocab)
        for doc in docs:
            yield doc
            n_read += 1
    # What damaged data leads to is not foreseen in DocBin.
    except Exception as error:
        message = " ".join(str(error).split()) or type(error).__name__
        raise BadInput(
            Where(path),
            f"is no file of spaCy documents (DocBin), or a damaged one, after {n_read} documents: "
            f"{message}",
            "Write it with DocBin.to_disk, or convert your data with `spacy contrastive convert`",
        ) from error


@contextmanager
def quick_codecs() -> Iterator[None]:
    """Read and write documents much faster. For each of their span groups srsly looks through all
    installed packages for ways to encode objects, which takes longer than the rest together. In
    this context it looks only once.
    """
    replaced = [r for r in (msgpack_decoders, msgpack_encoders) if "get_all" not in vars(r)]
    for registry in replaced:
        vars(registry)["get_all"] = partial(dict, registry.get_all())
    try:
        yield
    finally:
        for registry in replaced:
            del vars(registry)["get_all"]
