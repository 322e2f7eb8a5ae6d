"""Sample data of A5: coarse and fine temperature over real orography."""
