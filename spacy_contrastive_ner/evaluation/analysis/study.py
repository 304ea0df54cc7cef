"""Documents with what is annotated and what a model finds in them, each with its probability."""

from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.tokens import Doc

from ...convert.records import Stretch
from ..evaluate import Annotation, Evaluation, Settings, Whole, spans_of, touches
from ..gold import (
    Gold,
    Source,
    gold_of,
    read_annotation,
    sents_of,
    tokens_of,
)
from ..matching import Mention
from ..predictor import FACTORY, Pipe, Speed, choose_pipe, predict, source_of

# Of so many words at most also those spans are asked for that are not probable enough to be
# predicted.
CANDIDATE_WORDS = 200_000
# And so many of them are kept, or those of one document: a model that has learned little has some
# doubt about nearly every span.
MOST_CANDIDATES = 500_000
# What asks for them, and the least probability.
EVERY, LEAST = "posterior", 0.01


class Case(NamedTuple):
    """A document, its gold and what was found in it. All places are in characters.

    id (str): Its name.
    text (str): Its text.
    tokens (List[Stretch]): The tokens of the prediction.
    sents (Optional[List[Stretch]]): The sentences, if they are known.
    gold (Optional[Annotation]): The gold, None if it is not annotated.
    predicted (List[Whole]): The entities that were predicted.
    scores (Dict[Mention, float]): The probability of each predicted span. Empty if the pipe gives
        none.
    candidates (Optional[Dict[Mention, float]]): The probability of each span that has any to speak
        of, predicted or not. None if they were not asked for.
    """

    id: str
    text: str
    tokens: List[Stretch]
    sents: Optional[List[Stretch]]
    gold: Optional[Annotation]
    predicted: List[Whole]
    scores: Dict[Mention, float]
    candidates: Optional[Dict[Mention, float]] = None

    def gold_spans(self) -> "set[Mention]":
        """RETURNS (Set[Mention]): The spans of the gold: fragments, each by itself."""
        return spans_of(self.gold.entities) if self.gold is not None else set()

    def predicted_spans(self) -> "set[Mention]":
        """RETURNS (Set[Mention]): The spans that were predicted, but for those of which it is not
        known whether they are right."""
        every = spans_of(self.predicted)
        if self.gold is None:
            return every
        gold, missing = self.gold_spans(), self.gold.missing
        return {span for span in every if span in gold or not touches([span], missing)}

    def words(self) -> List[Stretch]:
        """RETURNS (List[Stretch]): The tokens apart from white space."""
        return [(start, end) for start, end in self.tokens if self.text[start:end].strip()]


class Study(NamedTuple):
    """What a model finds in documents.

    cases (List[Case]): The documents.
    evaluation (Optional[Evaluation]): The scores, None if nothing is annotated.
    speed (Speed): How long prediction took.
    threshold (Optional[float]): From which probability on a span is predicted, if that is how the
        pipe decides.
    n_candidates (int): In how many documents, the first ones, candidates were asked for.
    """

    cases: List[Case]
    evaluation: Optional[Evaluation]
    speed: Speed
    threshold: Optional[float]
    n_candidates: int


