"""Application A1: post-processing of 2 m temperature for yr.no."""
