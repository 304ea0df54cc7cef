"""How well labels are recognised that a pipe is shown a few times: episodes are run and scored."""

import warnings
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from math import fsum
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import minibatch

from ..models.label_vectors import the_space
from ..models.memory import NEAREST, WITH_MEMORY, get_memory
from .distributions import interval_of_mean
from .episodes import Counts, Episode, count_in
from .evaluate import Annotation, Evaluation, Settings, Whole, spans_of, touches
from .gold import Gold, bare_docs, read_annotation
from .matching import Mention
from .predictor import MISSING_KEY, Pipe
from .scores import Score, Scores, by_label, macro, micro, tally

# How a pipe learns labels: its memory is filled, or labels get vectors.
MEMORY, VECTORS = "memory", "vectors"

BATCH = 128
LEVEL = 0.95

# Encoders do not change in an episode, and may be large.
ENCODERS = ("tok2vec", "describer")


class Outcome(NamedTuple):
    """What came of an episode.

    episode (Episode): The episode.
    labels (Scores): The score of each of its labels.
    lost (int): How many mentions of its support set the pipe has no layer for.
    left_out (int): How many tokens of it the memory has no room for.
    unjudged (int): How many predictions touch text whose annotation is unknown, and do not count.
    """

    episode: Episode
    labels: Scores
    lost: int
    left_out: int
    unjudged: int


