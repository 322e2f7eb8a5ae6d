"""Application A4: post-processing of the ensemble forecasts of ENS-10."""
