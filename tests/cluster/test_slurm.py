"""TF_CONFIG from SLURM's variables, without SLURM."""

from __future__ import annotations

import json

import pytest

from maelstrom_bootcamp.cluster.slurm import expand_hosts, tasks_per_node, tf_config_from_slurm
from maelstrom_bootcamp.errors import BootcampError


@pytest.mark.parametrize(
    ("short", "hosts"),
    [
        ("jwb0001", ["jwb0001"]),
        ("jwb[0001-0002,0117]", ["jwb0001", "jwb0002", "jwb0117"]),
        ("jwb[0009-0011],jwlogin21", ["jwb0009", "jwb0010", "jwb0011", "jwlogin21"]),
        ("a1,b[3,5]", ["a1", "b3", "b5"]),
    ],
)
def test_hosts(short, hosts):
    assert expand_hosts(short) == hosts


@pytest.mark.parametrize("bad", ["", "jwb[0001", "jwb[3-1]", "jwb[1,,2]", "jwb]1"])
def test_bad_hosts(bad):
    with pytest.raises(BootcampError):
        expand_hosts(bad)


def test_tasks():
    assert tasks_per_node("4(x2),1") == [4, 4, 1]
    assert tasks_per_node("2") == [2]
    with pytest.raises(BootcampError):
        tasks_per_node("4(2)")


def config(**more):
    env = {"SLURM_STEP_NODELIST": "jwb[0001-0002]", "SLURM_PROCID": "5", "SLURM_STEP_TASKS_PER_NODE": "4(x2)"}
    return json.loads(tf_config_from_slurm({**env, **more}))


def test_every_task_has_an_address():
    found = config()
    assert found["task"] == {"type": "worker", "index": 5}
    assert found["cluster"]["worker"][3:5] == ["jwb0001:15003", "jwb0002:15000"]
    assert len(set(found["cluster"]["worker"])) == 8


def test_infiniband_names_at_jsc():
    assert config(SYSTEMNAME="juwelsbooster")["cluster"]["worker"][0] == "jwb0001i:15000"


def test_tasks_must_fit_the_hosts():
    with pytest.raises(BootcampError, match="2 hosts, but tasks for 1"):
        config(SLURM_STEP_TASKS_PER_NODE="4")
    with pytest.raises(BootcampError, match="no worker 8"):
        config(SLURM_PROCID="8")


def test_outside_slurm():
    with pytest.raises(BootcampError, match="SLURM_STEP_NODELIST is not set"):
        tf_config_from_slurm({})