class FewShots:
    """Runs episodes with a pipe of this package. The pipe is the same afterwards: what it is shown goes to
    a copy of its model.

    nlp (Language): The pipeline.
    target (Pipe): The pipe.
    golds (Sequence[Gold]): The texts with their gold.
    with_heads (bool): Whether a tagger's trained heads have a say beside its memory.
    use_tokens (bool): Whether texts have the tokens of the gold, not those of the pipeline.
    """

    def __init__(
        self,
        nlp: Language,
        target: Pipe,
        golds: Sequence[Gold],
        *,
        with_heads: bool = False,
        use_tokens: bool = False,
    ) -> None:
        self.nlp, self.golds, self.use_tokens = nlp, golds, use_tokens
        self.name = target.name
        self.pipe: Any = nlp.get_pipe(target.name)
        self.way = _find_way(self.pipe, target)
        self.decoder = _find_decoder(self.pipe, self.way, with_heads)
        named = {label for gold in golds for _, _, label in spans_of(gold.annotation.entities)}
        self.evaluation = Evaluation(Settings(labels={*named, *(target.labels or ())}))
        nlp.max_length = max([nlp.max_length, *(len(gold.text) for gold in golds)])

    def trained_labels(self) -> List[str]:
        """RETURNS (List[str]): The labels that training may have taught the pipe."""
        only = self.pipe.memory["only"]
        return [label for label in self.pipe.labels if label not in only]

    def count(self, on_doc: Optional[Callable[[], Any]] = None) -> Tuple[List[Counts], int]:
        """Count the mentions that the pipe can be shown.

        on_doc (Optional[Callable[[], Any]]): Called after each document.
        RETURNS (Tuple[List[Counts], int]): Of each document those of each label; and how many others
            there are: those that cut a token of the pipeline, or are too wide for a bi-encoder.
        """
        found: List[Counts] = []
        left_out = 0
        for gold, doc in zip(self.golds, bare_docs(self.golds, self.nlp, self.use_tokens)):
            mentions = spans_of(gold.annotation.entities)
            counts: Dict[str, int] = {}
            for span in self._spans(doc, mentions):
                counts[span.label_] = counts.get(span.label_, 0) + 1
            left_out += len(mentions) - sum(counts.values())
            found.append(counts)
            if on_doc is not None:
                on_doc()
        return found, left_out

    def run(self, episode: Episode) -> Outcome:
        """Show the pipe the support set, have it find entities in the query set, and score them.

        episode (Episode): The episode.
        RETURNS (Outcome): What came of it.
        """
        with _copied(self.pipe, self.decoder), warnings.catch_warnings():
            # What is lost is counted.
            warnings.simplefilter("ignore", UserWarning)
            lost, left_out = self._learn(episode)
            scores: Scores = {label: Score() for label in episode.labels}
            unjudged = 0
            docs = self._docs(episode.queries)
            for batch in minibatch(zip(episode.queries, docs), BATCH):
                some = [doc for _, doc in batch]
                self.pipe.set_annotations(some, self.pipe.predict(some))
                for i, doc in batch:
                    unjudged += self._score(scores, self.golds[i].annotation, doc)
        return Outcome(episode, scores, lost, left_out, unjudged)

    def _learn(self, episode: Episode) -> Tuple[int, int]:
        """Show the pipe the support set; return how many of its mentions and tokens are lost."""
        docs = self._docs(episode.support)
        labels, pairs = episode.labels, list(zip(episode.support, docs))
        shown = [self._shown(i, doc, labels) for i, doc in pairs]
        self.pipe.forget()
        if self.way == VECTORS:
            for label in labels:
                mentions = [span for some in shown for span in some if span.label_ == label]
                self.pipe.add_label(label, examples=mentions)
            return 0, 0
        examples = [self._example(i, doc, some, labels) for (i, doc), some in zip(pairs, shown)]
        told = self.pipe.remember(examples, labels=labels)
        return len(told.lost), told.left_out

    def _docs(self, numbers: Sequence[int]) -> List[Doc]:
        """Documents that went through all pipes before this one."""
        after = self.nlp.pipe_names[self.nlp.pipe_names.index(self.name) :]
        with self.nlp.select_pipes(disable=after) if after else nullcontext():
            golds = [self.golds[i] for i in numbers]
            return list(self.nlp.pipe(bare_docs(golds, self.nlp, self.use_tokens)))

    def _spans(self, doc: Doc, mentions: Iterable[Mention]) -> List[Span]:
        """Those of the mentions that the pipe can be shown."""
        widest = len(the_space(self.pipe.model).widths) if self.way == VECTORS else len(doc)
        spans = [doc.char_span(start, end, label) for start, end, label in sorted(mentions)]
        return [span for span in spans if span is not None and len(span) <= widest]

    def _shown(self, i: int, doc: Doc, labels: Sequence[str]) -> List[Span]:
        return self._spans(doc, _of_labels(self.golds[i].annotation.entities, labels))

    def _example(self, i: int, doc: Doc, spans: Sequence[Span], labels: Sequence[str]) -> Example:
        """A document with what is known of these labels. Where a mention cuts a token, nothing is."""
        gold = self.golds[i].annotation
        words, spaces = [t.text for t in doc], [bool(t.whitespace_) for t in doc]
        reference = Doc(doc.vocab, words=words, spaces=spaces)
        reference.spans[self.pipe.key] = [
            Span(reference, span.start, span.end, span.label) for span in spans
        ]
        there = {(span.start_char, span.end_char, span.label_) for span in spans}
        unknown = [*self._missing(gold, labels), *(_of_labels(gold.entities, labels) - there)]
        stretches = [doc.char_span(*some, alignment_mode="expand") for some in unknown]
        reference.spans[MISSING_KEY] = [
            Span(reference, some.start, some.end, some.label) for some in stretches if some
        ]
        return Example(doc, reference)

    def _missing(self, gold: Annotation, labels: Sequence[str]) -> List[Mention]:
        return [some for some in self.evaluation.missing_of(gold) if some[2] in ("", *labels)]

    def _score(self, scores: Scores, gold: Annotation, doc: Doc) -> int:
        """Add what was found in a document; return how many predictions cannot be judged."""
        labels = list(scores)
        right = _of_labels(gold.entities, labels)
        found = read_annotation(doc, self.pipe.key, MISSING_KEY)
        every = set() if found is None else _of_labels(found.entities, labels)
        missing = self._missing(gold, labels)
        judged = {some for some in every if some in right or not touches([some], missing)}
        tally(scores, right, judged, lambda side: ((mention[2], mention) for mention in side))
        return len(every) - len(judged)


