"""The data loader of A1: files larger than memory, shuffled, at the speed of memory.

What makes it fast is what it leaves out:

* It shuffles the *index*, not the data. A sample is a (file, lead time, row of patches, column), four small
  integers. They are permuted over dates, lead times and patches, then exactly the bytes of a sample are read.
* Rows of patches ("bands") are contiguous in the file, so each is one read into a buffer that is reused.
* Normalisation is ``a * x + b`` with coefficients expanded to a whole row beforehand: two passes over a
  buffer that is still in the processor's cache.
* Static predictors are normalised once per band, joined with x and y, and copied into place last.
* A batch is written once, where TensorFlow will find it, by a few threads while the model computes.

Memory is bounded by the batches under way and two small caches; it does not grow with the number of files.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from maelstrom_bootcamp.apps.yr.buffers import BoundedCache, BufferPool
from maelstrom_bootcamp.apps.yr.features import (
    CONTROL,
    DYNAMIC,
    PREDICTORS,
    PUBLISHED,
    STATIC,
    Normalisation,
    position,
    scale_leadtime,
)
from maelstrom_bootcamp.apps.yr.patches import patch_grid
from maelstrom_bootcamp.apps.yr.reader import MEAN, STATICS, STD, RunFile, RunReader, index_runs
from maelstrom_bootcamp.apps.yr.reader import PREDICTORS as DYNAMICS
from maelstrom_bootcamp.errors import BootcampError

if TYPE_CHECKING:
    import tensorflow as tf

N_DYNAMIC, N_ALL = len(DYNAMIC), len(PREDICTORS)
N_LATE = N_ALL - N_DYNAMIC  # static and generated predictors
#: One pixel of the features: 8 dynamic predictors, then 9 others. Copying such pieces as a whole is two to
#: three times as fast as copying 8 or 9 single numbers.
PIXEL = np.dtype(
    {
        "names": ["dynamic", "late"],
        "formats": [f"V{4 * N_DYNAMIC}", f"V{4 * N_LATE}"],
        "offsets": [0, 4 * N_DYNAMIC],
        "itemsize": 4 * N_ALL,
    }
)


@dataclass
class BatchBuilder:
    """Turns rows of the sample index into batches.

    Attributes
    ----------
    runs : list of RunFile
    patch : int
        Points along each side of a patch.
    normalisation : Normalisation
    kept : int
        Bands kept for patches that are asked for later.
    statics_kept : int
        Bands of static predictors kept.
    chosen : list of int, optional
        Channels of the features that are handed out; default: all 17.
    """

    runs: list[RunFile]
    patch: int
    normalisation: Normalisation = PUBLISHED
    kept: int = 16
    statics_kept: int = 64
    chosen: list[int] | None = None
    _pool: BufferPool = field(default_factory=BufferPool, repr=False)

    def __post_init__(self) -> None:
        ny, nx = self.runs[0].domain
        self.rows, self.columns = patch_grid(ny, nx, self.patch)
        self.nx = nx
        # Pre-expanded: the same 8 (or 6) factors again and again, as long as a row of the file.
        self._a, self._b = (np.tile(c, nx) for c in self.normalisation.coefficients(DYNAMIC))
        self._static_a, self._static_b = (np.tile(c, nx) for c in self.normalisation.coefficients(STATIC))
        self._x = position(nx, self.normalisation.scheme)
        self._y = position(ny, self.normalisation.scheme)
        self._hours = scale_leadtime(np.array(self.runs[0].hours))
        self._bands, self._late = BoundedCache(self.kept), BoundedCache(self.statics_kept)

    def __call__(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Build a batch.

        Parameters
        ----------
        index : numpy.ndarray
            Integers, shape (B, 4): file, lead time, row and column of the patch.

        Returns
        -------
        features : numpy.ndarray
            Float32, shape (B, patch, patch, 17 or as many as chosen).
        target : numpy.ndarray
            Float32, shape (B, patch, patch, 2).
        """
        p = self.patch
        features, target = self._pool.take((len(index), p, p, N_ALL)), self._pool.take((len(index), p, p, 2))
        for i, (file, lead, row, column) in enumerate(index.tolist()):
            if self.columns == 1:  # each band is used once: build it in its final place
                self._assemble(file, lead, row, features[i], target[i])
                continue
            key, cut = (file, lead, row), slice(column * p, (column + 1) * p)
            band = self._bands.get(key, lambda key=key: self._make_band(*key))
            features[i], target[i] = band[0][:, cut], band[1][:, cut]
        if self.chosen is None:
            return features, target
        some = self._pool.take((*features.shape[:-1], len(self.chosen)))
        return np.take(features, self.chosen, axis=-1, out=some), target

    def _make_band(self, file: int, lead: int, row: int) -> tuple[np.ndarray, np.ndarray]:
        width = self.columns * self.patch
        features, target = (
            self._pool.take((self.patch, width, N_ALL)),
            self._pool.take((self.patch, width, 2)),
        )
        self._assemble(file, lead, row, features, target)
        return features, target

    def _assemble(self, file: int, lead: int, row: int, features: np.ndarray, target: np.ndarray) -> None:
        """Fill features (rows, columns kept, 17) and target (rows, columns kept, 2) of a band."""
        p, width = self.patch, target.shape[1]
        late = self._late.get((file, row), lambda: self._make_late(file, row))
        take = self._pool.take
        dynamic, mean, std = take((p, self.nx * N_DYNAMIC)), take((p, self.nx)), take((p, self.nx))
        with RunReader(self.runs[file]) as reader:
            reader.read(DYNAMICS, lead, row * p, p, dynamic.reshape(p, self.nx, N_DYNAMIC))
            reader.read(MEAN, lead, row * p, p, mean)
            reader.read(STD, lead, row * p, p, std)
        raw = dynamic.reshape(p, self.nx, N_DYNAMIC)[:, :width, DYNAMIC.index(CONTROL)]
        # Before normalisation: or what is subtracted would not be a temperature.
        np.subtract(mean[:, :width], raw, out=target[..., 0])
        target[..., 1] = std[:, :width]
        dynamic *= self._a
        dynamic += self._b
        pixels = features.reshape(p, -1).view(PIXEL)
        pixels["dynamic"] = dynamic.view(PIXEL["dynamic"])[:, :width]
        pixels["late"] = late[:, :width]
        features[..., N_DYNAMIC + len(STATIC)] = self._hours[lead]

    def _make_late(self, file: int, row: int) -> np.ndarray:
        """Static predictors of a band, normalised, then lead time (filled in later), x and y: (rows, x)."""
        p, n = self.patch, len(STATIC)
        with RunReader(self.runs[file]) as reader:
            statics = self._pool.take((p, self.nx * n))
            reader.read(STATICS, None, row * p, p, statics.reshape(p, self.nx, n))
        statics *= self._static_a
        statics += self._static_b
        late = self._pool.take((p, self.nx, N_LATE))
        late[..., :n] = statics.reshape(p, self.nx, n)
        late[..., n + 1] = self._x
        late[..., n + 2] = self._y[row * p : (row + 1) * p, None]
        return late.reshape(p, -1).view(PIXEL["late"])


