"""Labels: what networks take on this machine, measured, kept and packed into tables."""
