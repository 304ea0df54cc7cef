"""All that a run of pretraining needs to go on as if it had never stopped, in one file."""

import random
import sys
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Set, Tuple

import numpy
import srsly
from thinc.api import Model, Ops, Optimizer, get_torch_default_device
from thinc.shims.pytorch import default_deserialize_torch_model, default_serialize_torch_model

from ..files import write_atomically
from .model import PretrainModel

VERSION = 2
NAME = "checkpoint.bin"
MOMENTS = ("mom1", "mom2", "averages")
COUNTS = ("nr_update", "last_seen")
KEYS = ("progress", "parameters", "moments", "terms", "n_updates", "random")

# Settings that may change between the first part of a run and the next.
FREE = ("pretraining.max_epochs", "pretraining.n_save_every", "pretraining.n_save_epoch")


# What pretraining uses of [initialize].
INITIALIZE = ("vectors", "vocab_data", "lookups", "tokenizer")


def save_checkpoint(
    folder: Path, model: PretrainModel, optimizer: Optimizer, progress: Dict[str, Any]
) -> None:
    """Write the state of a run.

    folder (Path): The output folder.
    model (PretrainModel): The model, between two updates.
    optimizer (Optimizer): The optimizer.
    progress (Dict[str, Any]): What the driver knows: epochs, words, best results, the config.
    """
    arrays = {key: get() for key, get, _ in _parameters(model)}
    names = _optimizer_names(model)
    moments: Dict[str, Dict[str, Any]] = {}
    for kind in (*MOMENTS, *COUNTS):
        known = getattr(optimizer, kind) or {}
        moments[kind] = {
            names[key]: value if kind in COUNTS else model.ops.to_numpy(value)
            for key, value in known.items()
            if key in names
        }
    state = {
        "progress": progress,
        "parameters": arrays,
        "moments": moments,
        "terms": [term.get_state() for term in model.terms],
        "n_updates": model.n_updates,
        "random": get_random_state(),
    }
    data = srsly.msgpack_dumps(state)
    whole = {"version": VERSION, "digest": _digest(data), "state": data}
    write_atomically(folder / NAME, srsly.msgpack_dumps(whole))


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


def load_checkpoint(folder: Path) -> Dict[str, Any]:
    """Read the state of a run.

    folder (Path): The output folder.
    RETURNS (Dict[str, Any]): The state.
    """
    path = folder / NAME
    if not path.exists():
        raise ValueError(
            f"There is nothing to resume in {folder}: it has no {NAME}. Start without --resume."
        )
    data = path.read_bytes()
    try:
        whole = srsly.msgpack_loads(data)
        version = whole["version"]
    except Exception as error:
        raise _damaged(path, str(error) or "it is empty") from error
    if version != VERSION:
        raise ValueError(
            f"{path} was written by another version of this package (format {version}, not "
            f"{VERSION}). Start again in another folder."
        )
    if not isinstance(whole.get("state"), bytes):
        raise _damaged(path, "it holds no state of a run")
    if _digest(whole["state"]) != whole.get("digest"):
        raise _damaged(path, "some of its bytes are not those that were written")
    state = srsly.msgpack_loads(whole["state"])
    lacking = [key for key in KEYS if key not in state]
    if lacking:
        raise _damaged(path, f"it lacks {', '.join(lacking)}")
    return state


def _damaged(path: Path, problem: str) -> ValueError:
    return ValueError(
        f"{path} is damaged and cannot be resumed from ({problem.rstrip('.')}). The weights beside "
        "it may still be of use; start again in another folder."
    )


def check_same_config(state: Dict[str, Any], config: Dict[str, Any], folder: Path) -> None:
    """Stop if a run is to go on with other settings.

    state (Dict[str, Any]): The state of the run.
    config (Dict[str, Any]): The settings now.
    folder (Path): The output folder.
    """
    before, now = dict(_flat(state["progress"]["config"])), dict(_flat(config))
    changed = [
        f"{name} was {before.get(name)!r} and is {now.get(name)!r}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name) and name not in FREE
    ]
    if changed:
        raise ValueError(
            f"The run in {folder} had another config: {'; '.join(changed[:5])}"
            + (f"; and {len(changed) - 5} more" if len(changed) > 5 else "")
            + f". Resume with {folder / 'config.cfg'}, or start anew in another folder."
        )


