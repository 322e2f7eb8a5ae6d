"""Diagrams for fields: maps with the north above, curves under their names."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify import spatial_diagrams as diagrams

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def region(values):
    grid = {"lat": [54.0, 53, 52], "lon": [4.0, 5, 6, 7]}
    return xr.DataArray(np.asarray(values, float).reshape(3, 4), grid, ("lat", "lon"))


def test_maps_share_a_scale_and_have_north_above():
    height = region([0, 0, 600, 600] * 3)
    fields = {"a": region(np.arange(12)), "b": region(np.arange(12) + 10).transpose(), "c": region([5] * 12)}
    fig, axes = diagrams.maps(fields, height, columns=2)
    fig.canvas.draw()
    assert [ax.get_title() for ax in axes] == ["a", "b", "c"]
    meshes = [next(c for c in ax.collections if hasattr(c, "get_coordinates")) for ax in axes]
    assert len({mesh.get_clim() for mesh in meshes}) == 1
    np.testing.assert_array_equal(meshes[1].get_array().reshape(3, 4), fields["a"] + 10)
    assert meshes[0].get_coordinates()[0, 0, 1] > meshes[0].get_coordinates()[-1, 0, 1]
    assert axes[0].get_ylim()[0] < axes[0].get_ylim()[1]
    assert len(axes[0].collections) == 3  # field, coast, the 500 m contour
    assert axes[0].get_aspect() == pytest.approx(1 / np.cos(np.deg2rad(53)))


def test_scales_of_maps():
    def scale(**options):
        _, axes = diagrams.maps({"a": region(np.arange(12) - 3)}, **options)
        return axes[0].collections[0].get_clim()

    low, high = scale(diverging=True)
    assert low == -high
    assert scale(limits=(0, 5)) == (0, 5)


def curve(*values):
    return xr.DataArray(list(values), {"wavelength": [100.0, 50.0, 25.0]}, "wavelength")


def test_relative_spectra_are_shares_of_the_target():
    shown = {"smooth": curve(1.0, 1, 1), "rough": curve(2.0, 4, 8)}
    fig, ax = diagrams.relative_spectra(shown, curve(2.0, 2, 2), (22, 44))
    fig.canvas.draw()
    lines = {line.get_label(): list(line.get_ydata()) for line in ax.lines}
    assert lines["smooth"] == [0.5, 0.5, 0.5]
    assert lines["rough"] == [1, 2, 4]
    assert ax.get_xlim()[0] > ax.get_xlim()[1]  # long waves on the left
    assert ax.get_yscale() == "log"
    assert any(patch.get_facecolor()[0] > 0.9 for patch in ax.patches)


def test_coherence_has_a_linear_axis():
    _, ax = diagrams.by_wavelength({"a": curve(0.9, 0.5, -0.1)})
    assert ax.get_yscale() == "linear"
    assert ax.lines[-1].get_ydata().tolist() == [0.9, 0.5, -0.1]


def classes(levels=(0.1, 0.5, 0.9)):
    quantile = np.array(levels)[:, None] + np.arange(3)
    return xr.Dataset(
        {"given": ("bin", [0.0, 1, 2]), "quantile": (("level", "bin"), quantile)}, {"level": list(levels)}
    )


def test_conditional_quantiles():
    _, ax = diagrams.conditional_quantiles({"net": classes()})
    lines = {line.get_label(): line for line in ax.lines}
    assert lines["net"].get_ydata().tolist() == [0.5, 1.5, 2.5]
    assert list(ax.lines[-1].get_xdata()) == [0, 2]
    _, ax = diagrams.conditional_quantiles({"net": classes(), "other": classes()})
    assert len(ax.lines) == 2 * 3 + 1


def test_mistakes_name_their_cure():
    for call in (
        lambda: diagrams.maps({}),
        lambda: diagrams.maps({"a": region(np.arange(12)).expand_dims(time=1)}),
        lambda: diagrams.conditional_quantiles({"a": classes((0.1, 0.9))}),
    ):
        with pytest.raises(BootcampError) as caught:
            call()
        assert caught.value.cure
