"""The variables of maelstrom-radiation: CF standard names, units, and which inputs networks take together."""

from __future__ import annotations

from types import MappingProxyType

import xarray as xr

#: Solvers of the archive that let light through the sides of clouds.
SOLVERS_3D = ("3dcorrection", "spartacus")
#: Columns of "sca_inputs", "col_inputs" and "hl_inputs", as the plugin gathers them.
SCALARS = (
    "skin_temperature",
    "cos_solar_zenith_angle",
    *(f"sw_albedo_{i}" for i in range(1, 7)),
    *(f"sw_albedo_direct_{i}" for i in range(1, 7)),
    "lw_emissivity_1",
    "lw_emissivity_2",
    "solar_irradiance",
)
PROFILES = (
    "q",
    "o3_mmr",
    "co2_vmr",
    "n2o_vmr",
    "ch4_vmr",
    "o2_vmr",
    "cfc11_vmr",
    "cfc12_vmr",
    "hcfc22_vmr",
    "ccl4_vmr",
    "cloud_fraction",
    *(f"aerosol_mmr_{i}" for i in range(1, 13)),
    "q_liquid",
    "q_ice",
    "re_liquid",
    "re_ice",
)
HALF_LEVELS = ("temperature_hl", "pressure_hl")
#: Inputs that hold several quantities of different units.
GATHERED = MappingProxyType(
    {
        "sca_inputs": "scalars of a column, each in its unit",
        "col_inputs": "profiles of layers, each in its unit",
        "hl_inputs": "temperature (K) and pressure (Pa) at interfaces",
    }
)


def _cf(long_name: str, units: str | None = None, standard_name: str | None = None) -> dict[str, str]:
    found = {"long_name": long_name, "units": units, "standard_name": standard_name}
    return {key: value for key, value in found.items() if value is not None}


def _flux(way: str, band: str, sky: str = "") -> dict[str, str]:
    standard = f"{way}welling_{band}wave_flux_in_air{'_assuming_clear_sky' if sky else ''}"
    return _cf(f"{way}ward {band}wave flux{sky}", "W m-2", standard)


_BANDS, _WAYS = {"sw": "short", "lw": "long"}, {"dn": "down", "up": "up"}
_FLUXES = {f"flux_{w}_{b}": _flux(way, band) for w, way in _WAYS.items() for b, band in _BANDS.items()}
_FLUXES |= {
    f"flux_{w}_{b}_clear": _flux(way, band, " of the sky without clouds")
    for w, way in _WAYS.items()
    for b, band in _BANDS.items()
}
_FLUXES |= {b: _cf(f"{band}wave flux down and up", "W m-2") for b, band in _BANDS.items()}
_HEATING = {
    f"hr_{b}": _cf(
        f"{band}wave heating rate", "K d-1", f"tendency_of_air_temperature_due_to_{band}wave_heating"
    )
    for b, band in _BANDS.items()
}
_GASES = {
    f"{short}_vmr": _cf(f"volume mixing ratio of {name}", "1", f"mole_fraction_of_{cf}_in_air")
    for short, name, cf in (
        ("co2", "carbon dioxide", "carbon_dioxide"),
        ("n2o", "nitrous oxide", "nitrous_oxide"),
        ("ch4", "methane", "methane"),
        ("cfc11", "CFC-11", "cfc11"),
        ("cfc12", "CFC-12", "cfc12"),
        ("hcfc22", "HCFC-22", "hcfc22"),
        ("ccl4", "carbon tetrachloride", "carbon_tetrachloride"),
    )
}
#: Attributes of each variable and coordinate. Where CF has no standard name, there is a long name only.
CF = MappingProxyType(
    {
        "date": _cf("date on which the forecast started (00 UTC), as yyyymmdd"),
        "timestep": _cf("steps of 12 minutes since the start of the forecast", "1"),
        "patch": _cf("patch of the globe: a band of latitude in the sample", "1"),
        "number": _cf("number of the column in its file", "1"),
        "time": _cf("valid time", None, "time"),
        "level": _cf("layer, from the top", "1", "model_level_number") | {"positive": "down"},
        "half_level": _cf("interface below the layer of this number; 0 is the top", "1"),
        "level_interface": _cf("interface between the layer of this number and the next", "1"),
        "lat": _cf("latitude", "degrees_north", "latitude"),
        "lon": _cf("longitude", "degrees_east", "longitude"),
        "skin_temperature": _cf("skin temperature", "K", "surface_temperature"),
        "cos_solar_zenith_angle": _cf("cosine of the solar zenith angle", "1"),
        "solar_irradiance": _cf("irradiance of the sun, perpendicular", "W m-2", "solar_irradiance"),
        "sw_albedo": _cf("albedo for diffuse sunlight in six bands", "1"),
        "sw_albedo_direct": _cf("albedo for direct sunlight in six bands", "1"),
        "lw_emissivity": _cf(
            "longwave emissivity in and outside the window", "1", "surface_longwave_emissivity"
        ),
        "q": _cf("specific humidity", "kg kg-1", "specific_humidity"),
        "o3_mmr": _cf("mass mixing ratio of ozone", "kg kg-1", "mass_fraction_of_ozone_in_air"),
        "o2_vmr": _cf("volume mixing ratio of oxygen", "1"),
        "cloud_fraction": _cf("cloud fraction", "1", "cloud_area_fraction_in_atmosphere_layer"),
        "fractional_std": _cf("fractional standard deviation of in-cloud water", "1"),
        "aerosol_mmr": _cf("mass mixing ratio of aerosols of 12 types", "kg kg-1"),
        "q_liquid": _cf("cloud liquid water", "kg kg-1", "mass_fraction_of_cloud_liquid_water_in_air"),
        "q_ice": _cf("cloud ice", "kg kg-1", "mass_fraction_of_cloud_ice_in_air"),
        "re_liquid": _cf("effective radius of cloud droplets", "m"),
        "re_ice": _cf("effective radius of ice crystals", "m"),
        "inv_cloud_effective_size": _cf("inverse of the horizontal size of clouds", "m-1"),
        "temperature_hl": _cf("temperature at interfaces", "K", "air_temperature"),
        "pressure_hl": _cf("pressure at interfaces", "Pa", "air_pressure"),
        "overlap_param": _cf("overlap parameter of the clouds of neighbouring layers", "1"),
    }
    | _GASES
    | _FLUXES
    | _HEATING
)


def describe(ds: xr.Dataset) -> xr.Dataset:
    """Give every variable its attributes, and axes of gathered inputs their names.

    Parameters
    ----------
    ds : xarray.Dataset
        From the plugin.

    Returns
    -------
    xarray.Dataset
        The same data.
    """
    axes = {"sca_variable": SCALARS, "col_variable": PROFILES, "hl_variable": HALF_LEVELS}
    axes["variable"] = ("down", "up")
    known = {dim: list(names) for dim, names in axes.items() if dim in ds.dims}
    ds = ds.assign_coords(known)
    for name in ds.variables:
        if name in CF:
            # Units are the file's own where it states them.
            ds[name].attrs = {**CF[name], **ds[name].attrs}
    for name, text in GATHERED.items():
        if name in ds:
            ds[name].attrs = {"long_name": text}  # the plugin keeps the units of the first
    return ds
