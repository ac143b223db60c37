"""Image files keep every value, by the word of readers we did not write; pictures are cut, laid out and animated."""

import concurrent.futures
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import imaging
from imaging import writing as image_writing

DTYPES = (np.uint8, np.uint16)


def every_level(dtype, channels):
    """(H, W) or (H, W, 3) with each of the 256 or 65,536 levels once in every channel, in different orders."""
    levels = np.arange(np.iinfo(dtype).max + 1).astype(dtype).reshape(-1, 16 if dtype == np.uint8 else 256)
    return levels if channels == 1 else np.stack([levels, levels[::-1], levels[:, ::-1]], axis=-1)


# ---------------------------------------------------------------------------------------- other readers see the same


def read_with_tensorflow(path, dtype):
    tf = pytest.importorskip("tensorflow")
    content = path.read_bytes()
    if path.suffix == ".png":
        return tf.io.decode_png(content, channels=0, dtype=dtype).numpy()
    return tf.io.decode_image(content).numpy()


def read_with_opencv(path, dtype):
    cv2 = pytest.importorskip("cv2")
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return pixels[..., ::-1] if pixels.ndim == 3 else pixels


def read_with_tifffile(path, dtype):
    return pytest.importorskip("tifffile").imread(path)


def read_with_pillow(path, dtype):
    return np.asarray(Image.open(path))


def read_with_numpy(path, dtype):
    return np.load(path, allow_pickle=False)


ANY = ((np.uint8, 1), (np.uint8, 3), (np.uint16, 1), (np.uint16, 3))
READERS = [
    *((".png", reader, *kind) for reader in (read_with_tensorflow, read_with_opencv) for kind in ANY),
    *((".tif", reader, *kind) for reader in (read_with_tifffile, read_with_opencv) for kind in ANY),
    *((".tiff", read_with_tifffile, *kind) for kind in ANY),
    *((".npy", read_with_numpy, *kind) for kind in ANY),
    # Pillow reads RGB with 8 bits only.
    *((suffix, read_with_pillow, *kind) for suffix in (".png", ".tif") for kind in ANY[:3]),
    *((".bmp", reader, *kind) for reader in (read_with_pillow, read_with_opencv) for kind in ANY[:2]),
    (".bmp", read_with_tensorflow, np.uint8, 3),
    (".webp", read_with_pillow, np.uint8, 3),
    (".webp", read_with_opencv, np.uint8, 3),
]


@pytest.mark.parametrize(("suffix", "reader", "dtype", "channels"), READERS)
def test_other_readers_find_every_level(suffix, reader, dtype, channels, tmp_path):
    array = every_level(dtype, channels)
    path = tmp_path / f"levels{suffix}"
    imaging.save_image(path, array)
    read = reader(path, dtype)
    assert read.dtype == dtype
    np.testing.assert_array_equal(read.reshape(array.shape), array)
    loaded = imaging.load_image(path)
    assert loaded.dtype == dtype
    np.testing.assert_array_equal(loaded, array.reshape(*array.shape[:2], channels))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_files_of_opencv_are_loaded(suffix, dtype, tmp_path):
    cv2 = pytest.importorskip("cv2")
    for channels in (1, 3):
        array = every_level(dtype, channels)
        path = tmp_path / f"levels{channels}{suffix}"
        # OpenCV compresses TIFF with LZW unless told otherwise.
        cv2.imwrite(str(path), array[..., ::-1] if channels == 3 else array, [cv2.IMWRITE_TIFF_COMPRESSION, 1])
        np.testing.assert_array_equal(imaging.load_image(path), array.reshape(*array.shape[:2], channels))


