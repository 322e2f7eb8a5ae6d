from __future__ import annotations

import tomllib
from dataclasses import FrozenInstanceError
from importlib import resources

import pytest

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware.systems import (
    KINDS,
    PRECISIONS,
    device,
    devices,
    parse,
    sources,
    system,
    systems,
    table,
)
from maelstrom_bootcamp.perfmodel.models.tables import RTX3090, RTX4090

TEXT = resources.files("maelstrom_bootcamp.hardware").joinpath("systems.toml").read_text(encoding="utf-8")
#: Plausible ranges in SI units: a figure in GB, TFLOP/s or kW falls out of them.
RANGES = {
    "year": (2015, 2030),
    "memory": (0.5e9, 2e12),
    "bandwidth": (1e11, 1e14),
    "tdp": (50, 1500),
    "link": (1e10, 2e12),
    "cores": (4, 256),
    "clock": (1e9, 6e9),
}
PEAKS = (1e11, 5e15)


# ---- what has to hold of any table: each returns what is wrong, so that it can be seen to fail -------


def implausible(rows):
    return [
        (d.key, what)
        for d in rows.devices.values()
        for what, figure in d.figures.items()
        if not (low_high := RANGES.get(what, PEAKS))[0] <= figure.value <= low_high[1]
    ]


def matrix_slower_than_vector(rows):
    return [
        (d.key, p)
        for d in rows.devices.values()
        for p in PRECISIONS
        if {f"vector.{p}", f"matrix.{p}"} <= set(d.figures) and d.peak(p, True) < d.peak(p, False)
    ]


def narrower_is_slower(rows):
    """Within the units, a narrower number is never slower than the next wider one that the sheet tells."""
    wrong = []
    for d in rows.devices.values():
        for units in ("vector", "matrix"):
            for wide, narrow in (("fp64", "fp32"), ("fp32", "bf16"), ("tf32", "bf16"), ("bf16", "fp16")):
                pair = [d.figures.get(f"{units}.{p}") for p in (wide, narrow)]
                # Rounded differently by different sources: two per mille.
                if all(pair) and pair[1].value < pair[0].value * 0.998:
                    wrong.append((d.key, units, narrow))
    return wrong


def odd_ridges(rows):
    return [
        (d.key, what)
        for d in rows.devices.values()
        if "bandwidth" in d.figures
        for what, figure in d.figures.items()
        if "." in what
        and not what.endswith("fp64")  # GeForce cards hardly have any
        and not 1 <= figure.value / d.bandwidth <= 1000
    ]


def unlike_their_parts(rows):
    wrong = []
    for card in rows.devices.values():
        if not card.part:
            continue
        part = rows.devices[card.part]
        shared = [w for w in card.figures if w in ("memory", "bandwidth") or "." in w]
        wrong += [
            (card.key, what)
            for what in shared
            if what not in part.figures
            or part.figures[what].value * card.parts != pytest.approx(card.figures[what].value)
        ]
    return wrong


def unused_sources(rows):
    used = {f.source.key for d in rows.devices.values() for f in d.figures.values()}
    used |= {s.key for node in rows.systems.values() for s in node.sources}
    return sorted(set(rows.sources) - used)


def unused_hosts(rows):
    hosts = {node.host.key for node in rows.systems.values() if node.host}
    return [d.key for d in rows.devices.values() if d.kind == "cpu" and d.key not in hosts]


CHECKS = (
    implausible,
    matrix_slower_than_vector,
    narrower_is_slower,
    odd_ridges,
    unlike_their_parts,
    unused_sources,
    unused_hosts,
)


@pytest.mark.parametrize("check", CHECKS)
def test_the_table(check):
    assert check(table()) == []


SOURCE = '[sources.spare]\ntitle = "t"\npublisher = "p"\nurl = "https://example.org"\n\n[sources.nvidia-ada]'
SPOILT = [
    (implausible, "memory = { value = 40e9,", "memory = { value = 40,"),
    (implausible, "tdp = { value = 400,", "tdp = { value = 0.4,"),
    (implausible, "fp16 = { value = 125e12,", "fp16 = { value = 125,"),
    (implausible, "year = { value = 2017,", "year = { value = 17,"),
    (matrix_slower_than_vector, "fp16 = { value = 125e12,", "fp16 = { value = 12.5e12,"),
    (narrower_is_slower, "tf32 = { value = 378e12,", "tf32 = { value = 3.78e15,"),
    (odd_ridges, "bandwidth = { value = 1555e9,", "bandwidth = { value = 155.5e9,"),
    (unlike_their_parts, "fp64 = { value = 23.95e12,", "fp64 = { value = 47.9e12,"),
    (unlike_their_parts, "bandwidth = { value = 1.6384e12,", "bandwidth = { value = 3.2768e12,"),
    (unused_sources, "[sources.nvidia-ada]", SOURCE),
    (unused_hosts, 'host = "xeon-6330"', 'host = "xeon-6326"'),
]


