"""Who am I in this SLURM job? ``TF_CONFIG`` for TensorFlow, from the variables that ``srun`` sets.

TensorFlow's own `SlurmClusterResolver` takes plain host names. At JSC the InfiniBand network is reached by
another name of the same node, with an "i" at its end.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from maelstrom_bootcamp.cluster.workers import tf_config
from maelstrom_bootcamp.errors import BootcampError

#: Values of SYSTEMNAME at JSC where a host's InfiniBand name ends in "i".
INFINIBAND = ("juwels", "juwelsbooster", "jurecadc", "jusuf")
_PART = re.compile(r"([^,\[\]]+)(?:\[([0-9,-]+)\])?(?:,|$)")


def expand_hosts(nodelist: str) -> list[str]:
    """Write SLURM's short list of hosts out in full.

    Parameters
    ----------
    nodelist : str
        E.g. "jwb[0001-0003,0117],login1".

    Returns
    -------
    list of str
        In the same order: jwb0001, jwb0002, jwb0003, jwb0117, login1.

    Raises
    ------
    BootcampError
        If it cannot be read.
    """
    hosts, at = [], 0
    while at < len(nodelist):
        part = _PART.match(nodelist, at)
        if part is None:
            raise BootcampError(
                f"The list of hosts {nodelist!r} cannot be read.", "Expected: jwb[0001-0002,0117],other."
            )
        name, ranges = part.groups()
        hosts += [name] if ranges is None else [name + number for number in _numbers(ranges)]
        at = part.end()
    if not hosts:
        raise BootcampError("The list of hosts is empty.", "Call this inside a SLURM job, by srun.")
    return hosts


def _numbers(ranges: str) -> list[str]:
    numbers: list[str] = []
    for piece in ranges.split(","):
        low, _, high = piece.partition("-")
        if not low or (high and int(high) < int(low)):
            raise BootcampError(f"{piece!r} is no range of hosts.", "Expected: 0001-0004.")
        numbers += [str(i).zfill(len(low)) for i in range(int(low), int(high or low) + 1)]
    return numbers


def tasks_per_node(text: str) -> list[int]:
    """Write out ``SLURM_TASKS_PER_NODE``: "4(x2),1" is 4, 4, 1."""
    counts: list[int] = []
    for piece in text.split(","):
        found = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", piece)
        if found is None:
            raise BootcampError(f"SLURM_TASKS_PER_NODE={text!r} cannot be read.", "Expected: 4(x2),1.")
        counts += [int(found[1])] * int(found[2] or 1)
    return counts


def tf_config_from_slurm(environment: Mapping[str, str] | None = None, port: int = 15000) -> str:
    """``TF_CONFIG`` of this task of a SLURM job.

    Parameters
    ----------
    environment : mapping, optional
        By default that of this process.
    port : int
        Of the first task of each node; the others take the next ones.

    Returns
    -------
    str
        JSON, for ``os.environ["TF_CONFIG"]`` before TensorFlow is imported.

    Raises
    ------
    BootcampError
        If this is no SLURM task.
    """
    env = os.environ if environment is None else environment
    try:
        nodelist, rank = env["SLURM_STEP_NODELIST"], int(env["SLURM_PROCID"])
        tasks = tasks_per_node(env["SLURM_STEP_TASKS_PER_NODE"])
    except KeyError as error:
        raise BootcampError(f"{error.args[0]} is not set.", "Start the program by srun.") from None
    hosts = expand_hosts(nodelist)
    if len(hosts) != len(tasks):
        raise BootcampError(f"{len(hosts)} hosts, but tasks for {len(tasks)}.", "Ask SLURM's administrators.")
    suffix = "i" if env.get("SYSTEMNAME") in INFINIBAND else ""
    addresses = [f"{host}{suffix}:{port + i}" for host, n in zip(hosts, tasks, strict=True) for i in range(n)]
    return tf_config(addresses, rank)
