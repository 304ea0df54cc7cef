from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional

from spacy.vocab import Vocab
from thinc.api import Model
from thinc.types import Floats2d

from ..encoders import PRETRAINED, require_encoder_only, require_no_listener
from ..layers.crf import CRF
from ..losses.checks import require_weight
from ..losses.cross_entropy_dice import Loss
from ..losses.pairs import PairLoss
from ..tracks.layout import MAX_LAYERS
from .judge import JudgeEachEpoch
from .model import PretrainModel
from .rows import Merge, Sampling
from .terms import ContrastTerm, Reading, TaggingTerm, Term, tagging_heads


@dataclass
class Objective:
    """What `[pretraining.objective]` stands for: called with the encoder, it gives the model that
    `spacy pretrain` trains.

    terms (List[Term]): What is learned. Each model gets copies of its own.
    accumulate_gradient (int): After how many batches the parameters are updated.
    judge (Optional[JudgeEachEpoch]): What judges the encoder when an epoch ends, if anything.
    """

    terms: List[Term]
    accumulate_gradient: int = 1
    judge: Optional[JudgeEachEpoch] = None

    def __call__(self, vocab: Vocab, tok2vec: Model) -> PretrainModel:
        """Make the model.

        vocab (Vocab): The vocabulary of the pipeline.
        tok2vec (Model): The encoder: a shared or inline tok2vec, or a transformer.
        RETURNS (PretrainModel): The model.
        """
        require_no_listener(tok2vec)
        require_encoder_only(tok2vec, tok2vec.name)
        at_epoch_end = None if self.judge is None else self.judge.begin(vocab, self.terms)
        terms = [term.fresh() for term in self.terms]
        model = PretrainModel(tok2vec, terms, self.accumulate_gradient, at_epoch_end)
        PRETRAINED.add(model)
        return model


def make_contrastive_objective(
    loss: PairLoss,
    projection: Optional[Model[Floats2d, Floats2d]] = None,
    spans_key: str = "sc",
    use_ents: bool = False,
    missing_key: Optional[str] = None,
    units: str = "tokens",
    outside: str = "negative",
    merge: Merge = "label",
    max_outside: Optional[int] = 1000,
    near_share: float = 0.5,
    background: float = 1.0,
    hard_share: float = 0.5,
    accumulate_gradient: int = 1,
    judge: Optional[JudgeEachEpoch] = None,
) -> Objective:
    """Learn a space in which entities of one label lie close, from annotated documents.

    loss (PairLoss): The contrastive loss.
    projection (Optional[Model[Floats2d, Floats2d]]): What rows go through before they are
        compared; dropped afterwards.
    spans_key (str): The key of the entities in `doc.spans`.
    use_ents (bool): Whether to read `doc.ents` instead.
    missing_key (Optional[str]): The key of the stretches whose annotation is unknown.
    units (str): What a row is: "tokens", labelled by the entities that cover them, or "segments":
        each entity, and stretches that are none, averaged over their tokens.
    outside (str): What rows outside entities are: "negative": never compared with one another,
        "query": a class of their own, or "ignore": left out.
    merge (Union[str, Dict[str, str]]): Which labels are one class: "label": none, "prefix": those
        that agree up to the first of . - / :, or a mapping from labels to classes.
    max_outside (Optional[int]): How many tokens outside entities a batch has at most, drawn
        afresh for each. None for all.
    near_share (float): The share of them that is taken from near entities.
    background (float): How many segments that are no entity there are for each that is one.
    hard_share (float): The share of them that cut, stretch or shift an entity; the others touch
        none.
    accumulate_gradient (int): After how many batches the parameters are updated.
    judge (Optional[JudgeEachEpoch]): Judges the encoder on other documents when an epoch ends.
    RETURNS (Objective): The objective.
    """
    sampling = Sampling(
        units, outside, merge, max_outside, near_share, background, hard_share
    ).check()
    reading = Reading(spans_key, missing_key, use_ents)
    term = ContrastTerm(loss, projection, sampling, reading)
    return Objective([term], _check_accumulation(accumulate_gradient), judge)