@pytest.mark.parametrize(("check", "good", "bad"), SPOILT)
def test_each_check_is_able_to_fail(check, good, bad):
    assert good in TEXT
    assert check(parse(TEXT.replace(good, bad, 1)))


# ---- what the reader itself refuses ----------------------------------------------------------------

A100 = "bandwidth = { value = 1555e9, source = "
REFUSED = [
    (
        A100 + '"nvidia-ampere-2020" }',
        "bandwidth = { value = 1555e9 }",
        "a100-40gb, bandwidth lacks 'source'",
    ),
    (A100 + '"nvidia-ampere-2020"', A100 + '"hearsay"', "names the source 'hearsay'"),
    ("value = 1555e9,", "value = -1555e9,", "not a positive number"),
    ("value = 1555e9,", "value = 0,", "not a positive number"),
    ("value = 1555e9,", "value = nan,", "not a positive number"),
    ("value = 1555e9,", "value = inf,", "not a positive number"),
    ("value = 1555e9,", "value = true,", "not a positive number"),
    ("value = 1555e9,", 'value = "1555 GB/s",', "not a positive number"),
    ("value = 1555e9, source", "value = 1555e9, unit = 1, source", "unknown key 'unit'"),
    ("fp64 = { value = 9.7e12,", "fp63 = { value = 9.7e12,", "unknown key 'fp63'"),
    ("tdp = {", "power = {", "unknown key 'power'"),
    ('kind = "ipu"', 'kind = "tpu"', "kind 'tpu'"),
    ('kind = "ipu"', "", "lacks 'kind'"),
    ('name = "NVLink 3", ', "", "link lacks 'name'"),
    ('parts = { device = "mi250-gcd"', 'parts = { device = "mi251-gcd"', "names the device 'mi251-gcd'"),
    ("count = 2 }", "count = 2.0 }", "not a positive whole number"),
    ('publisher = "NVIDIA Technical Blog"\n', "", "lacks 'publisher'"),
    ('publisher = "NVIDIA Technical Blog"', 'publisher = ""', "is no text"),
    ("year = 2020", 'year = "2020"', "not a positive whole number"),
    ('host = "xeon-6326"', 'host = "xeon-9999"', "names the device 'xeon-9999'"),
    ('devices = ["mi100"]', 'devices = ["mi999"]', "names the device 'mi999'"),
    ('devices = ["mi100"]', 'devices = "mi100"', "devices is no list"),
    ('sources = ["maelstrom-ap5-e4"]', "sources = []", "has no source"),
    ('sources = ["maelstrom-ap5-e4"]\n', "", "lacks 'sources'"),
    ("sockets = 2", "sockets = 0", "not a positive whole number"),
    ('site = "CSC, Kajaani"', 'place = "CSC, Kajaani"', "unknown key 'place'"),
    ("[systems.e4-amd]", "[nodes.e4-amd]", "unknown key 'nodes'"),
    ("[sources]", "[sources", "it is no TOML"),
]


@pytest.mark.parametrize(("good", "bad", "why"), REFUSED)
def test_a_broken_table_is_refused(good, bad, why):
    assert good in TEXT
    with pytest.raises(BootcampError) as caught:
        parse(TEXT.replace(good, bad, 1))
    assert why in caught.value.cause
    assert caught.value.cause.startswith("systems.toml")


@pytest.mark.parametrize("part", ["sources", "devices", "systems"])
def test_a_table_without_one_of_its_parts_is_refused(part):
    kept = "\n".join(f"[{name}]" for name in ("sources", "devices", "systems") if name != part)
    with pytest.raises(BootcampError, match=f"lacks '{part}'"):
        parse(kept)
    with pytest.raises(BootcampError, match=f"{part} is no table"):
        parse(f"{part} = 1\n{kept}")


def test_a_year_in_the_file_reads_as_a_whole_number():
    assert tomllib.loads(TEXT)["sources"]["amd-cdna2"]["year"] == sources()["amd-cdna2"].year == 2021


# ---- what is asked of it -----------------------------------------------------------------------------


