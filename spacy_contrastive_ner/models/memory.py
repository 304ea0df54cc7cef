"""The memory of a model: filled without training, asked beside what the model has learned or instead of it.

A model with a memory has a reference "memory" to a `Memory` layer. Once that is filled it gives the tags of
each row their probabilities, on the tracks of `model.attrs["layout"]`: those that a tagger's heads score,
or, for a model without heads, tracks that are the memory's alone.
"""

import hashlib
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy
from thinc.api import Model, NumpyOps
from thinc.types import Floats2d

from .. import tracks
from ..annotations import Gold
from ..layers.memory import (
    UNKNOWN,
    WEIGHT,
    check_settings,
    empty,
    is_filled,
)
from ..neighbours import (
    Abstract,
    as_chain,
    estimate,
    expand,
    mix,
)
from ..tracks import Layout, Transitions
from .listeners import has_listener

# The decoder that asks the memory alone.
NEAREST = "nearest"

# So many numbers of each table of an encoder tell it from another one.
SAMPLE = 16

HOW_TO_FILL = "Fill it with remember(examples) of the pipe, or `spacy contrastive remember`."

WITH_MEMORY = "MultiHeadTagger, SubwordTagger and BiEncoder"

# No tag is less probable to a memory than this, so that logarithms stay finite.
LEAST = 1e-10


def get_memory(model: Model) -> Optional[Model[Floats2d, Floats2d]]:
    """RETURNS (Optional[Model[Floats2d, Floats2d]]): The memory of a model, if it has one."""
    return model.get_ref("memory") if model.has_ref("memory") else None


def the_memory(model: Model) -> Model[Floats2d, Floats2d]:
    memory = get_memory(model)
    if memory is None:
        raise ValueError(f"The model has no memory. The architectures {WITH_MEMORY} have one.")
    return memory


def layout_of(model: Model) -> Layout:
    return Layout.from_dict(model.attrs["layout"])


def has_heads(model: Model) -> bool:
    """RETURNS (bool): Whether the tracks are scored by heads. If not, they are the memory's alone."""
    return model.has_ref("heads")


def forget_all(model: Model) -> None:
    """Empty the memory, if the model has one."""
    memory = get_memory(model)
    if memory is not None:
        memory.set_param("rows", None)
        memory.set_param("tags", None)
        memory.attrs.update(empty())


def of_labels(layout: Layout, tags: numpy.ndarray) -> numpy.ndarray:
    """Which labels each token is in an entity of. [n, labels], bool"""
    out = numpy.zeros((len(tags), len(layout.labels)), dtype="bool")
    for label, slots in enumerate(layout.slots()):
        for track, place in slots:
            first = 1 + 4 * place
            out[:, label] |= (tags[:, track] >= first) & (tags[:, track] < first + 4)
    return out


def resize_memory(model: Model, old: Layout, new: Layout) -> None:
    """Make room in a memory for more labels, of which nothing is known, and for more layers of those that
    are there: where a label is known, nothing lies on these.

    model (Model[List[Doc], Ragged]): The model.
    old (Layout): The tracks that the memory had so far.
    new (Layout): Those that it is to have.
    """
    memory = get_memory(model)
    if memory is None or not is_filled(memory):
        return
    tags = model.ops.to_numpy(memory.get_param("tags"))
    wider = numpy.full((len(tags), new.n_tracks), UNKNOWN, dtype="int16")
    places = new.slots()
    for label, slots in zip(old.labels, old.slots()):
        before = [track for track, _ in slots]
        now = [track for track, _ in places[new.labels.index(label)]]
        wider[:, now[: len(before)]] = tags[:, before]
        is_known = tags[:, before[:1]] != UNKNOWN
        wider[:, now[len(before) :]] = numpy.where(is_known, 0, UNKNOWN)
    memory.set_param("tags", model.ops.asarray(wider))
    # A copy, so that what was made of the old tags is made anew.
    memory.set_param("rows", memory.get_param("rows").copy())
    memory.attrs["n_tags"] = new.n_tags


def only_remembered(model: Model) -> List[str]:
    """RETURNS (List[str]): The labels that a model can know from its memory alone."""
    if has_heads(model):
        return list(the_memory(model).attrs["only"])
    there = layout_of(model).labels
    return [label for label in model.attrs["silent"] if label in there]


def not_learned(model: Model, labels: Sequence[str]) -> None:
    """Take note of labels that the heads have not learned so far."""
    memory = get_memory(model)
    if memory is not None:
        memory.attrs["only"] = [*memory.attrs["only"], *labels]


