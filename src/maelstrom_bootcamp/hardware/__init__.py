"""The devices and nodes that MAELSTROM computed on, and what their makers promise of them."""
