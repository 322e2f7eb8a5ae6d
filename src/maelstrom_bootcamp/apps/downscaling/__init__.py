"""Application A5: downscaling of 2 m temperature."""
