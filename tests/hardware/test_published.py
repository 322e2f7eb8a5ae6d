from __future__ import annotations

from dataclasses import FrozenInstanceError
from importlib import resources

import pytest

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware import published, systems
from maelstrom_bootcamp.hardware.published import measurements, parse, table, workload, workloads

TEXT = resources.files("maelstrom_bootcamp.hardware").joinpath("published.toml").read_text(encoding="utf-8")
SMALL = """
[sources.a]
title = "A table"
publisher = "Somebody"
url = "https://example.org/a"

[workloads.w]
name = "a network"
task = "training"
quantity = "throughput"
unit = "images/s"
software = "some"
source = "a"
total = true
measured = [
    { device = "a100-40gb", precision = "fp16", count = 4, batch = 64, value = 400 },
    { device = "v100-sxm2", precision = "fp16", value = 50 },
    { device = "v100-sxm2", precision = "fp32", value = 20 },
]
"""


# ---- what has to hold of any table: each returns what is wrong, so that it can be seen to fail -------


def faster_than_possible(found):
    """No speed lies above the peak of the sheet, no bandwidth above that of the memory."""
    wrong = []
    for w in found.workloads.values():
        for m in w.measured:
            if w.quantity == "speed" and f"matrix.{m.precision}" in m.device.figures:
                limit = m.device.peak(m.precision)
            elif w.quantity == "bandwidth":
                limit = m.device.bandwidth
            else:
                continue
            wrong += [(w.key, m.device.key)] if m.each > limit else []
    return wrong


def hungrier_than_allowed(found):
    """Speed over efficiency is power: it cannot exceed what the board may draw, nor be next to nothing."""
    wrong = []
    for key, w in found.workloads.items():
        of = found.workloads.get(key.removesuffix("-efficiency"))
        if w.quantity != "efficiency" or of is None:
            continue
        for m in w.measured:
            watt = of.find(m.device.key, m.precision, m.count).each / m.each
            wrong += [] if 0.3 * m.device.tdp < watt < 1.02 * m.device.tdp else [(key, m.device.key, watt)]
    return wrong


def faster_in_wider_numbers(found):
    wrong = []
    for w in found.workloads.values():
        by = {(m.device.key, m.precision): m.each for m in w.measured}
        wrong += [
            (w.key, d)
            for (d, p), value in by.items()
            if p == "fp16" and value < 0.95 * by.get((d, "fp32"), 0)
        ]
    return wrong


def unused_sources(found):
    used = {m.source.key for w in found.workloads.values() for m in w.measured}
    return sorted(set(found.sources) - used)


CHECKS = (faster_than_possible, hungrier_than_allowed, faster_in_wider_numbers, unused_sources)


@pytest.mark.parametrize("check", CHECKS)
def test_the_shipped_table_is_sane(check):
    assert check(table()) == []


@pytest.mark.parametrize(
    ("check", "old", "new"),
    [
        (faster_than_possible, "value = 794.5e12", "value = 1589e12"),  # a speed "with sparsity"
        (faster_than_possible, "value = 3614.60e9", "value = 4100e9"),
        (hungrier_than_allowed, "value = 0.52e12", "value = 0.42e12"),
        (faster_in_wider_numbers, "batch = 128, value = 369", "batch = 128, value = 969"),
        (
            unused_sources,
            "[sources.lambda]",
            '[sources.x]\ntitle="t"\npublisher="p"\nurl="u"\n[sources.lambda]',
        ),
    ],
)
def test_the_checks_find_what_is_wrong(check, old, new):
    assert TEXT.count(old) == 1
    assert check(parse(TEXT.replace(old, new)))


def test_all_devices_of_the_comparison_have_figures():
    for key in ("v100-sxm2", "a100-40gb", "mi100", "mi250-gcd", "h100-pcie", "h100-sxm", "gh200", "gc200"):
        assert measurements(key), key
    assert {m.device.key for m in measurements()} <= set(systems.devices())
    assert measurements("epyc-7402") == ()


