"""What generate.py generates, and where it writes it."""
