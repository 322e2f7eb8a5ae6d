import numpy as np
import pytest

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.hardware import operators
from maelstrom_bootcamp.hardware.networks import Network, find, load, networks, policy

from maelstrom_bootcamp import nn  # isort: skip
import keras  # isort: skip

PUBLISHED = {
    "a1": 1_314_019,
    "a1-pointwise": 12_243,
    "a3-min-cnn": 261_515,
    "a3-cnn": 200_642,
    "a3-attention": 233_922,
    "a3-rnn": 124_930,
    "a4-mlp": 2_562,
    "a4-unet": 633_698,
    "a5": 3_525_650,
    "a6": 28_055_104,
}


@pytest.mark.parametrize("key", networks())
def test_reference_networks_are_those_that_were_published(key):
    network = networks()[key]
    model = network.build()
    if key in PUBLISHED:
        assert nn.trainable_parameters(model) == PUBLISHED[key]
    x, y = network.inputs(model, 1), network.targets(model, 1)
    assert {a.dtype for a in keras.tree.flatten([x, y])} == {np.dtype(np.float32)}
    output = keras.tree.flatten(model(x))
    assert all(np.isfinite(o).all() for o in output)
    model.compile("sgd", network.losses(model))
    assert np.isfinite(model.train_on_batch(x, y)).all()


def test_a1_is_trained_with_its_own_loss():
    network = networks()["a1"]
    model = network.build()
    loss = network.losses(model)
    assert isinstance(loss, nn.QuantileLoss)
    assert loss.trim == 32
    assert network.targets(model, 1).shape == (1, 128, 128, 2), "temperature and its uncertainty"
    other = networks()["a5"]
    assert other.losses(other.build()) == {"t2m": "mean_squared_error", "z": "mean_squared_error"}


def test_random_fields_repeat():
    network = networks()["a4-mlp"]
    model = network.build()
    assert (network.inputs(model, 3) == network.inputs(model, 3)).all()
    assert (network.inputs(model, 3) != network.inputs(model, 3, seed=5)).any()
    assert network.inputs(model).shape[0] == network.batch


@pytest.mark.parametrize("precision", ["fp64", "fp32", "bf16", "fp16"])
def test_precision_is_that_of_the_model_only(precision):
    before = keras.config.dtype_policy()
    model = networks()["a1"].build(precision)
    assert model.layers[1].dtype_policy.name == policy(precision)
    assert keras.config.dtype_policy() == before


def test_unknown_names_are_told():
    with pytest.raises(BootcampError, match="no precision 'fp8'"):
        policy("fp8")
    with pytest.raises(BootcampError, match="no application or network 'a9'"):
        find("a9")
    with pytest.raises(BootcampError, match="A2 has no reference network"):
        find("A2")


def test_an_application_is_all_of_its_networks():
    assert [n.key for n in find("A3")] == ["a3-min-cnn", "a3-cnn", "a3-attention", "a3-rnn"]
    assert [n.key for n in find("a4-mlp")] == ["a4-mlp"]
    assert len(find("all")) == len(networks())


def test_the_graph_counts_what_the_course_counts():
    network = networks()["a1"]
    graph = network.graph(2)
    assert graph.macs == 2 * 128 * 128 * 12_096
    assert graph.batch == 2


def test_operators_are_chosen_by_their_share_of_the_work():
    ops = networks()["a1"].graph(1).ops
    chosen = operators.heaviest((op for op in ops if op.kind == "conv"), share=0.5)
    few = operators.heaviest((op for op in ops if op.kind == "conv"), share=0.9)
    assert 0 < len(chosen) < len(few)
    assert "2x2" in operators.describe(chosen[0]), "the 2 x 2 convolutions of the decoder come first"


@pytest.mark.parametrize("key", ["a1", "a3-min-cnn", "a4-unet", "a6"])
def test_every_operator_is_built_with_its_shape(key):
    ops = networks()[key].graph(1).ops
    for op in operators.heaviest(op for op in ops if op.kind in ("conv", "dense")):
        assert operators._task(op, "float32")().shape == op.out_shape, operators.describe(op)


def test_networks_without_products_are_told(monkeypatch):
    from maelstrom_bootcamp.hardware.bench import Options

    class Empty:
        ops = ()

    monkeypatch.setattr(Network, "graph", lambda self, batch=None: Empty)
    with pytest.raises(BootcampError, match="no convolution"):
        list(operators.bench_operators(networks()["a1"], Options(level="operator"), 1))
    with pytest.raises(BootcampError, match="TensorFlow only"):
        list(operators.bench_operators(networks()["a1"], Options(backend="jax"), 1))


@pytest.mark.parametrize("network", [n for n in networks().values() if n.pipeline], ids=lambda n: n.key)
def test_pipelines_deliver_what_the_networks_take(network):
    x, y = next(iter(load(network.pipeline)(2)))
    model = network.build()
    random = network.inputs(model, 2)
    if isinstance(random, dict):
        assert {name: np.shape(x[name]) for name in random} == {name: a.shape for name, a in random.items()}
        assert set(model.output) <= set(y)
    else:
        assert x.shape == random.shape
    assert all(np.isfinite(o).all() for o in keras.tree.flatten(model(x)))


def test_applications_with_sample_data_have_a_pipeline():
    assert {n.app for n in networks().values() if n.pipeline} == {"a1", "a3"}