def learned(model: Model, gold: Sequence[Gold]) -> None:
    """Take note of labels that the heads learn from now on, too."""
    memory = get_memory(model)
    if memory is not None and memory.attrs["only"]:
        seen = {label for doc in gold for _, _, label in doc.spans}
        memory.attrs["only"] = [label for label in memory.attrs["only"] if label not in seen]


def fingerprint(model: Model) -> str:
    """Numbers out of all tables of the encoder, which every update changes.

    model (Model[List[Doc], Ragged]): The model.
    RETURNS (str): Their digest; "" for an encoder that is shared with other pipes, whose tables are theirs.
    """
    if has_listener(model.get_ref("tok2vec")):
        return ""
    digest = hashlib.blake2b(digest_size=16)
    for node in model.get_ref("tok2vec").walk():
        for name in sorted(node.param_names):
            if node.has_param(name):
                table = node.get_param(name).ravel()
                some = node.ops.to_numpy(table[:: max(1, len(table) // SAMPLE)])
                digest.update(numpy.ascontiguousarray(some).tobytes())
        for shim in node.shims:
            network: Any = getattr(shim, "_model", None)
            tables = network.state_dict() if hasattr(network, "state_dict") else {}
            for table in tables.values():
                some = table.detach().flatten()
                some = some[:: max(1, len(some) // SAMPLE)].double().cpu().numpy()
                digest.update(some.tobytes())
    return digest.hexdigest()


def require_own_rows(model: Model) -> None:
    """Stop if what is in the memory does not come from the encoder of the model as it is now. It cannot be told
    of one that is shared, or was when the memory was filled: it may have become the model's own since.
    """
    before, now = the_memory(model).attrs["encoder"], fingerprint(model)
    if before and now and before != now:
        raise ValueError(
            "The memory holds vectors of another encoder: its weights have changed since. Empty the "
            "memory with forget(), and fill it again with remember(examples)."
        )


def consult(
    model: Model,
    scores: numpy.ndarray,
    lengths: Sequence[int],
    transitions: Optional[Transitions],
    said: Optional[Floats2d],
    decoder: str,
    legal: Optional[numpy.ndarray] = None,
) -> Tuple[numpy.ndarray, Optional[Transitions], str]:
    """Have a memory its say. Both the heads, with all that is legal and their transitions, and the
    memory, with its own, give each tag its exact posterior; these are mixed, and decoded as the chain
    that has them.

    model (Model[List[Doc], Ragged]): The model.
    scores (numpy.ndarray): The scores of the heads. [N, K, 1 + 4M]
    lengths (Sequence[int]): The number of rows of each document.
    transitions (Optional[Transitions]): Their transitions.
    said (Optional[Floats2d]): What the memory says, see `Columns`.
    decoder (str): "viterbi", "posterior" or "nearest".
    legal (Optional[numpy.ndarray]): Which tags each row can have, by default all. [N, 1 + 4M]
    RETURNS (Tuple[numpy.ndarray, Optional[Transitions], str]): Scores, transitions and decoder, for
        `tracks.decode`.
    """
    if said is None:
        require_memory(decoder)
        return scores, transitions, decoder
    memory, layout = the_memory(model), layout_of(model)
    require_own_rows(model)
    weight = get_weight(memory)
    if decoder != NEAREST and not weight and not memory.attrs["only"]:
        return scores, transitions, decoder
    near, steps = as_scores(model, said, legal)
    if decoder == NEAREST:
        return near, steps, "viterbi"
    known, new = known_tracks(model), _only(layout, memory.attrs["only"])
    if not weight:
        known = known[new[known].any(axis=1)]
    if not len(known):
        return scores, transitions, decoder
    own, others = _split_transitions(transitions, known, layout.n_tracks)
    ops = NumpyOps()
    of_heads = tracks.posteriors(ops, scores[:, known], lengths, own)
    of_store = tracks.posteriors(ops, near[:, known], lengths, steps)
    # Tracks on which it has nothing to say stay as they are.
    mixture = scores.copy()
    mixture[:, known] = as_chain(mix(of_heads, of_store, weight, new[known]))
    if legal is not None:
        mixture = tracks.mask_scores(ops, mixture, legal)
    return mixture, others, decoder


def require_memory(decoder: str) -> None:
    """Stop if a decoder asks the memory alone, which says nothing."""
    if decoder == NEAREST:
        raise ValueError(f'The decoder "{NEAREST}" asks the memory, but it is empty. {HOW_TO_FILL}')


def as_scores(
    model: Model, said: Floats2d, legal: Optional[numpy.ndarray] = None
) -> Tuple[numpy.ndarray, Transitions]:
    """What a memory says, for `tracks` to decode.

    model (Model[List[Doc], Ragged]): The model.
    said (Floats2d): The probabilities of the tags. [N, K * (1 + 4M)]
    legal (Optional[numpy.ndarray]): Which tags each row can have, by default all. [N, 1 + 4M]
    RETURNS (Tuple[numpy.ndarray, Transitions]): Scores, [N, K, 1 + 4M], and the memory's transitions.
    """
    memory, layout = the_memory(model), layout_of(model)
    shape = (-1, layout.n_tracks, layout.n_tags)
    near: Any = numpy.log(model.ops.to_numpy(said).reshape(shape).clip(LEAST))
    if legal is not None:
        near = tracks.mask_scores(NumpyOps(), near, legal)
    power = memory.attrs["transition_power"]
    return near, expand(_transitions(memory), layout.labels_per_track, power)


def known_tracks(model: Model) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): The tracks of which anything is remembered."""
    tags = model.ops.to_numpy(the_memory(model).get_param("tags"))
    return numpy.flatnonzero((tags != UNKNOWN).any(axis=0))


def _split_transitions(
    transitions: Optional[Transitions], known: numpy.ndarray, n_tracks: int
) -> Tuple[Optional[Transitions], Optional[Transitions]]:
    """Those of the known tracks, and those of all tracks once these have none any more."""
    if transitions is None:
        return None, None
    each = [numpy.repeat(t, n_tracks, axis=0) if len(t) == 1 else t.copy() for t in transitions]
    own = Transitions(*(table[known] for table in each))
    for table in each:
        table[known] = 0
    return own, Transitions(*each) if len(known) < n_tracks else None


def get_weight(memory: Model[Floats2d, Floats2d]) -> float:
    """RETURNS (float): The weight of a memory."""
    weight = memory.attrs["weight"]
    return WEIGHT if weight is None else float(weight)


def _transitions(memory: Model[Floats2d, Floats2d]) -> Abstract:
    given = memory.attrs["transitions"]
    if given is not None:
        return Abstract(*given)
    return estimate(numpy.asarray(memory.attrs["counts"]))


def _only(layout: Layout, labels: Sequence[str]) -> numpy.ndarray:
    """Which tags belong to these labels. [K, 1 + 4M], bool"""
    out = numpy.zeros((layout.n_tracks, layout.n_tags), dtype="bool")
    for label, slots in zip(layout.labels, layout.slots()):
        for track, place in slots:
            out[track, 1 + 4 * place : 5 + 4 * place] = label in labels
    return out


def describe_memory(model: Model) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): How many tokens a memory holds, on the whole and of each label, how many
    bytes these take, and its settings."""
    memory, layout = the_memory(model), layout_of(model)
    counts: Dict[str, int] = dict.fromkeys(model.attrs["labels"](model), 0)
    n = size = 0
    if is_filled(memory):
        rows, tags = memory.get_param("rows"), memory.get_param("tags")
        n, size = len(rows), int(rows.nbytes + tags.nbytes)
        sums = of_labels(layout, model.ops.to_numpy(tags)).sum(axis=0)
        counts.update(zip(layout.labels, sums.tolist()))
    names = ("k", "temperature", "distance", "search", "max_tokens")
    return {
        "tokens": n,
        "labels": counts,
        "only": only_remembered(model),
        "bytes": size,
        "weight": get_weight(memory),
        **{name: memory.attrs[name] for name in names},
    }


def set_memory(model: Model, **settings: Any) -> None:
    """Change k, weight or temperature of a memory; None changes nothing."""
    memory = the_memory(model)
    check_settings(**settings)
    memory.attrs.update({name: value for name, value in settings.items() if value is not None})


def check_memory(model: Model, layout: Layout) -> Optional[str]:
    """RETURNS (Optional[str]): Why the arrays of a loaded memory do not fit its labels, or None."""
    memory = get_memory(model)
    if memory is None or not is_filled(memory):
        return None
    rows, tags = memory.get_param("rows"), memory.get_param("tags")
    if len(rows) != len(tags) or tags.shape[1] != layout.n_tracks:
        return (
            f"its memory holds {len(rows)} vectors and the tags of {len(tags)} tokens on "
            f"{tags.shape[1]} tracks, but there are {layout.n_tracks} tracks"
        )
    return None