def test_lzw_of_sixteen_bit_rgb_is_read_or_names_what_reads_it(tmp_path):
    cv2 = pytest.importorskip("cv2")
    array = every_level(np.uint16, 3)
    cv2.imwrite(str(tmp_path / "a.tif"), array[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    try:
        loaded = imaging.load_image(tmp_path / "a.tif")
    except imaging.ImageFileError as error:
        assert "got LZW" in str(error) and "pip install imagecodecs" in str(error)
    else:
        np.testing.assert_array_equal(loaded, array)


def shapes():
    return st.tuples(st.integers(1, 9), st.integers(1, 9)) | st.tuples(
        st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3])
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(array=st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, shapes())), data=st.data())
def test_round_trip(array, data, tmp_path):
    suffixes = [".png", ".tif", ".npy", ".TIFF", ".PNG"]
    if array.dtype == np.uint8:
        suffixes += [".bmp"] + ([".webp"] if array.shape[2:] == (3,) else [])
    path = tmp_path / f"image{data.draw(st.sampled_from(suffixes))}"
    imaging.save_image(path, array)
    loaded = imaging.load_image(path)
    assert loaded.shape == (*array.shape[:2], array.shape[2] if array.ndim == 3 else 1)
    assert loaded.dtype == array.dtype
    np.testing.assert_array_equal(loaded.reshape(array.shape), array)


def test_seven_stays_seven(tmp_path):
    array = np.zeros((8, 8), np.uint8)
    array[3:5, 3:5] = 7
    imaging.save_image(tmp_path / "seven.png", array)
    assert set(np.asarray(Image.open(tmp_path / "seven.png")).ravel().tolist()) == {0, 7}


def test_many_threads_write_and_read(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3)).astype(np.uint8)
    paths = [tmp_path / f"seed{index:04}.png" for index in range(len(images))]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(imaging.save_image, paths, images))
        loaded = list(pool.map(imaging.load_image, paths))
    np.testing.assert_array_equal(loaded, images)
    assert sorted(tmp_path.iterdir()) == paths


def test_many_threads_write_deep_images(tmp_path):
    images = np.random.default_rng(0).integers(0, 65536, (16, 8, 8, 3)).astype(np.uint16)
    paths = [tmp_path / f"{index:04}{'.png' if index % 2 else '.tif'}" for index in range(len(images))]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(imaging.save_image, paths, images))
        np.testing.assert_array_equal(list(pool.map(imaging.load_image, paths)), images)


def test_members_of_a_zip_are_loaded(tmp_path):
    array = every_level(np.uint16, 3)
    imaging.save_image(tmp_path / "a.png", array)
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.write(tmp_path / "a.png", "class/a.png")
        archive.writestr("class/b.png", b"")
    with zipfile.ZipFile(tmp_path / "images.zip") as archive:
        with archive.open("class/a.png") as member:
            np.testing.assert_array_equal(imaging.load_image(member), array)
        with (
            archive.open("class/b.png") as member,
            pytest.raises(imaging.ImageFileError, match=r"^class/b\.png: .*empty"),
        ):
            imaging.load_image(member)


def test_loaded_arrays_can_be_changed(tmp_path):
    for suffix in (".png", ".tif", ".npy"):
        imaging.save_image(tmp_path / f"a{suffix}", np.zeros((2, 2, 3), np.uint8))
        imaging.load_image(tmp_path / f"a{suffix}")[0, 0, 0] = 1


def test_unknown_options_are_named():
    for keywords in ({"alpha": "red"}, {"cmyk": "rgb"}, {"frame": -1}):
        with pytest.raises(ValueError, match=f"expected .*{next(iter(keywords))}.*got"):
            imaging.load_image(io.BytesIO(b"x"), **keywords)


