from functools import partial
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d, Ragged

from ..annotations import Gold
from ..models.filling import MEMORY_FUNCTIONS
from ..models.tagger import tags_tokens
from ..tracks import Found, Lost, Threshold
from .objective import Objective
from .terms import ContrastTerm, Part, Reading


class WithRows(Ragged):
    """What the tagger returned, with the rows of its encoder beside it.

    n_scores (int): How many columns are the tagger's.
    """

    n_scores: int

    def __init__(self, data: Floats2d, lengths: Any, n_scores: int) -> None:
        super().__init__(data, lengths)
        self.n_scores = n_scores


def build_joint_tagger(tagger: Model[List[Doc], Ragged], objective: Objective) -> Model:
    """Both stages at once: a tagger whose encoder learns a contrastive objective while the tagger
    is trained. Predictions are those of the tagger.

    tagger (Model[List[Doc], Ragged]): A model of the pipe, such as `MultiHeadTagger`.
    objective (Objective): The objective, a mean over the rows of a batch. It is multiplied by the
        number of tokens, as the tagger's loss is a sum over tokens.
    RETURNS (Model[List[Doc], Ragged]): The model.
    """
    if not tags_tokens(tagger):
        raise ValueError("The tagger of JointTagger must be a MultiHeadTagger.")
    terms = []
    for term in objective.terms:
        if not isinstance(term, ContrastTerm):
            raise ValueError(
                "The objective of JointTagger must be a ContrastiveObjective, or a sum of them: "
                "tagging is what the tagger learns anyway."
            )
        if term.reading != Reading():
            raise ValueError(
                "spans_key, use_ents and missing_key of the objective have no use in JointTagger: it "
                "learns from what the pipe reads."
            )
        terms.append(term.fresh())
    if objective.accumulate_gradient != 1 or objective.judge is not None:
        raise ValueError(
            "accumulate_gradient and judge of the objective have no use in JointTagger: use those "
            "of [training]."
        )
    model: Model[List[Doc], Ragged] = Model(
        "joint_tagger",
        _forward,
        init=_init,
        layers=[tagger, *(layer for term in terms for layer in term.layers)],
        refs={name: tagger.get_ref(name) for name in tagger.ref_names},
        attrs={name: delegate for name, delegate in _DELEGATES.items() if name in tagger.attrs},
    )
    model.set_ref("tagger", tagger)
    model.attrs["terms"] = terms
    if "decoders" in tagger.attrs:
        model.attrs["decoders"] = tagger.attrs["decoders"]
    return model


def _forward(
    model: Model[List[Doc], Ragged], docs: List[Doc], is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], List[Doc]]]:
    """The scores of the tagger; in training, the rows of the encoder beside them."""
    tagger = model.get_ref("tagger")
    if not is_train:
        return tagger(docs, False)
    tok2vec, *rest = tagger.layers
    rows, backprop_rows = tok2vec(docs, True)
    values: Any = rows
    backprops = []
    for layer in rest:
        values, backprop = layer(values, True)
        backprops.append(backprop)
    width = values.dataXd.shape[1]
    flat = model.ops.xp.concatenate([row for row in rows if len(row)] or [values.dataXd[:, :0]])
    together = model.ops.xp.concatenate((values.dataXd, flat), axis=1)
    both = WithRows(together, values.lengths, width)

    def backprop_all(d_both: Ragged) -> List[Doc]:
        d_values: Any = Ragged(
            model.ops.xp.ascontiguousarray(d_both.dataXd[:, :width]), d_both.lengths
        )
        for backprop in reversed(backprops):
            d_values = backprop(d_values)
        start = 0
        for d_row in d_values:
            d_row += d_both.dataXd[start : start + len(d_row), width:]
            start += len(d_row)
        return backprop_rows(d_values)

    return both, backprop_all


def _init(
    model: Model[List[Doc], Ragged], X: Optional[List[Doc]] = None, Y: Optional[Ragged] = None
) -> None:
    tagger = model.get_ref("tagger")
    tagger.initialize(X=X, Y=Y)
    if X is not None:
        rows = [row for row in model.get_ref("tok2vec").predict(X) if len(row)]
        for term in model.attrs["terms"]:
            if rows:
                term.initialize(rows[0])


