"""Training by several processes at once: worker processes, data-parallel steps, and how they scale."""
