"""Application A3: emulation of the radiation scheme of ECMWF."""