def _fit(
    model: Model, gold: Sequence[Gold], given: Optional[Dict[str, int]], max_layers: int
) -> List[Lost]:
    tagger = model.get_ref("tagger")
    return tagger.attrs["fit"](tagger, gold, given, max_layers)


def _labels(model: Model) -> Dict[str, int]:
    tagger = model.get_ref("tagger")
    return tagger.attrs["labels"](tagger)


def _add_label(model: Model, label: str, layers: Optional[int], max_layers: int) -> None:
    tagger = model.get_ref("tagger")
    tagger.attrs["add_label"](tagger, label, layers, max_layers)


def _learn(model: Model, gold: Sequence[Gold], both: Ragged) -> Tuple[float, Ragged, List[Lost]]:
    """The tagger's loss, and that of the objective on the rows beside the scores."""
    ops, tagger = model.ops, model.get_ref("tagger")
    scores, rows = _split(tagger, both)
    loss, d_scores, lost = tagger.attrs["learn"](tagger, gold, scores)
    if not isinstance(both, WithRows):
        return loss, d_scores, lost
    lengths = [doc.n_tokens for doc in gold]
    offsets = (numpy.cumsum(lengths) - lengths).tolist()
    known = _labels(model)
    # What is unknown for a label that the pipe has not is unknown for all: so the tagger reads it.
    gold = [
        doc._replace(missing=[(*span[:2], span[2] * (span[2] in known)) for span in doc.missing])
        for doc in gold
    ]
    rng = numpy.random.default_rng(int(numpy.random.randint(2**31 - 1)))
    d_rows = ops.xp.zeros_like(rows)
    for term in model.attrs["terms"]:
        part = Part("", list(gold), offsets)
        term_loss, d_part = term.learn(
            ops, part, rows, rng, is_train=True, scale=float(sum(lengths))
        )
        loss += term_loss
        d_rows += d_part
    d_both = ops.xp.concatenate((d_scores.dataXd, d_rows), axis=1)
    return loss, Ragged(d_both, both.lengths), lost


def _split(tagger: Model, both: Ragged) -> Tuple[Ragged, Floats2d]:
    """The scores of the tagger, and the rows beside them, if there are any."""
    data = both.dataXd
    # What was predicted has none; but its memory may have added to it.
    width = both.n_scores if isinstance(both, WithRows) else data.shape[1]
    return Ragged(tagger.ops.xp.ascontiguousarray(data[:, :width]), both.lengths), data[:, width:]


def _imitate(
    model: Model, both: Ragged, teacher: Model, teacher_scores: Ragged
) -> Tuple[float, Ragged]:
    tagger, former = model.get_ref("tagger"), teacher.get_ref("tagger")
    scores, rows = _split(tagger, both)
    loss, d_scores = tagger.attrs["imitate"](tagger, scores, former, teacher_scores)
    d_both = (d_scores.dataXd, model.ops.xp.zeros_like(rows))
    return loss, Ragged(model.ops.xp.concatenate(d_both, axis=1), both.lengths)


def _find(
    model: Model, lengths: Sequence[int], scores: Ragged, decoder: str, threshold: Threshold
) -> Found:
    tagger = model.get_ref("tagger")
    return tagger.attrs["find"](tagger, lengths, scores, decoder, threshold)


def _check(model: Model) -> Optional[str]:
    tagger = model.get_ref("tagger")
    return tagger.attrs["check"](tagger)


def _ask(name: str, model: Model, *args: Any, **kwargs: Any) -> Any:
    """Have the tagger answer."""
    tagger = model.get_ref("tagger")
    return tagger.attrs[name](tagger, *args, **kwargs)


_DELEGATES: Dict[str, Any] = {
    "fit": _fit,
    "labels": _labels,
    "add_label": _add_label,
    "learn": _learn,
    "imitate": _imitate,
    "find": _find,
    "check": _check,
    **{name: partial(_ask, name) for name in ("type", *MEMORY_FUNCTIONS)},
}
