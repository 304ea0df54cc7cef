"""Encoders that are shared with other pipes: listeners pass their rows on."""

from typing import List, Optional, Sequence

from spacy.pipeline.tok2vec import Tok2VecListener
from spacy.tokens import Doc
from thinc.api import Model


def find_listeners(model: Model) -> List[Model]:
    """RETURNS (List[Model]): The layers of a model that do not compute their rows, but pass on those that an
    encoder shared with other pipes computed before. All kinds of listeners, to a tok2vec or to a
    transformer, know the name of that pipe.
    """
    return [node for node in model.walk() if hasattr(node, "upstream_name")]


def has_listener(model: Model) -> bool:
    """RETURNS (bool): Whether the rows of some layer are those of an encoder shared with other pipes."""
    return bool(find_listeners(model))


def name_encoder(listener: Model) -> str:
    """RETURNS (str): The name of the pipe that a listener listens to: by default if it says "any"."""
    name = str(getattr(listener, "upstream_name", "*"))
    if name != "*":
        return name
    return "tok2vec" if isinstance(listener, Tok2VecListener) else "transformer"


def find_unseen(listener: Model, docs: Sequence[Doc]) -> Optional[Doc]:
    """Look for a document that a shared encoder has not seen. A listener passes on zeros for it, in silence.

    listener (Model): A listener.
    docs (Sequence[Doc]): Documents.
    RETURNS (Optional[Doc]): The first of those with tokens that have not gone through the encoder.
    """
    has_rows = _has_tensor if isinstance(listener, Tok2VecListener) else _has_transformer_data
    return next((doc for doc in docs if len(doc) and not has_rows(doc)), None)


def _has_tensor(doc: Doc) -> bool:
    # What cleans documents up may leave None.
    return doc.tensor is not None and doc.tensor.size > 0


def _has_transformer_data(doc: Doc) -> bool:
    return not doc.has_extension("trf_data") or doc._.trf_data is not None


def require_rows(model: Model, docs: Sequence[Doc]) -> None:
    """Stop if a shared encoder has not seen a document that is to be learned from.

    model (Model): The model.
    docs (Sequence[Doc]): The documents.
    """
    for listener in find_listeners(model):
        doc = find_unseen(listener, docs)
        if doc is not None:
            raise ValueError(
                f"The document {doc.text[:60]!r} did not go through the encoder, which is shared with other "
                f"pipes ({name_encoder(listener)!r}). Take documents that nlp() returned; as examples: "
                "Example(nlp(gold.text), gold)."
            )
