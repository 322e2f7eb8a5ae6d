"""Tools of the course itself: notebooks and their rules, the student edition, the doctor."""
