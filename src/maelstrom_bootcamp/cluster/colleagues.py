"""What a worker needs of TensorFlow: the others, and sums over all of them."""

from __future__ import annotations

import json
import os
from typing import Any


class Colleagues:
    """The other workers, as one of them sees them.

    Parameters
    ----------
    threads : int
        Threads of TensorFlow in this process.
    """

    def __init__(self, threads: int = 1) -> None:
        from maelstrom_bootcamp import nn  # noqa: F401  (starts TensorFlow quietly)

        import tensorflow as tf  # isort: skip

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(max(2, threads))  # compute, and talk meanwhile
        has_gpu = bool(tf.config.list_physical_devices("GPU"))
        kind = tf.distribute.experimental.CommunicationImplementation
        self.options = tf.distribute.experimental.CommunicationOptions(
            implementation=kind.NCCL if has_gpu else kind.RING
        )
        cluster = json.loads(os.environ.get("TF_CONFIG", "{}")).get("cluster", {})
        self.strategy = tf.distribute.get_strategy()
        if len(cluster.get("worker", [])) > 1:
            self.strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=self.options)
        self.count = self.strategy.num_replicas_in_sync

    def total(self, tensors: list[Any]) -> list[Any]:
        """Sum each tensor over all workers (inside a tf.function: one message for all of them)."""
        import tensorflow as tf

        if self.count == 1:
            return tensors

        def talk(*own: Any) -> list[Any]:
            context = tf.distribute.get_replica_context()
            own = [tf.identity(tensor) for tensor in own]  # now it is known on which device they are
            return context.all_reduce(tf.distribute.ReduceOp.SUM, own, options=self.options)

        return list(self.strategy.run(talk, args=tuple(tensors)))

    def mean(self, tensors: list[Any]) -> list[Any]:
        """Average each tensor over all workers."""
        return [tensor / self.count for tensor in self.total(tensors)]

    def wait(self) -> None:
        """Go on when all have come here."""
        import tensorflow as tf

        if not hasattr(self, "_barrier"):
            self._barrier = tf.function(lambda: self.total([tf.ones(1)])[0])
        self._barrier().numpy()

    def agree(self, variables: list[Any], rank: int) -> None:
        """Take over the values of worker 0, so that all start from the same ones."""
        import tensorflow as tf

        @tf.function
        def broadcast() -> list[Any]:
            return self.total([tf.identity(v) if rank == 0 else tf.zeros_like(v) for v in variables])

        for variable, value in zip(variables, broadcast(), strict=True):
            variable.assign(value)