def test_figures_as_they_were_read():
    assert workload("gpt-800m-small").find("mi250-gcd").value == 69.35e12
    assert workload("matmul").speedup("gh200", "a100-80gb") == pytest.approx(828.6 / 271.2)
    assert workload("lambda-resnet50").speedup("h100-sxm", "v100-sxm2", "fp16") == 2616 / 833
    assert workload("fourcastnet").find("a100-40gb").each / 312e12 == pytest.approx(0.119, abs=0.001)
    # Tokens of a step over its seconds, both printed next to the rate.
    assert pytest.approx(workload("gpt-800m-tokens").find("mi250-gcd").value, rel=0.01) == 32 * 2048 / 0.74
    assert pytest.approx(workload("gpt-117m").find("gc200").value, rel=0.001) == 2048 / 11.17
    for source in published.sources().values():
        assert source.url in source.citation
        assert source.url.startswith("https://")


def test_each_and_speedup():
    w = parse(SMALL).workloads["w"]
    assert w.find("a100-40gb").each == 100
    assert w.find("a100-40gb").batch == 64
    assert w.speedup("a100-40gb", "v100-sxm2", "fp16") == 2
    assert w.find("v100-sxm2", "fp32").each == 20
    with pytest.raises(FrozenInstanceError):
        w.find("a100-40gb").value = 1
    with pytest.raises(TypeError):
        workloads()["w"] = w


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda w: w.find("a200"), "no device 'a200'"),
        (lambda w: w.find("mi100"), "No figure of mi100 for w was read"),
        (lambda w: w.find("a100-40gb", "fp64"), "No figure of a100-40gb"),
        (lambda w: w.find("v100-sxm2"), "2 figures of v100-sxm2 for w fit"),
        (lambda w: workload("chess"), "no workload 'chess'"),
        (lambda w: measurements("a200"), "no device 'a200'"),
    ],
)
def test_what_is_not_there_is_an_error(ask, says):
    with pytest.raises(BootcampError, match=says):
        ask(parse(SMALL).workloads["w"])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[sources.a]", "[sources.a", "no TOML"),
        ('title = "A table"', "", "source a lacks 'title'"),
        ('title = "A table"', 'title = " "', "title is no text"),
        ('title = "A table"', 'title = "A table"\nyear = 2024.5', "not a positive whole number"),
        ('unit = "images/s"', "", "workload w lacks 'unit'"),
        ('unit = "images/s"', 'unit = "images/s"\ncolour = "red"', "unknown key 'colour'"),
        ('task = "training"', 'task = "gaming"', "not one of training"),
        ('quantity = "throughput"', 'quantity = "time"', "not one of speed"),
        ('source = "a"', 'source = "b"', "source is 'b', not one of a"),
        ("total = true", 'total = "yes"', "neither true nor false"),
        ('device = "a100-40gb"', 'device = "a200"', "names the device 'a200'"),
        ('"fp16", count', '"fp8", count', "precision is 'fp8'"),
        ("value = 400", "value = -1", "value is -1, not a positive number"),
        ("value = 400", "value = inf", "value is inf"),
        ("count = 4", "count = 0", "count is 0, not a positive whole number"),
        ('precision = "fp32", value = 20', 'precision = "fp16", value = 20', "two figures of v100-sxm2"),
        ("[workloads.w]", "[x]\n[workloads.w]", "unknown key 'x'"),
    ],
)
def test_a_bad_table_is_one_clear_error(old, new, says):
    assert SMALL.count(old) == 1
    with pytest.raises(BootcampError, match=says) as error:
        parse(SMALL.replace(old, new))
    assert str(error.value).startswith("published.toml")


@pytest.mark.parametrize("text", ["sources = 1\nworkloads = 2", "[sources]", SMALL.partition("measured")[0]])
def test_a_table_that_is_cut_off(text):
    with pytest.raises(BootcampError, match="is no table|lacks"):
        parse(text)
