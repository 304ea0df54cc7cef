"""The memory of a tagger: filled without training, asked beside the heads or instead of them.

A tagger with a memory has a reference "memory" to a `Memory` layer, which puts the probabilities that
stored tokens give to each tag beside the scores of the heads once it is filled.
"""

import hashlib
from typing import Any, Dict, Optional, Sequence, Tuple

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


def get_memory(model: Model) -> Optional[Model[Floats2d, Floats2d]]:
    """RETURNS (Optional[Model[Floats2d, Floats2d]]): The memory of a model, if it has one."""
    return model.get_ref("memory") if model.has_ref("memory") else None


def the_memory(model: Model) -> Model[Floats2d, Floats2d]:
    memory = get_memory(model)
    if memory is None:
        raise ValueError("The model has no memory. Use the architecture MultiHeadTagger.")
    return memory


def layout_of(model: Model) -> Layout:
    return Layout.from_dict(model.attrs["layout"])


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


def resize_memory(model: Model, layout: Layout) -> None:
    """Make room in a memory for labels that were added: nothing is known of them."""
    memory = get_memory(model)
    if memory is None or not is_filled(memory):
        return
    tags = model.ops.to_numpy(memory.get_param("tags"))
    wider = numpy.full((len(tags), layout.n_tracks), UNKNOWN, dtype="int16")
    wider[:, : tags.shape[1]] = tags
    memory.set_param("tags", model.ops.asarray(wider))
    # A copy, so that what was made of the old tags is made anew.
    memory.set_param("rows", memory.get_param("rows").copy())
    memory.attrs["n_tags"] = layout.n_tags


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
) -> Tuple[numpy.ndarray, Optional[Transitions], str]:
    """Have a memory its say. Both the heads, with all that is legal and their transitions, and the
    memory, with its own, give each tag its exact posterior; these are mixed, and decoded as the chain
    that has them.

    model (Model[List[Doc], Ragged]): The model.
    scores (numpy.ndarray): The scores of the heads. [N, K, 1 + 4M]
    lengths (Sequence[int]): The number of tokens of each document.
    transitions (Optional[Transitions]): Their transitions.
    said (Optional[Floats2d]): What the memory says, see `Columns`.
    decoder (str): "viterbi", "posterior" or "nearest".
    RETURNS (Tuple[numpy.ndarray, Optional[Transitions], str]): Scores, transitions and decoder, for
        `tracks.decode`.
    """
    if said is None:
        if decoder == NEAREST:
            raise ValueError(
                f'The decoder "{NEAREST}" asks the memory, but it is empty. {HOW_TO_FILL}'
            )
        return scores, transitions, decoder
    memory, layout = the_memory(model), layout_of(model)
    require_own_rows(model)
    weight = get_weight(memory)
    if decoder != NEAREST and not weight and not memory.attrs["only"]:
        return scores, transitions, decoder
    near: Any = numpy.log(model.ops.to_numpy(said).reshape(scores.shape).clip(1e-10))
    steps = expand(_transitions(memory), layout.labels_per_track, memory.attrs["transition_power"])
    if decoder == NEAREST:
        return near, steps, "viterbi"
    tags = model.ops.to_numpy(memory.get_param("tags"))
    known = numpy.flatnonzero((tags != UNKNOWN).any(axis=0))
    new = _only(layout, memory.attrs["only"])
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
    return mixture, others, decoder


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
    counts: Dict[str, int] = dict.fromkeys(layout.labels, 0)
    n = size = 0
    if is_filled(memory):
        rows, tags = memory.get_param("rows"), memory.get_param("tags")
        n, size = len(rows), int(rows.nbytes + tags.nbytes)
        sums = of_labels(layout, model.ops.to_numpy(tags)).sum(axis=0)
        counts = dict(zip(layout.labels, sums.tolist()))
    names = ("k", "temperature", "distance", "search", "max_tokens")
    return {
        "tokens": n,
        "labels": counts,
        "only": list(memory.attrs["only"]),
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
