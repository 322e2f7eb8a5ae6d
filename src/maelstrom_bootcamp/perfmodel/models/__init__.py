"""Predictors, from a straight line to graph networks."""
