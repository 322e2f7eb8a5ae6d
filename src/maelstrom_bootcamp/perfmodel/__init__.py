"""Performance models: a network as a graph, and what it will cost on a device."""
