"""docs/claims.md says what is measured here: every number and every quoted word of its column "measured".

python tests/test_claims.py                              # prints what each row of the four texts must say
python tests/test_claims.py --data cifar10-train.zip     # prints the rows of the last table, which need CIFAR-10
"""

import argparse
import functools
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # as a script

import nbformat
import numpy as np
import PIL
import pytest
from matplotlib import cbook
from PIL import Image

from image_datasets import ReadingOptions, load_images
from imaging import load_image, save_image, stretch_values
from preprocessing import PixelScaler, scale_image, validate_images

PAGE = Path(__file__).resolve().parent.parent / "docs" / "claims.md"
FAILS = "**does not hold**"
MARKS = ("holds", FAILS, "holds with a condition")
LEVELS = np.arange(256, dtype=np.uint8)
COPIES = 64  # of the photograph: 19,660,800 pixels, enough for a float32 sum to stall

# What is measured. Each function returns what its row must show: numbers and words, in the order of the row.


@functools.cache
def photograph() -> np.ndarray:
    """uint8 (600, 512, 3)."""
    return load_image(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))


@functools.cache
def digits() -> np.ndarray:
    """uint8 (500, 32, 32, 3)."""
    return load_images("glyphs", ReadingOptions(image_count=500)).images


@functools.cache
def elevations() -> np.ndarray:
    """uint16 (344, 403): meters."""
    with cbook.get_sample_data("jacksboro_fault_dem.npz") as archive:
        return archive["elevation"].astype(np.uint16)


def written_and_read(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What load_image and what Pillow reads from the PNG that save_image wrote."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.png"
        save_image(path, pixels)
        with Image.open(path) as file:
            return load_image(path).reshape(pixels.shape), np.asarray(file)


def error_of(function: Callable, *arguments, **keywords) -> str:
    """The name of the error that a call ends in, or "no error"."""
    try:
        function(*arguments, **keywords)
    except Exception as error:
        return type(error).__name__
    return "no error"


def four(value: float) -> str:
    return f"{value:.4f}".replace("-0.0000", "0.0000").replace("-", "−")


def percent(share: float) -> str:
    return f"{share:.1%}"


# Text A


def addition_wraps() -> list[str]:
    sums = np.clip(LEVELS + 50, 0, 255)
    face = photograph()[50:350, 110:410]
    return ["250", str(sums[250]), str(np.count_nonzero(sums < LEVELS)), "256", percent(np.mean(face + 50 < face))]


def cast_does_nothing() -> list[str]:
    sums = np.clip(LEVELS + 50, 0, 255)
    return [str(sums.dtype), str(np.count_nonzero(sums.astype(np.uint8) != sums)), "256"]


def random_floats() -> list[str]:
    array = np.random.rand(64, 64, 3)
    assert array.min() >= 0 and array.max() < 1
    return [str(array.dtype), f"{array.nbytes:,}", "64×64", f"{array.astype(np.float32).nbytes:,}"]


def errors_of_checks() -> list[str]:
    array = np.random.rand(256, 256, 3)
    wrong_type = error_of(validate_images, array, shape=(256, 256, 3), dtype="float32")
    wrong_shape = error_of(validate_images, array.astype(np.float32), shape=(128, 128, 3), dtype="float32")
    return [wrong_type, wrong_shape]


@functools.cache
def wrong_arrays() -> list[np.ndarray]:
    """Eight arrays that a model of float32 (4, 32, 32, 3) in 0..1 must not get."""
    right = digits()[:4].astype(np.float32) / 255
    with_nan, too_bright = right.copy(), right * 255
    with_nan[1, 2, 3, 0] = np.nan
    reshaped = [np.moveaxis(right, -1, 1), right[..., 0]]
    retyped = [right.astype(np.float64), np.rint(too_bright).astype(np.int64)]
    return [*reshaped, *retyped, with_nan, too_bright, right.transpose(0, 2, 1, 3), right[..., ::-1]]


def checks_find() -> list[str]:
    arrays = wrong_arrays()
    by_shape_and_type = sum(array.shape != (4, 32, 32, 3) or array.dtype != np.float32 for array in arrays)
    expected = {"shape": (4, 32, 32, 3), "dtype": "float32", "value_range": (0, 1)}
    by_us = sum(error_of(validate_images, array, **expected) != "no error" for array in arrays)
    return [str(len(arrays)), str(by_shape_and_type), str(by_us)]


def network_refuses() -> list[str]:
    from models import build_discriminator

    network = build_discriminator((32, 32, 3), preset="dcgan")
    refused = [error_of(network, array) != "no error" for array in wrong_arrays()]
    assert refused[:2] == [True, True]
    return [str(len(refused)), "32×32", str(sum(refused))]


# Text B


def by_scipy(array: np.ndarray) -> np.ndarray:
    """The levels that scipy.misc.toimage wrote in mode L: the formula of SciPy 1.1, the last that had it."""
    if array.dtype == np.uint8:
        return array
    scale = 255.0 / (array.max() - array.min())
    return (((array - array.min()) * scale).clip(0, 255) + 0.5).astype(np.uint8)


def stretch_of_scipy() -> list[str]:
    numbers = np.arange(11)
    stretched, kept = by_scipy(numbers), by_scipy(numbers.astype(np.uint8))
    return ["0", "10", str(np.count_nonzero(stretched != numbers)), "11", "7", str(stretched[7]), "7", str(kept[7])]


def scipy_of_today() -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import scipy.misc as misc
        except ImportError:
            misc = None
    return ["still there" if hasattr(misc, "toimage") else "gone from SciPy"]


def random_sixteen_bits() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 2**16 - 1, (500, 500)).astype(np.uint16)


