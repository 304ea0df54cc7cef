from typing import Any, Callable, List, Optional, Tuple

import numpy
from spacy.attrs import ORTH
from spacy.tokens import Doc
from spacy.vectors import Mode, Vectors
from spacy.vocab import Vocab
from thinc.api import Model
from thinc.types import Floats2d

InT = List[Doc]
OutT = List[Floats2d]

WAY_OUT = (
    "Train some on your texts with `spacy contrastive vectors` and `spacy init vectors`, and name the "
    "folder in [initialize] vectors (--paths.vectors)."
)


def WordVectors(tune: bool = False) -> Model[InT, OutT]:
    """The word vectors of the pipeline as they are, without any context: one row a token. Words that have
    none are rows of zeros.

    tune (bool): Whether the vectors are trained further. The table of the pipeline stays as it is; what
        is added to it is learned here. For tables with a row a word, not for floret's.
    RETURNS (Model[List[Doc], List[Floats2d]]): The layer.
    """
    params = {"E": None} if tune else {}
    return Model("word_vectors", forward, init=init, dims={"nO": None}, params=params)


def forward(model: Model[InT, OutT], docs: InT, is_train: bool) -> Tuple[OutT, Callable]:
    ops, lengths = model.ops, [len(doc) for doc in docs]
    borders = numpy.cumsum([0, *lengths]).tolist()
    cuts = [slice(a, b) for a, b in zip(borders, borders[1:])]
    if not borders[-1]:
        none = ops.alloc2f(0, model.get_dim("nO"))
        return [none for _ in docs], lambda d_rows: []
    vectors = docs[0].vocab.vectors
    _require_width(model, vectors)
    keys = _keys(docs, vectors)
    places = _places(vectors, keys)
    if places is None:
        rows: Any = ops.asarray(vectors.get_batch(keys), dtype="float32")
        return [rows[cut] for cut in cuts], lambda d_rows: []
    known: Any = ops.asarray((places >= 0).astype("float32"))[:, None]
    index: Any = ops.asarray(numpy.maximum(places, 0))
    rows = ops.asarray(vectors.data, dtype="float32")[index]
    if not model.has_param("E"):
        rows = rows * known
        return [rows[cut] for cut in cuts], lambda d_rows: []
    rows = (rows + model.get_param("E")[index]) * known

    def backprop(d_rows: OutT) -> InT:
        d_table = ops.xp.zeros_like(model.get_param("E"))
        ops.scatter_add(d_table, index, ops.xp.concatenate(d_rows) * known)
        model.inc_grad("E", d_table)
        return []

    return [rows[cut] for cut in cuts], backprop


def _keys(docs: InT, vectors: Any) -> numpy.ndarray:
    attr = getattr(vectors, "attr", ORTH)
    return numpy.concatenate([doc.to_array([attr]).reshape(-1) for doc in docs])


def _places(vectors: Any, keys: numpy.ndarray) -> Optional[numpy.ndarray]:
    """The row of each word in the table, -1 for none; None if words have no row of their own."""
    if not isinstance(vectors, Vectors) or vectors.mode != Mode.default:
        return None
    return numpy.asarray(vectors.find(keys=keys), dtype="int64")


def _require_width(model: Model[InT, OutT], vectors: Any) -> None:
    """Stop if the vectors are not those that the model was made for."""
    width = int(vectors.shape[1])
    if width != model.get_dim("nO"):
        raise ValueError(
            f"The word vectors of the pipeline have a width of {width}, but the model was trained with "
            f"vectors of {model.get_dim('nO')}. Load it with its own."
        )


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    if not X:
        return
    vectors = require_vectors(X[0].vocab)
    model.set_dim("nO", int(vectors.shape[1]), force=True)
    if "E" in model.param_names:
        if not isinstance(vectors, Vectors) or vectors.mode != Mode.default:
            raise ValueError(
                "tune = true needs word vectors with a row a word; those of the pipeline are floret's, in "
                "which words share rows. Use tune = false, or vectors of the mode default."
            )
        model.set_param("E", model.ops.alloc2f(*vectors.shape))


def require_vectors(vocab: Vocab) -> Any:
    """RETURNS (Any): The word vectors of a pipeline, if it has some."""
    vectors = vocab.vectors
    if not len(vectors) or not vectors.shape[1]:
        raise ValueError(f"The pipeline has no word vectors. {WAY_OUT}")
    return vectors
