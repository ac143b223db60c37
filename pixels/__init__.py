"""The modules behind preprocessing.py: checks, exact statistics, scaling arithmetic, the file of a fitted scaling."""
