"""Seeds, optimiser, and a fit that keeps the best epoch."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from maelstrom_bootcamp import nn
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn.training import cosine_restarts, fit


def data(n=8, seed=0):
    x = np.random.default_rng(seed).standard_normal((n, 8, 8, 2)).astype("f")
    y = x[..., :1] * 2 + 1
    return x, np.concatenate([y, np.full_like(y, 0.1)], -1)


def model_and_loss(seed=0, **options):
    nn.set_seed(seed)
    return nn.compile_model(nn.unet(2, 3, features=2, levels=2), nn.QuantileLoss(trim=0), **options)


def test_the_same_seed_trains_the_same_weights():
    weights = []
    for seed in (3, 3, 4):
        model = model_and_loss(seed)
        fit(model, data(), epochs=2, verbose=False, batch_size=4)
        weights.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, True])
def test_bad_seeds(seed):
    with pytest.raises(BootcampError, match="seed"):
        nn.set_seed(seed)


def test_cosine_starts_again_after_each_cycle():
    schedule = cosine_restarts(10, 2e-3, 2e-4)
    rates = [float(schedule(step)) for step in (0, 5, 10, 15, 20)]
    np.testing.assert_allclose(rates, [2e-3, 1.1e-3, 2e-3, 1.1e-3, 2e-3], rtol=1e-5)
    assert float(schedule(9)) < 3e-4
    for bad in ((0,), (5, 1e-3, 1e-3)):
        with pytest.raises(BootcampError):
            cosine_restarts(*bad)


def test_the_optimiser_is_met_norways():
    model = nn.compile_model(nn.linear_net())
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert model.optimizer.clipnorm == 1.0
    assert model.loss.get_config() == nn.QuantileLoss().get_config()


def test_fit_learns_and_reports(capsys):
    model = model_and_loss(learning_rate=1e-2)
    history = fit(model, data(), data(4, 1), epochs=4, batch_size=4)
    assert list(history.columns) == ["loss", "val_loss", "seconds", "best"]
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    assert (history["seconds"] > 0).all()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("epoch   1   loss ")


def test_fit_keeps_the_best_epoch():
    x, y = data()
    # A learning rate that grows: the later epochs destroy what the first has learnt.
    model = model_and_loss(learning_rate=1e-3)

    class Worse(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 5.0

    history = fit(model, (x, y), (x, y), epochs=3, verbose=False, batch_size=4, callbacks=[Worse()])
    assert history["best"].tolist() == [True, False, False]
    assert model.evaluate(x, y, verbose=0) == pytest.approx(history["val_loss"].iloc[0], rel=1e-4)


def test_fit_says_when_the_loss_is_never_a_number():
    x, y = data()
    with pytest.raises(BootcampError, match="missing values"):
        fit(model_and_loss(), (x * np.nan, y), epochs=1, verbose=False)


def test_quiet_holds_back_and_replays(capfd):
    with nn.quiet():
        subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write('from below')"], check=True)
    assert capfd.readouterr().err == ""

    def fail():
        with nn.quiet():
            subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write('the reason')"], check=True)
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert "the reason" in capfd.readouterr().err


def test_importing_and_training_write_nothing():
    code = (
        "from maelstrom_bootcamp import nn; import numpy as np; nn.set_seed(0);"
        "m = nn.compile_model(nn.unet(2, 3, features=2, levels=2), nn.QuantileLoss(trim=0));"
        "x = np.zeros((2, 4, 4, 2), 'f'); nn.training.fit(m, (x, x), verbose=False)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