# ----------------------------------------------------------------------------------------- written, read back, named


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy", ".bmp", ".webp"])
def test_a_wrong_value_in_the_file_is_noticed(suffix, tmp_path, monkeypatch):
    path = tmp_path / f"image{suffix}"
    good = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    imaging.save_image(path, good)
    before = path.read_bytes()
    write = image_writing._write_file

    def write_one_value_wrong(path, pixels):
        pixels = pixels.copy()
        pixels[2, 1, 0] += 1
        write(path, pixels)

    monkeypatch.setattr(image_writing, "_write_file", write_one_value_wrong)
    with pytest.raises(imaging.ImageFileError, match=r"got 1 different, the first at \(2, 1, 0\): 201 instead of 200"):
        imaging.save_image(path, good + 173)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_fewer_bits_or_another_shape_is_noticed(tmp_path, monkeypatch):
    write = image_writing._write_file
    deep = every_level(np.uint16, 1)
    for damage in (lambda pixels: (pixels >> 8).astype(np.uint8), lambda pixels: pixels[:-1]):
        monkeypatch.setattr(image_writing, "_write_file", lambda path, pixels, d=damage: write(path, d(pixels)))
        with pytest.raises(imaging.ImageFileError, match=r"expected to read back uint16 \(256, 256, 1\), got"):
            imaging.save_image(tmp_path / "image.png", deep)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "image.png"
    imaging.save_image(path, np.zeros((2, 2), np.uint8))

    def fill_the_disk(path, pixels):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(image_writing, "_write_file", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        imaging.save_image(path, np.ones((2, 2), np.uint8))
    assert imaging.load_image(path).max() == 0
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 1), (np.uint8, 3), (np.uint16, 1), (np.uint16, 3)])
def test_many_images_are_written_exactly_and_flushed_before_they_get_their_names(
    dtype, channels, tmp_path, monkeypatch
):
    """The order of the disk is what a power cut sees: all contents, all names, the folder."""
    events = []
    sync, sync_folder, replace = os.sync, os.fsync, Path.replace
    monkeypatch.setattr(os, "sync", lambda: (events.append("contents"), sync()))
    monkeypatch.setattr(os, "fsync", lambda descriptor: (events.append("folder"), sync_folder(descriptor)))
    monkeypatch.setattr(Path, "replace", lambda path, target: (events.append("name"), replace(path, target))[1])
    images = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (12, 8, 6, channels)).astype(dtype)
    paths = [tmp_path / f"seed{index:04}.png" for index in range(len(images))]
    imaging.save_images(paths, images)
    np.testing.assert_array_equal([imaging.load_image(path) for path in paths], images)
    assert sorted(tmp_path.iterdir()) == paths
    assert events == ["contents", *["name"] * 12, "folder"]


