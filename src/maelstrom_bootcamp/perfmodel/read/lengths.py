"""What the readers of files have in common: the sizes they take, and how they fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from maelstrom_bootcamp.perfmodel.graph import ModelInputError

#: A file is taken into memory as it is, and once more as a graph.
MAX_BYTES = 512 * 2**20

ImageSize = int | tuple[int, int] | None


def check_lengths(batch: int | None, bind: Mapping[str, int] | None, image_size: ImageSize) -> None:
    """Refuse lengths that are not positive whole numbers.

    Parameters
    ----------
    batch : int, optional
    bind : mapping of str to int, optional
    image_size : int or (int, int), optional

    Raises
    ------
    ModelInputError
        With the name of the argument.
    """
    given = {"batch": batch, **{f"bind[{key!r}]": value for key, value in (bind or {}).items()}}
    pair = image_size if isinstance(image_size, tuple | list) else (image_size,)
    given |= {f"image_size[{place}]": value for place, value in enumerate(pair)}
    for name, value in given.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ModelInputError(
                f"{name} = {value!r} is not a length.", "Give a whole number of at least 1."
            )
    if isinstance(image_size, tuple | list) and len(image_size) != 2:
        raise ModelInputError(
            f"image_size = {image_size!r} is not a height and a width.", "Give one number or two."
        )


def as_pair(image_size: ImageSize) -> tuple[int, int] | None:
    """Give height and width; a single number is both."""
    return (image_size, image_size) if isinstance(image_size, int) else image_size


@contextmanager
def damage_refused(name: str) -> Iterator[None]:
    """Make one error of what a damaged file leads to: names that are no text, fields of a wrong type.

    Parameters
    ----------
    name : str
        Of the file.

    Raises
    ------
    ModelInputError
        Instead of the errors that contradictions in decoded data lead to; other errors pass.
    """
    try:
        yield
    except ModelInputError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ModelInputError(
            f"{name} is damaged: {type(error).__name__}: {' '.join(str(error).split())[:200]}.",
            "Export the network again, or check that the file was copied in full.",
        ) from error
