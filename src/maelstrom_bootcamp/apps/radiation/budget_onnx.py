"""The layers of `maelstrom_bootcamp.apps.radiation.budget` as ONNX operators, for `to_onnx`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from maelstrom_bootcamp.apps.radiation import budget as b
from maelstrom_bootcamp.apps.radiation.layers import COS_ZENITH, PER_DAY

if TYPE_CHECKING:
    from maelstrom_bootcamp.apps.radiation.to_onnx import Writer


def optical_terms(w: Writer, node: Any, x: list[str]) -> str:
    """Translate `maelstrom_bootcamp.apps.radiation.budget.OpticalTerms`."""
    profiles, half_levels, pressure = x
    mass = w.times(w.thickness(pressure), 1 / b.G)

    def column(i: int) -> str:
        return w.cut(profiles, 2, i, i + 1)

    def least(y: str, value: float) -> str:
        return w.op("Max", [y, w.constant(value)])

    def depth(content: int, radius: int, density: float) -> str:
        path = w.times(w.op("Mul", [column(content), mass]), 1.5 / density)
        return w.op("Div", [path, least(column(radius), 2e-6)])

    cover = column(b.CLOUD)
    inside = least(cover, 1e-3)
    water, ice = depth(b.LIQUID, b.R_LIQUID, b.DENSITY_WATER), depth(b.ICE, b.R_ICE, b.DENSITY_ICE)
    both = w.op("Add", [water, ice])
    vapour, ozone = (w.op("Mul", [column(i), mass]) for i in (0, 1))
    weights = np.zeros((b.EXTINCTION.size, 2), np.float32)
    weights[:, 0] = b.EXTINCTION
    weights[b.SOOT, 1] = b.EXTINCTION[b.SOOT]
    dust = w.op("MatMul", [w.cut(profiles, 2, b.AEROSOLS.start, b.AEROSOLS.stop), w.constant(weights)])
    dust = w.times(w.op("Sqrt", [w.op("Mul", [dust, mass])]), 3)
    turned = _clear_share(w, w.cut(cover, 1, -1, -_END, -1))
    terms = [
        _one_minus(w, _clear_share(w, cover)),
        w.cut(_one_minus(w, turned), 1, -1, -_END, -1),
        _log(w, _sum(w, both), 1),
        cover,
        _log(w, w.op("Div", [water, inside]), 1),
        _log(w, w.op("Div", [ice, inside]), 1),
        _log(w, w.times(both, 5), 1),
        w.op("Sqrt", [w.op("Sqrt", [vapour])]),
        w.times(_log(w, _sum(w, vapour), 1e-7), 0.1),
        w.times(w.op("Sqrt", [ozone]), 100),
        w.times(_log(w, _sum(w, ozone), 1e-8), 0.1),
        dust,
        w.times(_log(w, w.times(w.middle(pressure), 0.5), 1), 1 / 12),
        w.times(w.op("Add", [w.middle(w.cut(half_levels, 2, 0, 1)), w.constant(-480.0)]), 1 / 80),
    ]
    return _scaled(w, w.op("Concat", terms, axis=2), list(b.LAYER_TERMS.values()))


def scalar_terms(w: Writer, node: Any, x: list[str]) -> str:
    """Translate `maelstrom_bootcamp.apps.radiation.budget.ScalarTerms`."""
    scalars, pressure = x
    sun = w.cut(scalars, 1, COS_ZENITH.start, COS_ZENITH.stop)
    albedos = w.op("Gather", [scalars, w.integers(*b.ALBEDO_TERMS)], axis=1)
    ground = w.op("Squeeze", [w.cut(pressure, 1, -1, _END), w.integers(2)])
    terms = [sun, w.op("Sqrt", [sun]), _log(w, sun, 0.02), albedos, w.times(ground, 1e-5)]
    return _scaled(w, w.op("Concat", terms, axis=1), b.SCALAR_TERMS)


def energy_budget(w: Writer, node: Any, x: list[str]) -> list[str]:
    """Translate `maelstrom_bootcamp.apps.radiation.budget.EnergyBudget`."""
    of_layers, of_ends, scalars, pressure = x
    levels = node.input_tensors[0].shape[1]
    p = w.op("Squeeze", [pressure, w.integers(2)])
    thickness = w.thickness(p)
    mass = w.op("Log", [w.op("Div", [thickness, w.cut(p, 1, -1, _END)])])
    usual = w.op("Add", [of_layers, w.constant(node.operation.usual)])
    logits = w.op("Concat", [w.op("Add", [usual, mass]), w.cut(of_ends, 1, 0, 2)], axis=1)
    shares = w.op("Softmax", [logits], axis=1)
    sun = w.op("Mul", [w.cut(scalars, 1, COS_ZENITH.start, COS_ZENITH.stop), w.cut(scalars, 1, -1, _END)])
    heats = w.op("Mul", [w.cut(shares, 1, 0, levels), w.times(sun, PER_DAY)])
    heating = w.op("Unsqueeze", [w.op("Div", [heats, thickness]), w.integers(2)])
    albedos = w.op("Clip", [w.cut(scalars, 1, 2, 14), w.constant(0.0), w.constant(0.99)])
    low, high = (w.op(f"Reduce{kind}", [albedos], axes=[1], keepdims=1) for kind in ("Min", "Max"))
    place = w.op("Sigmoid", [w.cut(of_ends, 1, 2, 3)])
    albedo = w.op("Add", [low, w.op("Mul", [w.op("Sub", [high, low]), place])])
    kept = w.op("Mul", [sun, w.cut(shares, 1, levels, levels + 1)])
    down = w.op("Div", [kept, _one_minus(w, albedo)])
    net = w.op("Mul", [sun, _one_minus(w, w.cut(shares, 1, levels + 1, levels + 2))])
    return [heating, w.op("Concat", [net, down, w.op("Mul", [down, albedo])], axis=1)]


_END = np.iinfo(np.int64).max


def _one_minus(w: Writer, y: str) -> str:
    return w.op("Sub", [w.constant(1.0), y])


def _log(w: Writer, y: str, offset: float) -> str:
    return w.op("Log", [w.op("Add", [y, w.constant(offset)])])


def _sum(w: Writer, y: str) -> str:
    return w.op("CumSum", [y, w.constant(1, np.int64)])


def _scaled(w: Writer, y: str, terms: Any) -> str:
    mean, spread = np.array(terms).T
    return w.times(w.op("Sub", [y, w.constant(mean)]), 1 / spread)


def _clear_share(w: Writer, cover: str) -> str:
    above, here = w.cut(cover, 1, 0, -1), w.cut(cover, 1, 1, _END)
    clear = w.op("Max", [_one_minus(w, above), w.constant(b.LEAST)])
    still = w.op("Div", [_one_minus(w, w.op("Max", [above, here])), clear])
    first = _one_minus(w, w.cut(cover, 1, 0, 1))
    factors = w.op("Concat", [first, w.op("Min", [still, w.constant(1.0)])], axis=1)
    return w.op("Exp", [_sum(w, w.op("Log", [w.op("Max", [factors, w.constant(b.LEAST)])]))])