def relevant_config(config: Dict[str, Any]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The settings that must not change when a run goes on."""
    some = {name: config.get(name) for name in ("nlp", "components", "corpora", "pretraining")}
    some["training"] = {"seed": config.get("training", {}).get("seed")}
    some["initialize"] = {name: config.get("initialize", {}).get(name) for name in INITIALIZE}
    return _plain(some)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _flat(value: Any, prefix: str = "") -> Iterator[Tuple[str, Any]]:
    """The settings by their full names."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value


def clean_up(folder: Path) -> None:
    """Remove the files that were being written when a run was killed.

    folder (Path): The output folder.
    """
    for path in folder.glob(".*.part"):
        # A folder may be that of an export, of this run or of another.
        if path.is_file():
            path.unlink(missing_ok=True)


class CountedSchedule:
    """A schedule, such as that of the sizes of batches, that knows how far it is.

    schedule (Iterator[Any]): The schedule.
    """

    def __init__(self, schedule: Iterator[Any]) -> None:
        self.schedule = schedule
        self.n = 0

    def __iter__(self) -> "CountedSchedule":
        return self

    def __next__(self) -> Any:
        value = next(self.schedule)
        self.n += 1
        return value

    def advance(self, n: int) -> None:
        """Go on until so many values were given."""
        while self.n < n:
            next(self)


def count_schedules(batcher: Any) -> List[CountedSchedule]:
    """Put counters on the schedules of a batcher, which go on from epoch to epoch.

    batcher (Any): The batcher: one of spaCy's, or an object with settings.
    RETURNS (List[CountedSchedule]): The schedules.
    """
    is_partial = isinstance(batcher, partial)
    settings = batcher.keywords if is_partial else getattr(batcher, "__dict__", {})
    found: List[CountedSchedule] = []
    for name, value in list(settings.items()):
        if hasattr(value, "__next__"):
            found.append(CountedSchedule(value))
            settings[name] = found[-1]
    return found


def is_finite(model: Model) -> bool:
    """RETURNS (bool): Whether all parameters are finite."""
    for _, node in _nodes(model):
        for name in node.param_names:
            if node.has_param(name) and not node.ops.xp.isfinite(node.get_param(name)).all():
                return False
        for shim in node.shims:
            for _, value in _torch_parameters(shim):
                if not value.isfinite().all():
                    return False
    return True


def restore(
    state: Dict[str, Any], model: PretrainModel, optimizer: Optimizer, folder: Path
) -> None:
    """Bring a fresh model and optimizer to the state of a run.

    state (Dict[str, Any]): The state.
    model (PretrainModel): The model, initialised.
    optimizer (Optimizer): The optimizer, unused.
    folder (Path): Where the state comes from, for the error.
    """
    try:
        _restore(state, model, optimizer)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{folder / NAME} does not fit the model of this config ({error}): it is damaged, or "
            "was written by other versions of spaCy or Thinc. Start again in another folder."
        ) from error


def _restore(state: Dict[str, Any], model: PretrainModel, optimizer: Optimizer) -> None:
    for term, known in zip(model.terms, state["terms"]):
        term.set_state(known, model.width)
    for key, get, put in _parameters(model):
        value, fresh = state["parameters"][key], get()
        if getattr(value, "shape", None) != getattr(fresh, "shape", None):
            raise ValueError(f"{key} has another shape")
        put(value)
    names = {name: key for key, name in _optimizer_names(model).items()}
    for kind in (*MOMENTS, *COUNTS):
        target = getattr(optimizer, kind)
        for name, value in state["moments"][kind].items():
            if target is not None and name in names:
                target[names[name]] = value if kind in COUNTS else _owned(model.ops, value)
    _prepare_gradients(model, set(state["moments"]["nr_update"]))
    for _ in range(state["n_updates"]):
        optimizer.step_schedules()
    model.n_updates = state["n_updates"]


def _prepare_gradients(model: Model, updated: Set[str]) -> None:
    """Give parameters that were updated before a gradient of zero. Without one they would stay as
    they are until they get some, but in a run that was never interrupted they go on by momentum.
    """
    for path, node in _nodes(model):
        for name in node.param_names:
            if f"{path}:{name}" in updated:
                node.set_grad(name, node.ops.xp.zeros_like(node.get_param(name)))
        for place, shim in enumerate(node.shims):
            for name, value in _torch_parameters(shim):
                if f"{path}!{place}:{name}" in updated:
                    value.grad = value.detach().clone().zero_()


