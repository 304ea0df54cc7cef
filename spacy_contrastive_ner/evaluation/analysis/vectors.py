"""The vectors that the encoder of a pipe has for tokens: as it is, after stage 1, before training."""

import random
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed, load_model_from_config, registry
from thinc.api import Config, Model

from ...convert.summary import shorten
from ...layers.token_rows import TokenRows
from ..gold import tokens_of
from .points import Point
from .study import Case

# What stage 1 writes: the best weights, or else the last.
WEIGHTS = ("model-best.bin", "model-last.bin")
# So many tokens are encoded at once, or one document.
BATCH = 2000
# By so many documents an encoder that is made anew finds out its sizes.
N_SAMPLE = 10

BEFORE, STAGE1, STAGE2 = "before", "stage1", "stage2"
TITLES = {BEFORE: "Before training", STAGE1: "After stage 1", STAGE2: "After stage 2"}


class NoEncoder(ValueError):
    """A pipe has no encoder whose vectors could be looked at."""


class Encoder(NamedTuple):
    """The encoder of a pipe.

    pipe (str): The pipe.
    upstream (Optional[str]): The pipe that holds the encoder if it is shared, None if it is the
        pipe's own.
    """

    pipe: str
    upstream: Optional[str]


class States(NamedTuple):
    """An encoder in several states.

    vectors (Dict[str, numpy.ndarray]): The vectors of the same points in each state: "before",
        "stage1", "stage2", in this order. [n, width]
    notes (List[str]): What could not be had and why, as sentences.
    """

    vectors: Dict[str, numpy.ndarray]
    notes: List[str]


def encoder_states(
    nlp: Language,
    pipe: str,
    cases: Sequence[Case],
    points: Sequence[Point],
    *,
    stage1: Optional[Path] = None,
    must_fit: bool = True,
    on_step: Optional[Callable[[str], Any]] = None,
) -> States:
    """Encode the documents of some points by the encoder as it was before training, after stage 1,
    and as it is. The pipeline stays as it is.

    nlp (Language): The pipeline.
    pipe (str): The pipe whose encoder it is about.
    cases (Sequence[Case]): The documents.
    points (Sequence[Point]): Entities and tokens of them. The vector of an entity is the mean of
        those of its tokens.
    stage1 (Optional[Path]): The weights of stage 1, or the folder that holds them.
    must_fit (bool): Whether it is an error if they are not those of this encoder. If not, it is noted.
    on_step (Optional[Callable[[str], Any]]): Told what is done next.
    RETURNS (States): The vectors.
    """
    tell = on_step or (lambda step: None)
    encoder = find_encoder(nlp, pipe)
    weights = weights_file(stage1) if stage1 is not None else None
    used = sorted({point.case for point in points})
    docs = make_docs(nlp, encoder, [cases[i] for i in used])
    at = {i: place for place, i in enumerate(used)}

    def vectors(of: Language) -> numpy.ndarray:
        return _gather(encode(of, encoder, docs), points, at)

    states = States({}, [])
    # Also transformers that are used, and not trained, draw from chance.
    with _seeded(_seed_of(nlp)):
        tell("vectors before training")
        fresh = None
        try:
            fresh = make_fresh(nlp, encoder)
            initialize(fresh, encoder, docs[:N_SAMPLE])
            states.vectors[BEFORE] = vectors(fresh)
        # Whatever the config names may be elsewhere by now, or need what is not installed.
        except Exception as error:
            states.notes.append(
                "The encoder as it was before training could not be made by the model's config: "
                f"{_reason(error)}."
            )
        if weights is not None:
            tell("vectors after stage 1")
            try:
                states.vectors[STAGE1] = _after_stage1(nlp, encoder, fresh, weights, vectors)
            except ValueError as error:
                if must_fit:
                    raise
                states.notes.append(str(error))
        tell("vectors after stage 2")
        states.vectors[STAGE2] = vectors(nlp)
    return states


def find_encoder(nlp: Language, pipe: str) -> Encoder:
    """Find the encoder of a pipe.

    nlp (Language): The pipeline.
    pipe (str): The pipe.
    RETURNS (Encoder): The encoder.
    """
    model = getattr(nlp.get_pipe(pipe), "model", None)
    if not isinstance(model, Model) or not model.has_ref("tok2vec"):
        raise NoEncoder(f"The pipe {pipe!r} has no encoder of tokens that could be looked at.")
    listeners = [node for node in model.get_ref("tok2vec").walk() if hasattr(node, "upstream_name")]
    if not listeners:
        return Encoder(pipe, None)
    # Of several that match the last one has the last word.
    for name, component in reversed(nlp.components):
        if any(each is node for each in getattr(component, "listeners", ()) for node in listeners):
            return Encoder(pipe, name)
    raise NoEncoder(
        f"The pipe {pipe!r} listens to {listeners[0].upstream_name!r}, which is not in the pipeline."
    )


