"""Energy and cost to solution: arithmetic by hand, intervals that hold, sources that are there."""

from __future__ import annotations

from dataclasses import fields
from importlib import resources

import pytest

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware import cost
from maelstrom_bootcamp.hardware.cost import Factors, Interval, bill, exactly, factors, node, settle

SURE = factors(share=0.5, idle=0.1, overhead=1.5, pue=1.2, price=0.25, co2=0.4)


def text():
    return resources.files("maelstrom_bootcamp.hardware").joinpath("prices.toml").read_text("utf-8")


def test_a_bill_by_hand():
    booster = node("juwels-booster")
    assert (booster.count, booster.device.tdp) == (4, 400)
    found = bill(booster, exactly(0.1), 36_000, by=SURE)  # one hour of half of 400 W
    assert found.seconds.value == pytest.approx(3600)
    assert found.watts.value == pytest.approx(300)
    assert found.kwh.value == pytest.approx(0.36)
    assert found.eur.value == pytest.approx(0.09)
    assert found.kg_co2.value == pytest.approx(0.144)


def test_who_is_alone_pays_for_the_idle_ones():
    booster = node("juwels-booster")
    shared, alone = (bill(booster, exactly(0.1), 36_000, alone=a, by=SURE) for a in (False, True))
    assert alone.watts.value == pytest.approx(shared.watts.value + 3 * 40 * 1.5)
    both = (bill(booster, exactly(0.1), 36_000, used=4, alone=a, by=SURE).watts.value for a in (False, True))
    assert len(set(both)) == 1
    assert not any(text.startswith("idle") for text in shared.assumed)
    assert any(text.startswith("idle") for text in alone.assumed)


def test_the_ends_of_the_interval_are_the_ends_of_all_factors():
    step = Interval(0.05, 0.1, 0.2, "predicted")
    found, booster, f = bill(node("juwels-booster"), step, 1000), node("juwels-booster"), factors()
    for end in ("low", "value", "high"):
        sure = factors(**{x.name: getattr(getattr(f, x.name), end) for x in fields(Factors)})
        alone = bill(booster, exactly(getattr(step, end)), 1000, by=sure)
        assert getattr(found.eur, end) == pytest.approx(alone.eur.value)
        assert getattr(found.kg_co2, end) == pytest.approx(alone.kg_co2.value)
    assert found.kwh.low < found.kwh.value < found.kwh.high
    assert any("predicted" in line for line in found.assumed)
    assert "kWh" in str(found)


def test_what_the_meter_counted_decides_what_comes_on_top():
    kwh = {c: settle(3.6e6, SURE, counted=c).kwh.value for c in ("device", "node", "building")}
    assert kwh == pytest.approx({"device": 1.8, "node": 1.2, "building": 1.0})
    with pytest.raises(BootcampError, match="does not count"):
        settle(1.0, counted="rack")


def test_every_factor_has_a_source_or_says_that_it_is_assumed():
    for name, interval in vars(factors()).items():
        assert interval.sources or "assumed" in interval.why, name
        assert all(source.url.startswith("https://") for source in interval.sources)
    assert len(cost.offers()) >= 2
    assert all(0 < offer.usd_per_hour < 20 for offer in cost.offers())


def test_a_factor_without_a_source_is_refused():
    broken = text().replace('sources = ["jsc-energy", "eurostat-2024"]', "sources = []")
    with pytest.raises(BootcampError, match="no source"):
        cost.parse(broken)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[factors.pue]", "[factors.pue"),
        ("[factors.pue]", "[factors.other]"),
        ('"jsc-energy", ', '"nobody", '),
        ("low = 0.363", "low = 0.9"),
        ("count = 1\n", ""),
        ('device = "a100-40gb"', 'device = "a100"'),
    ],
)
def test_a_broken_file_is_one_clear_error(old, new):
    assert old in text()
    with pytest.raises(BootcampError):
        cost.parse(text().replace(old, new))


@pytest.mark.parametrize(
    "values", [(2, 1, 3), (1, 3, 2), (-1, 0, 1), (0, 1, float("inf")), (float("nan"),) * 3]
)
def test_what_is_no_interval(values):
    with pytest.raises(BootcampError, match="no interval"):
        Interval(*values)


@pytest.mark.parametrize(
    "change", [{"pue": 0.9}, {"overhead": 0.5}, {"share": 1.2}, {"idle": 2.0}, {"tax": 0.2}]
)
def test_factors_that_make_no_sense(change):
    with pytest.raises(BootcampError):
        factors(**change)


def test_nodes():
    assert node("lumi-g").device.key == "mi250x"
    assert node("juwels-cluster", "v100-pcie").device.tdp == 250
    host = node("e4-amd", host=True)
    assert (host.device.key, host.count) == ("epyc-7313", 2)
    assert "not known" in node("e4-amd").note
    for wrong in (("nowhere",), ("juwels-booster", "mi100"), ("e4-intel-cpu",)):
        with pytest.raises(BootcampError):
            node(*wrong)
    with pytest.raises(BootcampError):
        node("jureca-dc-h100", host=True)


@pytest.mark.parametrize("more", [{"used": 5}, {"used": 0}, {"used": True}, {"steps": -1}])
def test_bills_that_make_no_sense(more):
    more = {"steps": 10} | more
    with pytest.raises(BootcampError):
        bill(node("juwels-booster"), exactly(0.1), **more)