def _nodes(model: Model, path: str = "") -> Iterator[Tuple[str, Model]]:
    """All nodes by their place in the tree, which is the same in each run."""
    yield path, model
    for place, layer in enumerate(model.layers):
        yield from _nodes(layer, f"{path}/{place}")


def _parameters(
    model: Model,
) -> Iterator[Tuple[str, Callable[[], Any], Callable[[Any], None]]]:
    """The parameters, each with its name, and with what reads and what sets it."""
    for path, node in _nodes(model):
        for name in node.param_names:
            if node.has_param(name):
                yield f"{path}:{name}", _getter(node, name), _setter(node, name)
        for place, shim in enumerate(node.shims):
            yield f"{path}!{place}", partial(_shim_to_bytes, shim), partial(_load_shim, shim)


def _getter(node: Model, name: str) -> Callable[[], Any]:
    return lambda: node.ops.to_numpy(node.get_param(name))


def _setter(node: Model, name: str) -> Callable[[Any], None]:
    return lambda value: node.set_param(name, _owned(node.ops, value))


def _owned(ops: Ops, value: numpy.ndarray) -> Any:
    """An array that can be written to: those of a file cannot."""
    return ops.asarray(numpy.array(value))


def _shim_to_bytes(shim: Any) -> bytes:
    if not _is_torch(shim):
        return shim.to_bytes()
    return default_serialize_torch_model(shim._model)


def _load_shim(shim: Any, value: bytes) -> None:
    """The weights alone, of a PyTorch model: the shim of a transformer would replace model and
    tokenizer by others, whose settings are not all the same."""
    if not _is_torch(shim):
        shim.from_bytes(value)
    else:
        default_deserialize_torch_model(shim._model, value, get_torch_default_device())


def _optimizer_names(model: Model) -> Dict[Tuple[int, str], str]:
    """What the optimizer calls each parameter, and its name here."""
    names: Dict[Tuple[int, str], str] = {}
    for path, node in _nodes(model):
        for name in node.param_names:
            names[node.id, name] = f"{path}:{name}"
        for place, shim in enumerate(node.shims):
            for name, _ in _torch_parameters(shim):
                names[shim.id, name] = f"{path}!{place}:{name}"
    return names


def _is_torch(shim: Any) -> bool:
    return hasattr(getattr(shim, "_model", None), "named_parameters")


def _torch_parameters(shim: Any) -> Iterator[Tuple[str, Any]]:
    """The parameters of a PyTorch model."""
    if _is_torch(shim):
        yield from shim._model.named_parameters()


def get_random_state() -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The state of all sources of chance that are in use."""
    kind, keys, position, has_gauss, gauss = numpy.random.get_state()
    version, internal, gauss_next = random.getstate()
    state: Dict[str, Any] = {
        "numpy": [kind, numpy.asarray(keys), int(position), int(has_gauss), float(gauss)],
        "python": [version, list(internal), gauss_next],
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        state["torch"] = torch.get_rng_state().numpy()
    return state


def set_random_state(state: Optional[Dict[str, Any]]) -> None:
    """Set sources of chance to an earlier state.

    state (Optional[Dict[str, Any]]): The state; nothing changes if it is None.
    """
    state = state or {}
    if "numpy" in state:
        kind, keys, position, has_gauss, gauss = state["numpy"]
        numpy.random.set_state((kind, numpy.asarray(keys), position, has_gauss, gauss))
    if "python" in state:
        version, internal, gauss_next = state["python"]
        random.setstate((version, tuple(internal), gauss_next))
    torch = sys.modules.get("torch")
    if "torch" in state and torch is not None:
        torch.set_rng_state(torch.from_numpy(numpy.array(state["torch"])))


@contextmanager
def same_chance() -> Iterator[None]:
    """Let what is drawn inside be the same each time, and what is drawn afterwards be as if nothing
    had been."""
    state = get_random_state()
    random.seed(0)
    numpy.random.seed(0)
    try:
        yield
    finally:
        set_random_state(state)
