"""Stored weights: small, complete or absent, and never loaded into the wrong network."""

import numpy as np
import pytest

from maelstrom_bootcamp import nn
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn import weights as module

CARD = {"command": "make train A1", "seed": 3, "data_hash": "ab" * 32, "scores": {"quantile_score": 0.3}}


def small(**options):
    return nn.unet(2, 3, **{"features": 2, "levels": 2, **options})


def test_weights_come_back_to_half_precision(tmp_path):
    model, path = small(batch_norm=True), tmp_path / "new" / "unet.npz"
    saved = nn.save_weights_npz(model, path, **CARD, note="a test")
    other = small(batch_norm=True)
    card = nn.load_weights_npz(other, path)
    assert card == saved == nn.read_model_card(path)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2**-11, atol=1e-7)
    assert [p.name for p in path.parent.iterdir()] == ["unet.npz"]


def test_the_card_says_where_the_weights_come_from(tmp_path):
    nn.save_weights_npz(small(), tmp_path / "w.npz", **CARD, note="a test")
    card = nn.read_model_card(tmp_path / "w.npz")
    assert CARD.items() <= card.items()
    assert card["note"] == "a test"
    assert card["model"] == "unet"
    assert card["parameters"] == small().count_params()
    assert set(card["versions"]) == {"python", "tensorflow", "keras", "numpy"}
    assert card["machine"]["cores"] >= 1
    assert card["machine"]["cpu"]


def test_the_standard_unet_is_below_the_limit_of_8_mb(tmp_path):
    nn.save_weights_npz(nn.unet(), tmp_path / "w.npz", **CARD)
    assert (tmp_path / "w.npz").stat().st_size < 8e6


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"features": 3}, "enc1_conv1/kernel is"),
        ({"levels": 3}, "enc2_conv1/kernel is missing"),
        ({"convs": 1}, "enc1_conv2/kernel is not in the model"),
    ],
)
def test_another_architecture_is_refused_and_left_alone(tmp_path, options, said):
    nn.save_weights_npz(small(), tmp_path / "w.npz", **CARD)
    other = small(**options)
    before = other.get_weights()
    with pytest.raises(BootcampError, match=said) as caught:
        nn.load_weights_npz(other, tmp_path / "w.npz")
    assert "make train A1" in caught.value.cure
    for a, b in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_missing_damaged_and_foreign_files(tmp_path):
    path = tmp_path / "w.npz"
    with pytest.raises(BootcampError, match="no weights at"):
        nn.read_model_card(path)
    nn.save_weights_npz(small(), path, **CARD)
    whole = path.read_bytes()
    for part in (whole[: len(whole) // 2], b"", b"not a zip file at all"):
        path.write_bytes(part)
        with pytest.raises(BootcampError, match="cannot be read"):
            nn.load_weights_npz(small(), path)
    np.savez(path, a=np.zeros(3))
    with pytest.raises(BootcampError, match="no model card"):
        nn.read_model_card(path)


@pytest.mark.parametrize("value", [np.nan, 1e6])
def test_weights_that_diverged_are_not_written(tmp_path, value):
    model = nn.linear_net()
    model.set_weights([np.full_like(w, value) for w in model.get_weights()])
    with pytest.raises(BootcampError, match="head/kernel"), np.errstate(over="ignore"):
        nn.save_weights_npz(model, tmp_path / "w.npz", **CARD)
    assert not list(tmp_path.iterdir())


def test_a_failure_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "w.npz"
    nn.save_weights_npz(small(), path, **CARD)
    old = path.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        nn.save_weights_npz(small(), path, **CARD)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["w.npz"]


def test_running_variances_beyond_half_precision_survive(tmp_path):
    model, other = small(batch_norm=True), small(batch_norm=True)
    variance = next(v for v in model.weights if v.path.endswith("moving_variance"))
    variance.assign(np.full(variance.shape, 1e6))
    nn.save_weights_npz(model, tmp_path / "w.npz", **CARD)
    nn.load_weights_npz(other, tmp_path / "w.npz")
    found = next(v for v in other.weights if v.path.endswith("moving_variance"))
    np.testing.assert_array_equal(found, variance)
