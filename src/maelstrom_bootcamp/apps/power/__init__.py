"""Application A6: large-scale weather regimes for forecasts of wind power."""
