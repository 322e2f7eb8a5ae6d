"""Peak memory: what a training step keeps, simulated tensor by tensor."""
