"""Diagrams for ensembles: the right data under the right labels, and maps with the right side up."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify import ensemble_diagrams as diagrams

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def histogram(*shares, label="rank of the truth"):
    share = xr.DataArray(list(shares), {"bin": np.arange(len(shares))}, "bin")
    share["bin"].attrs["long_name"] = label
    parts = {"share": share, "low": share - 0.05, "high": share + 0.1, "ideal": 0 * share + 1 / len(shares)}
    return xr.Dataset(parts)


def world(values=None):
    grid = {"latitude": [60.0, 20.0, -20.0, -60.0], "longitude": np.arange(0.0, 360, 45)}
    values = np.arange(32.0).reshape(4, 8) if values is None else values
    return xr.DataArray(values, grid, ("latitude", "longitude"))


def test_flat_histogram():
    fig, ax = diagrams.flat_histogram({"raw": histogram(0.5, 0.2, 0.3), "net": histogram(0.3, 0.3, 0.4)})
    fig.canvas.draw()
    heights = [bar.get_height() for bars in ax.containers if hasattr(bars, "patches") for bar in bars.patches]
    assert heights == [0.5, 0.2, 0.3, 0.3, 0.3, 0.4]
    assert ax.lines[-1].get_ydata()[0] == pytest.approx(1 / 3)
    assert ax.get_xlabel() == "rank of the truth"
    assert ax.get_xticks().tolist() == [0, 1, 2]
    with pytest.raises(BootcampError, match="different bins"):
        diagrams.flat_histogram({"raw": histogram(0.5, 0.2, 0.3), "net": histogram(0.3, 0.7)})


def test_spread_skill():
    binned = xr.Dataset({"spread": ("bin", [1.0, 2.0]), "error": ("bin", [2.0, 3.0])})
    _, ax = diagrams.spread_skill({"raw": binned}, "m")
    assert ax.lines[1].get_xdata().tolist() == [1, 2]
    assert ax.lines[1].get_ydata().tolist() == [2, 3]
    assert "(m)" in ax.get_xlabel()
    assert ax.get_xlim() == ax.get_ylim()
    assert ax.get_xlim()[1] > 3


def test_event_reliability():
    rows = {
        "probability": [0.2, np.nan],
        "frequency": [0.3, np.nan],
        "low": [0.1, np.nan],
        "high": [0.5, np.nan],
    }
    found = xr.Dataset({k: ("bin", v) for k, v in (rows | {"share": [1, 0]}).items()}, {"bin": [0, 1]})
    fig, ax = diagrams.event_reliability({"raw": found})
    fig.canvas.draw()
    assert (ax.lines[1].get_xdata()[0], ax.lines[1].get_ydata()[0]) == (0.2, 0.3)
    assert ax.child_axes[0].lines[0].get_xdata().tolist() == [0.25, 0.75]


def test_globe_has_north_above_and_greenwich_in_the_middle():
    fig, ax = diagrams.globe(world(), world() / 31, label="z (m)")
    fig.canvas.draw()
    mesh = ax.collections[0]
    corners = mesh.get_coordinates()
    assert (np.diff(corners[:, 0, 1]) > 0).all()
    assert corners[..., 0].min() >= -np.pi
    values = mesh.get_array().reshape(4, 8)
    assert values[-1].tolist() == [4, 5, 6, 7, 0, 1, 2, 3]  # 60 N from the date line on
    assert fig.axes[1].get_ylabel() == "z (m)"


def test_globe_scales():
    _, ax = diagrams.globe(world() - 8, diverging=True)
    low, high = ax.collections[0].get_clim()
    assert low == -high
    _, ax = diagrams.globe(world(), limits=(0, 10))
    assert ax.collections[0].get_clim() == (0, 10)
    _, ax = diagrams.globe(world(np.zeros((4, 8))))
    assert ax.collections[0].get_clim() == (0, 1)


def test_globe_refuses_what_it_cannot_draw():
    with pytest.raises(BootcampError, match="latitude and longitude"):
        diagrams.globe(world().expand_dims(time=1))
    _, flat = plt.subplots()
    with pytest.raises(BootcampError, match="mollweide"):
        diagrams.globe(world(), ax=flat)
