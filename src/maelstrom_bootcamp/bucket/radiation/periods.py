"""Which snapshots of the globe the sample of A3 holds, and how they are split.

The archive's snapshots are named by the date on which a forecast starts and by a time step of 12 minutes.
Time steps lie 125 apart, that is 25 hours, so that 29 of them visit each hour of the day. The year 2020
trains, four dates of 2019 validate and test, as published.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

SPLITS = ("train", "validation", "test")
#: The 13 dates of 2020, 30 days apart.
TRAIN_DATES = tuple(f"{datetime(2020, 1, 1) + timedelta(days=30 * i):%Y%m%d}" for i in range(13))
VALIDATION_DATES = ("20190131", "20190829")
TEST_DATES = ("20190531", "20191028")
#: Time steps whose hours are 00, 06, 12 and 18 UTC.
TIMESTEPS = (0, 750, 1500, 2250)
#: The patches that a default request asks for; each is a band of latitude, 1/16 of the globe.
PATCHES = tuple(range(0, 16, 2))
#: McICA draws that are averaged, by split, for sunlight and for the longwave.
DRAWS = {"train": (4, 4), "validation": (4, 4), "test": (64, 16)}


@dataclass(frozen=True)
class Snapshot:
    """The globe at one time.

    Attributes
    ----------
    date : str
        "YYYYMMDD", the start of the forecast at 00 UTC.
    timestep : int
        Steps of 12 minutes since then.
    columns : int
        Columns in each patch of the sample. (The archive: 16,960.)
    split : {"train", "validation", "test"}
    """

    date: str
    timestep: int
    columns: int
    split: str

    @property
    def time(self) -> datetime:
        """Valid time, UTC, without a time zone."""
        return datetime.strptime(self.date, "%Y%m%d") + timedelta(minutes=12 * self.timestep)

    @property
    def key(self) -> str:
        """Name of the snapshot: "YYYYMMDD_timestep"."""
        return f"{self.date}_{self.timestep}"


def _rotating(dates: tuple[str, ...], columns: int) -> list[Snapshot]:
    return [Snapshot(d, TIMESTEPS[i % len(TIMESTEPS)], columns, "train") for i, d in enumerate(dates)]


def _crossed(dates: tuple[str, ...], timesteps: tuple[int, ...], columns: int, split: str) -> list[Snapshot]:
    return [Snapshot(d, t, columns, split) for d in dates for t in timesteps]


_SIZES: dict[str, list[Snapshot]] = {
    "ci": _rotating((TRAIN_DATES[0], TRAIN_DATES[3], TRAIN_DATES[6], TRAIN_DATES[11]), 8)
    + _crossed(VALIDATION_DATES, (1500,), 4, "validation")
    + _crossed(TEST_DATES, (1500,), 4, "test"),
    "default": _rotating(TRAIN_DATES, 64)
    + _crossed(VALIDATION_DATES, (0, 1500), 32, "validation")
    + _crossed(TEST_DATES, (0, 1500), 32, "test"),
    "full": _crossed(TRAIN_DATES, TIMESTEPS, 112, "train")
    + _crossed(VALIDATION_DATES, TIMESTEPS, 32, "validation")
    + _crossed(TEST_DATES, TIMESTEPS, 32, "test"),
}


def snapshots(size: str) -> dict[str, tuple[Snapshot, ...]]:
    """The snapshots of a size, by split.

    Parameters
    ----------
    size : {"ci", "default", "full"}

    Returns
    -------
    dict of str to tuple of Snapshot
    """
    return {split: tuple(s for s in _SIZES[size] if s.split == split) for split in SPLITS}


def record_files(size: str) -> dict[str, dict[str, list[int]]]:
    """Arguments of the TFRecord dataset that give exactly the columns of each split.

    Parameters
    ----------
    size : {"ci", "default", "full"}

    Returns
    -------
    dict of str to dict
        ``timestep`` and ``filenum``. In the archive, too, a file of 2020 is named after a time step, and one
        of 2019 after a date.
    """
    parts = snapshots(size)
    files = {"train": sorted({s.timestep for s in parts["train"]})}
    for split in ("validation", "test"):
        files[split] = sorted({int(f"{s.date}00") for s in parts[split]})
    return {split: {"timestep": steps, "filenum": [0]} for split, steps in files.items()}
