"""A block of two simulated days, shared by the tests of the generator (about ten seconds)."""

from __future__ import annotations

from pathlib import Path

import pytest

from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.bucket.yr.block import Block, simulate_block

DAYS = ["2020-12-08", "2020-12-09"]


@pytest.fixture(scope="session")
def block() -> Block:
    return simulate_block(0, DAYS)


@pytest.fixture(scope="session")
def ci_bucket() -> Path:
    """The smallest sample of maelstrom-yr, in the bucket that the tests share."""
    return bucket.serve("maelstrom-yr", size="ci")
