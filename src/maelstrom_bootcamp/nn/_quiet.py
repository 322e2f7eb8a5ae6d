"""Keep TensorFlow's C++ start-up messages out of notebooks."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

#: TensorFlow's own switch: hide INFO, WARNING and ERROR lines of its C++ part (harmless ones appear in each
#: training with Leaky ReLU, "remapper failed"). What matters comes as a Python exception all the same.
LOG_LEVEL = "3"


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back what is written to the process's standard error inside the block.

    TensorFlow prints a dozen lines while it is imported ("oneDNN custom operations are on", "could not find
    CUDA drivers"). They come from C++, before its logger reads ``TF_CPP_MIN_LOG_LEVEL``, so only the file
    descriptor itself can catch them. If the block raises, all that was held back is printed after all.

    Notes
    -----
    Importing `maelstrom_bootcamp.nn` does this for you. Import it before ``tensorflow`` or ``keras``.
    """
    sys.stderr.flush()
    standard_error = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(standard_error, 2)
            held_back.seek(0)
            sys.stderr.write(held_back.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)


def start_quietly() -> None:
    """Import TensorFlow and look for its devices without a word; a no-op for what is imported already."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", LOG_LEVEL)
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with quiet():
        import tensorflow as tf

        tf.config.list_physical_devices()
    # "5 out of the last 10 calls triggered tf.function retracing": true of every comparison of several
    # networks, and no fault. Without this the lines would stand in the notebooks.
    tf.get_logger().setLevel("ERROR")