def study(
    nlp: Language,
    golds: Sequence[Gold],
    pipe: Pipe,
    source: Source,
    settings: Optional[Settings] = None,
    *,
    annotated: bool = True,
    batch_size: Optional[int] = None,
    candidate_words: int = CANDIDATE_WORDS,
    on_doc: Optional[Callable[[], Any]] = None,
) -> Study:
    """Find entities in texts and keep all that is needed to look into them.

    nlp (Language): The pipeline.
    golds (Sequence[Gold]): The texts, with their gold.
    pipe (Pipe): The pipe that is studied.
    source (Source): Where gold and predictions stand.
    settings (Optional[Settings]): What to score apart.
    annotated (bool): Whether the gold is gold, or just empty.
    batch_size (Optional[int]): Documents in a batch. By default as the pipeline has it.
    candidate_words (int): Candidates are asked for in so many words at most, and in whole documents.
    on_doc (Optional[Callable[[], Any]]): Called after each document.
    RETURNS (Study): What was found.
    """
    component: Any = nlp.get_pipe(pipe.name) if pipe.factory == FACTORY else None
    found: List[Tuple[Gold, Case]] = []
    words = n_kept = n_candidates = 0

    def keep(gold: Gold, doc: Doc) -> None:
        nonlocal words, n_kept, n_candidates
        candidates = None
        if component is not None and words < candidate_words and n_kept < MOST_CANDIDATES:
            candidates = _candidates(component, doc)
            n_candidates += 1
            n_kept += len(candidates)
        words += sum(not token.is_space for token in doc)
        found.append((gold, _case(gold, doc, source, candidates)))

    evaluation, speed = predict(
        nlp,
        golds,
        source,
        settings or Settings(),
        batch_size=batch_size,
        on_doc=on_doc,
        on_pair=keep,
    )
    cfg = component.cfg if component is not None else {}
    alike = cfg.get("decoder") == EVERY and not cfg["thresholds"]
    threshold = float(cfg["threshold"]) if alike else None
    if not annotated:
        return Study([case for _, case in found], None, speed, threshold, n_candidates)
    cases = [case._replace(gold=_known(gold.annotation, evaluation)) for gold, case in found]
    return Study(cases, evaluation, speed, threshold, n_candidates)


def _case(gold: Gold, doc: Doc, source: Source, candidates: Optional[Dict[Mention, float]]) -> Case:
    """A document as it was predicted, without its gold."""
    found = read_annotation(doc, source.key, source.missing_key)
    tokens = tokens_of(doc)
    if gold.tokens == tokens:
        # Places of all tokens take more memory than all else: they are there once.
        tokens = gold.tokens
    return Case(
        gold.id,
        gold.text,
        tokens,
        gold.sents if gold.sents is not None else sents_of(doc),
        None,
        found.entities if found is not None else [],
        scores_of(doc, source.key),
        candidates,
    )


def _known(gold: Annotation, evaluation: Evaluation) -> Annotation:
    """The gold with what is unknown for a label that there is, or for all."""
    return gold._replace(missing=evaluation.missing_of(gold))


def study_docs(
    nlp: Language,
    docs: Iterable[Doc],
    *,
    pipe: Optional[str] = None,
    spans_key: Optional[str] = None,
    **settings: Any,
) -> Study:
    """Find entities in the texts of annotated documents, as in a notebook.

    nlp (Language): The pipeline.
    docs (Iterable[Doc]): The documents. Those without the span group are not annotated, and left out.
    pipe (Optional[str]): The pipe that is studied. By default the one of this package.
    spans_key (Optional[str]): The key of the gold, if it is not that of the pipe.
    settings (Any): Further arguments of `study`.
    RETURNS (Study): What was found.
    """
    target = choose_pipe(nlp, pipe)
    source = source_of(target, spans_key, None, False)
    golds = [gold_of(doc, source, str(number)) for number, doc in enumerate(docs, 1)]
    return study(nlp, [gold for gold in golds if gold is not None], target, source, **settings)


def scores_of(doc: Doc, key: Optional[str]) -> Dict[Mention, float]:
    """RETURNS (Dict[Mention, float]): The probability of each span of a group, if it has them. If
    the same span is there twice, the greater one."""
    if key is None or key not in doc.spans:
        return {}
    group = doc.spans[key]
    scores = group.attrs.get("scores")
    if scores is None or len(scores) != len(group):
        return {}
    return _greatest(
        ((span.start_char, span.end_char, span.label_), float(score))
        for span, score in zip(group, scores)
    )


def _candidates(component: Any, doc: Doc) -> Dict[Mention, float]:
    """All spans of a document with any probability to speak of."""
    scores = component.predict([doc])
    if scores is None:
        return {}
    model = component.model
    found = model.attrs["find"](model, [len(doc)], scores, EVERY, LEAST)
    spans = (doc[start:end] for start, end in zip(found.start.tolist(), found.end.tolist()))
    names = [component.labels[i] for i in found.label.tolist()]
    return _greatest(
        ((span.start_char, span.end_char, name), score)
        for span, name, score in zip(spans, names, found.probability.tolist())
    )


def _greatest(items: Iterable[Tuple[Mention, float]]) -> Dict[Mention, float]:
    found: Dict[Mention, float] = {}
    for mention, score in items:
        found[mention] = max(score, found.get(mention, 0.0))
    return found
