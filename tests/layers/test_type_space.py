import numpy
import pytest
from thinc.api import resizable

from spacy_contrastive_ner.layers.held import set_gradient
from spacy_contrastive_ner.layers.type_space import TypeSpace, get_space, reset_space, set_size


def test_the_space_grows_and_keeps_what_it_has():
    container = resizable(TypeSpace(6), set_size)
    assert get_space(container.layers[0]) is None
    set_size(container, 2, 3)
    before = get_space(container.layers[0])
    assert before.types.shape == (2, 3, 6) and before.widths.shape == (3, 6)
    assert numpy.exp(before.scales).tolist() == pytest.approx([1 / 0.07] * 3 + [1])
    layer = container.layers[0]
    set_size(container, 2, 3)
    assert container.layers[0] is layer
    before.scales[0] = 5
    set_size(container, 3, 3)
    after = get_space(container.layers[0])
    assert container.layers[0] is not layer and after.types.shape == (3, 3, 6)
    assert (after.types[:2] == before.types).all() and (after.widths == before.widths).all()
    assert after.scales.tolist() == before.scales.tolist() and after.types[2].any()
    reset_space(container)
    assert get_space(container.layers[0]) is None


def test_gradients_wait_for_backpropagation():
    container = resizable(TypeSpace(2), set_size)
    set_size(container, 1, 1)
    layer = container.layers[0]
    X = numpy.ones((3, 2), dtype="float32")
    Y, backprop = container(X, True)
    assert Y is X
    set_gradient(layer, {"types": layer.get_param("types") * 0 + 2})
    assert not layer.has_grad("types")
    assert backprop(X) is X
    assert (layer.get_grad("types") == 2).all() and not layer.has_grad("widths")
    backprop(X)  # once only
    assert (layer.get_grad("types") == 2).all()


def test_a_width_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="at least 1"):
        TypeSpace(0)
