"""Where the vectors of labels come from if they are not learned one by one: from what is written of
a label, or from mentions of it in text. Either way from stretches of tokens, that are encoded anew in
each update; afterwards the vectors stay with the model, until the encoder changes."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model
from thinc.types import ArrayXd, Floats2d, Floats3d, Ragged

from ..annotations import Gold
from ..layers.type_space import get_space
from ..spans import Margins, Space
from ..spans.margins import Views
from ..spans.space import backprop_unit_vectors, unit_vectors

LEARNED, DESCRIPTIONS, PROTOTYPES = TYPES = ("learned", "descriptions", "prototypes")

# Tokens of context on each side of a mention.
CONTEXT = 12


class Source(NamedTuple):
    """A stretch of tokens that says what a label is: a description, or a mention within a text.

    words (List[str]): The tokens.
    spaces (List[bool]): Whether a space follows each.
    start, end (int): The stretch.
    """

    words: List[str]
    spaces: List[bool]
    start: int
    end: int

    @classmethod
    def of(cls, doc: Doc, start: int = 0, end: Optional[int] = None) -> "Source":
        """RETURNS (Source): A stretch of a document, with some context."""
        end = len(doc) if end is None else end
        a, b = max(0, start - CONTEXT), min(len(doc), end + CONTEXT)
        tokens = doc[a:b]
        spaces = [bool(token.whitespace_) for token in tokens]
        return cls([token.text for token in tokens], spaces, start - a, end - a)


def vectors_of(model: Model) -> Optional[Space]:
    return get_space(model.get_ref("space").layers[0])


def the_space(model: Model) -> Space:
    space = vectors_of(model)
    if space is None:
        raise ValueError("The model has no labels yet: initialize the component first.")
    return space


def margins_of(model: Model, rows: Ragged, is_train: bool = False) -> Margins:
    """The margins of a batch. To training, the offset that came with the examples of a label is a part
    of its threshold, so that it goes on from what is predicted. Those of the settings are not.

    model (Model): The bi-encoder.
    rows (Ragged): The rows of the batch.
    is_train (bool): Whether the margins are for training.
    RETURNS (Margins): The margins.
    """
    names, offsets, lift = model.attrs["names"], model.attrs["offsets"], None
    if is_train and model.attrs["taught"]:
        taught = {label: offsets.get(label, 0.0) for label in model.attrs["taught"]}
        lift = numpy.asarray([taught.get(label, 0.0) for label in names])
    n_tokens = model.ops.to_numpy(rows.lengths) - 1
    return Margins(model.ops, rows.dataXd, n_tokens.tolist(), the_space(model), lift)


def forget_offset(model: Model, label: str) -> None:
    """Forget the offset that came with the examples of a label, if one did."""
    if label in model.attrs["taught"]:
        offsets = {name: x for name, x in model.attrs["offsets"].items() if name != label}
        taught = [name for name in model.attrs["taught"] if name != label]
        model.attrs.update(offsets=offsets, taught=taught)


def choose_mentions(
    names: Sequence[str], docs: Sequence[Doc], gold: Sequence[Gold], n_widths: int, n: int
) -> Dict[str, List[Sequence[Any]]]:
    """Choose mentions of each label, spread over the documents.

    names (Sequence[str]): The labels.
    docs (Sequence[Doc]): The documents.
    gold (Sequence[Gold]): Their annotation.
    n_widths (int): The largest number of tokens of a mention.
    n (int): How many to choose, if there are so many.
    RETURNS (Dict[str, List[Sequence[Any]]]): The sources of each label that has any.
    """
    found: Dict[str, List[Tuple[int, int, int]]] = {}
    for i, doc in enumerate(gold):
        for start, end, label in doc.spans:
            if 0 < end - start <= n_widths:
                found.setdefault(label, []).append((i, start, end))
    sources: Dict[str, List[Sequence[Any]]] = {}
    for label in names:
        some = found.get(label, [])
        # At even distances, so that not all come from one document.
        places = numpy.unique(numpy.linspace(0, len(some) - 1, n).round().astype(int))
        chosen = [some[place] for place in places.tolist()] if some else []
        if chosen:
            sources[label] = [list(Source.of(docs[i], start, end)) for i, start, end in chosen]
    return sources


def current(model: Model, vocab: Vocab) -> None:
    """Bring the vectors of labels up to date, if the encoder of their sources has changed since they
    were made.

    model (Model): The bi-encoder.
    vocab (Vocab): The vocabulary of the pipeline.
    """
    names = with_sources(model)
    if names and fingerprint(model) != model.attrs["made_by"]:
        keep_types(model, names, encode_types(model, vocab, names, False)[0])
        model.attrs["made_by"] = fingerprint(model)


def with_sources(model: Model) -> List[str]:
    """RETURNS (List[str]): The labels whose vectors are made from sources."""
    return [label for label in model.attrs["names"] if label in model.attrs["sources"]]


def keep_types(model: Model, names: Sequence[str], types: Floats3d) -> None:
    """Put vectors of labels among the parameters.

    model (Model): The bi-encoder.
    names (Sequence[str]): The labels.
    types (Floats3d): Their vectors. [K, 3, D]
    """
    layer = model.get_ref("space").layers[0]
    table = layer.get_param("types").copy()
    table[places_of(model, names)] = types
    layer.set_param("types", table)


def places_of(model: Model, names: Sequence[str]) -> ArrayXd:
    """RETURNS (ArrayXd): The places of labels among the vectors."""
    places = [model.attrs["names"].index(label) for label in names]
    return model.ops.asarray(numpy.asarray(places, dtype="int64"))


# The sources of each label, as plain lists, so that they are saved with the model.
Sources = Dict[str, List[Sequence[Any]]]
Backprop = Callable[[Floats3d], None]


def encode_types(
    model: Model, vocab: Vocab, names: Sequence[str], is_train: bool
) -> Tuple[Floats3d, Backprop]:
    """Make the vectors of labels from their sources.

    model (Model): The bi-encoder.
    vocab (Vocab): The vocabulary of the pipeline.
    names (Sequence[str]): Labels that have sources.
    is_train (bool): Whether this is an update.
    RETURNS (Tuple[Floats3d, Backprop]): The vectors [K, 3, D], and what takes their gradient.
    """
    sources = [[Source(*item) for item in model.attrs["sources"][label]] for label in names]
    flat = [source for some in sources for source in some]
    docs = [Doc(vocab, words=source.words, spaces=source.spaces) for source in flat]
    # Of the source at each place, which label it speaks for, and how much.
    owner = numpy.repeat(numpy.arange(len(names)), [len(some) for some in sources])
    counts = numpy.asarray([len(some) for some in sources], dtype="float32")
    share = model.ops.asarray((1.0 / counts[owner]).astype("float32"))[:, None, None]
    if model.attrs["types"] == DESCRIPTIONS:
        each, backprop_each = _of_descriptions(model, docs, is_train)
    else:
        places = [(source.start, source.end) for source in flat]
        each, backprop_each = encode_mentions(model, docs, places, is_train)
    at = model.ops.asarray(owner)
    types = model.ops.xp.zeros((len(names), *each.shape[1:]), dtype=each.dtype)
    model.ops.scatter_add(types, at, each * share)

    def backprop(d_types: Floats3d) -> None:
        backprop_each(d_types[at] * share)

    return types, backprop


def _of_descriptions(model: Model, docs: List[Doc], is_train: bool) -> Tuple[Floats3d, Backprop]:
    """Vectors of whole descriptions. [n, 3, D]"""
    flat, backprop_flat = model.get_ref("describer")(docs, is_train)

    def backprop(d_each: Floats3d) -> None:
        backprop_flat(d_each.reshape(flat.shape))

    return flat.reshape((len(docs), 3, -1)), backprop


def encode_mentions(
    model: Model, docs: List[Doc], places: Sequence[Tuple[int, int]], is_train: bool
) -> Tuple[Floats3d, Backprop]:
    """Make the directions of mentions: of their first token as a start, of their last as an end, and
    of the span.

    model (Model): The bi-encoder.
    docs (List[Doc]): A document for each mention, or one for all of them.
    places (Sequence[Tuple[int, int]]): Its first token, and the one after its last.
    is_train (bool): Whether this is an update.
    RETURNS (Tuple[Floats3d, Backprop]): The directions [n, 3, D], and what takes their gradient.
    """
    ops = model.ops
    rows, backprop_rows = model.get_ref("text")(docs, is_train)
    layer = model.get_ref("space").layers[0]
    c = layer.get_param("widths")
    data = rows.dataXd
    views = Views.of(data, c.shape[1])
    sizes = ops.to_numpy(rows.lengths)
    before = numpy.cumsum(sizes) - sizes + 1  # broadcast, if there is one document only
    start = ops.asarray(before + numpy.asarray([start for start, _ in places]))
    last = ops.asarray(before + numpy.asarray([end - 1 for _, end in places]))
    width = last - start
    each = ops.xp.stack(
        (views.start[start], views.end[last], views.first[start] + views.last[last] + c[width]),
        axis=1,
    )
    units, inverse = unit_vectors(ops, each)

    def backprop(d_units: Floats3d) -> None:
        d_each = backprop_unit_vectors(units, inverse, d_units)
        d_data = ops.xp.zeros_like(data)
        d_views = Views.of(d_data, c.shape[1])
        for view, at, place in (
            (d_views.start, start, 0),
            (d_views.end, last, 1),
            (d_views.first, start, 2),
            (d_views.last, last, 2),
        ):
            _add_rows(ops, view, at, d_each[:, place])
        d_c = ops.xp.zeros_like(c)
        _add_rows(ops, d_c, width, d_each[:, 2])
        layer.inc_grad("widths", d_c)
        backprop_rows(Ragged(d_data, rows.lengths))

    return units, backprop


def _add_rows(ops: Any, table: Floats2d, at: ArrayXd, more: Floats2d) -> None:
    """Add rows to a table that may be a part of another one, some of them more than once."""
    own = ops.xp.zeros(table.shape, dtype=table.dtype)
    ops.scatter_add(own, at, ops.xp.ascontiguousarray(more))
    table += own


def fingerprint(model: Model) -> List[float]:
    """Some numbers that change whenever an update changes the encoder of the sources, or something
    else puts other vectors in the place of those that were made from them, as averages of weights do.

    model (Model): The bi-encoder.
    RETURNS (List[float]): The numbers.
    """
    used = model.get_ref("describer" if model.attrs["types"] == DESCRIPTIONS else "text")
    tables = [
        node.get_param(name)
        for node in used.walk()
        for name in node.param_names
        if node.has_param(name) and node.name != "type_space"
    ]
    # A few numbers of the first tables and the last ones tell.
    some = [table.ravel()[:3] for table in (*tables[:2], *tables[-3:])]
    made = the_space(model).types[places_of(model, with_sources(model))]
    joined = model.ops.to_numpy(model.ops.xp.concatenate([*some, made[:, :, 0].ravel()]))
    return [float(number) for number in joined]
