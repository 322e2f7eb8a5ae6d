"""``bootcamp bench``: how fast the reference networks are on this machine, and against another."""

from __future__ import annotations

import argparse
from pathlib import Path

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware import results
from maelstrom_bootcamp.hardware.bench import BACKENDS, JIT, Options, bench
from maelstrom_bootcamp.hardware.networks import POLICIES, find


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add ``bootcamp bench`` to the command line.

    Parameters
    ----------
    subparsers : argparse subparsers
        Of the ``bootcamp`` command.
    """
    parser = subparsers.add_parser("bench", help="speed, memory and energy of the applications' networks")
    parser.add_argument("app", metavar="APP", nargs="?", help="a1, a3, ... a6, a network's key, or all")
    parser.add_argument("--level", choices=results.LEVELS, default="training", help="Deep500's levels")
    parser.add_argument("--precision", choices=POLICIES, default="fp32", help="bf16 and fp16 are mixed")
    parser.add_argument("--batch", type=int, help="samples of a step; default: the network's own")
    parser.add_argument("--backend", choices=BACKENDS, default="tensorflow")
    parser.add_argument("--jit", choices=JIT, default="auto", help="compile with XLA or torch.compile")
    parser.add_argument("--repeats", type=int, default=20, help="steps that are timed")
    parser.add_argument("--workers", type=int, default=2, help="processes of the level distributed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-input", action="store_true", help="leave the input pipeline alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also add the results to FILE, a line each")
    parser.add_argument(
        "--compare", type=Path, nargs=2, metavar=("A", "B"), help="two such files, ratios side by side"
    )
    parser.add_argument("--figure", type=Path, metavar="FILE.png", help="with --compare: draw it")
    parser.set_defaults(run=main)


def main(arguments: argparse.Namespace) -> int:
    """Run ``bootcamp bench``.

    Returns
    -------
    int
        0; whatever cannot be measured or compared is a `BootcampError`.
    """
    if arguments.compare:
        return _compare(*arguments.compare, arguments.figure)
    if arguments.app is None:
        raise BootcampError("Which network?", "Give one, e.g. bootcamp bench a1; or --compare A B.")
    chosen = find(arguments.app)
    names = ("level", "precision", "batch", "backend", "jit", "repeats", "seed")
    workers = arguments.workers if arguments.level == "distributed" else 1
    options = Options(
        **{n: getattr(arguments, n) for n in names}, workers=workers, input=not arguments.no_input
    )
    options.check()
    if arguments.json and arguments.json.exists():
        results.read(arguments.json)  # better refused now than after an hour of measuring
    for network in chosen:
        records = bench(network, options)
        if arguments.json:
            results.append(arguments.json, records)
        print("\n".join(describe(record) for record in records), flush=True)
    return 0


def describe(record: results.Record) -> str:
    """A record in words.

    Parameters
    ----------
    record : dict

    Returns
    -------
    str
        Several lines; a single one at the level "operator".
    """
    step = record["step_s"]
    took = f"{1e3 * step['median']:.3g} ms ({1e3 * step['low']:.3g} to {1e3 * step['high']:.3g})"
    speed = f"{record['flop_per_s'] / 1e9:,.1f} GFLOP/s"
    if record["level"] == "operator":
        return f"{record['network']:15} {record['operator']:38} {took:28} {speed}"
    head = f"{record['network']}, {record['level']}, batch {record['batch']}, {record['precision']}"
    head += f", {record['backend']}" + f", {record['workers']} workers" * (record["workers"] > 1)
    lines = [head, f"  step (quartiles)  {took}, {step['repeats']} repeats; first {record['first_s']:.2f} s"]
    lines.append(f"  throughput        {record['samples_per_s']:,.1f} samples/s ({record['sample']})")
    lines.append(f"  arithmetic        {record['flop'] / 1e9:,.2f} GFLOP a step, {speed}")
    read, memory = record["input"], record["memory"]
    rate = read["samples_per_s"]
    lines.append("  input alone       " + (f"{rate:,.1f} samples/s" if rate else read["why"]))
    peak = memory["host_peak"]
    lines.append("  memory of host    " + (f"{peak / 1e6:,.0f} MB at most" if peak else memory["why"]))
    peak = memory["accelerator_peak"]
    lines.append("  memory of GPU     " + (f"{peak / 1e6:,.0f} MB at most" if peak else memory["why"]))
    if "distributed" in record:
        d = record["distributed"]
        lines.append(
            f"  against 1 worker  {d['speedup']:.2f} times as fast; all-reduce {1e3 * d['reduce_s']:.3g} ms"
        )
        lines.append(f"  equality          weights differ by {d['drift']:.1e} after some steps")
    lines += [f"  energy            {_energy(each)}" for each in record["energy"]]
    return "\n".join(lines)


def _energy(energy: dict) -> str:
    if energy["joules"] is None:
        return energy["why"]
    return f"{energy['joules_per_step']:.3g} J a step ({energy['source']})"


def _compare(a: Path, b: Path, figure: Path | None) -> int:
    table = results.compare(results.read(a), results.read(b))
    names = (a.stem, b.stem) if a.stem != b.stem else (str(a), str(b))
    shown = table.assign(a=1e3 * table["a"], b=1e3 * table["b"])
    shown.columns = [f"{names[0]} (ms)", f"{names[1]} (ms)", "ratio", "low", "high"]
    print(shown.to_string(float_format="{:.3g}".format))
    print(f"\nratio: {names[1]} / {names[0]}; above 1, {names[1]} is slower\n{results.bars(table)}")
    if figure:
        try:
            results.draw(table, names).savefig(figure, dpi=150)
        except (OSError, ValueError) as error:
            raise BootcampError(
                f"The figure could not be written to {figure.name} ({error}).",
                "Give a name that ends in .png.",
            ) from None
        print(f"The figure is in {figure}.")
    return 0
