"""The samples of ``maelstrom-ens10`` and ``maelstrom-ens5mini``: ensemble forecasts of a small atmosphere."""