def sample_order(
    n_files: int,
    n_lead: int,
    rows: int,
    columns: int,
    *,
    rng: np.random.Generator | None,
    window: int,
    buffer: int,
) -> Iterator[np.ndarray]:
    """All samples of one epoch, each once, in pieces.

    Without ``rng`` they come in the order of files, lead times, rows and columns. With it, files are
    permuted and taken ``window`` at a time; all bands of a window are permuted; then the patches of as many
    bands as hold ``buffer`` patches are permuted. Only integers are moved, and what is kept in memory is
    bounded by the window and the buffer.

    Parameters
    ----------
    n_files, n_lead, rows, columns : int
    rng : numpy.random.Generator, optional
    window, buffer : int

    Yields
    ------
    numpy.ndarray
        Int32, shape (n, 4): file, lead time, row, column.
    """
    files = np.arange(n_files) if rng is None else rng.permutation(n_files)
    for w in range(0, n_files, window):
        grid = np.meshgrid(files[w : w + window], np.arange(n_lead), np.arange(rows), indexing="ij")
        bands = np.stack(grid, -1).reshape(-1, 3)
        bands = bands if rng is None else rng.permutation(bands)
        step = max(1, buffer // columns)
        for i in range(0, len(bands), step):
            few = np.repeat(bands[i : i + step], columns, axis=0)
            column = np.tile(np.arange(columns), len(few) // columns)
            piece = np.column_stack([few, column]).astype(np.int32)
            yield piece if rng is None else rng.permutation(piece)


def batches_of(pieces: Iterator[np.ndarray], batch_size: int) -> Iterator[np.ndarray]:
    """Cut a stream of index rows into batches of equal size; the last may be smaller.

    Parameters
    ----------
    pieces : iterator of numpy.ndarray
        Shapes (n, 4).
    batch_size : int

    Yields
    ------
    numpy.ndarray
        Shape (batch_size, 4).
    """
    waiting = np.empty((0, 4), np.int32)
    for piece in pieces:
        waiting = np.concatenate([waiting, piece])
        while len(waiting) >= batch_size:
            yield waiting[:batch_size]
            waiting = waiting[batch_size:]
    if len(waiting):
        yield waiting


def make_dataset(
    runs: Sequence,
    *,
    batch_size: int = 8,
    patch: int = 128,
    shuffle: bool = True,
    seed: int = 0,
    repeat: bool = False,
    first_epoch: int = 0,
    normalisation: Normalisation = PUBLISHED,
    predictors: Sequence[str] | None = None,
    window: int = 32,
    buffer: int = 256,
    threads: int = 2,
    prefetch: int = 2,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """Build the loader.

    Parameters
    ----------
    runs : sequence of str, path or RunFile
        Dates ("YYYY-MM-DD", found through the bucket) or paths of files.
    batch_size : int
        Patches per batch.
    patch : int
        Points along each side of a patch (128, 64 or 32 for the 5GB tier).
    shuffle : bool
        Over dates, lead times and patches; another order in each epoch.
    seed : int
        Same seed, same order, whatever the number of threads.
    repeat : bool
        Start the next epoch by itself, without end.
    first_epoch : int
        The epoch whose order comes first: where a resumed training goes on.
    normalisation : Normalisation
    predictors : sequence of str, optional
        Only these of `maelstrom_bootcamp.apps.yr.features.PREDICTORS`, in this order (for ablations).
    window : int
        Files among which samples are mixed at a time; what they hold of static predictors stays in memory.
    buffer : int
        Patches kept in memory to be mixed, if a band holds more than one.
    threads : int
        Batches read and built at the same time.
    prefetch : int
        Finished batches that wait for the model.
    drop_remainder : bool
        Leave out a last batch that is not full.

    Returns
    -------
    tf.data.Dataset
        Of (features (B, patch, patch, 17), target (B, patch, patch, 2)), float32, see
        `maelstrom_bootcamp.apps.yr.features.to_features`.

    Raises
    ------
    BootcampError
        If a file is missing, truncated or of another layout; a number is out of range; a name is unknown.
    """
    counts = {"batch_size": batch_size, "window": window, "buffer": buffer, "threads": threads}
    for name, value in counts.items():
        if value < 1:
            raise BootcampError(f"{name}={value} must be at least 1.", f"Give {name} a whole number >= 1.")
    files = find_runs(runs)
    rows, columns = patch_grid(*files[0].domain, patch)
    n_lead = len(files[0].hours)
    bands = -(-buffer // columns)
    # When a new piece of the order begins, the batches under way still need bands of the old one.
    kept = bands + min(bands, batch_size * threads)
    builder = BatchBuilder(files, patch, normalisation, kept, (window + threads) * rows, _chosen(predictors))
    n = len(files) * n_lead * rows * columns
    n_batches = n // batch_size if drop_remainder else -(-n // batch_size)
    epochs = _Epochs(first_epoch)

    def order() -> Iterator[np.ndarray]:
        while True:
            rng = np.random.default_rng([seed, epochs.next()]) if shuffle else None
            pieces = sample_order(len(files), n_lead, rows, columns, rng=rng, window=window, buffer=buffer)
            for batch in batches_of(pieces, batch_size):
                if len(batch) == batch_size or not drop_remainder:
                    yield batch
            if not repeat:
                return

    return _to_tensorflow(order, builder, None if repeat else n_batches, threads, prefetch)


def find_runs(runs: Sequence) -> list[RunFile]:
    """Index the files behind dates, paths, or files that are indexed already.

    Parameters
    ----------
    runs : sequence of str, path or RunFile

    Returns
    -------
    list of RunFile
    """
    runs = list(runs)
    if runs and all(isinstance(r, RunFile) for r in runs):
        return runs
    if runs and all(isinstance(r, str) and not r.endswith(".nc") for r in runs):
        from maelstrom_bootcamp.apps.yr.dataset import run_paths

        runs = run_paths(runs)
    return index_runs(runs)


class _Epochs:
    """Counts epochs: each time the dataset is iterated anew, the next order is due."""

    def __init__(self, first: int) -> None:
        self._next = first
        self._lock = threading.Lock()

    def next(self) -> int:
        with self._lock:
            self._next += 1
            return self._next - 1


def _chosen(names: Sequence[str] | None) -> list[int] | None:
    if names is None:
        return None
    unknown = [n for n in names if n not in PREDICTORS]
    if unknown or not names:
        raise BootcampError(
            f"There is no predictor {', '.join(unknown)}." if unknown else "No predictor was chosen.",
            f"Choose from {', '.join(PREDICTORS)}.",
        )
    return [PREDICTORS.index(n) for n in names]


def _to_tensorflow(
    order: Callable[[], Iterator[np.ndarray]],
    builder: BatchBuilder,
    n_batches: int | None,
    threads: int,
    prefetch: int,
) -> tf.data.Dataset:
    import tensorflow as tf

    def read(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        features, target = tf.numpy_function(builder, [index], (tf.float32, tf.float32), stateful=False)
        p, channels = builder.patch, len(builder.chosen or PREDICTORS)
        return tf.ensure_shape(features, (None, p, p, channels)), tf.ensure_shape(target, (None, p, p, 2))

    index = tf.data.Dataset.from_generator(order, output_signature=tf.TensorSpec((None, 4), tf.int32))
    size = tf.data.INFINITE_CARDINALITY if n_batches is None else n_batches
    index = index.apply(tf.data.experimental.assert_cardinality(size))
    return index.map(read, num_parallel_calls=threads, deterministic=True).prefetch(prefetch)
