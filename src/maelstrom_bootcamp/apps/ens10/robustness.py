"""Ensembles that are not as they were in training, to see what a method makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from maelstrom_bootcamp.errors import BootcampError


def fewer(members: xr.Dataset, n: int) -> xr.Dataset:
    """Keep the first members.

    Parameters
    ----------
    members : xarray.Dataset
        From `dataset.read_members`.
    n : int
        Two at least.

    Returns
    -------
    xarray.Dataset
    """
    if not 2 <= n <= members.sizes["member"]:
        raise BootcampError(f"n={n} of {members.sizes['member']} members.", "Keep two at least.")
    return members.isel(member=slice(n))


def with_spread(members: xr.Dataset, factor: float) -> xr.Dataset:
    """Move all members of all variables away from their mean, or towards it.

    Parameters
    ----------
    members : xarray.Dataset
    factor : float
        Above 0; the mean stays.

    Returns
    -------
    xarray.Dataset
        Spread times `factor`. A cloud cover may leave its range.
    """
    if not factor > 0:
        raise BootcampError(f"A spread times {factor} is none.", "Give a factor above 0.")
    mean = members.mean("member", skipna=False)
    return _like(mean + factor * (members - mean), members)


def shifted(members: xr.Dataset, by: float) -> xr.Dataset:
    """Add a constant to the target's own variable: a new bias, as after a change of the model.

    Parameters
    ----------
    members : xarray.Dataset
    by : float
        In its unit.

    Returns
    -------
    xarray.Dataset
    """
    own = members.attrs["own"]
    return _like(members.assign({own: members[own] + by}), members)


def broken(members: xr.Dataset, names: Sequence[str]) -> xr.Dataset:
    """Give some variables the fields of another date: a broken feed, with values that look plausible.

    Parameters
    ----------
    members : xarray.Dataset
    names : sequence of str
        Variables; each date gets the field of the one half the dates later.

    Returns
    -------
    xarray.Dataset
    """
    missing = [name for name in names if name not in members]
    if missing:
        raise BootcampError(
            f"There is no variable {missing[0]!r}.", f"There is {', '.join(map(str, members))}."
        )
    n = members.sizes["time"]
    other = np.roll(np.arange(n), -max(1, n // 2))
    wrong = {name: members[name].copy(data=members[name].values[other]) for name in names}
    return _like(members.assign(wrong), members)


def _like(altered: xr.Dataset, members: xr.Dataset) -> xr.Dataset:
    """Same order of variables and dimensions, same attributes, float32."""
    same = {name: altered[name].transpose(*members[name].dims).astype("f4") for name in members}
    return xr.Dataset(same, members.coords, members.attrs)
