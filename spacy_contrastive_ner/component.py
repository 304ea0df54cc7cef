"""The trainable pipe `contrastive_ner`: nested and flat entities, with probabilities."""

from copy import deepcopy
from typing import Any, Callable, Dict, Iterable, List, Optional, Set, Tuple

from spacy.errors import Errors
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, set_dropout_rate
from thinc.types import Ragged

from .annotations import count_keys, write_found
from .checks import (
    Labels,
    check_layers,
    layers_of_labels,
    require_annotation,
    require_finite,
    require_known_labels,
    require_labels,
    require_own_encoder,
)
from .encoders import require_fitting_weights
from .evaluation.scoring import score
from .given_spans import GivenSpans
from .memory import keep_freed_memory
from .remembering import Remembering
from .saving import Saving
from .settings import DEFAULT_SPANS_KEY, DEFAULTS
from .teaching import Teaching
from .tuning import Tuning


@Language.factory(
    "contrastive_ner",
    assigns=["doc.spans", "doc.ents"],
    default_config=DEFAULTS,
    default_score_weights={
        "contrastive_ner_f": 1.0,
        "contrastive_ner_p": None,
        "contrastive_ner_r": None,
        "contrastive_ner_macro_f": None,
    },
)
def make_contrastive_ner(
    nlp: Language,
    name: str,
    model: Model[List[Doc], Ragged],
    spans_key: str,
    set_ents: bool,
    overwrite_ents: bool,
    decoder: str,
    threshold: float,
    thresholds: Dict[str, float],
    max_layers: int,
    missing_key: Optional[str],
    scorer: Optional[Callable],
) -> "ContrastiveNER":
    """Create a ContrastiveNER component. See `ContrastiveNER.__init__` for the settings.

    nlp (Language): The pipeline.
    name (str): The name of the component.
    RETURNS (ContrastiveNER): The component.
    """
    return ContrastiveNER(
        nlp.vocab,
        model,
        name,
        spans_key=spans_key,
        set_ents=set_ents,
        overwrite_ents=overwrite_ents,
        decoder=decoder,
        threshold=threshold,
        thresholds=thresholds,
        max_layers=max_layers,
        missing_key=missing_key,
        scorer=scorer,
    )


