"""How good generated images are: features of images, and distances between two sets of features."""
