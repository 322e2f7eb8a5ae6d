"""Scores that were published on ENS-10, as far as somebody of us has read them in a source.

The table is ``published.toml`` next to this file. What is not in it was not verified and is not printed.
"""

from __future__ import annotations

import tomllib
from importlib import resources

import pandas as pd


def published() -> pd.DataFrame:
    """All verified cells.

    Returns
    -------
    pandas.DataFrame
        Rows (score, model, members, target); columns ``value`` and ``sd`` (over three seeds, NaN if not
        given) in m2 s-2 (z500) or K, ``source`` (key) and ``url``.
    """
    text = resources.files(__package__).joinpath("published.toml").read_text(encoding="utf-8")
    found = tomllib.loads(text)
    rows = [
        {
            **{name: entry[name] for name in ("score", "model", "members", "source")},
            "target": target,
            "value": value,
            "sd": entry.get("sd", {}).get(target, float("nan")),
            "url": found["sources"][entry["source"]]["url"],
        }
        for entry in found["scores"]
        for target, value in entry["values"].items()
    ]
    return pd.DataFrame(rows).set_index(["score", "model", "members", "target"])