def _find_way(pipe: Any, target: Pipe) -> str:
    """How a pipe learns labels without training. A bi-encoder, which knows both ways, remembers if it asks
    nothing but its memory anyway."""
    model = getattr(pipe, "model", None)
    attrs = getattr(model, "attrs", {})
    if "remember" not in attrs or get_memory(pipe.model) is None:
        raise ValueError(
            f"The pipe {target.name!r} ({target.factory}) cannot be shown labels without training, which "
            f"--episodes asks for. Use one that has a memory: the architectures {WITH_MEMORY} do."
        )
    return VECTORS if "teach" in attrs and pipe.cfg["decoder"] != NEAREST else MEMORY


def _find_decoder(pipe: Any, way: str, with_heads: bool) -> str:
    own = str(pipe.cfg["decoder"])
    if with_heads and (way == VECTORS or own == NEAREST):
        what = "a bi-encoder is given vectors" if way == VECTORS else f"its decoder is {NEAREST!r}"
        raise ValueError(f"--with-heads has no use with this pipe: {what}. Leave it out.")
    return own if with_heads or way == VECTORS else NEAREST


@contextmanager
def _copied(pipe: Any, decoder: str) -> Iterator[None]:
    """Have a pipe work with a copy of its model, and of its settings. Encoders are no part of it."""
    model, cfg = pipe.model, dict(pipe.cfg)
    encoders = [model.get_ref(name) for name in ENCODERS if model.has_ref(name)]
    pipe.model = deepcopy(model, {id(encoder): encoder for encoder in encoders})
    pipe.cfg.update(decoder=decoder, missing_key=MISSING_KEY)
    try:
        yield
    finally:
        pipe.model = model
        pipe.cfg.clear()
        pipe.cfg.update(cfg)


def _of_labels(entities: Sequence[Whole], labels: Sequence[str]) -> Set[Mention]:
    return {mention for mention in spans_of(entities) if mention[2] in labels}


def summarise(outcomes: Sequence[Outcome]) -> Dict[str, Any]:
    """Put the scores of episodes together.

    outcomes (Sequence[Outcome]): What came of each.
    RETURNS (Dict[str, Any]): "micro", "macro" and by label "labels": the F-scores over episodes; "pooled":
        the scores of all episodes as if they were one. As it can be written as JSON.
    """
    of_label: Dict[str, List[float]] = {}
    pooled: Scores = {}
    for outcome in outcomes:
        for label, score in outcome.labels.items():
            of_label.setdefault(label, []).append(score.f or 0.0)
            pooled.setdefault(label, Score()).add(score)
    micros = [micro(outcome.labels.values()).f or 0.0 for outcome in outcomes]
    macros = [macro(outcome.labels.values())["f"] or 0.0 for outcome in outcomes]
    return {
        "micro": spread_of(micros),
        "macro": spread_of(macros),
        "labels": {label: spread_of(of_label[label]) for label in sorted(of_label)},
        "pooled": by_label(pooled),
        "lost": sum(outcome.lost for outcome in outcomes),
        "left_out": sum(outcome.left_out for outcome in outcomes),
        "unjudged": sum(outcome.unjudged for outcome in outcomes),
    }


def spread_of(scores: Sequence[float]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): How many scores there are, their mean with its interval, the least and
    the largest. The interval is cut to what scores can be, and None for one score."""
    borders = interval_of_mean(scores, LEVEL)
    low, high = borders or (None, None)
    return {
        "episodes": len(scores),
        "mean": fsum(scores) / len(scores),
        "low": None if low is None else max(0.0, low),
        "high": None if high is None else min(1.0, high),
        "min": min(scores),
        "max": max(scores),
    }


def describe_outcome(outcome: Outcome, counts: Sequence[Counts]) -> Dict[str, Any]:
    """An episode and its scores, as they are written as JSON.

    outcome (Outcome): What came of it.
    counts (Sequence[Counts]): Of each document the mentions of each label.
    RETURNS (Dict[str, Any]): Which labels, documents and mentions it had, and the scores.
    """
    episode = outcome.episode
    sides = {"support": episode.support, "queries": episode.queries}
    return {
        "names": episode.labels,
        **{
            side: {
                "documents": numbers,
                "mentions": {label: count_in(counts, numbers, label) for label in episode.labels},
            }
            for side, numbers in sides.items()
        },
        **by_label(outcome.labels),
        "lost": outcome.lost,
        "left_out": outcome.left_out,
        "unjudged": outcome.unjudged,
    }
