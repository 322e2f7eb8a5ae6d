"""Placeholders of A3: columns of the radiation scheme as netCDF and as TFRecord."""

from __future__ import annotations

from pathlib import Path

from maelstrom_bootcamp.bucket.placeholders.layout import (
    STORE,
    Field,
    Placeholder,
    ramp,
    write_netcdf,
    writer,
)

_FOLDER = f"{STORE}/maelstrom-ap3"
_SIZES = {
    "column": 16,
    "level": 137,
    "half_level": 138,
    "level_interface": 136,
    "aerosol_type": 12,
    "sw_albedo_band": 6,
    "lw_emiss_band": 2,
}
_LEVEL, _HALF = ("column", "level"), ("column", "half_level")
_PRESSURE = Field(_HALF, 1.0, 101325.0, "Pa")
_GASES = {
    "q": 5e-3,
    "o3_mmr": 5e-6,
    "co2_vmr": 4.1e-4,
    "n2o_vmr": 3.3e-7,
    "ch4_vmr": 1.8e-6,
    "o2_vmr": 0.2095,
    "cfc11_vmr": 2.3e-10,
    "cfc12_vmr": 5.2e-10,
    "hcfc22_vmr": 1e-12,
    "ccl4_vmr": 1e-12,
    "cloud_fraction": 1.0,
    "q_liquid": 1e-5,
    "q_ice": 1e-5,
    "fractional_std": 1.0,
}
_INPUTS = {
    "skin_temperature": Field(("column",), 240.0, 300.0, "K"),
    "cos_solar_zenith_angle": Field(("column",), 0.0, 1.0),
    "sw_albedo": Field(("column", "sw_albedo_band"), 0.05, 0.6),
    "sw_albedo_direct": Field(("column", "sw_albedo_band"), 0.05, 0.6),
    "lw_emissivity": Field(("column", "lw_emiss_band"), 0.9, 1.0),
    "pressure_hl": _PRESSURE,
    "temperature_hl": Field(_HALF, 210.0, 290.0, "K"),
    "aerosol_mmr": Field(("column", "aerosol_type", "level"), 0.0, 1e-9),
    "overlap_param": Field(("column", "level_interface"), 0.0, 0.99),
    "re_liquid": Field(_LEVEL, 4e-6, 3e-5, "m"),
    "re_ice": Field(_LEVEL, 1e-5, 1e-4, "m"),
    "inv_cloud_effective_size": Field(_LEVEL, 1e-5, 1e-4, "m-1"),
} | {name: Field(_LEVEL, 0.0, high) for name, high in _GASES.items()}
_OUTPUTS = {"pressure_hl": _PRESSURE} | {
    f"flux_{way}_{band}": Field(_HALF, 0.0, 400.0, "W m-2") for band in ("sw", "lw") for way in ("dn", "up")
}

#: Features of a record (climetlab_maelstrom_radiation.radiation_tf: the lengths are fixed there).
_FEATURES = {
    "sca_inputs": (17,),
    "col_inputs": (137, 27),
    "hl_inputs": (138, 2),
    "pressure_hl": (138, 1),
    "inter_inputs": (136, 1),
    "sw": (138, 2),
    "lw": (138, 2),
    "hr_sw": (137, 1),
    "hr_lw": (137, 1),
}
_NORMS = ("sca_inputs", "col_inputs", "hl_inputs", "inter_inputs", "pressure_hl")
_RECORDS = 8


def _columns(path: Path, fields: dict[str, Field], irradiance: bool) -> None:
    n = _SIZES["column"]
    extra = {
        "lat": ("column", ramp((n,), -80.0, 80.0), {"units": "degrees_north"}),
        "lon": ("column", ramp((n,), 0.0, 359.0), {"units": "degrees_east"}),
    }
    if irradiance:  # a scalar in the file; the plugin's merger spreads it over the columns
        extra["solar_irradiance"] = ((), ramp((1,), 1361.0, 1361.0)[0], {"units": "W m-2"})
    write_netcdf(path, _SIZES, fields, extra=extra if irradiance else None)


def _records(path: Path) -> None:
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as out:
        for number in range(_RECORDS):
            feature = {
                name: tf.train.Feature(
                    float_list=tf.train.FloatList(value=ramp(shape, 0.0, 1.0 + number / _RECORDS).ravel())
                )
                for name, shape in _FEATURES.items()
            }
            out.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())


def _norm(path: Path, name: str) -> None:
    shape = _FEATURES[name]
    dims = ("variable",) if len(shape) == 1 else (f"lev_{name}", "variable")
    fields = {f"{name}_mean": Field(dims, 0.0, 1.0), f"{name}_std": Field(dims, 1.0, 2.0)}
    write_netcdf(path, dict(zip(dims, shape, strict=True)), fields)


def _patch(kind: str, patch: int) -> str:
    return f"{_FOLDER}/{kind}_2020010100_0c{patch}.nc"


RADIATION = Placeholder(
    "maelstrom-radiation",
    {_patch("rad4NN_inputs", p): writer(_columns, _INPUTS, True) for p in range(0, 16, 2)}
    | {
        _patch(f"{kind}_outputs", p): writer(_columns, _OUTPUTS, False)
        for kind in ("triplecloud", "3dcorrection")
        for p in range(0, 16, 2)
    },
)

RADIATION_TF = Placeholder(
    "maelstrom-radiation-tf",
    {
        f"{_FOLDER}/records/{name}.tfrecord": writer(_records)
        for name in (
            "triplecloud0.0",
            "triplecloud2019013100.0",
            "triplecloud2019053100.0",
            "3dcorrection0.0",
        )
    }
    | {f"{_FOLDER}/{name}.nc": writer(_norm, name) for name in _NORMS},
)
