"""The sample of A3: columns of air, computed by the radiation scheme RRTMG."""