def thirty_two_bits() -> list[str]:
    image = Image.fromarray(random_sixteen_bits().astype(np.int32))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcome = error_of(image.save, Path(folder) / "file.png")
    expected = "OSError" if int(PIL.__version__.split(".")[0]) >= 13 else "no error"
    return ["13", "OSError" if outcome == expected else outcome, "11.3"]


def type_of_what_is_read() -> list[str]:
    ours, pillows = written_and_read(random_sixteen_bits())
    assert ours.dtype == np.uint16
    return [str(pillows.dtype)]


def levels_that_change() -> list[str]:
    wide = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    changed = [np.count_nonzero(written_and_read(levels)[0] != levels) for levels in (LEVELS.reshape(16, 16), wide)]
    return [str(changed[0]), "256", str(changed[1]), "65,536"]


def values_outside() -> list[str]:
    array = np.array([[-5, 70_000]], np.int32)
    wrapped = array.astype(np.uint16)[0]
    with tempfile.TemporaryDirectory() as folder:
        refused = error_of(save_image, Path(folder) / "file.png", array)
    return [refused, "−5", f"{wrapped[0]:,}", "70,000", f"{wrapped[1]:,}"]


def sixteen_bits_come_back() -> list[str]:
    array = random_sixteen_bits()
    ours, pillows = written_and_read(array)
    return [f"{np.count_nonzero((ours == array) & (pillows == array)):,}", f"{array.size:,}"]


def gray_file() -> list[str]:
    ours, pillows = written_and_read(np.arange(11, dtype=np.uint8).reshape(1, 11))
    assert pillows.ndim == 2
    return ["7", str(ours[0, 7]), str(pillows[0, 7])]


