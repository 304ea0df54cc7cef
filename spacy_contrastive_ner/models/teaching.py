"""Labels of the bi-encoder that say themselves what they are: by a description, or by mentions."""

from typing import Callable, Dict, List, Optional, Sequence

import numpy
from spacy.tokens import Doc, Span
from thinc.api import Model

from ..annotations import Gold
from ..descriptions import LONGEST, read_descriptions
from .label_vectors import (
    DESCRIPTIONS,
    LEARNED,
    PROTOTYPES,
    Source,
    choose_mentions,
    current,
    encode_mentions,
    encode_types,
    fingerprint,
    forget_offset,
    keep_types,
    margins_of,
    the_space,
    vectors_of,
)
from .listeners import has_listener, require_rows


def prepare(
    model: Model,
    docs: Sequence[Doc],
    gold: Sequence[Gold],
    make_doc: Callable[[str], Doc],
) -> None:
    """Collect what says what labels are, after `fit`.

    model (Model[List[Doc], Ragged]): The model.
    docs (Sequence[Doc]): The documents of the training data.
    gold (Sequence[Gold]): Their annotation.
    make_doc (Callable[[str], Doc]): The tokenizer.
    """
    types, names = model.attrs["types"], model.attrs["names"]
    model.attrs["made_by"] = []
    if types == LEARNED:
        return
    _require_own_encoder(model)
    if types == DESCRIPTIONS:
        written = read_descriptions(model.attrs["descriptions"], names)
        model.attrs["sources"] = {
            label: [list(Source.of(make_doc(text)))] for label, text in written.items()
        }
        # A label is known by its description, also where no entity of it was seen.
        model.attrs["silent"] = []
    else:
        width = len(the_space(model).widths)
        model.attrs["sources"] = choose_mentions(
            names, docs, gold, width, model.attrs["n_examples"]
        )


def _require_own_encoder(model: Model) -> None:
    """Stop if the encoder of sources is shared with other pipes and sees only what they see."""
    is_written = model.attrs["types"] == DESCRIPTIONS
    if has_listener(model.get_ref("describer" if is_written else "tok2vec")):
        more = ", or a description_encoder" if is_written else ""
        raise ValueError(
            f"types = {model.attrs['types']!r} encodes texts of its own, for which a listener will not "
            f'do. Give the pipe an encoder of its own{more}; or use types = "learned".'
        )


def teach(model: Model, label: str, mentions: Sequence[Span], description: Optional[Doc]) -> None:
    """Give a label, an old one or a new one, its vectors without training: those of a description, or
    the mean of mentions.

    model (Model): The bi-encoder.
    label (str): The label.
    mentions (Sequence[Span]): Entities of the label, in documents that went through the pipeline. The
        threshold of the label is moved between them and all other spans of these documents.
    description (Optional[Doc]): What is written of the label, tokenised.
    """
    if vectors_of(model) is None:
        raise ValueError("the component has to be trained on other labels before.")
    if (description is None) == (not mentions):
        raise ValueError("give either a description or at least one example.")
    layer = model.get_ref("space").layers[0]
    before = dict(model.attrs), layer, layer.get_param("types")
    try:
        if label not in model.attrs["names"]:
            model.attrs["add_label"](model, label, None, 1)
        if description is not None:
            _from_description(model, label, description)
        else:
            _from_mentions(model, label, mentions)
    except Exception:
        # Half a label would be worse than none.
        model.attrs.update(before[0])
        model.get_ref("space").layers[0] = layer
        layer.set_param("types", before[2])
        raise
    curves = {name: some for name, some in model.attrs["calibration"].items() if name != label}
    silent = [other for other in model.attrs["silent"] if other != label]
    model.attrs.update(calibration=curves, silent=silent)


def _from_description(model: Model, label: str, description: Doc) -> None:
    if model.attrs["types"] != DESCRIPTIONS:
        raise ValueError(
            'its description says nothing to a model whose types are not "descriptions". Give examples '
            'instead, or train with types = "descriptions".'
        )
    if not 0 < len(description) <= LONGEST:
        raise ValueError(
            f"the description has {len(description)} tokens, but must have 1 to {LONGEST}."
        )
    current(model, description.vocab)
    model.attrs["sources"] = {**model.attrs["sources"], label: [list(Source.of(description))]}
    keep_types(model, [label], encode_types(model, description.vocab, [label], False)[0])
    model.attrs["made_by"] = fingerprint(model)
    forget_offset(model, label)


def _from_mentions(model: Model, label: str, mentions: Sequence[Span]) -> None:
    width = len(the_space(model).widths)
    for span in mentions:
        if not isinstance(span, Span):
            raise ValueError(
                f"the example {span!r} is no Span. Take spans of docs that nlp() returned."
            )
        if not 0 < len(span) <= width:
            raise ValueError(
                f"the example {span.text!r} has {len(span)} tokens, but the model knows spans of 1 to "
                f"{width}."
            )
    docs = list({id(span.doc): span.doc for span in mentions}.values())
    require_rows(model, docs)
    vocab = docs[0].vocab
    current(model, vocab)
    # Other labels of this kind are made anew when the encoder changes; so is this one.
    if model.attrs["types"] == PROTOTYPES:
        sources = [list(Source.of(span.doc, span.start, span.end)) for span in mentions]
        model.attrs["sources"] = {**model.attrs["sources"], label: sources}
        vector = encode_types(model, vocab, [label], False)[0]
    else:
        others = {name: some for name, some in model.attrs["sources"].items() if name != label}
        model.attrs["sources"] = others
        # One document at a time: examples may come from many, and from long ones.
        parts = []
        for doc in docs:
            places = [(span.start, span.end) for span in mentions if span.doc is doc]
            parts.append(encode_mentions(model, [doc], places, False)[0])
        vector = model.ops.xp.concatenate(parts).mean(axis=0)[None]
    keep_types(model, [label], vector)
    model.attrs["made_by"] = fingerprint(model)
    offset = _between(model, label, mentions)
    model.attrs["offsets"] = {**model.attrs["offsets"], label: offset}
    model.attrs["taught"] = sorted({*model.attrs["taught"], label})


def _between(model: Model, label: str, mentions: Sequence[Span]) -> float:
    """A margin between those of mentions and the highest of other spans, by the medians over texts."""
    by_doc: Dict[int, List[Span]] = {}
    for span in mentions:
        by_doc.setdefault(id(span.doc), []).append(span)
    own: List[float] = []
    others: List[float] = []
    k = model.attrs["names"].index(label)
    for spans_of in by_doc.values():
        highest = -numpy.inf
        for w, values in margins_of(model, model.predict([spans_of[0].doc])).spans():
            column = model.ops.to_numpy(values[:, k]).copy()
            for span in spans_of:
                if span.end - span.start == w + 1:
                    own.append(float(column[span.start + 1]))
                    column[span.start + 1] = -numpy.inf
            highest = max(highest, float(column.max(initial=-numpy.inf)))
        if numpy.isfinite(highest):
            others.append(highest)
    if not others:
        return 0.0
    return float(numpy.median(own) + numpy.median(others)) / 2
