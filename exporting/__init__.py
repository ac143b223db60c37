"""Exports a generator to other runtimes: one module per format; each file is opened and compared before it counts."""
