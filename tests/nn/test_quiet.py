from __future__ import annotations

import subprocess
import sys

CODE = """
from maelstrom_bootcamp import nn
import numpy as np
for width in range(1, 9):
    nn.pointwise_net(1, width=width, depth=1).predict_on_batch(np.zeros((1, 2, 2, 1), "f4"))
print("done")
"""


def test_several_networks_in_a_row_leave_no_warnings():
    """Eight graphs built one after the other: TensorFlow would warn about retracing."""
    result = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert result.stdout == "done\n"
    assert result.stderr == ""
