"""Training: losses, the compiled step, the loop, the run folder."""
