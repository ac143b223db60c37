"""The networks: every size that is promised can be built, stepped and drawn; a mismatch cannot."""

import numpy as np
import pytest
from conftest import STATISTICS, eagerly

from config import PRESETS
from models import ImageLayout, build_discriminator, build_generator

SHAPES = [(16, 16, 1), (28, 28, 1), (32, 32, 3), (24, 32, 1)]
LARGE_SHAPES = [pytest.param(shape, marks=pytest.mark.slow) for shape in ((48, 80, 1), (128, 128, 3))]


def test_tutorial_has_the_printed_parameters():
    assert build_generator((28, 28, 3), 100, "tutorial").count_params() == 2_295_939
    assert build_discriminator((32, 32, 3), "tutorial").count_params() == 217_985


def test_tutorial_layers_are_the_printed_ones():
    generator = build_generator((28, 28, 3), 100, "tutorial")
    shapes = [tuple(layer.output.shape[1:]) for layer in generator.layers]
    assert shapes == [(12544,), (7, 7, 256), (7, 7, 128), (14, 14, 64), (28, 28, 3), (28, 28, 3)]
    assert [type(layer).__name__ for layer in generator.layers] == [
        "Dense",
        "Reshape",
        *["Conv2DTranspose"] * 3,
        "Activation",
    ]
    discriminator = build_discriminator((32, 32, 3), "tutorial")
    assert [tuple(layer.output.shape[1:]) for layer in discriminator.layers] == [
        (16, 16, 64),
        (8, 8, 128),
        (8192,),
        (1,),
    ]
    assert discriminator.layers[-1].activation.__name__ == "linear", "discriminators return logits"


def test_tutorial_networks_are_linear_up_to_the_last_activation():
    generator = build_generator((16, 16, 1), 8, "tutorial", output_activation="linear")
    latents = np.random.default_rng(0).standard_normal((2, 8)).astype(np.float32)
    images = np.asarray(generator(latents))
    np.testing.assert_allclose(np.asarray(generator(latents.sum(0, keepdims=True)))[0], images.sum(0), atol=1e-4)


@pytest.mark.parametrize(
    ("size", "base_grid", "doublings"),
    [
        ((16, 16), (4, 4), 2),
        ((28, 28), (7, 7), 2),
        ((32, 32), (8, 8), 2),
        ((64, 64), (8, 8), 3),
        ((48, 80), (6, 10), 3),
        ((128, 128), (8, 8), 4),
        ((256, 256), (8, 8), 5),
        ((100, 36), (25, 9), 2),
    ],
)
def test_base_grid_follows_from_the_size(size, base_grid, doublings):
    layout = ImageLayout.of((*size, 3), "dcgan")
    assert (layout.base_grid, layout.doublings) == (base_grid, doublings)


@pytest.mark.parametrize(
    ("size", "base_grid", "filters"),
    [
        ((16, 16), (4, 4), (32, 64)),
        ((28, 28), (7, 7), (32, 64)),
        ((32, 32), (4, 4), (32, 64, 128)),
        ((48, 80), (3, 5), (16, 32, 64, 128)),
        ((64, 64), (4, 4), (16, 32, 64, 128)),
    ],
)
def test_r1gan_starts_from_a_smaller_grid_with_fewer_filters_beside_larger_images(size, base_grid, filters):
    layout = ImageLayout.of((*size, 3), "r1gan")
    assert (layout.base_grid, layout.filters) == (base_grid, filters)
    images = np.zeros((1, *size, 3), np.float32)
    assert build_generator(images.shape[1:], 8, "r1gan")(np.zeros((1, 8))).shape == images.shape
    assert build_discriminator(images.shape[1:], "r1gan")(images).shape == (1, 1)


def test_filters_beside_the_image_are_halved_for_each_doubling_more_and_can_be_chosen():
    beside = [ImageLayout.of((side, side, 3)).filters[0] for side in (16, 28, 32, 64, 128, 256)]
    assert beside == [32, 32, 32, 16, 8, 8]
    small_grids = [ImageLayout.of((side, side, 3)).filters[-3:] for side in (32, 64, 128)]
    assert small_grids == [(32, 64, 128)] * 3, "so that 64x64 can begin from 32x32"
    assert ImageLayout.of((64, 64, 3), filters=24).filters == (24, 48, 96, 192)


def spread_of_a_flat_image(smooth: bool) -> float:
    """The last doubling's largest difference between pixels, relative to them, away from edges, which see zeros."""
    network = build_generator(ImageLayout.of((32, 32, 3), smooth=smooth), latent_dim=8)
    steps = [layer for layer in network.layers if layer.name.startswith(("conv2d_transpose", "average"))][
        -3 if smooth else -2 : -1
    ]
    images = np.ones((1, 16, 16, 64), np.float32)
    for step in steps:
        images = step(images)
    inside = images.numpy()[0, 2:-2, 2:-2]
    assert inside.shape == (28, 28, 32)
    return np.ptp(inside, axis=(0, 1)).max() / np.abs(inside).max()


def test_what_is_flat_stays_flat_where_neighbors_are_averaged():
    assert spread_of_a_flat_image(smooth=True) < 1e-5
    assert spread_of_a_flat_image(smooth=False) > 0.5, "a checkerboard"


def test_doublings_to_more_than_eight_pixels_average_neighbors():
    means = [
        [layer.output.shape[1] for layer in build_generator((side, side, 1)).layers if "pooling" in layer.name]
        for side in (16, 28, 32, 64)
    ]
    assert means == [[16], [14, 28], [16, 32], [16, 32, 64]]
    presets = [build_generator((32, 32, 3), preset=preset) for preset in ("dcgan", "tutorial")]
    assert not [layer for network in presets for layer in network.layers if "pooling" in layer.name]


