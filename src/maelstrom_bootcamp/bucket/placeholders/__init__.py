"""Placeholders: objects of the true layout whose values are plain ramps, until a recipe replaces them."""
