"""A seed is an image: alone, in a grid, in any batch."""

import numpy as np
import pytest

from models.sampling import LARGEST_SEED, generate_batches, generate_images, latents_from_seeds
from runs import RunFolder


def test_latents_are_frozen():
    """The first numbers of seed 0, which no version of NumPy may change."""
    latents = latents_from_seeds([0, 7, 0], 3)
    expected = np.array([1.764052345967664, 0.4001572083672233, 0.9787379841057392], np.float32)
    np.testing.assert_array_equal(latents[0], expected)
    np.testing.assert_array_equal(latents[0], latents[2])
    assert latents.dtype == np.float32 and not np.array_equal(latents[0], latents[1])


@pytest.mark.parametrize("seed", [-1, LARGEST_SEED + 1])
def test_seeds_outside_the_range_are_refused(seed):
    with pytest.raises(ValueError, match="expected seeds from 0 to 4294967295"):
        latents_from_seeds([seed], 3)


def test_a_seed_is_the_same_image_alone_in_a_grid_and_in_any_batch(trained_run):
    run = RunFolder.open(trained_run)
    generator, scaler = run.load_generator(), run.load_scaler()
    everything = generate_images(generator, scaler, latents_from_seeds(range(128), run.config.latent_dim))
    for size in (1, 7, 64):
        for start in (0, 5, 64):
            seeds = range(start, start + size)
            part = generate_images(generator, scaler, latents_from_seeds(seeds, run.config.latent_dim))
            difference = np.abs(part.astype(int) - everything[start : start + size].astype(int))
            assert difference.max() <= 1, f"batch of {size} from seed {start}"
    # The same holds for the network itself, outside of our fixed batches.
    latents = latents_from_seeds(range(7), run.config.latent_dim)
    direct = scaler.inverse_transform(np.asarray(generator(latents, training=False)))
    assert np.abs(direct.astype(int) - everything[:7].astype(int)).max() <= 1


def test_batches_come_in_order_and_only_as_many_as_asked_for(trained_run):
    run = RunFolder.open(trained_run)
    latents = latents_from_seeds(range(130), run.config.latent_dim)
    batches = list(generate_batches(run.load_generator(), run.load_scaler(), latents))
    assert [len(batch) for batch in batches] == [64, 64, 2]
