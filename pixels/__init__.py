"""What stands behind preprocessing.py and imaging.py: checks, exact statistics, scaling arithmetic, files."""
