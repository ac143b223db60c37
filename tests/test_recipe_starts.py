"""The default recipe starts at every size: within `STEPS` steps the discriminator tells real images from generated."""

import numpy as np
import pytest

from config import TrainingConfig
from image_datasets.glyphs import draw_glyphs
from preprocessing import PixelScaler
from training.networks import build_networks
from training.step import Batch, TrainStep

STEPS = 10
LEAST_GAP = 0.5  # between mean logits; 0.0 at 128x128 and 0.1 at 32x32 from the small weights that did not start
CASES = [(side, channels) for side in (16, 28, 32, 64, 128, 256) for channels in (1, 3)]
QUICK = [(16, 1)]


@pytest.mark.parametrize(
    ("side", "channels"), [case if case in QUICK else pytest.param(*case, marks=pytest.mark.slow) for case in CASES]
)
def test_the_discriminator_soon_tells_real_from_generated(side, channels):
    """Its logits of real images it has not seen before lie above those of generated ones, step after step."""
    batch_size = min(8, 768 // side)  # fewer of large images, which take longest
    images = draw_glyphs(STEPS * batch_size, (side, side))[0][..., :channels]
    scaled = PixelScaler("tanh").fit(images).transform(images)
    # The penalty in every step, so that one graph is compiled and not two.
    config = TrainingConfig(precision="float32", batch_size=batch_size, penalty_interval=1)
    train_step = TrainStep(build_networks(config, images.shape[1:], "tanh"), config)
    gaps = []
    for step, batch in enumerate(np.split(scaled, STEPS)):
        readings = train_step(Batch(batch), step)
        gaps.append(float(readings["real_score"]) - float(readings["generated_score"]))
    assert np.median(gaps[-5:]) > LEAST_GAP
