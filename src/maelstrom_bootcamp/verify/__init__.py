"""Verification: scores, confidence intervals, tables and diagrams; xarray in, xarray out.

Modules: `scores` (one function per score), `bootstrap` (is a difference more than chance?), `tables` (methods
side by side), `events` (daily extremes, sharp changes), `spatial` (gradients, spectra), `conditional`
(conditional quantiles), `diagrams` and its siblings (matplotlib).
"""

from maelstrom_bootcamp.verify import bootstrap, diagrams, events, scores, spatial, tables

__all__ = ["bootstrap", "diagrams", "events", "scores", "spatial", "tables"]
