"""Measures generated images: features of images, and distances between two sets of features."""