def weights_file(path: Path) -> Path:
    """Find the weights that stage 1 wrote.

    path (Path): A file, or the folder that `contrastive pretrain` or `spacy pretrain` wrote to.
    RETURNS (Path): The file.
    """
    if path.is_file():
        return path
    if not path.exists():
        raise ValueError(f"There is no {path}. Name the folder that stage 1 wrote its weights to.")
    found = [path / name for name in WEIGHTS if (path / name).is_file()]
    if not found:
        raise ValueError(
            f"{path} holds neither {' nor '.join(WEIGHTS)}. Name the folder that stage 1 wrote its "
            "weights to, or a .bin file."
        )
    return found[0]


def make_docs(nlp: Language, encoder: Encoder, cases: Sequence[Case]) -> List[Doc]:
    """Make documents as they reach the encoder.

    nlp (Language): The pipeline.
    encoder (Encoder): The encoder.
    cases (Sequence[Case]): The documents.
    RETURNS (List[Doc]): The documents, with the tokens of the cases.
    """
    nlp.max_length = max([nlp.max_length, *(len(case.text) for case in cases)])
    docs = [nlp.make_doc(case.text) for case in cases]
    for name, component in nlp.pipeline:
        if name in encoder:
            break
        docs = [component(doc) for doc in docs]
    return [
        doc if tokens_of(doc) == case.tokens else _with_tokens(nlp, case)
        for doc, case in zip(docs, cases)
    ]


def _with_tokens(nlp: Language, case: Case) -> Doc:
    words = [case.text[start:end] for start, end in case.tokens]
    following = [start for start, _ in case.tokens[1:]] + [len(case.text)]
    spaces = [end < after for (_, end), after in zip(case.tokens, following)]
    return Doc(nlp.vocab, words=words, spaces=spaces)


def model_of(nlp: Language, encoder: Encoder) -> Model:
    """RETURNS (Model): The layer that encodes tokens."""
    component: Any = nlp.get_pipe(encoder.upstream or encoder.pipe)
    return component.model if encoder.upstream else component.model.get_ref("tok2vec")


def encode(nlp: Language, encoder: Encoder, docs: Sequence[Doc]) -> List[numpy.ndarray]:
    """RETURNS (List[numpy.ndarray]): The vectors of the tokens of each document. Those of the word
    pieces of a shared transformer are averaged. [n_tokens, width]"""
    model, to_rows = model_of(nlp, encoder), TokenRows()
    rows: List[numpy.ndarray] = []
    for batch in _batches(docs):
        found = model.ops.to_numpy(to_rows.predict(model.predict(batch)))
        sizes = [len(doc) for doc in batch]
        if found.ndim != 2 or len(found) != sum(sizes):
            raise NoEncoder(f"The encoder of {encoder.pipe!r} does not give a vector a token.")
        rows += numpy.split(found.astype("float32"), numpy.cumsum(sizes)[:-1])
    return rows


def _batches(docs: Sequence[Doc]) -> Iterator[List[Doc]]:
    batch: List[Doc] = []
    for doc in docs:
        if batch and sum(map(len, batch)) + len(doc) > BATCH:
            yield batch
            batch = []
        batch.append(doc)
    if batch:
        yield batch


def _gather(
    rows: Sequence[numpy.ndarray], points: Sequence[Point], at: Dict[int, int]
) -> numpy.ndarray:
    """The vector of each point."""
    width = rows[0].shape[1] if rows else 0
    found = numpy.zeros((len(points), width), dtype="float32")
    # What is not finite is told later.
    with numpy.errstate(all="ignore"):
        for i, point in enumerate(points):
            found[i] = rows[at[point.case]][point.first : point.last].mean(axis=0)
    return found


