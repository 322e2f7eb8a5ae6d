"""The native PyTorch module computes and learns what the Keras model does."""

import keras
import numpy as np
import pytest

from maelstrom_bootcamp import nn
from maelstrom_bootcamp.errors import BootcampError

torch = pytest.importorskip("torch")

from maelstrom_bootcamp.hardware import pytorch  # noqa: E402


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    model = nn.unet(5, 3, features=4, levels=3)
    rng = np.random.default_rng(1)
    model.set_weights([w + 0.1 * rng.normal(size=w.shape).astype("f4") for w in model.get_weights()])
    return model


@pytest.fixture
def batch():
    rng = np.random.default_rng(2)
    return rng.normal(size=(2, 16, 16, 5)).astype("f4"), rng.normal(size=(2, 16, 16, 1)).astype("f4")


def channels_first(a):
    return torch.from_numpy(np.ascontiguousarray(a.transpose(0, 3, 1, 2)))


@pytest.mark.parametrize("trim", [0, 2])
def test_output_and_loss(model, batch, trim):
    x, y = batch
    module = pytorch.from_keras(model)
    expected, found = model(x), module(channels_first(x))
    np.testing.assert_allclose(expected, found.detach().numpy().transpose(0, 2, 3, 1), atol=1e-5)
    loss = float(nn.QuantileLoss(trim=trim)(y, expected))
    assert float(pytorch.quantile_loss(channels_first(y), found, trim).detach()) == pytest.approx(
        loss, rel=1e-5
    )


@pytest.mark.parametrize("layout", ["contiguous_format", "channels_last"])
def test_weights_after_steps(model, batch, layout):
    x, y = batch
    layout = getattr(torch, layout)
    module = pytorch.from_keras(model).to(memory_format=layout)
    model.compile(keras.optimizers.SGD(0.1), nn.QuantileLoss(trim=2))
    step = pytorch.training_step(module, torch.optim.SGD(module.parameters(), 0.1), trim=2)
    before = model.get_weights()
    for _ in range(5):
        model.train_on_batch(x, y)
        step(channels_first(x).to(memory_format=layout), channels_first(y))
    found = pytorch.to_numpy(module)
    for variable in model.trainable_variables:
        np.testing.assert_allclose(variable.numpy(), found[variable.path], atol=2e-5)
    assert max(np.abs(a - b).max() for a, b in zip(before, model.get_weights(), strict=True)) > 1e-3


def test_the_standard_network_has_its_size():
    assert sum(p.numel() for p in pytorch.UNet().parameters()) == 1_314_019


def test_tasks_for_a_race(model):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(1, 96, 96, 5)).astype("f4")
    tasks = pytorch.as_tasks(model, x, rng.normal(size=(1, 96, 96, 2)).astype("f4"))
    np.testing.assert_allclose(tasks["forward"](), model(x), atol=1e-5)
    losses = [tasks["train"]() for _ in range(5)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("options", [{"kernel_size": 3}, {"convs": 1}, {"upsampling": "nearest"}])
def test_other_networks_are_refused(options):
    with pytest.raises(BootcampError):
        pytorch.from_keras(nn.unet(5, 3, features=4, levels=3, **options))