def make_tagging_objective(
    loss: Optional[Loss] = None,
    crf: Optional[Model[Floats2d, Floats2d]] = None,
    heads: str = "per_label",
    dropout: float = 0.0,
    max_layers: int = 2,
    spans_key: str = "sc",
    use_ents: bool = False,
    missing_key: Optional[str] = None,
    merge: Merge = "label",
    accumulate_gradient: int = 1,
    judge: Optional[JudgeEachEpoch] = None,
) -> Objective:
    """Learn to tag entities, with heads for each corpus (or label space) that are dropped
    afterwards: what the pipe learns, on any number of corpora whose labels need not agree.

    loss, crf, heads, dropout: As in `MultiHeadTagger`. If neither loss nor crf is given, a CRF.
    max_layers (int): How many entities of one label may lie over each other.
    spans_key, use_ents, missing_key, merge, accumulate_gradient, judge: As in
        `make_contrastive_objective`.
    RETURNS (Objective): The objective.
    """
    if loss is None and crf is None:
        crf = CRF()
    if not 1 <= max_layers <= MAX_LAYERS:
        raise ValueError(f"max_layers is {max_layers}, but must lie between 1 and {MAX_LAYERS}.")
    make_heads = tagging_heads(heads, loss, crf, dropout)
    make_heads()  # checks the settings
    merge = Sampling(merge=merge).check().merge
    term = TaggingTerm(make_heads, merge, Reading(spans_key, missing_key, use_ents), max_layers)
    return Objective([term], _check_accumulation(accumulate_gradient), judge)


def make_sum_objective(
    objectives: Dict[str, Objective],
    weights: Optional[Dict[str, float]] = None,
    accumulate_gradient: int = 1,
    judge: Optional[JudgeEachEpoch] = None,
) -> Objective:
    """Learn several objectives at once, each with its own projection or heads.

    objectives (Dict[str, Objective]): The objectives, by any name.
    weights (Optional[Dict[str, float]]): What each counts, 1 by default.
    accumulate_gradient, judge: As in `make_contrastive_objective`; those of the parts are not
        used.
    RETURNS (Objective): The objective.
    """
    weights = weights or {}
    if not objectives:
        raise ValueError("SumObjective has no objectives: give it a block for each.")
    unknown = sorted(set(weights) - set(objectives))
    if unknown:
        raise ValueError(
            f"weights names {', '.join(unknown)}, but the objectives are {', '.join(objectives)}."
        )
    terms: List[Any] = []
    for name, objective in objectives.items():
        require_weight(**{f"the weight of {name}": weights.get(name, 1.0)})
        if objective.accumulate_gradient != 1 or objective.judge is not None:
            raise ValueError(
                f"accumulate_gradient and judge belong to the sum, not to its part {name!r}."
            )
        terms += [term.fresh(weights.get(name, 1.0)) for term in objective.terms]
    return Objective(terms, _check_accumulation(accumulate_gradient), judge)


def make_judge(
    dev: Path,
    best: Optional[Path] = None,
    patience: int = 0,
    select: str = "loss",
    space: str = "",
) -> JudgeEachEpoch:
    """Judge the encoder on other documents at the end of each epoch, with plain `spacy pretrain`.
    Epochs end where the reader `Corpus` says so.

    dev (Path): Annotated documents, a .spacy file or a folder of them.
    best (Optional[Path]): Where to keep the weights of the best epoch.
    patience (int): Stop when so many epochs brought nothing better, 0 for never.
    select (str): What is better: the lower "loss", or the higher "accuracy" of the nearest
        neighbours.
    space (str): The label space of the documents: the name of the training corpus whose labels
        they have, if the training corpora have names.
    RETURNS (JudgeEachEpoch): What judges.
    """
    return JudgeEachEpoch(Path(dev), None if best is None else Path(best), patience, select, space)


def _check_accumulation(n: int) -> int:
    if n < 1:
        raise ValueError(f"accumulate_gradient is {n}, but must be at least 1.")
    return n
