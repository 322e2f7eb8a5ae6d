"""Scores and tables of A3: exact on columns whose errors are known."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from maelstrom_bootcamp.apps.radiation.columns import label_noise, load_split, origin
from maelstrom_bootcamp.apps.radiation.evaluate import (
    BANDS,
    PER_DAY,
    QUANTITIES,
    Network,
    classes,
    energy_residual,
    errors,
    masks_of,
    noise_of,
    profiles,
)
from maelstrom_bootcamp.apps.radiation.tables import by_level, compare, table, tails, weather_groups
from maelstrom_bootcamp.errors import BootcampError

LABELS = ("sw", "hr_sw", "lw", "hr_lw")


def method(columns, change=lambda found: found):
    """A method that gives the labels, changed."""
    return SimpleNamespace(predict=lambda _: change({n: columns[n].copy() for n in LABELS if n in columns}))


@pytest.fixture(scope="module")
def columns():
    return load_split("test")


@pytest.fixture(scope="module")
def where():
    return origin("test")


def plus(found, flux=0.0, heating=0.0):
    """Add the same to all downward fluxes and all heating rates."""
    for band in BANDS:
        found[band][..., 0] += flux
        found[f"hr_{band}"] += heating
    return found


@pytest.fixture(scope="module")
def found(columns, where):
    methods = {"perfect": method(columns), "off": method(columns, lambda x: plus(x, 3.0, -0.5))}
    return errors(methods, columns, where)


def test_errors_and_scores_of_a_known_fault(found):
    assert set(found.data_vars) == set(QUANTITIES)
    assert found.sizes["column"] == 64
    scores = table(found)
    perfect = scores.xs("perfect", level="model")
    assert (perfect[["bias", "mae", "rmse"]] == 0).all().all()
    off = scores.xs("off", level="model")
    for band in BANDS:
        for name, value in (("surface_down", 3), ("down", 3), ("net", 3), ("up", 0), ("heating", -0.5)):
            row = off.loc[band, name]
            assert [row["bias"], row["mae"], row["rmse"]] == pytest.approx(
                [value, abs(value), abs(value)], abs=1e-4
            )
    assert (scores["n"] == 64).all()
    assert found["heating"].attrs["units"] == "K d-1"


def test_rmse_is_not_the_mean_error(columns):
    def one_column(x):
        x["sw"][5, -1, 0] += 8
        return x

    row = table(errors({"one": method(columns, one_column)}, columns)).loc["sw", "surface_down", "one"]
    assert row["mae"] == pytest.approx(8 / 64, rel=1e-4)
    assert row["rmse"] == pytest.approx(1, rel=1e-4)


def ends(found, columns):
    """What min_cnn would give: net at the top, down and up at the surface, and heating rates."""
    out = {}
    for band in BANDS:
        flux = columns[band]
        out[band] = np.stack([flux[:, 0, 0] - flux[:, 0, 1], flux[:, -1, 0], flux[:, -1, 1]], -1)
        out[f"hr_{band}"] = columns[f"hr_{band}"]
    return out


def test_three_numbers_and_heating_rates_give_the_net_flux(columns):
    short = SimpleNamespace(predict=lambda c: ends(None, c))
    found = errors({"ends": short}, columns)
    for name in ("net", "surface_down", "surface_up", "top_up", "heating"):
        assert np.abs(found[name]).max() < 5e-3, "but for round-off"
    assert np.isnan(found["down"].isel(half_level=slice(1, -1))).all(), "fluxes in between are not known"
    scored = set(table(found).reset_index()["quantity"])
    assert scored == set(QUANTITIES) - {"down", "up"}


def test_a_method_of_one_band_is_scored_in_it_only(columns):
    def only(x):
        return {n: x[n] for n in ("lw", "hr_lw")}

    scores = table(errors({"lw": method(columns, only), "both": method(columns)}, columns))
    assert set(scores.xs("lw", level="model").reset_index()["band"]) == {"lw"}
    assert set(scores.xs("both", level="model").reset_index()["band"]) == {"sw", "lw"}
    assert not profiles({}, columns, "sw")


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x | {"sw": x["sw"][:, :-1]},
        lambda x: {n: v for n, v in x.items() if n != "hr_sw"},
        lambda x: x | {"hr_lw": x["hr_lw"][:10]},
    ],
)
def test_misshapen_results(columns, change):
    with pytest.raises(BootcampError, match="Give fluxes"):
        errors({"bad": method(columns, change)}, columns)


def test_no_methods(columns):
    with pytest.raises(BootcampError, match="no methods"):
        errors({}, columns)


# ---------------------------------------------------------------- noise, classes, levels, tails


def test_scores_above_the_noise(columns, found):
    noise = {n: np.full(columns[n].shape, 2.0, "f4") for n in LABELS}
    scores = table(found, noise_of(noise))
    row = scores.loc["sw", "surface_down", "off"]
    assert row["noise"] == pytest.approx(2)
    assert row["rmse_above_noise"] == pytest.approx(np.sqrt(3**2 - 2**2), rel=1e-4)
    assert scores.loc["sw", "surface_down", "perfect"]["rmse_above_noise"] == 0, "never below zero"
    assert np.isnan(scores.loc["sw", "net", "off"]["rmse_above_noise"]), "the noise of net is not known"


def test_noise_of_the_sample_explains_what_a_perfect_method_would_miss(columns):
    """Labels of one draw against the mean of many: the RMSE is the noise of one draw."""
    one = load_split("test", dataset="mcica")
    noise = label_noise("test")
    both = {n: v * np.sqrt(64 if "sw" in n else 16) for n, v in noise.items()}
    scores = table(errors({"one draw": method(one)}, columns), noise_of(both))
    # On the 1,024 test columns of size "default" the ratio lies between 0.98 and 1.04 (surface_down, top_up);
    # 64 columns, half of them by night, leave much to chance.
    for band, name in (("sw", "surface_down"), ("sw", "top_up"), ("lw", "surface_down"), ("lw", "down")):
        row = scores.loc[band, name, "one draw"]
        assert 0.5 < row["rmse"] / row["noise"] < 2, (band, name, row)


def test_classes_are_what_they_say(columns):
    kinds = classes(columns)
    assert kinds["all"].all()
    assert (kinds["night"] ^ kinds["day"]).all()
    assert not (kinds["clear"] & kinds["cloudy"]).any()
    assert not columns["sw"][kinds["night"]].any()
    none = columns["col_inputs"][..., 10].max(axis=1) == 0
    assert kinds["clear"][none].all()
    assert all(mask.any() for mask in kinds.values())


def test_tables_by_class(columns, where, found):
    masks = masks_of(where.date.values) | {"nothing": np.zeros(64, bool)}
    scores = table(found, masks=masks)
    assert set(scores.index.get_level_values("class")) == {"20190531", "20191028"}
    assert (scores["n"] == 32).all()


def test_scores_by_level(columns):
    def fault(x):
        x["hr_lw"][:, 7] += np.where(np.arange(64) % 2, 1, -1)[:, None]
        return x

    found = errors({"fault": method(columns, fault)}, columns)
    rmse = by_level(found).sel(band="lw", model="fault")
    assert rmse.dims == ("level",)
    assert rmse[7] == pytest.approx(1, rel=1e-5)
    assert rmse.sum() == pytest.approx(1, rel=1e-5)
    assert by_level(found, score="bias").sel(band="lw", model="fault")[7] == pytest.approx(0, abs=1e-6)
    for bad in ({"quantity": "top_up"}, {"score": "crps"}, {"quantity": "temperature"}):
        with pytest.raises(BootcampError, match="no profile"):
            by_level(found, **bad)


def test_tails_of_values_and_of_columns(columns):
    def fault(x):
        x["sw"][:4, 20, 0] += 6
        x["sw"][4, 20:22, 0] -= 11
        return x

    shares = tails(errors({"fault": method(columns, fault)}, columns)).loc["sw", "fault"]
    values = [shares["values", f"> {x} W/m²"] * 64 * 138 for x in (10, 5, 2)]
    assert values == pytest.approx([2, 6, 6])
    assert [shares["columns", f"> {x} W/m²"] * 64 for x in (10, 5, 2)] == pytest.approx([1, 5, 5])


# ---------------------------------------------------------------- energy, comparisons, networks


def test_energy_residual(columns):
    labels = {n: columns[n] for n in LABELS}
    for band in BANDS:
        assert np.abs(energy_residual(labels, columns, band)).max() < 5e-3
        assert np.abs(energy_residual(ends(None, columns), columns, band)).max() < 5e-3
        hot = labels | {f"hr_{band}": labels[f"hr_{band}"] + 1}
        mass = (columns["pressure_hl"][:, -1, 0] - columns["pressure_hl"][:, 0, 0]) / PER_DAY
        assert energy_residual(hot, columns, band) == pytest.approx(-mass, abs=5e-3)
    with pytest.raises(BootcampError, match="tells nothing of 'sw'"):
        energy_residual({"lw": labels["lw"]}, columns, "sw")


def test_compare(columns, where):
    rng = np.random.default_rng(0)

    def noisy(size):
        def change(x):
            x["sw"][:, -1, 0] += size * rng.standard_normal(64)
            return x

        return method(columns, change)

    found = errors({"good": noisy(1), "bad": noisy(4), "awful": noisy(8)}, columns, where)
    groups = weather_groups(found)
    assert len(np.unique(groups)) == 16
    result = compare(found, "bad", groups, quantities=["surface_down"], n=200)
    assert set(result.loc["sw"].index.get_level_values("model")) == {"good", "awful"}
    assert set(result.index.get_level_values("band")) == {"sw"}, (
        "the longwave is perfect: no percent of nothing"
    )
    good, awful = (result.loc["sw", "surface_down", m] for m in ("good", "awful"))
    assert good["high"] < 0 < awful["low"]
    assert good["percent"] == pytest.approx(-75, abs=10)
    with pytest.raises(BootcampError, match="no method 'best'"):
        compare(found, "best", groups)


def test_networks_of_both_bands_are_one_method(columns):
    def network(band):
        x = {n: keras.Input(columns[n].shape[1:], name=n) for n in ("hl_inputs", "pressure_hl")}
        flux = keras.layers.Identity(name=band)(0.0 * x["hl_inputs"])
        heating = keras.layers.Cropping1D((0, 1), name=f"hr_{band}")(0.0 * x["pressure_hl"])
        return keras.Model(x, {band: flux, f"hr_{band}": heating})

    both = Network((network("sw"), network("lw")), batch_size=10)
    found = both.predict(columns)
    assert {n: v.shape for n, v in found.items()} == {n: columns[n].shape for n in LABELS}
    scores = table(errors({"zero": both}, columns))
    assert scores.loc["lw", "surface_down", "zero"]["bias"] == pytest.approx(
        -columns["lw"][:, -1, 0].mean(), rel=1e-5
    )