def floats_into_png() -> list[str]:
    floats = np.zeros((4, 4), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.png"
        return [error_of(save_image, path, floats), error_of(Image.fromarray(floats).save, path)]


def sixteen_bits_in_color() -> list[str]:
    array = np.random.default_rng(0).integers(0, 65_536, (16, 16, 3), dtype=np.uint16)
    ours, pillows = written_and_read(array)
    return [error_of(Image.fromarray, array), str(pillows.dtype), str(np.count_nonzero(ours != array)), "768"]


def elevations_in_eight_bits() -> list[str]:
    heights = elevations()
    low, high = int(heights.min()), int(heights.max())
    view = stretch_values(heights, low, high)
    error = np.abs(view * ((high - low) / 255) + low - heights).max()
    same = np.count_nonzero(written_and_read(heights)[0] == heights)
    levels = [str(len(np.unique(values))) for values in (heights, view)]
    return [f"{same:,}", f"{heights.size:,}", "8", *levels, f"{error:.2f}"]


def bits_of_the_scan() -> list[str]:
    with cbook.get_sample_data("s1045.ima.gz") as file:
        scan = np.frombuffer(file.read(), "<u2")
    multiples = [f"{np.count_nonzero(scan % 256 == 0):,}", f"{scan.size:,}", "256"]
    bits = [str(int(highest).bit_length()) for highest in (scan.max() // 256, elevations().max())]
    return [*multiples, str(len(np.unique(scan))), *bits]


def floats_in_tiff() -> list[str]:
    floats = random_sixteen_bits().astype(np.float32) / 7
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(floats).save(Path(folder) / "floats.tif")
        with Image.open(Path(folder) / "floats.tif") as picture:
            read = np.asarray(picture)
        refused = error_of(Image.fromarray(floats).save, Path(folder) / "floats.png")
    assert read.dtype == floats.dtype
    return [str(np.count_nonzero(read != floats)), f"{floats.size:,}", refused]


def limits_of_scipy() -> list[str]:
    """In mode I toimage stretched to low..high as well, 0..255 unless told otherwise; B3 is what became of the file."""
    array = random_sixteen_bits().astype(np.int32)
    lowest, highest = array.min(), array.max()

    def in_mode_i(low: int, high: int) -> np.ndarray:
        return ((array * 1.0 - lowest) * (high - low) / (highest - lowest) + low).astype(np.uint32)

    kept = np.count_nonzero(in_mode_i(lowest, highest) == array)
    different = [len(np.unique(values)) for values in (array, in_mode_i(0, 255))]
    return [f"{number:,}" for number in (kept, array.size, *different)]


# Text C


def normalized() -> list[str]:
    scaled = scale_image(photograph(), "normalize")
    differ = np.count_nonzero(scaled != (photograph() / 255.0).astype(np.float32))
    quotients = LEVELS.astype(np.float32) / np.float32(255)
    changed = np.count_nonzero(LEVELS * np.float32(1 / 255) != quotients)
    return [str(scaled.min()), str(scaled.max()), str(differ), "1", "255", str(changed), "256"]


def largest_value() -> list[str]:
    heights = elevations()[None, ..., None]
    scaled = PixelScaler("normalize").fit(heights).transform(heights)
    return [f"{heights.max():,}", f"{np.iinfo(heights.dtype).max:,}", percent(scaled.max())]


def normalize_needs_nothing() -> list[str]:
    scopes = [PixelScaler("normalize", scope=scope).fit(digits()) for scope in ("image", "batch", "dataset")]
    one, two, three = (scaler.transform(digits()[:64]) for scaler in scopes)
    return [str(np.count_nonzero(one != two) + np.count_nonzero(one != three))]


def scaled_by_all(
    images: np.ndarray, mode: str, centering: str = "after_normalize", per_channel: bool = False
) -> np.ndarray:
    """The images scaled by the statistics of all of them, as float64 for exact sums."""
    scaler = PixelScaler(mode, per_channel=per_channel, centering=centering).fit(images)
    return scaler.transform(images).astype(np.float64)


def centered_before() -> list[str]:
    scaled = [scaled_by_all(images, "center", "before_normalize") for images in (photograph()[None], digits())]
    lowest, highest = min(values.min() for values in scaled), max(values.max() for values in scaled)
    return [f"{lowest:g}", f"{highest:g}", *(four(values.mean()) for values in scaled)]


def centered_after() -> list[str]:
    scaled = scaled_by_all(photograph()[None], "center")
    return [four(scaled.min()), four(scaled.max())]


def centered_mean() -> list[str]:
    scaled = scaled_by_all(photograph()[None], "center", "pixels", per_channel=True)
    return [four(np.abs(scaled.mean(axis=(0, 1, 2))).max())]


def narrow_sums() -> list[str]:
    pixels = photograph()
    truth, narrow = pixels.mean(axis=(0, 1), dtype=np.float64), pixels.astype(np.float32)
    many = np.broadcast_to(narrow, (COPIES, *narrow.shape))
    means = narrow.mean(axis=(0, 1)), many.mean(axis=(0, 1, 2)), pixels.mean(axis=(0, 1))
    one, copies, integers = (np.abs(mean - truth).max() for mean in means)
    return [f"{one:.4f}", str(COPIES), f"{copies:.2f}", f"{integers:.2f}"]


def keras_sums() -> list[str]:
    import keras

    truth = photograph().mean(axis=(0, 1), dtype=np.float64)
    many = np.broadcast_to(photograph(), (COPIES, *photograph().shape))
    layer = keras.layers.Normalization()
    layer.adapt(many.astype(np.float32, order="C"))  # the order of images that are read one after the other
    errors = [np.abs(mean - truth).max() for mean in (np.ravel(layer.mean), PixelScaler("standardize").fit(many).mean_)]
    return [str(COPIES), *(f"{error:.2f}" for error in errors)]


def within_one_deviation(images: np.ndarray) -> str:
    return percent(np.mean(np.abs(scaled_by_all(images, "standardize")) <= 1))


def not_a_bell() -> list[str]:
    from scipy.stats import norm

    return [within_one_deviation(photograph()[None]), within_one_deviation(digits()), percent(1 - 2 * norm.cdf(-1))]


def standardized() -> list[str]:
    scaled = scaled_by_all(photograph()[None], "standardize", per_channel=True)
    means, deviations = scaled.mean(axis=(0, 1, 2)), scaled.std(axis=(0, 1, 2))
    return [four(np.abs(means).max()), four(np.abs(deviations - 1).max())]


def span(images: np.ndarray) -> list[str]:
    values = scaled_by_all(images, "standardize")
    return [f"{value:.2f}".replace("-", "−") for value in (values.min(), values.max())]


def standardized_range() -> list[str]:
    return [*span(photograph()[None]), *span(digits())]


@functools.cache
def positive() -> tuple[np.ndarray, np.ndarray]:
    return scaled_by_all(photograph()[None], "positive_standardize"), scaled_by_all(digits(), "positive_standardize")


def positive_mean() -> list[str]:
    return [four(values.mean()) for values in positive()]


def positive_deviation() -> list[str]:
    from scipy.stats import norm

    bell = norm.ppf((np.arange(1_000_000) + 0.5) / 1_000_000)  # the quantiles of a Gaussian
    return [*(four(values.std()) for values in positive()), four((np.clip(bell, -1, 1) / 2 + 0.5).std())]


def positive_range() -> list[str]:
    ends = [end for values in positive() for end in (values.min(), values.max())]
    return [str(end) if end in (0, 1) else four(end) for end in ends]


def lost_share(images: np.ndarray, per_channel: bool = False) -> str:
    scaler = PixelScaler("positive_standardize", per_channel=per_channel).fit(images)
    return percent(np.mean(scaler.inverse_transform(scaler.transform(images)) != images))


def positive_loses() -> list[str]:
    return [
        lost_share(images, per_channel) for per_channel in (False, True) for images in (photograph()[None], digits())
    ]


def company() -> list[str]:
    """The mean of one digit in batches of several sizes, by the statistics of the batch and by those of all digits."""
    batches, whole = (PixelScaler("standardize", scope=scope).fit(digits()) for scope in ("batch", "dataset"))

    def mean_of_first(scaler: PixelScaler, size: int) -> str:
        mean = scaler.transform(digits()[:size])[0].mean(dtype=np.float64)
        return f"{mean:.3f}".replace("-0.000", "0.000")

    alone, among, company_of_all = (mean_of_first(batches, size) for size in (1, 8, 32))
    (consistent,) = {mean_of_first(whole, size) for size in (1, 8, 32)}
    return [alone, "1", among, "8", company_of_all, "32", consistent]


def stored() -> list[str]:
    scaler = PixelScaler("standardize").fit(digits())
    with tempfile.TemporaryDirectory() as folder:
        scaler.save(Path(folder) / "preprocessing.json")
        loaded = PixelScaler.load(Path(folder) / "preprocessing.json")
    return [str(np.count_nonzero(loaded.transform(digits()) != scaler.transform(digits())))]


# Text D; its printed generator is the preset `tutorial` for 28×28, its discriminator the one for 32×32


@functools.cache
def printed_generator():
    from models import build_generator

    return build_generator((28, 28, 3), preset="tutorial", output_activation="linear")


@functools.cache
def discriminators() -> dict:
    import keras

    from models import build_discriminator

    keras.utils.set_random_seed(0)
    return {preset: build_discriminator((32, 32, 3), preset=preset) for preset in ("tutorial", "dcgan")}


def sizes_differ() -> list[str]:
    images = printed_generator()(np.zeros((1, 100), np.float32))
    discriminator = discriminators()["tutorial"]
    made, taken = ("×".join(map(str, shape[1:])) for shape in (images.shape, discriminator.input_shape))
    return [made, taken, error_of(discriminator, images)]


def sides() -> list[str]:
    shapes = [layer.output.shape for layer in printed_generator().layers]
    return [str(shape[1]) for shape in shapes if len(shape) == 4][:4]


def patterns_drawn() -> list[str]:
    """How many independent patterns 300 drawings are mixed from, before the last activation."""
    from models import build_generator

    latents = np.random.default_rng(0).normal(size=(301, 100)).astype(np.float32)
    latents[0] = 0
    ranks = []
    for network in (printed_generator(), build_generator((28, 28, 3), preset="dcgan", output_activation="linear")):
        drawn = np.asarray(network(latents), np.float64).reshape(301, -1)
        mixed = drawn[1:] - drawn[0]
        squares = np.linalg.eigvalsh(mixed @ mixed.T)  # of the singular values
        ranks.append(np.count_nonzero(squares > 1e-8 * squares.max()))
    return ["300", *map(str, ranks)]


def slopes() -> list[str]:
    """In how many pixels the slope of the logit depends on the image."""
    import tensorflow as tf

    images = tf.constant(digits()[:2].astype(np.float32) / 127.5 - 1)
    differing = []
    for network in discriminators().values():
        with tf.GradientTape() as tape:
            tape.watch(images)
            logits = network(images, training=False)
        slope = tape.gradient(logits, images).numpy()
        differing.append(np.count_nonzero(np.abs(slope[0] - slope[1]) > 1e-5 * np.abs(slope).max()))
    assert differing[1] > 3_000  # of 3,072: "nearly all"
    return [str(differing[0]), f"{slope[0].size:,}"]


def probability() -> list[str]:
    logits = np.arange(1, 40, dtype=np.float32)
    return [str(int(logits[1 / (1 + np.exp(-logits)) == 1][0])), "1.0"]


def raw_levels() -> list[str]:
    return ["0", "255", str(np.count_nonzero(LEVELS.astype(np.float32) <= 1)), "256", "−1", "1"]


MEASURED: dict[str, Callable[[], list[str]]] = {
    "A1": addition_wraps,
    "A2": cast_does_nothing,
    "A3": random_floats,
    "A4": errors_of_checks,
    "A5": checks_find,
    "A6": network_refuses,
    "B1": stretch_of_scipy,
    "B2": scipy_of_today,
    "B3": thirty_two_bits,
    "B4": type_of_what_is_read,
    "B5": levels_that_change,
    "B6": values_outside,
    "B7": sixteen_bits_come_back,
    "B8": gray_file,
    "B9": floats_into_png,
    "B10": sixteen_bits_in_color,
    "B11": elevations_in_eight_bits,
    "B12": bits_of_the_scan,
    "B13": limits_of_scipy,
    "B14": floats_in_tiff,
    "C1": normalized,
    "C2": largest_value,
    "C3": normalize_needs_nothing,
    "C4": centered_before,
    "C5": centered_after,
    "C6": centered_mean,
    "C7": narrow_sums,
    "C8": keras_sums,
    "C9": not_a_bell,
    "C10": standardized,
    "C11": standardized_range,
    "C12": positive_mean,
    "C13": positive_deviation,
    "C14": positive_range,
    "C15": positive_loses,
    "C16": company,
    "C17": stored,
    "D1": sizes_differ,
    "D2": sides,
    "D3": patterns_drawn,
    "D4": slopes,
    "D5": probability,
    "D6": raw_levels,
}
TOLD_ELSEWHERE = ("D7", "D8", "D9")  # in words, about runs that take minutes; the rows link to them


# CIFAR-10, which the tests do not have


def keras_on_cifar(images: np.ndarray) -> list[str]:
    import keras

    layer = keras.layers.Normalization()
    layer.adapt(images.astype(np.float32))
    found = sorted({f"{mean:.3f}" for mean in np.ravel(layer.mean)})
    return [*found, *(f"{mean:.3f}" for mean in PixelScaler("standardize").fit(images).mean_)]


ON_CIFAR: dict[str, Callable[[np.ndarray], list[str]]] = {
    "K1": keras_on_cifar,
    "K2": lambda images: [four(scaled_by_all(images, "center", "before_normalize").mean())],
    "K3": lambda images: [within_one_deviation(images), "68.3%"],
    "K4": span,
    "K5": lambda images: [four(scaled_by_all(images, "positive_standardize").mean())],
    "K6": lambda images: [four(scaled_by_all(images, "positive_standardize").std())],
    "K7": lambda images: [lost_share(images)],
}


# What the page says


def rows_of_page() -> dict[str, list[str]]:
    """{id: [claim, measured, where, mark]} of every table row that begins with an id."""
    rows = re.findall(r"^\| ([A-DK]\d+) \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len({name for name, _ in rows}) == len(rows), "an id stands twice"
    return {name: cells.split(" | ") for name, cells in rows}


ROWS = rows_of_page()


def numbers_in(text: str) -> list[str]:
    """Every number outside code, with its sign and its percent; words such as `uint8` are none.

    >>> numbers_in("of 1,076 values −5.5 and 13.2% in uint8, not `maximum=3`")
    ['1,076', '−5.5', '13.2%']
    """
    without_code = re.sub(r"`[^`]*`", "", text)
    return re.findall(r"(?<![\w.])−?[0-9](?:[0-9,]*[0-9])?(?:\.[0-9]+)?%?", without_code)


def test_the_page_has_a_row_for_everything_measured_and_nothing_else():
    assert set(ROWS) == {*MEASURED, *ON_CIFAR, *TOLD_ELSEWHERE}
    for name, cells in ROWS.items():
        assert len(cells) == 4, name
        claim, _, _, mark = cells
        assert mark in MARKS, name
        assert claim.startswith("**") == (mark == FAILS), f"{name}: what does not hold is bold, and nothing else"


@pytest.mark.parametrize("name", MEASURED)
def test_the_row_says_what_is_measured(name):
    says, measured = ROWS[name][1], MEASURED[name]()
    assert numbers_in(says) == [number for shown in measured for number in numbers_in(shown)], f"measured: {measured}"
    assert not [shown for shown in measured if shown not in says], f"measured: {measured}"


def test_what_is_told_elsewhere_prints_no_number_that_nobody_checks():
    for name in TOLD_ELSEWHERE:
        assert not numbers_in(ROWS[name][1]), name


def test_a_stalled_sum_explains_the_mean_that_keras_finds_for_cifar():
    """All totals stop at 2**32, and 50,000 images of 32×32 have 51,200,000 pixels."""
    assert numbers_in(ROWS["K1"][1])[0] == f"{2**32 / (50_000 * 32 * 32):.3f}"


def test_the_summary_lists_what_does_not_hold():
    said = re.search(r"^Does not hold: (.*?)\.$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[1]
    failing = [name for name, cells in ROWS.items() if cells[3] == FAILS]
    assert sorted(re.findall(r"\b[A-DK]\d+", said)) == sorted(failing)


def test_links_lead_to_pages_and_sections_that_exist():
    for words, target in re.findall(r"\[([^]]+)\]\(([^)#]+)[^)]*\)", PAGE.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path = PAGE.parent / target
        assert path.exists(), target
        if path.suffix == ".ipynb" and ", " in words:
            cells = nbformat.read(path, as_version=4).cells
            lines = [line for cell in cells if cell.cell_type == "markdown" for line in cell.source.splitlines()]
            headings = {line.lstrip("# ").replace("`", "") for line in lines if line.startswith("#")}
            assert words.split(", ", 1)[1] in headings, words


def main() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    parser = argparse.ArgumentParser(description="Prints what the rows of docs/claims.md must show.")
    parser.add_argument("--data", help="the 50,000 training images of CIFAR-10: cifar10, or a folder or .zip of them")
    data = parser.parse_args().data
    if data is None:
        measured = {name: measure() for name, measure in MEASURED.items()}
    else:
        images = np.asarray(load_images(data).images)
        measured = {name: measure(images) for name, measure in ON_CIFAR.items()}
    for name, shown in measured.items():
        print(f"{name:4}{' | '.join(shown)}")


if __name__ == "__main__":
    main()