def test_a_wrong_value_among_many_images_is_noticed(tmp_path, monkeypatch):
    encode = image_writing._encode_png

    def encode_one_value_wrong(pixels):
        pixels = pixels.copy()
        pixels[2, 1, 0] ^= pixels[0, 0, 0] == 3
        return encode(pixels)

    monkeypatch.setattr(image_writing, "_encode_png", encode_one_value_wrong)
    images = np.zeros((6, 4, 4, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(6)
    paths = [tmp_path / f"{index}.png" for index in range(6)]
    with pytest.raises(
        imaging.ImageFileError, match=r"3\.png: .* got 1 different, the first at \(2, 1, 0\): 1 instead of 0"
    ):
        imaging.save_images(paths, images)
    assert list(tmp_path.iterdir()) == []


# --------------------------------------------------------------------------------------------------- optional parts


def test_import_needs_numpy_and_pillow_only():
    code = (
        "import sys, imaging; outside = {'tensorflow', 'keras', 'tifffile', 'cv2', 'matplotlib'} & set(sys.modules);"
        " sys.exit(f'imported {outside}' if outside else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(imaging.__file__).parent.parent)


@pytest.mark.parametrize(
    ("suffix", "module", "words"), [(".png", "tensorflow", "TensorFlow"), (".tif", "tifffile", "pip install tifffile")]
)
def test_a_missing_library_is_named(suffix, module, words, tmp_path, monkeypatch):
    path = tmp_path / f"deep{suffix}"
    array = every_level(np.uint16, 3)
    imaging.save_image(path, array)
    monkeypatch.setitem(sys.modules, module, None)  # makes the import fail
    with pytest.raises(imaging.ImageFileError, match=words):
        imaging.load_image(path)
    with pytest.raises(imaging.ImageFileError, match=words):
        imaging.save_image(tmp_path / f"new{suffix}", array)
    imaging.save_image(path, array[..., 0])  # gray needs neither


# ------------------------------------------------------------------------------------------------------- the stretch


@pytest.mark.parametrize("dtype", DTYPES)
def test_stretch_maps_low_to_zero_and_high_to_the_maximum(dtype, tmp_path):
    maximum = np.iinfo(dtype).max
    array = np.array([[-3.0, -1.0, 0.0, 1.0, 2.5, np.inf, -np.inf]])
    imaging.save_image(tmp_path / "a.png", array, low=-1, high=1, dtype=dtype)
    stretched = imaging.load_image(tmp_path / "a.png")
    assert stretched.dtype == dtype
    assert stretched.ravel().tolist() == [0, 0, round(maximum / 2), maximum, maximum, maximum, 0]


def test_stretch_is_8_bits_unless_told(tmp_path):
    imaging.save_image(tmp_path / "a.png", np.array([[0, 500, 1000]]), low=0, high=1000)
    assert imaging.load_image(tmp_path / "a.png").ravel().tolist() == [0, 128, 255]


@given(
    values=hnp.arrays(np.float64, st.integers(2, 40), elements=st.floats(allow_nan=False, width=64)),
    low=st.floats(-1e100, 1e100),
    width=st.floats(1e-3, 1e100),
    dtype=st.sampled_from(DTYPES),
)
def test_stretch_is_monotone(values, low, width, dtype):
    if not low < low + width:
        return
    stretched = imaging.stretch_values(np.sort(values), low, low + width, dtype).astype(int)
    assert (np.diff(stretched) >= 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_stretch_over_the_whole_range_changes_nothing(dtype):
    levels = every_level(dtype, 1)
    np.testing.assert_array_equal(imaging.stretch_values(levels, 0, np.iinfo(dtype).max, dtype), levels)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.uint64, np.float16, np.float32, ">f8"])
def test_stretch_takes_any_real_dtype(dtype):
    assert imaging.stretch_values(np.array([0, 1], dtype), 0, 1).tolist() == [0, 255]


# --------------------------------------------------------------------------------------------------------- to a size


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(40, 30), (40, 30, 1), (30, 40, 3), (5, 90, 3), (1, 1, 3)])
@pytest.mark.parametrize("size", [(32, 32), (8, 20), (64, 48), (1, 1)])
def test_fit_gives_the_size_and_keeps_flat_images_flat(dtype, shape, size):
    level = np.iinfo(dtype).max - 1234 % 200
    fitted = imaging.fit_image(np.full(shape, level, dtype), size)
    assert fitted.shape == (*size, shape[2] if len(shape) == 3 else 1)
    assert fitted.dtype == dtype
    assert (fitted == level).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_fit_leaves_an_image_that_fits_as_it_is(dtype):
    image = every_level(dtype, 3)
    before = image.copy()
    np.testing.assert_array_equal(imaging.fit_image(image, image.shape[:2]), before)
    np.testing.assert_array_equal(imaging.fit_image(image[..., 0], image.shape[:2]), before[..., :1])


@pytest.mark.parametrize(("shape", "rows", "columns"), [((32, 33), (0, 32), (0, 32)), ((38, 32), (3, 35), (0, 32))])
def test_fit_only_cuts_when_cutting_is_enough(shape, rows, columns):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    np.testing.assert_array_equal(imaging.fit_image(image, (32, 32)), image[slice(*rows), slice(*columns)])


def test_fit_cuts_the_center():
    image = np.zeros((20, 60, 1), np.uint8)
    image[:, 20:40] = 200
    assert (imaging.fit_image(image, (10, 10)) == 200).all()