def make_fresh(nlp: Language, encoder: Encoder) -> Language:
    """Build a pipeline anew by the config of another one, with the pipes of an encoder only. Nothing
    is fetched from elsewhere to do so.

    nlp (Language): The pipeline.
    encoder (Encoder): The encoder.
    RETURNS (Language): The new one, with the vocabulary of the other, not initialized.
    """
    config = Config(nlp.config).interpolate()
    for name in ("before_creation", "after_creation", "after_pipeline_creation"):
        config["nlp"][name] = None
    config["nlp"]["disabled"] = []
    _keep_local(config["components"])
    others = [name for name in nlp.component_names if name not in encoder]
    return load_model_from_config(config, vocab=nlp.vocab, exclude=others, validate=False)


def _keep_local(block: Any) -> None:
    """See to it that transformers are looked for on this machine only."""
    if not isinstance(block, dict):
        return
    is_theirs = str(block.get("@architectures", "")).startswith("spacy-transformers.")
    if is_theirs and "tokenizer_config" in block:
        settings = block.get("tokenizer_config")
        block["tokenizer_config"] = {**(settings or {}), "local_files_only": True}
    for value in block.values():
        _keep_local(value)


def initialize(fresh: Language, encoder: Encoder, docs: Sequence[Doc]) -> None:
    """Give an encoder the weights with which its training begins: random ones, or those that the
    config names.

    fresh (Language): The pipeline, see `make_fresh`.
    encoder (Encoder): The encoder.
    docs (Sequence[Doc]): Some documents, by which it finds out its sizes.
    """
    name = encoder.upstream
    if name is None:
        model_of(fresh, encoder).initialize(X=list(docs))
        return
    blocks = Config(fresh.config).interpolate()["initialize"].get("components") or {}
    settings = registry.resolve({"it": blocks.get(name) or {}})["it"]
    examples = [Example(doc, doc) for doc in docs]
    upstream: Any = fresh.get_pipe(name)
    upstream.initialize(lambda: examples, nlp=fresh, **settings)


def _after_stage1(
    nlp: Language,
    encoder: Encoder,
    fresh: Optional[Language],
    weights: Path,
    vectors: Callable[[Language], numpy.ndarray],
) -> numpy.ndarray:
    """The vectors after stage 1."""
    names = Config(nlp.config).interpolate().get("pretraining") or {}
    where = f"[pretraining] component = {names.get('component')!r}, layer = {names.get('layer')!r}"
    if names.get("component") not in nlp.component_names:
        # The pipe may have got an encoder of its own since then.
        names = {}
    try:
        fresh = make_fresh(nlp, encoder) if fresh is None else fresh
        load_stage1(fresh, encoder, weights, names)
        return vectors(fresh)
    # A file of any kind may have been named.
    except Exception as error:
        raise ValueError(
            f"The weights of stage 1 in {weights} are none of the encoder of {encoder.pipe!r} "
            f"({where} in the config of the model): "
            f"{_reason(error)}. Name the folder of the stage 1 "
            "that this model began with."
        ) from error


def load_stage1(
    fresh: Language, encoder: Encoder, weights: Path, names: Optional[Dict[str, Any]] = None
) -> None:
    """Load the weights of stage 1 as `spacy train` does.

    fresh (Language): The pipeline, see `make_fresh`.
    encoder (Encoder): The encoder.
    weights (Path): The file.
    names (Optional[Dict[str, Any]]): The block [pretraining] of the config, which names component
        and layer they are of. If it does not, they are of the encoder.
    """
    own = model_of(fresh, encoder)
    component, layer = (names or {}).get("component"), (names or {}).get("layer")
    if component is None:
        model = own
    elif component not in fresh.component_names:
        raise ValueError(f"they are for {component!r}, which is no encoder of {encoder.pipe!r}")
    else:
        other: Any = fresh.get_pipe(component)
        model = other.model.get_ref(layer) if layer else other.model
    if not any(node is own for node in model.walk()):
        raise ValueError(
            f"they are for {component!r}, whose layer is no encoder of {encoder.pipe!r}"
        )
    model.from_bytes(weights.read_bytes())


def _reason(error: Exception) -> str:
    """What went wrong, in one line."""
    return shorten(str(error) or type(error).__name__, 300).rstrip(".")


def _seed_of(nlp: Language) -> int:
    seed = (Config(nlp.config).interpolate().get("training") or {}).get("seed")
    return int(seed) if isinstance(seed, int) else 0


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw from chance as training does at its beginning, and leave it as it was."""
    states: Tuple[Any, Any] = random.getstate(), numpy.random.get_state()
    fix_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        numpy.random.set_state(states[1])
