"""Member by member: who sees whom, what a fit finds, more members than in training."""

# ruff: noqa: I001  (the package nn starts TensorFlow without its messages: it has to come before Keras)
from maelstrom_bootcamp.apps.ens10 import fair
from maelstrom_bootcamp.apps.ens10.member_networks import LinearMembers, MemberNetwork, member_network
from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.verify.ensemble import spread_error

import numpy as np
import pytest
import xarray as xr

KINDS = pytest.mark.parametrize("together", [False, True])


def world(members, times=150, seed=0):
    """Forecasts that are too cold by 3, too narrow by half, and a truth; 8 x 12 points, all independent."""
    rng = np.random.default_rng(seed)
    shape = (times, 8, 12)
    centre = 280 + 5 * rng.normal(size=shape)
    dims = ("time", "latitude", "longitude")
    where = {"latitude": np.linspace(-70, 70, 8), "longitude": np.arange(12) * 30.0}
    truth = xr.DataArray((centre + rng.normal(size=shape)).astype("f4"), where, dims)
    x = (centre[:, None] - 3 + 0.5 * rng.normal(size=(times, members, *shape[1:]))).astype("f4")
    own = xr.DataArray(x, where, ("time", "member", *dims[1:]))
    gaps = own.where(own["latitude"] > 0)  # as the sea's temperature, missing in places
    return xr.Dataset({"t": own, "sst": gaps}, attrs={"own": "t"}), truth


@pytest.fixture(scope="module")
def small():
    return world(4, 20)


def inputs(model, members=4, cases=6):
    rng = np.random.default_rng(1)
    return {
        n: rng.normal(size=(cases, members, *([s[-1]] if len(s) == 3 else []))).astype("f4")
        for n, s in ((i.name, i.shape) for i in model.inputs)
    }


@KINDS
def test_a_new_network_changes_nothing(together):
    model = member_network(3, together=together)
    x = inputs(model)
    np.testing.assert_array_equal(model(x), x["line"])


@KINDS
def test_members_see_each_other_only_if_they_are_to(together):
    model = member_network(3, together=together, hidden=8)
    head = model.get_layer("head")
    head.set_weights([np.ones_like(w) for w in head.get_weights()])
    x = inputs(model)
    before = np.asarray(model(x))
    x = {n: a.copy() for n, a in x.items()}
    for a in x.values():
        a[:, 0] += 1
    after = np.asarray(model(x))
    assert not np.allclose(after[:, 0], before[:, 0])
    assert np.array_equal(after[:, 1:], before[:, 1:]) is not together
    order = [2, 0, 3, 1]
    turned = np.asarray(model({n: a[:, order] for n, a in x.items()}))
    np.testing.assert_allclose(turned, after[:, order], atol=1e-5)


def test_the_kinds_differ_by_the_attention_alone():
    own, seeing = (member_network(3, together=t, hidden=8) for t in (False, True))
    extra = {w.path for w in seeing.weights} - {w.path for w in own.weights}
    assert {p.split("/")[0] for p in extra} == {"values", "attention", "moved"}
    assert seeing.count_params() - own.count_params() == 3 * 8 + 3 * 8 * 8


@KINDS
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_linear_members_have_the_spread_that_the_score_asks_for(together, alpha):
    members, truth = world(5)
    method = LinearMembers(alpha, together=together).fit(members, truth)
    new, came = world(5, seed=1)
    found = float(spread_error(method.predict(new), came)["ratio"])
    assert found == pytest.approx(fair.spread_error_ratio(5, alpha, together=together), rel=0.06)
    assert abs(float((method.predict(new).mean("member") - came).mean())) < 0.1, "the bias is gone"


def test_linear_members_keep_the_mean_if_they_know_it(small):
    members, truth = small
    one, other = (LinearMembers(a, together=True).fit(members, truth).predict(members) for a in (0.0, 1.0))
    np.testing.assert_allclose(one.mean("member"), other.mean("member"), rtol=1e-5)


@KINDS
def test_network_learns_and_repeats_and_takes_more_members(together, small):
    members, truth = small
    few = {"steps": 80, "batch_size": 128, "hidden": 8, "learning_rate": 3e-2}
    method = MemberNetwork(1.0, together=together, **few).fit(members, truth)
    forecast = method.predict(members)
    assert forecast.dims == members["t"].dims
    line = LinearMembers(1.0, together=False).fit(members, truth)
    line.factor = 0.0  # where the network began
    before, after = (
        float(np.mean(fair.ensemble_crps(f.values, truth.values))) for f in (line.predict(members), forecast)
    )
    assert after < 0.97 * before
    if together:
        again = MemberNetwork(1.0, together=True, **few).fit(members, truth).predict(members)
        np.testing.assert_array_equal(forecast, again)
    assert method.predict(world(7, 20)[0]).sizes["member"] == 7


def test_errors(small):
    members, truth = small
    for method in (LinearMembers(0.0, together=True), MemberNetwork(0.0, together=True, steps=1)):
        with pytest.raises(BootcampError, match="not been fitted"):
            method.predict(members)
        with pytest.raises(BootcampError, match="Forecasts are"):
            method.fit(members, truth.isel(time=slice(5)))
    with pytest.raises(BootcampError, match="steps"):
        MemberNetwork(0.0, together=True, steps=0)
    with pytest.raises(BootcampError, match="2 dates"):
        LinearMembers(0.0, together=True).fit(members.isel(time=slice(2)), truth.isel(time=slice(2)))
    method = MemberNetwork(0.0, together=False, steps=1, batch_size=8).fit(members, truth)
    with pytest.raises(BootcampError, match="Trained with"):
        method.predict(members[["t"]].assign_attrs(members.attrs))