def test_fit_does_not_alias():
    """Stripes of one pixel become their mean, not stripes of another width."""
    image = np.zeros((64, 64, 1), np.uint8)
    image[:, ::2] = 255
    fitted = imaging.fit_image(image, (13, 13))[2:-2, 2:-2].astype(int)
    assert abs(fitted - 127.5).max() < 12


def test_fit_keeps_sixteen_bits():
    ramp = np.tile(np.linspace(1000, 1300, 256).round().astype(np.uint16), (256, 1))  # less than two 8-bit levels
    fitted = imaging.fit_image(ramp, (128, 128))[..., 0]
    expected = ramp.reshape(128, 2, 128, 2).mean(axis=(1, 3))
    assert abs(fitted[4:-4, 4:-4] - expected[4:-4, 4:-4]).max() <= 1
    edge = np.zeros((64, 64), np.uint16)
    edge[:, 31:] = 65535
    fitted = imaging.fit_image(edge, (20, 20))
    assert fitted[:, 10:].min() > 60000  # Lanczos overshoots beside the edge, and must not wrap round
    assert fitted[:, :8].max() < 6000


@pytest.mark.parametrize(
    ("image", "size", "exception"),
    [
        (np.zeros((4, 4), np.float32), (2, 2), TypeError),
        (np.zeros((4, 4, 5), np.uint8), (2, 2), ValueError),
        (np.zeros((0, 4), np.uint8), (2, 2), ValueError),
        (np.zeros((4, 4), np.uint8), (0, 2), ValueError),
    ],
)
def test_fit_refuses(image, size, exception):
    with pytest.raises(exception, match="expected"):
        imaging.fit_image(image, size)


# -------------------------------------------------------------------------------------------------------------- grid


@given(
    images=st.sampled_from(DTYPES).flatmap(
        lambda dtype: hnp.arrays(
            dtype, st.tuples(st.integers(1, 7), st.integers(1, 4), st.integers(1, 4), st.sampled_from([1, 3]))
        )
    ),
    columns=st.none() | st.integers(1, 9),
    padding=st.integers(0, 3),
)
def test_grid_holds_every_image_and_background_elsewhere(images, columns, padding):
    grid = imaging.image_grid(images, columns=columns, padding=padding, background=5)
    count, height, width, channels = images.shape
    columns = columns or int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    assert grid.dtype == images.dtype
    assert grid.shape == (rows * height + (rows - 1) * padding, columns * width + (columns - 1) * padding, channels)
    for index, image in enumerate(images):
        top, left = index // columns * (height + padding), index % columns * (width + padding)
        np.testing.assert_array_equal(grid[top : top + height, left : left + width], image)
        grid[top : top + height, left : left + width] = 5
    assert (grid == 5).all()


def test_grid_without_padding_is_exactly_rows_by_columns():
    images = every_level(np.uint8, 3).reshape(4, 4, 16, 3)
    assert imaging.image_grid(images, 4, 8, padding=0).shape == (4 * 4, 8 * 16, 3)


def test_grid_background_is_white_or_a_color():
    images = np.zeros((3, 2, 2, 3), np.uint16)
    assert imaging.image_grid(images)[-1, -1].tolist() == [65535] * 3
    assert imaging.image_grid(images, background=(1, 2, 300))[-1, -1].tolist() == [1, 2, 300]


