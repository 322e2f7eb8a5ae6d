"""The networks in onnxruntime: the same numbers as in Keras."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from maelstrom_bootcamp.apps.radiation import networks, to_onnx
from maelstrom_bootcamp.errors import BootcampError

import keras
import numpy as np
import pytest

CASES = [
    (networks.min_cnn, {}),
    (networks.min_cnn, {"pool": 5}),
    (networks.cnn, {}),
    (networks.cnn, {"pool": 4, "activation": "tanh"}),
    (networks.cnn, {"kernel_size": 2, "dilation_rates": (3,)}),
    (networks.attention, {"convs": (1, 1)}),
    (networks.rnn, {}),
    (networks.dense, {}),
    (networks.dense, {"pool": 5}),
]


@pytest.mark.parametrize("band", ["sw", "lw"])
@pytest.mark.parametrize(("make", "options"), CASES)
def test_same_numbers_as_in_keras(make, options, band, columns):
    keras.utils.set_random_seed(0)
    model = make(levels=12, band=band, **options)
    model.set_weights(
        [w + 0.05 * np.random.default_rng(0).standard_normal(w.shape) for w in model.get_weights()]
    )
    names = list(model.output)
    opened = to_onnx.session(model)
    assert [output.name for output in opened.get_outputs()] == names
    for n in (1, 5):
        x = columns(12, n)
        for name, values in zip(names, opened.run(names, x), strict=True):
            expected = np.asarray(model(x)[name])
            margin = 3e-4 if name.startswith("hr_") else 1e-5  # a small difference of large fluxes
            np.testing.assert_allclose(values, expected, rtol=1e-4, atol=margin * np.abs(expected).max())


def test_a_layer_without_translation_is_named():
    model = networks.rnn(levels=12, cell="gru")
    with pytest.raises(BootcampError, match="GRU"):
        to_onnx.to_onnx(model)


def test_one_thread_and_a_model_that_says_what_it_is():
    model = networks.cnn(levels=12, filters=4)
    made = to_onnx.to_onnx(model)
    assert made.graph.name == "cnn"
    assert {i.name for i in made.graph.input} == set(model.input)
    assert to_onnx.session(model).get_session_options().intra_op_num_threads == 1
