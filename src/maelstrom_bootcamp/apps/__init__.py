"""The applications of the course: one package each, from data set to reference model."""
