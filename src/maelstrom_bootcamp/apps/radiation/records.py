"""The loader of A3: the TFRecord files of maelstrom-radiation-tf, in an order that can be repeated.

The published call finds the files; what the plugin's ``to_tfdataset`` does with them is done here anew,
because version 0.7.5 has faults (each has a test that tells when it is mended):

* ``norm=True`` adds an axis to all inputs; ``dark_side=False`` and ``equal_csza=True`` raise ValueError,
* ``numcolumns`` is a constant times the number of files, not a count,
* the order of the columns differs from run to run, so that shards of several workers overlap,
* importing it makes every later ``tf.data.Options()`` of the process non-deterministic,
* the shuffle buffer holds 32,768 columns: 0.7 GB.

It is also faster: records are shuffled as they are stored and parsed a batch at a time.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maelstrom_bootcamp.bucket import open_dataset
from maelstrom_bootcamp.bucket.radiation.periods import record_files
from maelstrom_bootcamp.bucket.radiation.solver import CP, G
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.nn import start_quietly
from maelstrom_bootcamp.settings import SIZES, settings

start_quietly()

import tensorflow as tf  # noqa: E402  (after its messages were silenced)

NAME = "maelstrom-radiation-tf"
#: Shape of each feature of a record, float32.
FEATURES: Mapping[str, tuple[int, ...]] = {
    "sca_inputs": (17,),
    "col_inputs": (137, 27),
    "hl_inputs": (138, 2),
    "inter_inputs": (136, 1),
    "pressure_hl": (138, 1),
    "sw": (138, 2),
    "lw": (138, 2),
    "hr_sw": (137, 1),
    "hr_lw": (137, 1),
}
INPUTS = ("sca_inputs", "col_inputs", "hl_inputs", "inter_inputs", "pressure_hl")
OUTPUTS = ("sw", "lw", "hr_sw", "hr_lw")
COS_ZENITH = 1  # column of sca_inputs
#: The plugin's limit between day and night.
DARK = 0.0252605
ZENITH_CLASSES = 10
#: Heating rates in a file are in K/s, those of McICA in W/(m² Pa).
_TO_K_PER_DAY = {"mcica": G / CP * 86_400}
_SECONDS = 86_400.0
Batch = tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]


def record_paths(split: str, size: str | None = None, dataset: str = "tripleclouds") -> list[Path]:
    """Files that the published call resolves a split to, sorted by name.

    Parameters
    ----------
    split : {"train", "validation", "test"}
    size : {"ci", "default", "full"}, optional
        Size of the sample; by default that of the settings.
    dataset : str
        The solver, by the plugin's names.

    Returns
    -------
    list of pathlib.Path
        In sample mode inside the bucket, in remote mode in CliMetLab's cache.

    Raises
    ------
    BootcampError
        If there is no such split, size or solver, or a file is missing.
    """
    chosen = settings().size if size is None else size
    if chosen not in SIZES:
        raise BootcampError(f"There is no sample of size {size!r}.", f"Take one of {', '.join(SIZES)}.")
    files = record_files(chosen)
    if split not in files:
        raise BootcampError(f"There is no split {split!r}.", f"Take one of {', '.join(files)}.")
    opened = open_dataset(NAME, sample_size=size, dataset=dataset, shuffle_files=False, **files[split])
    return sorted(Path(source.path) for source in opened.source.sources)


def count_columns(paths: Sequence[Path]) -> list[int]:
    """Count the columns of each file, without reading them: a record begins with its length.

    Parameters
    ----------
    paths : sequence of pathlib.Path

    Returns
    -------
    list of int

    Raises
    ------
    BootcampError
        If a file is missing, empty or ends within a record.
    """
    return [len(_lengths(Path(path))) for path in paths]


def cos_zeniths(paths: Sequence[Path]) -> list[np.ndarray]:
    """Cosine of the solar zenith angle of each column of each file, in the order of the file.

    Parameters
    ----------
    paths : sequence of pathlib.Path

    Returns
    -------
    list of numpy.ndarray
        One array (columns,) for each file, float32.

    Raises
    ------
    BootcampError
        As `count_columns`, or if records have another layout.
    """
    found = []
    for path, count in zip(paths, count_columns(paths), strict=True):
        scalars = tf.data.TFRecordDataset(str(path)).batch(256).map(lambda r: _parse(r, ("sca_inputs",)))
        try:
            parts = [batch["sca_inputs"].numpy()[:, COS_ZENITH] for batch in scalars]
        except tf.errors.OpError as error:
            raise _unreadable(Path(path), error.message) from error
        found.append(np.concatenate(parts))
        assert len(found[-1]) == count
    return found


def norms(size: str | None = None, *, keep_sun: bool = False) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Means and standard deviations of the inputs that are published with the records.

    Parameters
    ----------
    size : {"ci", "default", "full"}, optional
        Size of the sample; by default that of the settings.
    keep_sun : bool
        Leave the cosine of the zenith angle and the irradiance as they are (the plugin's ``nonormsolar``).

    Returns
    -------
    dict of str to (numpy.ndarray, numpy.ndarray)
        Mean and standard deviation of each input, of its shape or broadcast to it; the deviation is 1 where
        an input never changes.
    """
    opened = open_dataset(NAME, sample_size=size, norm=True, nonormsolar=keep_sun, shuffle_files=False)
    found = {}
    for name in INPUTS:
        # The plugin's leading axis is for batches; records are single.
        mean, std = (np.asarray(table[name])[0] for table in (opened.input_means, opened.input_stds))
        found[name] = (mean.astype(np.float32), np.where(std > 0, std, 1).astype(np.float32))
    return found


