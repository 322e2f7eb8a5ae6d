"""One task of a SLURM job that trains together: ``srun python -m maelstrom_bootcamp.cluster.launch FOLDER``.

Each task takes the GPU of its number on the node, if there are GPUs. The samples are FOLDER/x.npy and y.npy,
where every task can read them; without them random fields are trained on, which is enough to time the steps.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from maelstrom_bootcamp.cluster.slurm import tf_config_from_slurm
from maelstrom_bootcamp.errors import BootcampError


def main(arguments: Sequence[str] | None = None) -> int:
    """Find the others, train, leave the weights in the folder; task 0 prints the losses as JSON.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the command line.

    Returns
    -------
    int
        0, or 2 after one clear error.
    """
    parser = argparse.ArgumentParser(prog="maelstrom_bootcamp.cluster.launch")
    parser.add_argument("folder", type=Path, help="shared by all tasks: samples in, weights out")
    parser.add_argument("--network", default="a1", help="key of a reference network")
    parser.add_argument("--batch", type=int, default=32, help="samples of a step, of all tasks together")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=int(os.environ.get("SLURM_CPUS_PER_TASK", 1)))
    parser.add_argument("--port", type=int, default=15000, help="of the first task of each node")
    chosen = parser.parse_args(arguments)
    try:
        return _train(chosen)
    except BootcampError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _train(chosen: argparse.Namespace) -> int:
    config = tf_config_from_slurm(port=chosen.port)
    rank, tasks = json.loads(config)["task"]["index"], len(json.loads(config)["cluster"]["worker"])
    os.environ["TF_CONFIG"] = config
    if "CUDA_VISIBLE_DEVICES" in os.environ:  # of the whole node: the batch script says so
        os.environ["CUDA_VISIBLE_DEVICES"] = os.environ["SLURM_LOCALID"]
    from maelstrom_bootcamp.cluster.job import Job
    from maelstrom_bootcamp.cluster.train import work

    job = {"network": chosen.network, "batch": chosen.batch, "steps": chosen.steps}
    job["learning_rate"] = chosen.learning_rate
    Job(**job).check(tasks)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    task = {"job": job, "data": (chosen.folder / "x.npy").is_file(), "threads": chosen.threads}
    losses = work(task, rank, chosen.folder)["losses"]
    if rank == 0:
        print(json.dumps({"tasks": tasks, "batch": chosen.batch, "losses": losses}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
