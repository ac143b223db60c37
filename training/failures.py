"""Two failures that a run can be seen to have early, each told in one line with what to do."""

import numpy as np

STEPS_TO_SEE = 500  # before them, either may still pass
LEAST_SPREAD = 0.05  # of logits on real images, and between their mean and that of generated ones
LEAST_SHARE = 0.2  # of the spread of real images: measured, a run that learns has at least half, a collapsed one none


def blind_discriminator(step: int, scores: np.ndarray) -> str | None:
    """The line for a discriminator that gives every image the same logit, so that nobody learns anything; or None.

    scores: of recent steps, (n, 4): mean and standard deviation of the logits of real images, then of generated ones.
    """
    real, real_spread, generated, _ = np.mean(scores, axis=0)
    if real_spread >= LEAST_SPREAD or abs(real - generated) >= LEAST_SPREAD:
        return None
    return (
        f"warning: after {step} steps the discriminator gives every image the same score, {real:.2f}, so the generator "
        "learns nothing; start again with a higher --learning-rate or a lower --r1, and see docs/training.md"
    )


def collapsed_generator(step: int, samples: np.ndarray, real_images: np.ndarray) -> str | None:
    """The line for a generator that draws one image, whatever the latent vector; or None.

    samples, real_images: some of each, uint8 or uint16 (n, height, width, channels).
    """
    spread, real_spread = (spread_of(images) for images in (samples, real_images))
    if step < STEPS_TO_SEE or spread >= LEAST_SHARE * real_spread:
        return None
    return (
        f"warning: after {step} steps all samples look alike: levels differ by {spread:.1f}, in real images by "
        f"{real_spread:.1f}; start again with a lower --learning-rate or a higher --r1, and see docs/training.md"
    )


def spread_of(images: np.ndarray) -> float:
    """The standard deviation of a pixel's level from image to image, the mean over all pixels."""
    return float(images.std(axis=0, dtype=np.float64).mean())
