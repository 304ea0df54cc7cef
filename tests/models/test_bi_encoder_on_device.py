"""What the bi-encoder computes on a device: the same as on the CPU, and nothing leaks."""

import numpy
import pytest
from thinc.api import Model
from thinc.types import Ragged

from spacy_contrastive_ner.annotations import Gold
from spacy_contrastive_ner.models.label_vectors import encode_types, margins_of, with_sources

from ..device import DeviceOps
from ..util import TEXTS, make_examples, predict, train
from .test_bi_encoder import make, types


def on_device(model):
    """A stand-in for the model whose rows and space are on a device. Its encoder stays on the CPU."""
    ops = DeviceOps()

    def outside(name):
        layer = model.get_ref(name)

        def forward(_, docs, is_train):
            rows, backprop = layer(docs, is_train)
            if not isinstance(rows, Ragged):
                return ops.asarray(rows), lambda d_rows: backprop(d_rows.get())
            there = Ragged(ops.asarray(rows.dataXd), ops.asarray(rows.lengths))
            return there, lambda d: backprop(Ragged(d.dataXd.get(), rows.lengths))

        return Model("outside", forward, ops=ops)

    names = [name for name in ("text", "describer") if model.has_ref(name)]
    refs = {name: outside(name) for name in names}
    space = model.get_ref("space").layers[0]
    holder = Model("space", lambda *args: None, ops=ops)
    copied = Model(
        "type_space", lambda *args: None, ops=ops, params=dict.fromkeys(space.param_names)
    )
    for name in space.param_names:
        copied.set_param(name, ops.asarray(space.get_param(name)))
    holder.layers.append(copied)
    there = Model("bi_encoder", model._func, ops=ops, layers=[*refs.values(), holder])
    for name, layer in {**refs, "space": holder}.items():
        there.set_ref(name, layer)
    there.attrs.update(model.attrs)
    return there


@types
def test_all_of_it(model):
    nlp = make({**model, "fit_width": 2})
    examples = make_examples(nlp)
    train(nlp, examples, steps=5)
    pipe = nlp.get_pipe("contrastive_ner")
    pipe.add_label("LAW", examples=[predict(nlp, "the Health Act")[1:3]])
    here, docs = pipe.model, [example.predicted for example in examples]
    here.attrs["made_by"] = []
    there = on_device(here)
    gold = [Gold(len(doc), spans, [(0, 1, "PER")], []) for doc, (_, spans) in zip(docs, TEXTS)]

    def same(a, b, tolerance=1e-4):
        assert numpy.allclose(a, b.get(), atol=tolerance)

    if with_sources(here):
        names = with_sources(here)
        (ours, back), (far, far_back) = (
            encode_types(some, nlp.vocab, names, True) for some in (here, there)
        )
        same(ours, far)
        back(ours)
        far_back(far)
        if not here.has_ref("describer"):
            layers = [some.get_ref("space").layers[0] for some in (here, there)]
            same(*(layer.get_grad("widths") for layer in layers))
    rows, far_rows = here.predict(docs), there.predict(docs)
    same(rows.dataXd, far_rows.dataXd)
    attrs = here.attrs
    rows.dataXd[:] += 0.1
    far_rows.dataXd[:] += 0.1
    for some in (
        [attrs["learn"](m, gold, r)[:2] for m, r in ((here, rows), (there, far_rows))],
        [
            attrs["imitate"](m, r, m, Ragged(r.dataXd * 2, r.lengths))
            for m, r in ((here, rows), (there, far_rows))
        ],
    ):
        (loss, d_rows), (far_loss, far_d_rows) = some
        assert far_loss == pytest.approx(loss, rel=1e-4) and loss > 0
        same(d_rows.dataXd, far_d_rows.dataXd)
        layers = [m.get_ref("space").layers[0] for m in (here, there)]
        for name in ("types", "widths", "scales"):
            same(*(layer.attrs["gradient"][name] for layer in layers))
    lengths = [len(doc) for doc in docs]
    ours = attrs["find"](here, lengths, rows, "posterior", 0.02)
    far = attrs["find"](there, lengths, far_rows, "posterior", 0.02)
    assert len(ours.start) and all(numpy.allclose(a, b, atol=1e-4) for a, b in zip(ours, far))
    # Thresholds in training hold the offset that came with the examples.
    assert margins_of(there, far_rows, True).lift is not None
