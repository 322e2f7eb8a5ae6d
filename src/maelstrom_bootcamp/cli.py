"""The ``bootcamp`` command.

Failures that a reader can mend are printed as cause and cure, with exit code 2 and without a traceback.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from maelstrom_bootcamp import __version__
from maelstrom_bootcamp.catalog import CATALOG, Dataset, dataset
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.settings import SIZES, settings

#: Modules that may add a sub-command of their own with ``add_parser(subparsers)``; its parser sets ``run``,
#: a function of the parsed arguments that returns the exit code.
_EXTENSIONS = (
    "maelstrom_bootcamp.course.student",
    "maelstrom_bootcamp.course.doctor",
    "maelstrom_bootcamp.perfmodel.labels.measure",
    "maelstrom_bootcamp.perfmodel.command",
    "maelstrom_bootcamp.hardware.command",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        Exit code: 0, 1 if a check found something, 2 if the command failed.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        parsed = parser(extensions=words[:1] != ["data"]).parse_args(words)
        code = parsed.run(parsed) or 0
        sys.stdout.flush()
        return code
    except BootcampError as error:
        print(f"bootcamp: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # "bootcamp data list | head": nobody reads on, and that is fine. Python flushes once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parser(extensions: bool = True) -> argparse.ArgumentParser:
    """The parser with every sub-command that is installed.

    Parameters
    ----------
    extensions : bool
        False leaves out what other modules add; importing them takes a second.

    Returns
    -------
    argparse.ArgumentParser
    """
    top = argparse.ArgumentParser(prog="bootcamp", description="The MAELSTROM bootcamp.")
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_data(commands)
    for name in _EXTENSIONS if extensions else ():
        package, _, _ = name.rpartition(".")
        if find_spec(package) and find_spec(name):
            import_module(name).add_parser(commands)
    return top


def _add_data(commands: argparse._SubParsersAction) -> None:
    data = commands.add_parser("data", help="the datasets and their sample objects")
    actions = data.add_subparsers(title="actions", required=True, metavar="ACTION")

    action = actions.add_parser("open", help="open a dataset by the published call and print what is in it")
    action.add_argument("name", metavar="NAME", help="e.g. maelstrom-yr")
    action.add_argument(
        "request", metavar="KEY=VALUE", nargs="*", help="e.g. size=5GB dates=2020-03-10,2020-03-11"
    )
    action.set_defaults(run=_open)

    action = actions.add_parser("list", help="list the datasets")
    action.set_defaults(run=_list)

    action = actions.add_parser("make", help="make sample objects that are missing or damaged")
    _add_name_and_size(action)
    action.set_defaults(run=_make)

    action = actions.add_parser("verify", help="read every sample object again; make damaged ones anew")
    _add_name_and_size(action)
    action.add_argument(
        "--check-only", action="store_true", help="only report; exit code 1 if something is wrong"
    )
    action.set_defaults(run=_verify)

    action = actions.add_parser("clean", help="remove sample objects")
    _add_name_and_size(action)
    action.set_defaults(run=_clean)


def _add_name_and_size(action: argparse.ArgumentParser) -> None:
    action.add_argument("name", metavar="NAME", nargs="?", default="all", help="a dataset; default: all")
    action.add_argument("--size", choices=SIZES, help="size of the sample; default: MAELSTROM_SIZE")


# -------------------------------------------------------------------- arguments


def parse_request(words: Sequence[str]) -> dict[str, Any]:
    """Turn ``key=value`` words into keyword arguments.

    Parameters
    ----------
    words : sequence of str
        A value with commas becomes a list (a comma at the end makes a list of one); true, false and none
        their Python values; digits an integer, unless they start with 0 or are eight (a date: text); numbers
        with a point a float. Quotes keep text: date="'10'".

    Returns
    -------
    dict

    Raises
    ------
    BootcampError
        If a word is not of this form.
    """
    request = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.isidentifier():
            raise BootcampError(
                f"{word!r} is not of the form key=value.", "For example: dates=2020-03-10,2020-03-11"
            )
        if "," in value:
            request[key] = [_parse_value(part) for part in value.split(",") if part]
        else:
            request[key] = _parse_value(value)
    return request


def _parse_value(text: str) -> Any:
    constants = {"true": True, "false": False, "none": None}
    if text.lower() in constants:
        return constants[text.lower()]
    if len(text) == 8 and text.isdecimal():
        return text
    try:
        value = ast.literal_eval(text)  # "0101" and "2020-03-10" are no literals and stay text
    except (ValueError, SyntaxError):
        return text
    return value if isinstance(value, (int, float, str)) else text


def _names(name: str) -> list[str]:
    if name == "all":
        return [row.name for row in CATALOG.values() if row.plugin]
    dataset(name)
    return [name]


# -------------------------------------------------------------------- actions


def _open(args: argparse.Namespace) -> None:
    from maelstrom_bootcamp.bucket import open_dataset, recipes

    row = dataset(args.name)
    chosen = settings()
    request = parse_request(args.request)
    if not request:
        request = dict(recipes.example(row.name, chosen.size) if chosen.data == "sample" else row.request)
    opened = open_dataset(row.name, **request)
    print(replace(row, request=request).call)
    _print_terms(row)
    print()
    if hasattr(opened, "numcolumns"):  # radiation-tf has no to_xarray
        inputs, outputs = opened.to_tfdataset(shuffle=False).element_spec
        for name, spec in (inputs | outputs).items():
            print(f"{name:14} {spec.dtype.name} {spec.shape}")
    else:
        print(opened.to_xarray())


def _print_terms(row: Dataset) -> None:
    print(f"title:    {row.title} ({row.application})")
    print(f"licence:  {row.licence}; terms: {row.licence_url}")
    print(f"cite:     {row.citation or 'no citation given by the plugin'}")
    print(f"original: {row.true_size}")
    if settings().data == "sample":
        print(f"sample:   {row.sample}")


def _list(_: argparse.Namespace) -> None:
    from maelstrom_bootcamp.bucket.manifest import Manifest

    chosen = settings()
    print(f"data: {chosen.data}, size: {chosen.size}, bucket: {chosen.bucket}\n")
    for row in CATALOG.values():
        if row.plugin is None:
            state = "no plugin"
        else:
            entries = Manifest(chosen.bucket / "manifest", row.name).read().values()
            state = f"{sum(e.bytes for e in entries) / 1e6:.1f} MB" if entries else "not made"
            state += ", placeholder" if row.placeholder else ""
        print(f"{row.application}  {row.name:34} {state:22} {row.title}")
        print(f"    {'':34} {'':22} {row.licence}; original: {row.true_size}")


def _make(args: argparse.Namespace) -> None:
    from maelstrom_bootcamp.bucket import samples

    for name in _names(args.name):
        made = samples(name, size=args.size)
        done = made.make()
        print(f"{name} ({made.size}): {f'{done} jobs done' if done else 'nothing to do'}")


def _verify(args: argparse.Namespace) -> int:
    from maelstrom_bootcamp.bucket import samples

    code = 0
    for name in _names(args.name):
        checked = samples(name, size=args.size)
        if args.name == "all" and not checked.manifest.path.exists():
            continue  # never made, which is no fault
        problems = checked.verify(deep=True)
        for problem in problems:
            print(f"{problem.reason:13} {problem.object}")
        if problems and args.check_only:
            code = 1
        elif problems:
            checked.damage(problems)
            checked.make()
        state = "damaged" if problems and args.check_only else "made again" if problems else "as recorded"
        print(f"{name} ({checked.size}): {state}")
    return code


def _clean(args: argparse.Namespace) -> None:
    from maelstrom_bootcamp.bucket import samples

    freed = sum(samples(name, size=args.size).clean() for name in _names(args.name))
    cache = settings().cache
    if args.name == "all" and cache.is_dir():
        freed += sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
        shutil.rmtree(cache)
    print(f"{freed / 1e6:.1f} MB removed")


if __name__ == "__main__":
    sys.exit(main())
