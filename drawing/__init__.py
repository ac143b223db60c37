"""What generate.py draws and where it goes."""
