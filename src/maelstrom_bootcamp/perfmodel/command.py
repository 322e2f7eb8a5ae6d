"""``bootcamp predict``: what a network will cost, before it runs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from maelstrom_bootcamp.perfmodel.graph import ModelInputError


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add ``bootcamp predict`` to the command line.

    Parameters
    ----------
    subparsers : argparse subparsers
        Of the ``bootcamp`` command.
    """
    parser = subparsers.add_parser("predict", help="time, memory and energy of a network, before it runs")
    parser.add_argument("model", type=Path, help="an .onnx or .keras file, or the folder of a SavedModel")
    parser.add_argument(
        "--device", default="cpu", help="cpu, rtx3090, rtx4090 or another of the hardware table"
    )
    parser.add_argument("--batch", type=int, help="first length of the inputs")
    parser.add_argument("--image-size", type=int, nargs="+", metavar="PIXELS", help="height [and width]")
    parser.add_argument("--bind", nargs="+", metavar="SYMBOL=LENGTH", default=[], help="other open lengths")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=main)


def main(arguments: argparse.Namespace) -> int:
    """Run ``bootcamp predict``.

    Returns
    -------
    int
        0; what cannot be read or predicted is a `ModelInputError`.
    """
    size, bind = _size(arguments.image_size), dict(_pair(word) for word in arguments.bind)
    # TensorFlow takes seconds to import: not before the words are known to make sense.
    from maelstrom_bootcamp.perfmodel.predict import predict

    found = predict(
        arguments.model, device=arguments.device, batch=arguments.batch, bind=bind or None, image_size=size
    )
    print(json.dumps(found.to_dict(), indent=1) if arguments.json else found)
    return 0


def _size(words: list[int] | None) -> int | tuple[int, int] | None:
    if words is None or len(words) == 1:
        return words[0] if words else None
    if len(words) != 2:
        raise ModelInputError(f"An image has two lengths, not {len(words)}.", "Give --image-size 224 320.")
    return (words[0], words[1])


def _pair(word: str) -> tuple[str, int]:
    name, equals, length = word.partition("=")
    if not equals or not name or not length.isdecimal():
        raise ModelInputError(f"{word!r} does not bind anything.", "For example: --bind sequence=128")
    return name, int(length)