def test_what_the_chapters_need_is_there():
    gpus = (
        "v100-sxm2 v100-pcie a100-40gb a100-80gb h100-sxm h100-pcie h200 gh200 mi100 mi250 mi250x mi250x-gcd"
    )
    for name in (*gpus.split(), "rtx3090", "rtx4090", "gc200"):
        assert device(name).peak("fp32") > 1e13
        assert device(name).peak("fp16", matrix=True) > 5e13
        assert device(name).bandwidth > 5e11
        assert device(name).memory > 0.5e9
    nodes = "e4-intel e4-amd juwels-cluster juwels-booster jureca-dc jureca-dc-h100 jureca-dc-mi250"
    for name in (*nodes.split(), "jureca-dc-gc200", "jupiter-booster", "lumi-g"):
        assert system(name).devices
        assert system(name).sources
    assert {d.kind for d in devices().values()} == set(KINDS)


def test_known_figures():
    a100 = device("a100-40gb")
    assert a100.peak("fp32", matrix=False) == 19.5e12
    assert a100.peak("fp64", matrix=True) == 19.5e12
    assert a100.peak("fp64") == 19.5e12, "the faster of both units"
    assert a100.peak("fp16", matrix=False) == 78e12
    assert (a100.memory, a100.bandwidth, a100.tdp, a100.link) == (40e9, 1555e9, 400, 600e9)
    assert a100.link_name == "NVLink 3"
    assert a100.figure("tdp").source.publisher == "NVIDIA Technical Blog"
    assert device("h100-sxm").peak("bf16") == 989.4e12, "dense, not 1979e12"
    assert device("gc200").memory == 900e6


@pytest.mark.parametrize(
    ("name", "ridge"),
    [
        ("v100-sxm2", 17),
        ("a100-40gb", 12.5),
        ("mi100", 18.8),
        ("mi250", 14),
        ("h100-sxm", 20),
        ("gh200", 16.7),
    ],
)
def test_ridge_points_of_the_chapter(name, ridge):
    assert device(name).ridge == pytest.approx(ridge, rel=0.03)
    assert device(name).ridge_point("fp16", matrix=True) > 3 * device(name).ridge


def test_a_die_has_the_ridge_of_its_card():
    for card in ("mi250", "mi250x"):
        assert device(card).parts == 2
        assert device(card).ridge == pytest.approx(device(device(card).part).ridge)


def test_the_same_figures_as_the_start_of_the_predictors():
    for start, key in ((RTX3090, "rtx3090"), (RTX4090, "rtx4090")):
        assert start.flops == device(key).peak("fp16", matrix=True)
        assert start.bandwidth == device(key).bandwidth


def test_what_a_sheet_does_not_say_is_one_clear_error():
    with pytest.raises(BootcampError, match="v100-sxm2 does not say a matrix peak for bf16") as caught:
        device("v100-sxm2").peak("bf16", matrix=True)
    assert "vector.fp32, vector.fp16, matrix.fp16" in caught.value.cure
    with pytest.raises(BootcampError, match="vector or matrix peak for tf32"):
        device("mi100").peak("tf32")
    with pytest.raises(BootcampError, match="No peak of this device"):
        device("xeon-6330").peak("fp32")
    with pytest.raises(BootcampError, match="no bandwidth of epyc-7742"):
        _ = device("epyc-7742").ridge
    with pytest.raises(BootcampError, match="no link of mi100"):
        _ = device("mi100").link
    with pytest.raises(BootcampError, match="'fp8' is no precision"):
        device("h100-sxm").peak("fp8")


@pytest.mark.parametrize(("look_up", "entries"), [(device, devices), (system, systems)])
def test_unknown_names_list_the_known_ones(look_up, entries):
    with pytest.raises(BootcampError, match="'a1000'") as caught:
        look_up("a1000")
    assert all(key in caught.value.cure for key in entries())


def test_what_is_not_known_of_a_node_is_none():
    assert system("juwels-booster").count == 4
    assert system("juwels-booster").host is device("epyc-7402")
    assert system("e4-amd").count is None
    assert system("jureca-dc-h100").host is None
    assert len(system("e4-intel").devices) == 2, "one of two, the sources do not say which"
    assert system("e4-intel-cpu").devices == ()


def test_nobody_changes_the_table():
    with pytest.raises(TypeError):
        devices()["mine"] = device("mi100")
    with pytest.raises(TypeError):
        device("mi100").figures["tdp"] = None
    with pytest.raises(FrozenInstanceError):
        device("mi100").name = "mine"


def test_citations():
    assert sources()["amd-cdna2"].citation.startswith("AMD (2021): AMD CDNA 2")
    assert "Seen: " in sources()["nvidia-hopper-paper"].citation
    assert all(s.url.startswith("https://") for s in sources().values())
