"""Detects two early failures of a run, and describes each in one line with what to do."""

import numpy as np

STEPS_TO_SEE = 500  # before that, either may still go away
LEAST_SPREAD = 0.05  # of the logits of real images, and of generated ones
# A share of the distance between real images. Samples of runs that learned had 0.6 to 0.9 of it after 400 to 650 steps,
# on digits, emoji and CIFAR-10; those of collapsed runs 0.24 and 0.28 (benchmarks/failures.py).
LEAST_SHARE = 0.3


def blind_discriminator(step: int, scores: np.ndarray) -> str | None:
    """The warning about a discriminator that gives all images the same score, so that neither network learns; or None.

    scores: of recent steps, (n, 4): mean and standard deviation of the logits of real images, then of generated ones.
    """
    real, real_spread, generated, generated_spread = np.mean(scores, axis=0)
    if step < STEPS_TO_SEE or max(real_spread, generated_spread) >= LEAST_SPREAD:
        return None
    return (
        f"warning: after {step} steps the discriminator gives all real images the score {real:.2f} and all generated "
        f"ones {generated:.2f}, so the generator learns nothing; start again with a higher --learning-rate or a lower "
        "--r1, and see docs/training.md"
    )


def collapsed_generator(step: int, samples: np.ndarray, real_images: np.ndarray) -> str | None:
    """The warning about a generator that makes only one image or a few, whatever the latent vector; or None.

    A generator that has not started to learn does so, too: check `blind_discriminator` first.

    samples, real_images: about equally many of each, uint8 or uint16 (n, height, width, channels).
    """
    apart, really_apart = (distance_to_nearest(images) for images in (samples, real_images))
    if step < STEPS_TO_SEE or apart >= LEAST_SHARE * really_apart:
        return None
    return (
        f"warning: after {step} steps samples look alike: {apart:.1f} levels from one to the nearest, real images "
        f"{really_apart:.1f}; start again with a lower --learning-rate or a higher --r1, and see docs/training.md"
    )


def distance_to_nearest(images: np.ndarray) -> float:
    """The distance from an image to its nearest neighbor, in levels: root mean square over pixels, median over images.

    >>> distance_to_nearest(np.uint8([[0, 0], [3, 3], [100, 100], [97, 97]]))
    3.0
    """
    pixels = images.reshape(len(images), -1).astype(np.float64)
    products = pixels @ pixels.T
    squares = np.diag(products)[:, np.newaxis] + np.diag(products) - 2.0 * products
    np.fill_diagonal(squares, np.inf)
    return float(np.median(np.sqrt(np.maximum(squares.min(axis=1), 0.0) / pixels.shape[1])))