@pytest.mark.parametrize(
    ("images", "keywords", "exception", "words"),
    [
        (np.zeros((4, 2, 2, 3)), {}, TypeError, "uint8 or uint16, got float64"),
        (np.zeros((4, 2, 2), np.uint8), {}, ValueError, r"images\[\.\.\., np\.newaxis\]"),
        (np.zeros((4, 3, 8, 8), np.uint8), {}, ValueError, "channels-first"),
        (np.zeros((0, 2, 2, 3), np.uint8), {}, ValueError, "empty"),
        (np.zeros((5, 2, 2, 3), np.uint8), {"rows": 2, "columns": 2}, ValueError, "at least 5 cells, got 2 x 2"),
        (np.zeros((5, 2, 2, 3), np.uint8), {"rows": 0}, ValueError, "rows of at least 1"),
        (np.zeros((5, 2, 2, 3), np.uint8), {"padding": -1}, ValueError, "padding"),
        (np.zeros((5, 2, 2, 3), np.uint8), {"background": 256}, ValueError, "from 0 to 255"),
        (np.zeros((5, 2, 2, 3), np.uint8), {"background": (1, 2)}, ValueError, "1 or 3 whole levels"),
        (np.zeros((5, 2, 2, 3), np.uint8), {"background": 0.5}, ValueError, "whole levels"),
    ],
)
def test_grid_refuses(images, keywords, exception, words):
    with pytest.raises(exception, match=words):
        imaging.image_grid(images, **keywords)


# -------------------------------------------------------------------------------------------------- for the screen


def test_display_is_the_nearest_of_256_levels():
    levels = every_level(np.uint16, 1)
    np.testing.assert_array_equal(imaging.to_display(levels), np.rint(levels / 257).astype(np.uint8))
    narrow = every_level(np.uint8, 1)
    np.testing.assert_array_equal(imaging.to_display(narrow), narrow)
    np.testing.assert_array_equal(imaging.to_display(narrow.astype(np.uint16) * 257), narrow)
    low = np.arange(1077, dtype=np.uint16)
    np.testing.assert_array_equal(imaging.to_display(low, 1076), np.rint(low * (255 / 1076)).astype(np.uint8))
    assert imaging.to_display(np.array([2000], np.uint16), 1076) == 255, "white, not wrapped round"
    np.testing.assert_array_equal(imaging.to_display(narrow, 100), narrow)
    with pytest.raises(TypeError, match="got float32"):
        imaging.to_display(levels.astype(np.float32))


def frames_of(path):
    with Image.open(path) as picture:
        count = picture.n_frames
        durations = []
        for index in range(count):
            picture.seek(index)
            durations.append(picture.info["duration"])
        loop = picture.info["loop"]
    return [imaging.load_image(path, frame=index) for index in range(count)], durations, loop


def test_gray_animation_is_exact_and_loops(tmp_path):
    levels = every_level(np.uint8, 1)
    frames = np.stack([levels, levels[::-1], levels.T])[..., np.newaxis]
    imaging.save_animation(tmp_path / "a.gif", frames, seconds_per_frame=0.25, last_frame_seconds=2)
    loaded, durations, loop = frames_of(tmp_path / "a.gif")
    np.testing.assert_array_equal([frame[..., :1] for frame in loaded], frames)
    assert durations == [250, 250, 2000]
    assert loop == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]


@pytest.mark.parametrize("ending", [".webp", ".apng"])
@pytest.mark.parametrize("channels", [1, 3])
def test_animations_without_loss_keep_every_value(ending, channels, tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (5, 20, 24, channels), np.uint8)
    imaging.save_animation(tmp_path / f"walk{ending}", frames, 0.1)
    with Image.open(tmp_path / f"walk{ending}") as animation:
        assert animation.n_frames == 5
        for number, frame in enumerate(frames):
            animation.seek(number)
            np.testing.assert_array_equal(np.asarray(animation.convert("RGB")), np.broadcast_to(frame, (20, 24, 3)))


def test_animation_of_few_colors_is_exact(tmp_path):
    rng = np.random.default_rng(0)
    colors = rng.integers(0, 256, (3, 250, 3)).astype(np.uint8)
    frames = np.stack([palette[rng.integers(0, 250, (20, 30))] for palette in colors])
    imaging.save_animation(tmp_path / "a.gif", frames)
    np.testing.assert_array_equal(frames_of(tmp_path / "a.gif")[0], frames)


