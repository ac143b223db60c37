"""Images for tests of scalings."""

import numpy as np

TYPES = (np.uint8, np.uint16)


def random_images(count=40, height=7, width=9, channels=3, dtype=np.uint8, seed=0):
    """Skewed, and different in each channel."""
    generator = np.random.default_rng(seed)
    spread = generator.beta(2, np.arange(3, 3 + channels), (count, height, width, channels))
    return (spread * np.iinfo(dtype).max).astype(dtype)