class ContrastiveNER(GivenSpans, Teaching, Remembering, Tuning, Saving):
    """Recognises nested, overlapping and flat entities and gives each its probability."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], Ragged],
        name: str = "contrastive_ner",
        *,
        spans_key: str = DEFAULT_SPANS_KEY,
        set_ents: bool = True,
        overwrite_ents: bool = False,
        decoder: str = "posterior",
        threshold: float = 0.35,
        thresholds: Optional[Dict[str, float]] = None,
        max_layers: int = 2,
        missing_key: Optional[str] = None,
        scorer: Optional[Callable] = score,
    ) -> None:
        """Initialize the component.

        vocab (Vocab): The shared vocabulary.
        model (Model[List[Doc], Ragged]): The model: one of this package's architectures.
        name (str): The name of the component.
        spans_key (str): The key in `doc.spans` under which entities are read from the reference
            and written to the prediction. Their probabilities are the group's `attrs["scores"]`.
        set_ents (bool): Write the flat view to `doc.ents` too: the non-overlapping set of
            entities with the highest total probability.
        overwrite_ents (bool): Replace the entities of earlier components. If not, they stay and
            the flat view fits around them. All entities are in `doc.spans` either way.
        decoder (str): "viterbi": the entities on the best path of each track. "posterior": every
            span whose probability is at least `threshold`.
        threshold (float): For the decoder "posterior". Less than 0.01 counts as 0.01.
        thresholds (Optional[Dict[str, float]]): The thresholds of labels that have one of their own.
        max_layers (int): How many entities of one label may lie over each other at most, 1 to 3.
            How many do is read from the training data.
        missing_key (Optional[str]): The key of a group in the reference's `doc.spans` that marks
            text whose annotation is unknown: for the span's label, or for all labels if that is
            none of the pipe's. Entities that are annotated there still count.
        scorer (Optional[Callable]): The scoring method.
        """
        thresholds = {} if thresholds is None else thresholds
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.cfg: Dict[str, Any] = {
            "spans_key": spans_key,
            "set_ents": set_ents,
            "overwrite_ents": overwrite_ents,
            "decoder": decoder,
            "threshold": threshold,
            "thresholds": dict(thresholds) if isinstance(thresholds, dict) else thresholds,
            "max_layers": max_layers,
            "missing_key": missing_key,
        }
        self._check_settings()
        # What the config says, so that `from_disk` can tell an override from a tuned setting.
        self.cfg["configured"] = deepcopy(self.cfg)
        self._rehearsal_model: Optional[Model[List[Doc], Ragged]] = None
        # What was warned about: losses of gold entities, by reason and label, and others.
        self._told: Set[Tuple[str, str]] = set()
        keep_freed_memory()

    @property
    def label_data(self) -> Dict[str, int]:
        """RETURNS (Dict[str, int]): The labels with their number of layers, for `initialize`."""
        return self.model.attrs["labels"](self.model)

    @property
    def is_resizable(self) -> bool:
        """RETURNS (bool): Whether labels can be added to the initialised component."""
        return True

    def add_label(
        self,
        label: str,
        *,
        layers: Optional[int] = None,
        description: Optional[str] = None,
        examples: Optional[Iterable[Span]] = None,
    ) -> int:
        """Add a label, before or after the component is initialised. An initialised model does
        not predict the new label until it has learned it, and its scores for the other labels do
        not change. With the architecture BiEncoder, a description or a few examples will do
        instead of training.

        label (str): The label.
        layers (Optional[int]): How many entities of the label may lie over each other. By default
            what the data needs, or `max_layers` if the component is initialised already. A label that
            is there keeps the layers it has.
        description (Optional[str]): What the label means, for a model trained on descriptions.
        examples (Optional[Iterable[Span]]): Entities of the label, in documents that went through
            the pipeline. A label that is there is given new vectors.
        RETURNS (int): 0 if the label is there already, otherwise 1.
        """
        if not isinstance(label, str) or not label:
            raise ValueError(Errors.E187)
        if description is not None or examples is not None:
            return self._teach(label, description, list(examples or ()))
        if label in self.labels:
            return 0
        if layers is not None:
            check_layers(self.name, label, layers)
        self.model.attrs["add_label"](self.model, label, layers, self.cfg["max_layers"])
        self.vocab.strings.add(label)
        return 1

    def predict(self, docs: Iterable[Doc]) -> Optional[Ragged]:
        """Score the documents, without modifying them.

        docs (Iterable[Doc]): The documents.
        RETURNS (Optional[Ragged]): The scores, or None if there is nothing to score.
        """
        docs = list(docs)
        self._check_settings()
        if not self.labels:
            raise ValueError(
                f"[{self.name}] The component has no labels. Train it, or add labels with "
                "add_label() and call nlp.initialize()."
            )
        if not any(len(doc) for doc in docs):
            return None
        self._warn_of_unseen(docs)
        scores = self.model.predict(docs)
        require_finite(self.name, "scores", float(scores.dataXd.sum()))
        return scores

    def set_annotations(self, docs: Iterable[Doc], scores: Optional[Ragged]) -> None:
        """Write the entities to `doc.spans`, and the flat view to `doc.ents`.

        docs (Iterable[Doc]): The documents.
        scores (Optional[Ragged]): What `predict` returned.
        """
        docs = list(docs)
        cfg = self.cfg
        found, labels = None, []
        if scores is not None:
            found = self._find([len(doc) for doc in docs], scores)
            labels = [self.vocab.strings.add(label) for label in self.labels]
        write_found(
            docs, self.key, found, labels, cfg["set_ents"], overwrite=bool(cfg["overwrite_ents"])
        )

    def get_loss(self, examples: Iterable[Example], scores: Ragged) -> Tuple[float, Ragged]:
        """Find the loss and its gradient.

        examples (Iterable[Example]): The examples.
        scores (Ragged): The scores of their predicted documents.
        RETURNS (Tuple[float, Ragged]): The loss and the gradient of the scores.
        """
        require_finite(self.name, "scores", float(scores.dataXd.sum()))
        examples = list(examples)
        gold = [self._gold(example) for example in examples]
        loss, d_scores, lost = self.model.attrs["learn"](self.model, gold, scores)
        require_finite(self.name, "loss and transitions", loss)
        if lost or any(doc.misaligned for doc in gold):
            self._report_lost(gold, lost, [example.predicted for example in examples], self._told)
        return loss, d_scores

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
        **config: Any,
    ) -> Dict[str, float]:
        """Learn to predict what the component predicted when `nlp.resume_training` was called,
        so that it does not forget its labels while it learns new ones. Needs no annotation.

        examples (Iterable[Example]): Documents like those it was trained on.
        drop (float): The dropout rate.
        sgd (Optional[Optimizer]): The optimizer.
        losses (Optional[Dict[str, float]]): The losses, updated under the component's name.
        RETURNS (Dict[str, float]): The losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "ContrastiveNER.rehearse")
        docs = [example.predicted for example in examples]
        teacher = self._rehearsal_model
        if teacher is None or not any(len(doc) for doc in docs):
            return losses
        require_own_encoder(self.name, teacher)
        set_dropout_rate(self.model, drop)
        wanted = teacher.predict(docs)
        scores, backprop = self.model.begin_update(docs)
        loss, d_scores = self.model.attrs["imitate"](self.model, scores, teacher, wanted)
        backprop(d_scores)
        if sgd not in (None, False):
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Labels] = None,
    ) -> None:
        """Learn the labels and their layers from the training data and initialise the model.
        Entities that training will not see are counted and reported once.

        get_examples (Callable[[], Iterable[Example]]): Returns the training examples.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Labels]): The labels, as a list, or with their number of layers as
            `spacy init labels` writes them. Without them they are those of the examples.
        """
        validate_get_examples(get_examples, "ContrastiveNER.initialize")
        examples = list(get_examples())
        gold = [self._gold(example) for example in examples]
        given = None if labels is None else layers_of_labels(self.name, labels)
        # Without data spaCy makes one bare example up, which will do if the labels are known.
        made_up = len(examples) <= 1 and not count_keys(examples)
        if not ((given or self.labels) and made_up):
            require_annotation(self.name, examples, self.key)
        lost = self.model.attrs["fit"](self.model, gold, given, self.cfg["max_layers"])
        require_labels(self.name, self.key, self.labels)
        self._check_settings()
        for label in self.labels:
            self.vocab.strings.add(label)
        docs = [example.predicted for example in examples]
        if "prepare" in self.model.attrs:
            make_doc = self._make_doc if nlp is None else nlp.make_doc
            self.model.attrs["prepare"](self.model, docs, gold, make_doc)
        self._told.clear()
        self._report_lost(gold, lost, docs, self._told)
        require_known_labels(self.name, gold, lost)
        sample = [doc for doc in docs if len(doc)][:10]
        self.model.initialize(X=sample or [Doc(self.vocab, words=["x"])])
        require_fitting_weights(self.name, nlp)