def test_animation_of_many_colors_is_near(tmp_path):
    rows, columns = np.mgrid[0:128, 0:128]
    frames = np.stack(
        [np.stack([40 + rows * 1.1, (rows + columns) * 0.7, np.full(rows.shape, blue)], -1) for blue in (10, 200)]
    )
    imaging.save_animation(tmp_path / "a.gif", frames.astype(np.uint8))
    for loaded, frame in zip(frames_of(tmp_path / "a.gif")[0], frames, strict=True):
        blocks = (loaded - frame.astype(float)).reshape(16, 8, 16, 8, 3).mean(axis=(1, 3))
        assert np.sqrt(np.mean(np.square(blocks))) < 1  # as an eye sees dithering, from afar


@pytest.mark.parametrize("channels", [1, 3])
def test_animation_is_enlarged_to_squares_below_its_captions(channels, tmp_path):
    """However many colors there are: what is dithered is dithered before it is enlarged."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, 40, 50, channels)).astype(np.uint8)
    frames[:, 0, :2] = [[0] * channels, [255] * channels]
    imaging.save_animation(tmp_path / "small.gif", frames)
    imaging.save_animation(tmp_path / "large.gif", frames, scale=3, captions=["epoch 1", "epoch 12"])
    strips = []
    for small, large in zip(frames_of(tmp_path / "small.gif")[0], frames_of(tmp_path / "large.gif")[0], strict=True):
        np.testing.assert_array_equal(large[-120:], small.repeat(3, axis=0).repeat(3, axis=1))
        strips.append(large[:-120])
        assert strips[-1].min() < 60 and np.median(strips[-1]) > 200
    assert strips[0].shape == strips[1].shape and not np.array_equal(*strips)


def test_animation_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.gif"
    imaging.save_animation(path, np.zeros((2, 4, 4, 1), np.uint8))
    before = path.read_bytes()

    def fill_the_disk(picture, target, *_, **__):
        Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        imaging.save_animation(path, np.ones((2, 4, 4, 1), np.uint8))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_animation_of_sixteen_bits_and_one_frame(tmp_path):
    frame = every_level(np.uint16, 1)[np.newaxis, ..., np.newaxis]
    imaging.save_animation(tmp_path / "a.gif", frame)
    loaded = imaging.load_image(tmp_path / "a.gif")
    np.testing.assert_array_equal(loaded[..., :1], imaging.to_display(frame)[0])


@pytest.mark.parametrize(
    ("name", "frames", "keywords", "exception", "words"),
    [
        ("a.png", np.zeros((2, 4, 4, 3), np.uint8), {}, ValueError, "ending in .gif, .webp, .apng"),
        ("no/a.gif", np.zeros((2, 4, 4, 3), np.uint8), {}, ValueError, "existing folder"),
        ("a.gif", np.zeros((2, 4, 4, 3), np.float32), {}, TypeError, "got float32"),
        ("a.gif", np.zeros((4, 4, 3), np.uint8), {}, ValueError, "newaxis"),
        ("a.gif", np.zeros((0, 4, 4, 3), np.uint8), {}, ValueError, "empty"),
        ("a.gif", np.zeros((2, 4, 4, 3), np.uint8), {"seconds_per_frame": 0}, ValueError, "0.02 to 655 seconds"),
        ("a.gif", np.zeros((2, 4, 4, 3), np.uint8), {"last_frame_seconds": 700}, ValueError, "0.02 to 655 seconds"),
        ("a.gif", np.zeros((2, 4, 4, 3), np.uint8), {"captions": ["one"]}, ValueError, "each of 2 frames, got 1"),
    ],
)
def test_animation_refuses(name, frames, keywords, exception, words, tmp_path):
    with pytest.raises(exception, match=words):
        imaging.save_animation(tmp_path / name, frames, **keywords)
    assert list(tmp_path.iterdir()) == []
