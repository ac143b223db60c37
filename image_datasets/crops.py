"""Random parts of large pictures: more images to learn from than there are pictures."""

from zlib import crc32

import numpy as np

SMALLEST_SHARE = 0.5  # of a side of the largest part that has the wanted aspect ratio


def random_crop(image: np.ndarray, size: tuple[int, int], name: str, number: int) -> np.ndarray:
    """A view of (H, W, C): a random part with the aspect ratio of size = (height, width), to the nearest whole pixel.

    Its sides are between half and all of the largest such part's, in steps of a pixel, and at least `size` where the
    picture has as many pixels. It follows from the picture's name and the number of the crop, so that it is the same
    each time the picture is read.
    """
    random = np.random.default_rng([crc32(name.encode(errors="surrogateescape")), number])
    lengths, wanted = np.array(image.shape[:2]), np.array(size)
    largest = (lengths / wanted).min()
    scale = random.uniform(max(SMALLEST_SHARE * largest, min(1.0, largest)), largest)
    rows, columns = np.clip(np.rint(scale * wanted).astype(int), 1, lengths)
    top, left = random.integers(0, lengths - (rows, columns) + 1)
    return image[top : top + rows, left : left + columns]
