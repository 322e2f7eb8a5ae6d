"""Diagrams: the right data under the right labels. Not their pixels."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify import diagrams

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def reliability(*shares):
    return xr.DataArray(list(shares), {"quantile": [0.1, 0.5, 0.9]}, "quantile")


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def finished(fig, ax):
    """What every diagram has to have."""
    fig.canvas.draw()
    assert mpl.colors.to_hex(fig.get_facecolor()) == "#ffffff"
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    return ax


def test_reliability_diagram():
    ax = finished(
        *diagrams.reliability_diagram({"raw": reliability(0.3, 0.5, 0.7), "net": reliability(0.1, 0.5, 0.9)})
    )
    assert legend(ax) == ["reliable", "raw", "net"]
    np.testing.assert_array_equal(ax.lines[1].get_xdata(), [0.1, 0.5, 0.9])
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [0.3, 0.5, 0.7])
    assert "(1)" in ax.get_xlabel()


def test_methods_differ_in_more_than_colour():
    values = {str(i): reliability(0.1, 0.5, 0.9) for i in range(6)}
    _, ax = diagrams.reliability_diagram(values)
    looks = {(line.get_color(), line.get_marker()) for line in ax.lines[1:]}
    assert len({colour for colour, _ in looks}) == len({marker for _, marker in looks}) == 6


@pytest.mark.parametrize("kind", ["timedelta", "hours"])
def test_score_by_lead_time(kind):
    lead = np.arange(0, 19, 6)
    coordinate = lead.astype("timedelta64[h]").astype("timedelta64[ns]") if kind == "timedelta" else lead
    value = xr.DataArray([0.2, 0.3, 0.4, 0.5], {"leadtime": coordinate}, "leadtime")
    ax = finished(*diagrams.score_by_lead_time({"raw": value, "net": value / 2}, {"net": (value / 3, value)}))
    assert ax.get_xlabel() == "lead time (h)"
    assert ax.get_ylabel() == "quantile score (K)"
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), lead)
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), value / 2)
    assert len(ax.collections) == 1
    assert ax.collections[0].get_facecolor()[0][:3] == pytest.approx(mpl.colors.to_rgb(diagrams.COLOURS[1]))


def test_error_map_in_km_with_altitude():
    rng = np.random.default_rng(0)
    coords = {"y": 5000 + 1000.0 * np.arange(6), "x": 1000.0 * np.arange(8)}
    error = xr.DataArray(rng.standard_normal((6, 8)), coords, ("y", "x"))
    altitude = xr.DataArray(np.linspace(0, 2000, 48).reshape(6, 8), coords, ("y", "x"))
    fig, ax = diagrams.error_map(error, altitude=altitude, limit=2.0)
    finished(fig, ax)
    mesh = ax.collections[0]
    assert mesh.get_clim() == (-2, 2)
    np.testing.assert_array_equal(mesh.get_array().reshape(6, 8), error)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x (km)", "y (km)")
    assert fig.axes[1].get_ylabel() == "forecast minus analysis (K)"
    assert list(ax.collections[1].levels) == [500, 1000, 1500]


def test_error_map_of_amplitudes_on_grid_points():
    error = xr.DataArray(np.arange(12.0).reshape(3, 4), dims=("x", "y"))
    fig, ax = diagrams.error_map(error, altitude=0 * error, label="MAE (K)", diverging=False)
    finished(fig, ax)
    assert ax.get_xlabel() == "x (grid points)"
    low, high = ax.collections[0].get_clim()
    assert low == 0
    assert high == pytest.approx(np.percentile(error, 99))
    np.testing.assert_array_equal(ax.collections[0].get_array().reshape(4, 3), error.T)
    with pytest.raises(BootcampError, match="Average"):
        diagrams.error_map(error.expand_dims("time"))


def test_quantile_histogram():
    ax = finished(
        *diagrams.quantile_histogram({"raw": reliability(0.3, 0.5, 0.6), "net": reliability(0.1, 0.5, 0.9)})
    )
    heights = [patch.get_height() for patch in ax.patches]
    np.testing.assert_allclose(heights, [0.3, 0.2, 0.1, 0.4, 0.1, 0.4, 0.4, 0.1])
    ideal = [line.get_ydata()[0] for line in ax.lines]
    np.testing.assert_allclose(ideal, [0.1, 0.4, 0.4, 0.1])
    labels = [text.get_text() for text in ax.get_xticklabels()]
    assert labels == ["below 10%", "10% to 50%", "50% to 90%", "above 90%"]
    other = xr.DataArray([0.2, 0.8], {"quantile": [0.25, 0.75]}, "quantile")
    with pytest.raises(BootcampError, match="different quantiles"):
        diagrams.quantile_histogram({"a": other, "b": reliability(0.1, 0.5, 0.9)})


def test_error_histogram():
    errors = {"raw": np.array([-2.0, -1.0, 0.5, np.nan, 2.0]), "net": xr.DataArray([[0.1], [-0.1]])}
    ax = finished(*diagrams.error_histogram(errors, bins=4))
    values, edges, _ = ax.patches[0].get_data()
    np.testing.assert_allclose(edges, [-2, -1, 0, 1, 2])
    np.testing.assert_allclose(values, [0.25, 0.25, 0.25, 0.25])
    assert "K" in ax.get_xlabel()
    assert ax.get_yscale() == "log"
    _, narrow = diagrams.error_histogram(errors, limit=1.0)
    assert narrow.patches[0].get_data()[1][-1] == 1
    with pytest.raises(BootcampError, match="missing"):
        diagrams.error_histogram({"raw": np.array([np.nan])})


def test_spectra_in_an_axis_that_is_given():
    power = xr.DataArray([4.0, 2.0, 1.0], {"wavelength": [30.0, 20.0, 10.0]}, "wavelength")
    fig, ax = plt.subplots()
    got = diagrams.spectra({"analysis": power, "raw": power / 2}, ax=ax)
    assert got == (fig, ax)
    finished(*got)
    assert ax.get_xlabel() == "wavelength (km)"
    assert ax.xaxis_inverted()
    # The reference is black and takes no colour away from the methods.
    assert [line.get_color() for line in ax.lines] == ["black", diagrams.COLOURS[0]]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), power)
