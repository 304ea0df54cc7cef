"""The pipe that is scored: which one, what it writes, how fast it is."""

from contextlib import suppress
from time import perf_counter
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.tokens import Doc

from .evaluate import Evaluation, Settings
from .gold import Gold, Source, add_pair, bare_docs, tokens_of

FACTORY = "contrastive_ner"
MISSING_KEY = "missing"


class Pipe(NamedTuple):
    """A pipe that recognises entities.

    name (str): Its name.
    factory (str): Its factory.
    key (Optional[str]): The key of its entities in `doc.spans`; None if it writes `doc.ents`.
    labels (Optional[List[str]]): Its labels, if it tells them.
    missing_key (Optional[str]): Where it looks for stretches whose annotation is unknown.
    """

    name: str
    factory: str
    key: Optional[str]
    labels: Optional[List[str]]
    missing_key: Optional[str]


class Speed(NamedTuple):
    """How long prediction took.

    words (int): Tokens, apart from white space.
    seconds (float): The time of the whole pipeline with its tokenizer.
    other_tokens (int): In how many documents the tokens were others than those of the gold.
    """

    words: int
    seconds: float
    other_tokens: int

    def as_dict(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The speed, as it can be written as JSON."""
        rate = self.words / self.seconds if self.seconds else None
        return {"words": self.words, "seconds": self.seconds, "words_per_second": rate}


def find_pipes(nlp: Language) -> List[Pipe]:
    """RETURNS (List[Pipe]): The pipes that write entities, in the order of the pipeline."""
    found: List[Pipe] = []
    for name, component in nlp.pipeline:
        meta = nlp.get_pipe_meta(name)
        cfg = getattr(component, "cfg", None)
        cfg = cfg if isinstance(cfg, dict) else {}
        key = getattr(component, "key", None) or cfg.get("spans_key")
        if key is None and "doc.ents" not in meta.assigns:
            continue
        labels = getattr(component, "labels", None)
        names = [label for label in labels if isinstance(label, str)] if labels else None
        # What finds spans without labels says so by an empty one.
        found.append(Pipe(name, meta.factory, key, names or None, cfg.get("missing_key")))
    return found


def choose_pipe(nlp: Language, name: Optional[str] = None, use_ents: bool = False) -> Pipe:
    """Choose what is scored: the pipe of this package, or else one that writes span groups, or else
    the last one that writes `doc.ents`.

    nlp (Language): The pipeline.
    name (Optional[str]): The name of the pipe, if it is given.
    use_ents (bool): Whether the flat view is wanted.
    RETURNS (Pipe): The pipe.
    """
    pipes = find_pipes(nlp)
    there = ", ".join(nlp.pipe_names) or "none"
    if name is not None:
        pipes = [pipe for pipe in pipes if pipe.name == name]
        if not pipes:
            what = "writes no entities" if name in nlp.pipe_names else "is not there"
            raise ValueError(
                f"The model has no pipe {name!r} to score: it {what}. Name another one with --pipe; "
                f"its pipes are: {there}."
            )
        return pipes[0]
    if not pipes:
        raise ValueError(
            "The model has no pipe that writes entities to doc.spans or doc.ents. Its pipes are: "
            f"{there}. Add one, such as {FACTORY}, and train it."
        )
    ours = [pipe for pipe in pipes if pipe.factory == FACTORY]
    grouped = [pipe for pipe in pipes if pipe.key is not None]
    candidates = ours or grouped or pipes[-1:]
    if use_ents:
        candidates = [pipe for pipe in pipes if pipe.key is None][-1:] or candidates
    if len({pipe.key for pipe in candidates}) > 1:
        names = ", ".join(f"{pipe.name} ({pipe.key!r})" for pipe in candidates)
        raise ValueError(
            f"The model has several pipes that write spans: {names}. Choose one with --pipe."
        )
    return candidates[-1]


def source_of(
    pipe: Pipe, spans_key: Optional[str], missing_key: Optional[str], use_ents: bool
) -> Source:
    """Settle where gold and predictions stand.

    pipe (Pipe): The pipe that is scored.
    spans_key (Optional[str]): The key of the gold, if it is not that of the pipe.
    missing_key (Optional[str]): The key of the stretches whose annotation is unknown, likewise.
    use_ents (bool): Whether `doc.ents` is scored on both sides.
    RETURNS (Source): The places.
    """
    missing = missing_key or pipe.missing_key or MISSING_KEY
    if use_ents:
        return Source(None, None, missing)
    return Source(spans_key or pipe.key, pipe.key, missing)


def predict(
    nlp: Language,
    golds: Sequence[Gold],
    source: Source,
    settings: Settings,
    *,
    batch_size: Optional[int] = None,
    n_process: int = 1,
    use_tokens: bool = False,
    on_doc: Optional[Callable[[], Any]] = None,
    on_pair: Optional[Callable[[Gold, Doc], Any]] = None,
) -> Tuple[Evaluation, Speed]:
    """Find entities in texts and score them.

    nlp (Language): The pipeline.
    golds (Sequence[Gold]): The texts with their gold.
    source (Source): Where the predictions stand.
    settings (Settings): What to score apart.
    batch_size (Optional[int]): Documents in a batch. By default as the pipeline has it.
    n_process (int): Processes.
    use_tokens (bool): Whether entities are looked for in the tokens of the gold.
    on_doc (Optional[Callable[[], Any]]): Called after each document.
    on_pair (Optional[Callable[[Gold, Doc], Any]]): Called with each gold and prediction.
    RETURNS (Tuple[Evaluation, Speed]): The scores, and how long it took.
    """
    evaluation = Evaluation(settings)
    words = other_tokens = 0
    is_written = False
    # The limit is there for pipes that need much memory.
    nlp.max_length = max([nlp.max_length, *(len(gold.text) for gold in golds)])
    docs = bare_docs(golds, nlp, use_tokens)
    clock = Clock(nlp.pipe(docs, batch_size=batch_size, n_process=n_process))
    _warm_up(nlp, golds)
    for doc, gold in zip(clock.docs(), golds):
        is_written |= source.key is None or source.key in doc.spans
        words += sum(not token.is_space for token in doc)
        other_tokens += gold.tokens is not None and gold.tokens != tokens_of(doc)
        add_pair(evaluation, gold, doc, source)
        if on_pair is not None:
            on_pair(gold, doc)
        if on_doc is not None:
            on_doc()
    if not is_written:
        raise ValueError(
            f"The model wrote no group doc.spans[{source.key!r}] to any document. Check that the "
            "pipe is enabled, or choose another one with --pipe."
        )
    return evaluation, Speed(words, clock.seconds, other_tokens)


def _warm_up(nlp: Language, golds: Sequence[Gold]) -> None:
    """Run the pipeline once, so that what it only does at the beginning is not measured."""
    first = next((gold.text for gold in golds if gold.text), None)
    if first is not None:
        nlp(nlp.make_doc(first[:1000]))


class Clock:
    """Measures the time until documents come.

    docs (Iterator[Doc]): The documents.
    """

    def __init__(self, docs: Iterator[Doc]) -> None:
        self._docs = docs
        self.seconds = 0.0

    def docs(self) -> Iterator[Doc]:
        """YIELDS (Doc): The documents."""
        while True:
            start = perf_counter()
            try:
                doc = next(self._docs)
            except StopIteration:
                return
            finally:
                self.seconds += perf_counter() - start
            yield doc


def encoder_weights(nlp: Language) -> Dict[str, Optional[str]]:
    """Tell which weights of the encoder training started from, by the config.

    nlp (Language): The pipeline.
    RETURNS (Dict[str, Optional[str]]): "init_tok2vec": the file of `[initialize]`, such as stage 1
        writes, which spaCy loads if there is a block `[pretraining]`; "transformer": the name or folder of the transformer; "vectors": that of the vectors.
        None for what is not named.
    """
    config: Any = nlp.config
    # A variable may stand for what is no longer there. What it is part of is told as it stands.
    with suppress(ValueError):
        config = config.interpolate()
    start = config.get("initialize") or {}
    return {
        "init_tok2vec": _named(config.get("pretraining") and start.get("init_tok2vec")),
        "transformer": _transformer(config.get("components") or {}),
        "vectors": _named(start.get("vectors")),
    }


def _named(value: Any) -> Optional[str]:
    return str(value) if value else None


def _transformer(block: Any) -> Optional[str]:
    """The name in the first block of spacy-transformers."""
    if not isinstance(block, dict):
        return None
    if str(block.get("@architectures", "")).startswith("spacy-transformers."):
        name = block.get("name")
        if isinstance(name, str):
            return name
    return next((name for name in map(_transformer, block.values()) if name), None)