@pytest.mark.parametrize("side", [32, 64, 128])
def test_signals_keep_their_size_through_an_untrained_discriminator(side):
    """From N(0, 0.02) the logits had a deviation of 0.0002 at 64x64: no slope, so nobody learned (He et al. 2015)."""
    images = np.random.default_rng(0).uniform(-1, 1, (32, 1, 1, 3)) * np.ones((1, side, side, 1))
    logits = np.asarray(build_discriminator((side, side, 3))(images.astype(np.float32)))
    assert 0.05 < logits.std() < 5


def test_every_promised_size_has_a_layout_that_doubles_to_it():
    for height in range(16, 257, 4):
        for width in range(16, 257, 4):
            layout = ImageLayout(height, width, 1)
            base_height, base_width = layout.base_grid
            assert (base_height << layout.doublings, base_width << layout.doublings) == (height, width)
            assert len(layout.filters) == layout.doublings >= 2


@pytest.mark.parametrize("shape", SHAPES + LARGE_SHAPES, ids=lambda shape: "x".join(map(str, shape)))
def test_build_one_step_and_one_grid_of_exactly_that_size(shape, tmp_path, monkeypatch):
    monkeypatch.setattr(*STATISTICS)
    import tensorflow as tf

    from config import TrainingConfig
    from imaging import image_grid, load_image, save_image
    from models.sampling import generate_images, latents_from_seeds
    from preprocessing import PixelScaler
    from training.networks import build_networks
    from training.step import Batch, TrainStep

    images = np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)
    scaler = PixelScaler("tanh").fit(images)
    config = TrainingConfig(precision="float32")
    networks = build_networks(config, shape, scaler.output_activation)
    before = networks.state()
    with eagerly():
        results = TrainStep(networks, config)(Batch(tf.constant(scaler.transform(images))), 0)
    assert all(np.isfinite(result).all() for result in results.values())
    after = networks.state()
    for name in ("generator/0", "discriminator/0"):
        assert not np.array_equal(before[name], after[name]), f"{name} did not change"
    networks.update_batch_statistics()
    drawn = generate_images(networks.averaged_generator, scaler, latents_from_seeds(range(4), 100))
    assert drawn.shape == (4, *shape)
    save_image(tmp_path / "grid.png", image_grid(drawn, 2, 2, padding=0))
    assert load_image(tmp_path / "grid.png").shape == (2 * shape[0], 2 * shape[1], shape[2])


@pytest.mark.parametrize(
    ("shape", "way_out"),
    [
        ((30, 30, 3), "image_size=(28, 28) or image_size=(32, 32)"),
        ((32, 33, 3), "image_size=(32, 32) or image_size=(32, 36)"),
        ((8, 8, 1), "image_size=(16, 16)"),
        ((300, 400, 3), "image_size=(256, 256)"),
        ((32, 32, 2), "gray, RGB or RGBA"),
        ((32, 32), "(height, width, channels)"),
    ],
)
@pytest.mark.parametrize("build", [build_generator, build_discriminator])
def test_other_sizes_are_refused_with_the_nearest_that_work(build, shape, way_out):
    with pytest.raises(ValueError) as refused:
        build(shape)
    assert way_out in str(refused.value)


@pytest.mark.parametrize("build", [build_generator, build_discriminator])
def test_unknown_preset_is_refused(build):
    with pytest.raises(ValueError, match=r"expected a preset with a \w+, got 'stylegan'; choose one of"):
        build((32, 32, 3), preset="stylegan")


@pytest.mark.parametrize("preset", PRESETS)
def test_bfloat16_keeps_variables_images_and_logits_in_float32(preset):
    generator = build_generator((16, 16, 3), 8, preset, dtype="mixed_bfloat16")
    discriminator = build_discriminator((16, 16, 3), preset, dtype="mixed_bfloat16")
    images = generator(np.zeros((2, 8), np.float32))
    assert images.dtype == "float32" and discriminator(images).dtype == "float32"
    assert {str(variable.dtype) for variable in generator.variables} == {"float32"}


@pytest.mark.parametrize("preset", PRESETS)
def test_classes_widen_the_ends_only(preset):
    generator = build_generator((16, 16, 3), 100, preset, class_count=10)
    discriminator = build_discriminator((16, 16, 3), preset, class_count=10)
    assert generator.input_shape == (None, 110) and generator.output_shape == (None, 16, 16, 3)
    assert discriminator.output_shape == (None, 10)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("preset", PRESETS)
def test_spectral_normalization_holds_every_kernel_at_one(preset, dtype):
    """In float32 under both: it assigns to the kernels, which 8 bits would keep from ever moving by little."""
    import tensorflow as tf

    discriminator = build_discriminator((16, 16, 3), preset, dtype, spectral_normalization=True)
    images = tf.random.stateless_uniform((4, 16, 16, 3), (0, 0))
    judge = tf.function(lambda: discriminator(images, training=True), autograph=False)
    for _ in range(60):  # one round of the power iteration each
        logits = judge()
    assert logits.dtype == tf.float32
    wrapped = [layer.layer for layer in discriminator.layers if hasattr(layer, "layer")]
    assert len(wrapped) == (5 if preset == "r1gan" else 3)
    assert {layer.compute_dtype for layer in wrapped[:-1]} == {dtype.removeprefix("mixed_")}
    for kernel in (layer.kernel.numpy() for layer in wrapped):
        largest = np.linalg.svd(np.reshape(kernel, (-1, kernel.shape[-1])), compute_uv=False)[0]
        assert largest == pytest.approx(1.0, rel=0.02)
        rounded = tf.cast(tf.cast(kernel, tf.bfloat16), tf.float32).numpy()
        assert (kernel != rounded).mean() > 0.9
