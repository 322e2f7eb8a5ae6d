"""The sample of ``maelstrom-yr``: an observing-system simulation of 2 m temperature at 1 km."""
