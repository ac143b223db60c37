"""A trained generator for other runtimes: one file a format, each written file opened and compared before it counts."""