def make_dataset(
    paths: Sequence[Path],
    *,
    batch_size: int = 256,
    seed: int | None = 0,
    shuffle_size: int = 4096,
    interleave: int = 16,
    repeat: bool = False,
    drop_remainder: bool = False,
    shard: tuple[int, int] = (0, 1),
    night: bool = True,
    equal_zenith: bool = False,
    norm: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    fluxes: str = "all",
    inputs: Sequence[str] = INPUTS,
    outputs: Sequence[str] = OUTPUTS,
    dataset: str = "tripleclouds",
) -> tf.data.Dataset:
    """Build the loader.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        From `record_paths`.
    batch_size : int
    seed : int, optional
        Same seed, same order of the columns, in each epoch another. None: the order of the files.
    shuffle_size : int
        Columns that wait in memory, 20 kB each, to be drawn from at random.
    interleave : int
        Files that are read in turns, a column of each. With 1, one file follows the other.
    repeat : bool
        Start the next epoch by itself, without end.
    drop_remainder : bool
        Leave out a last batch that is not full.
    shard : (int, int)
        Number of this worker, from 0, and of all workers: each column goes to exactly one.
    night : bool
        False: leave out columns whose cosine of the zenith angle is not above `DARK`.
    equal_zenith : bool
        Draw by day the same number of columns (on average) from each tenth of the cosine of the zenith angle
        that occurs. Columns of the fuller tenths are left out at random, others in each epoch.
    norm : mapping, optional
        From `norms`: the inputs in it are normalised.
    fluxes : {"all", "ends", "top_net", "net"}
        Fluxes (138, 2: down and up); three numbers: up at the top, down and up at the surface (the plugin's
        ``minimal_outputs``), or with the net flux at the top instead (``topnetflux``); net fluxes (138,).
    inputs, outputs : sequence of str
        Fields to hand out.
    dataset : str
        The solver that the files belong to.

    Returns
    -------
    tf.data.Dataset
        Of (inputs, outputs), float32: heating rates in K/day, fluxes in W/m². Its cardinality is the true
        number of batches, but with `equal_zenith`, where it is unknown.

    Raises
    ------
    BootcampError
        If a file is missing, damaged or of another layout, or an argument does not fit.
    """
    paths = [Path(path) for path in paths]
    _check(paths, shard, batch_size=batch_size, shuffle_size=shuffle_size, interleave=interleave)
    names = _checked_fields(inputs, outputs, fluxes)
    zeniths = [z[shard[0] :: shard[1]] for z in cos_zeniths(paths)]
    _check_layout(paths, names)
    records = _records(paths, seed, interleave, shard)
    if equal_zenith:
        records = _equal(records, np.concatenate(zeniths), 0 if seed is None else seed)
    elif not night:
        records = records.filter(lambda record: _zenith(record) > DARK)
    if seed is not None:
        records = records.shuffle(shuffle_size, seed=seed + 1, reshuffle_each_iteration=True)
    if not equal_zenith:
        records = records.apply(tf.data.experimental.assert_cardinality(_count(zeniths, night)))
    batches = records.batch(batch_size, drop_remainder=drop_remainder)
    finish = _finisher(inputs, outputs, norm or {}, fluxes, _TO_K_PER_DAY.get(dataset, _SECONDS))
    batches = batches.map(
        lambda record: finish(_parse(record, names)), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    return (batches.repeat() if repeat else batches).prefetch(tf.data.AUTOTUNE)


# ---- reading ---------------------------------------------------------------------------------------


def _lengths(path: Path) -> list[int]:
    """Bytes of each record. Layout: length (8), its checksum (4), the record, its checksum (4)."""
    if not path.is_file():
        raise BootcampError(
            f"There is no file {path.name}.", f"Make it: `bootcamp data make {NAME}`, or check the path."
        )
    lengths, place, end = [], 0, path.stat().st_size
    with path.open("rb") as file:
        while place < end:
            header = file.read(12)
            if len(header) < 12:
                raise _unreadable(path, "it ends within a record")
            lengths.append(struct.unpack("<Q", header[:8])[0])
            place = file.seek(lengths[-1] + 4, 1)
    if place != end or not lengths:
        raise _unreadable(path, "it ends within a record" if lengths else "it holds no column")
    return lengths


def _records(
    paths: Sequence[Path], seed: int | None, interleave: int, shard: tuple[int, int]
) -> tf.data.Dataset:
    """Records as they are stored; the shard is taken in each file, so that the files' order cannot matter."""
    files = tf.data.Dataset.from_tensor_slices([str(path) for path in paths])
    if seed is not None:
        files = files.shuffle(len(paths), seed=seed, reshuffle_each_iteration=True)
    return files.interleave(
        lambda path: tf.data.TFRecordDataset(path).shard(shard[1], shard[0]),
        cycle_length=min(interleave, len(paths)),
        block_length=1,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def _parse(records: tf.Tensor, names: Sequence[str]) -> dict[str, tf.Tensor]:
    """Features of a batch of records."""
    return tf.io.parse_example(
        records, {name: tf.io.FixedLenFeature(FEATURES[name], tf.float32) for name in names}
    )


def _zenith(record: tf.Tensor) -> tf.Tensor:
    return _parse(record[None], ("sca_inputs",))["sca_inputs"][0, COS_ZENITH]


# ---- selecting -------------------------------------------------------------------------------------


def _count(zeniths: Sequence[np.ndarray], night: bool) -> int:
    return sum(len(z) if night else int((z > DARK).sum()) for z in zeniths)


def _equal(records: tf.data.Dataset, zeniths: np.ndarray, seed: int) -> tf.data.Dataset:
    """Keep each column by day with the probability (columns of the rarest class) / (columns of its class)."""
    day = zeniths[zeniths > DARK]
    counts = np.bincount(_classes(day), minlength=ZENITH_CLASSES)
    if not counts.any():
        raise BootcampError("All columns of these files lie in the night.", "Take equal_zenith=False.")
    keep = tf.constant(counts[counts > 0].min() / np.maximum(counts, 1), tf.float32)
    chance = tf.data.Dataset.random(seed=seed + 2, rerandomize_each_iteration=True)

    def drawn(record: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        zenith = _zenith(record)
        share = tf.cast(tf.cast(number, tf.float64) / 2.0**32, tf.float32)  # from 0 to below 1
        return tf.logical_and(zenith > DARK, share < tf.gather(keep, _classes_tf(zenith)))

    return tf.data.Dataset.zip(records, chance).filter(drawn).map(lambda record, _: record)


def _classes(zenith: np.ndarray) -> np.ndarray:
    return np.clip(np.floor(zenith * ZENITH_CLASSES), 0, ZENITH_CLASSES - 1).astype(int)


def _classes_tf(zenith: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(tf.cast(tf.floor(zenith * ZENITH_CLASSES), tf.int32), 0, ZENITH_CLASSES - 1)


# ---- finishing -------------------------------------------------------------------------------------

_FLUXES: Mapping[str, Callable[[Any], Any]] = {
    "all": lambda f: f,
    "ends": lambda f: tf.stack([f[:, 0, 1], f[:, -1, 0], f[:, -1, 1]], axis=-1),
    "top_net": lambda f: tf.stack([f[:, 0, 0] - f[:, 0, 1], f[:, -1, 0], f[:, -1, 1]], axis=-1),
    "net": lambda f: f[..., 0] - f[..., 1],
}


def _finisher(
    inputs: Sequence[str], outputs: Sequence[str], norm: Mapping[str, Any], fluxes: str, per_day: float
) -> Callable[[dict[str, tf.Tensor]], Batch]:
    def normalised(name: str, value: tf.Tensor) -> tf.Tensor:
        return (value - norm[name][0]) / norm[name][1] if name in norm else value

    def wanted(name: str, value: tf.Tensor) -> tf.Tensor:
        return value * per_day if name.startswith("hr_") else _FLUXES[fluxes](value)

    def finish(example: dict[str, tf.Tensor]) -> Batch:
        x = {name: normalised(name, example[name]) for name in inputs}
        return x, {name: wanted(name, example[name]) for name in outputs}

    return finish


# ---- checking --------------------------------------------------------------------------------------


def _check(paths: Sequence[Path], shard: tuple[int, int], **counts: int) -> None:
    if not paths:
        raise BootcampError("There are no files to read.", "Give some, from record_paths(split).")
    for name, value in counts.items():
        if value < 1:
            raise BootcampError(f"{name}={value} must be at least 1.", f"Give {name} a whole number >= 1.")
    if not 0 <= shard[0] < shard[1]:
        raise BootcampError(
            f"There is no shard {shard[0]} of {shard[1]}.", "Shards are numbered from 0: (0, 2) and (1, 2)."
        )


def _check_layout(paths: Sequence[Path], names: Sequence[str]) -> None:
    for path in paths:
        try:
            _parse(next(iter(tf.data.TFRecordDataset(str(path)).batch(1))), names)
        except tf.errors.OpError as error:
            raise _unreadable(path, error.message) from error


def _checked_fields(inputs: Sequence[str], outputs: Sequence[str], fluxes: str) -> tuple[str, ...]:
    for kind, asked, known in (("input", inputs, INPUTS), ("output", outputs, OUTPUTS)):
        unknown = [name for name in asked if name not in known]
        if unknown:
            raise BootcampError(f"There is no {kind} {unknown[0]!r}.", f"Choose from {', '.join(known)}.")
    if fluxes not in _FLUXES:
        raise BootcampError(f"fluxes={fluxes!r} is unknown.", f"Choose from {', '.join(_FLUXES)}.")
    return (*inputs, *outputs)


def _unreadable(path: Path, why: str) -> BootcampError:
    return BootcampError(
        f"The file {path.name} of {NAME} cannot be read: {why}.",
        f"`bootcamp data verify {NAME}` finds what is damaged and makes it again.",
    )
