"""Images in: every name and kind of path, sizes, channels, labels, and the order of an epoch."""

import gzip
import io
import pickle
import tarfile
import urllib.error
import zipfile

import numpy as np
import pytest
from PIL import Image

import image_datasets
from image_datasets import LevelsSeen, ReadingOptions, epoch_order, load_images, picture_files
from image_datasets.glyphs import draw_glyphs
from image_datasets.on_demand import ImagesOnDemand
from imaging import save_image
from preprocessing import PixelScaler

RANDOM = np.random.default_rng(0)


def picture(height=20, width=20, channels=3, dtype=np.uint8) -> np.ndarray:
    return RANDOM.integers(0, np.iinfo(dtype).max, (height, width, channels), dtype, endpoint=True)


@pytest.fixture
def folder(tmp_path):
    """Two classes with two images each, and files that are none of our business."""
    path = tmp_path / "animals"
    pictures = {}
    for name in ("cat/1.png", "cat/deep/er/2.png", "dog/1.bmp", "dog/2.tif"):
        pictures[name] = picture()
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        save_image(path / name, pictures[name])
    (path / "notes.txt").write_text("not an image")
    (path / "cat" / ".hidden.png").write_bytes(b"no")
    return path, pictures


def test_folder_gives_exact_images_and_class_labels(folder):
    path, pictures = folder
    loaded = load_images(path)
    assert loaded.class_names == ("cat", "dog") and loaded.labels.tolist() == [0, 0, 1, 1]
    assert loaded.name == "animals" and loaded.images.dtype == np.uint8
    np.testing.assert_array_equal(loaded.images, [pictures[name] for name in sorted(pictures)])


def test_zip_of_a_folder_is_the_folder(folder, tmp_path):
    path, _ = folder
    with zipfile.ZipFile(tmp_path / "animals.zip", "w") as archive:
        for file in path.rglob("*"):
            archive.write(file, f"wrapper/{file.relative_to(path)}")
        archive.writestr("__MACOSX/wrapper/._1.png", b"resource fork")
    from_zip, from_folder = load_images(tmp_path / "animals.zip"), load_images(path)
    np.testing.assert_array_equal(from_zip.images, from_folder.images)
    assert from_zip.class_names == from_folder.class_names and from_zip.fingerprint() == from_folder.fingerprint()


def test_images_beside_folders_have_no_labels(folder):
    path, _ = folder
    save_image(path / "stray.png", picture())
    assert load_images(path).labels is None


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".PNG"])
def test_every_format_is_read(tmp_path, suffix):
    Image.fromarray(picture()).save(tmp_path / f"image{suffix}")
    assert load_images(tmp_path).images.shape == (1, 20, 20, 3)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_both_depths_gray_and_rgb(tmp_path, dtype, channels):
    expected = picture(channels=channels, dtype=dtype)
    save_image(tmp_path / "image.png", expected)
    loaded = load_images(tmp_path).images
    assert loaded.dtype == dtype
    np.testing.assert_array_equal(loaded[0], expected)


def test_mixed_sizes_are_an_error_that_lists_them_unless_a_size_is_given(tmp_path):
    for index, size in enumerate([(20, 20), (20, 20), (24, 40)]):
        save_image(tmp_path / f"{index}.png", picture(*size))
    with pytest.raises(ValueError, match=r"20x20 RGB uint8 \(2\), 24x40 RGB uint8 \(1\); pass image_size="):
        load_images(tmp_path)
    assert load_images(tmp_path, ReadingOptions((16, 16))).images.shape == (3, 16, 16, 3)


def test_color_and_gray_become_what_is_chosen(tmp_path):
    save_image(tmp_path / "color.png", np.full((20, 20, 3), (255, 0, 0), np.uint8))
    save_image(tmp_path / "gray.png", np.full((20, 20, 1), 7, np.uint8))
    for channels in (3, None):
        assert load_images(tmp_path, ReadingOptions(channels=channels)).images[1, 0, 0].tolist() == [7, 7, 7]
    in_gray = load_images(tmp_path, ReadingOptions(channels=1)).images
    assert in_gray[:, 0, 0, 0].tolist() == [76, 7]  # 0.299 · 255


def test_one_corrupt_file_among_good_ones_is_named(folder):
    path, _ = folder
    whole = (path / "cat" / "1.png").read_bytes()
    (path / "dog" / "broken.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"dog/broken\.png"):
        load_images(path)


def test_exif_rotation_is_applied(tmp_path):
    image = Image.fromarray(picture(20, 32))
    exif = image.getexif()
    exif[274] = 6  # a quarter turn
    image.save(tmp_path / "turned.png", exif=exif)
    assert load_images(tmp_path).images.shape == (1, 32, 20, 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "CMYK"])
def test_alpha_and_cmyk_need_a_choice(tmp_path, mode):
    image = Image.new(mode, (20, 20), {"RGBA": (9, 9, 9, 0), "LA": (9, 0), "CMYK": (0, 0, 0, 0)}[mode])
    image.save(tmp_path / ("image.tif" if mode == "CMYK" else "image.png"))
    with pytest.raises(ValueError, match="cmyk=" if mode == "CMYK" else "alpha="):
        load_images(tmp_path)
    chosen = load_images(tmp_path, ReadingOptions(alpha="white", cmyk="convert")).images
    assert (chosen == 255).all()


def test_npy_is_mapped_not_read_and_gray_gets_its_axis(tmp_path):
    images = RANDOM.integers(0, 256, (5, 16, 16), np.uint8)
    np.save(tmp_path / "gray.npy", images)
    loaded = load_images(tmp_path / "gray.npy")
    np.testing.assert_array_equal(loaded.images[..., 0], images)
    assert isinstance(loaded.images.base, np.memmap) or isinstance(loaded.images, np.memmap)


@pytest.mark.parametrize("keys", [("images", "labels"), ("x_train", "y_train"), ("anything", None)])
def test_npz_layouts(tmp_path, keys):
    images = RANDOM.integers(0, 65536, (4, 16, 16, 1), np.uint16)
    arrays = {keys[0]: images} | ({keys[1]: np.array([[0], [2], [1], [0]])} if keys[1] else {})
    np.savez(tmp_path / "set.npz", **arrays)
    loaded = load_images(tmp_path / "set.npz")
    np.testing.assert_array_equal(loaded.images, images)
    assert (loaded.labels is None) if keys[1] is None else (loaded.labels.tolist() == [0, 2, 1, 0])


def test_resizing_arrays_cuts_to_the_aspect(tmp_path):
    images = np.zeros((2, 20, 40, 3), np.uint8)
    images[:, :, 10:30] = 200  # the centered square
    np.save(tmp_path / "wide.npy", images)
    resized = load_images(tmp_path / "wide.npy", ReadingOptions((16, 16))).images
    assert resized.shape == (2, 16, 16, 3) and (resized == 200).all()


def test_subset_is_spread_over_the_classes_and_always_the_same(tmp_path):
    images = np.arange(100, dtype=np.uint8).repeat(256).reshape(100, 16, 16, 1)
    np.savez(tmp_path / "set.npz", images=images, labels=np.arange(100) // 50)
    first, again = (load_images(tmp_path / "set.npz", ReadingOptions(image_count=20)) for _ in range(2))
    np.testing.assert_array_equal(first.images, again.images)
    assert 0 < first.labels.sum() < 20
    np.testing.assert_array_equal(first.images[:, 0, 0, 0] // 50, first.labels)


# Images on demand


@pytest.fixture(params=["folder", "zip", "zip64", "zip behind something"])
def pictures(request, tmp_path):
    """A folder or a zip of 300 small images in two classes, with other files between them, in no order."""
    names = [f"{'ab'[number % 2]}{'/deep' * (number % 3)}/{number}.png" for number in range(300)]
    contents = {}
    for name in names:
        stream = io.BytesIO()
        Image.fromarray(picture(16, 16)).save(stream, "png")
        contents[name] = stream.getvalue()
    contents |= {"a/.hidden/1.png": b"no", "a/notes.txt": b"text", "__MACOSX/a/1.png": b"no", "a-b.txt": b"text"}
    path = tmp_path / "pictures"
    if request.param == "folder":
        for name, content in contents.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
        return path
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("a")
        for number, (name, content) in enumerate(contents.items()):
            archive.writestr(name, content, zipfile.ZIP_STORED if number % 2 else zipfile.ZIP_BZIP2)
        archive.comment = b"a comment PK"
        if request.param == "zip64":
            archive.comment = b""
            monkey = pytest.MonkeyPatch()
            monkey.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 10)
            request.addfinalizer(monkey.undo)
    if request.param == "zip behind something":
        path.write_bytes(b"a program that unpacks itself" + path.read_bytes())
    return path


def test_on_demand_is_what_is_in_memory(pictures):
    resident, streamed = load_images(pictures), load_images(pictures, ReadingOptions(in_memory_bytes=0))
    assert isinstance(resident.images, np.ndarray) and isinstance(streamed.images, ImagesOnDemand)
    images = streamed.images
    assert images.shape == resident.images.shape == (300, 16, 16, 3) and images.dtype == np.uint8 and len(images) == 300
    some = RANDOM.permutation(300)[:70]
    for index in (slice(None), slice(250, 20, -3), slice(0, 0), some, some - 300, list(some), 5, -1, np.int64(7), []):
        found, expected = images[index], resident.images[np.array(index, int) if isinstance(index, list) else index]
        assert type(found) is np.ndarray and found.flags.c_contiguous and found.dtype == np.uint8
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(images[streamed.labels == 1], resident.images[resident.labels == 1])
    np.testing.assert_array_equal(np.concatenate(list(streamed.blocks())), resident.images)
    np.testing.assert_array_equal(streamed.labels, resident.labels)
    assert streamed.class_names == resident.class_names == ("a", "b")
    assert streamed.fingerprint() == resident.fingerprint()


def test_on_demand_refuses_what_it_cannot_index(pictures):
    images = load_images(pictures, ReadingOptions(in_memory_bytes=0)).images
    for index in (300, -301, np.array([0, 300]), (0, 0), 1.5, np.zeros(5, bool), np.zeros((2, 2), int)):
        with pytest.raises(IndexError):
            images[index]


@pytest.mark.parametrize("in_memory", [0, 2**30])
def test_a_scaler_sees_every_image_once(pictures, in_memory):
    scaler, whole = PixelScaler("standardize"), load_images(pictures)
    load_images(pictures, ReadingOptions(in_memory_bytes=in_memory), visit=LevelsSeen(scaler))
    expected = PixelScaler("standardize").fit(whole.images)
    np.testing.assert_array_equal(scaler.mean_, expected.mean_)
    np.testing.assert_array_equal(scaler.std_, expected.std_)


@pytest.mark.parametrize("in_memory", [0, 2**30])
def test_some_of_many_files_are_the_same_wherever_they_are_held(pictures, in_memory):
    whole = load_images(pictures)
    some, expected = load_images(pictures, ReadingOptions(image_count=40, in_memory_bytes=in_memory)), whole.subset(40)
    np.testing.assert_array_equal(np.asarray(some.images), expected.images)
    np.testing.assert_array_equal(some.labels, expected.labels)
    assert some.fingerprint() == expected.fingerprint()
    fewer = load_images(pictures, ReadingOptions(in_memory_bytes=0)).subset(40)
    assert isinstance(fewer.images, ImagesOnDemand) and fewer.fingerprint() == expected.fingerprint()
    np.testing.assert_array_equal(fewer.images[10:20], expected.images[10:20])


@pytest.mark.parametrize("how", [{"image_size": (24, 20)}, {"channels": 1}, {"image_count": 7}])
def test_a_mapped_array_is_changed_on_demand(tmp_path, how):
    np.save(tmp_path / "set.npy", RANDOM.integers(0, 256, (30, 16, 16, 3), np.uint8))
    resident, mapped = (
        load_images(tmp_path / "set.npy", ReadingOptions(**how)),
        load_images(tmp_path / "set.npy", ReadingOptions(in_memory_bytes=0, **how)),
    )
    assert isinstance(mapped.images, ImagesOnDemand) and mapped.images.shape == resident.images.shape
    np.testing.assert_array_equal(np.asarray(mapped.images), resident.images)
    assert mapped.fingerprint() == resident.fingerprint()


def test_a_damaged_file_is_named_before_training_begins(folder):
    path, _ = folder
    whole = (path / "cat" / "1.png").read_bytes()
    (path / "dog" / "broken.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"dog/broken\.png"):
        load_images(path, ReadingOptions(in_memory_bytes=0))


@pytest.mark.parametrize("damage", ["gone", "another size", "another zip"])
def test_files_that_change_later_are_an_error_in_one_line(folder, tmp_path, damage):
    path, pictures = folder
    archived = damage == "another zip"
    if archived:
        path = tmp_path / "set.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name in pictures:
                archive.write(folder[0] / name, name)
    images = load_images(path, ReadingOptions(in_memory_bytes=0)).images
    if archived:
        path.write_bytes(b"PK" + bytes(path.stat().st_size))
    elif damage == "gone":
        (path / "cat/1.png").unlink()
    else:
        save_image(path / "cat/1.png", picture(8, 8))
    with pytest.raises(ValueError) as refused:
        images[0]
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)


def test_of_members_with_the_same_name_the_last_counts(tmp_path):
    first, last = (io.BytesIO() for _ in range(2))
    for level, stream in ((1, first), (2, last)):
        Image.fromarray(np.full((16, 16, 3), level, np.uint8)).save(stream, "png")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("1.png", first.getvalue())
        archive.writestr("1.png", last.getvalue())
    loaded = load_images(tmp_path / "set.zip").images
    assert loaded.shape == (1, 16, 16, 3) and (loaded == 2).all()


def test_names_keep_the_order_of_text(tmp_path):
    """Folders do not come before files: "a-b/1.png" < "a.png" < "a/1.png" < "ä.png", in a folder and in a zip."""
    names = ["a/1.png", "a-b/1.png", "ä.png", "a.png"]
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for level, name in enumerate(names):
            (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
            save_image(tmp_path / "set" / name, np.full((16, 16, 1), level, np.uint8))
            archive.write(tmp_path / "set" / name, name)
    for path in (tmp_path / "set", tmp_path / "set.zip"):
        assert load_images(path).images[:, 0, 0, 0].tolist() == [names.index(name) for name in sorted(names)]


# Names that Keras downloads: the real loaders on small files in the real formats, put where Keras caches them


@pytest.fixture
def keras_cache(tmp_path, monkeypatch):
    """An empty Keras cache. The small files cannot have the checksums of the real ones, so those are not compared."""
    from keras.src.utils import file_utils

    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    monkeypatch.setattr(file_utils, "validate_file", lambda *arguments, **options: True)
    (tmp_path / "datasets").mkdir()
    return tmp_path / "datasets"


def write_mnist(cache):
    images, labels = RANDOM.integers(0, 256, (10, 28, 28), np.uint8), np.arange(10, dtype=np.uint8)
    np.savez(cache / "mnist.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    return images[..., np.newaxis], labels


def write_fashion_mnist(cache):
    images, labels = RANDOM.integers(0, 256, (10, 28, 28), np.uint8), np.arange(10, dtype=np.uint8)
    (cache / "fashion-mnist").mkdir()
    for part in ("train", "t10k"):
        for kind, header, values in (("labels-idx1", 8, labels), ("images-idx3", 16, images)):
            with gzip.open(cache / "fashion-mnist" / f"{part}-{kind}-ubyte.gz", "wb") as file:
                file.write(bytes(header) + values.tobytes())
    return images[..., np.newaxis], labels


def write_cifar(cache, name, count, batches, label_key):
    """CIFAR's archives: planes of red, green and blue, pickled with bytes as keys."""
    images = np.zeros((count, 32, 32, 3), np.uint8)
    images[:100] = RANDOM.integers(0, 256, (100, 32, 32, 3), np.uint8)
    labels = np.arange(count) % (10 if name == "cifar-10" else 100)
    planes = np.moveaxis(images, -1, 1).reshape(count, -1)
    content = pickle.dumps({b"data": planes, label_key: labels.tolist()}, protocol=3)
    folder = "cifar-10-batches-py" if name == "cifar-10" else "cifar-100-python"
    with tarfile.open(cache / f"{folder}-target_archive", "w:gz", compresslevel=1) as archive:
        for batch in batches:
            entry = tarfile.TarInfo(f"{folder}/{batch}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return images, labels


def write_cifar10(cache):
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    images, labels = write_cifar(cache, "cifar-10", 10_000, names, b"labels")
    return np.tile(images, (5, 1, 1, 1)), np.tile(labels, 5)


def write_cifar100(cache):
    return write_cifar(cache, "cifar-100", 200, ["train", "test"], b"fine_labels")


@pytest.mark.parametrize(
    ("name", "write", "class_name"),
    [
        ("mnist", write_mnist, "3"),
        ("fashion_mnist", write_fashion_mnist, "dress"),
        ("cifar10", write_cifar10, "cat"),
        ("cifar100", write_cifar100, "3"),
    ],
)
def test_keras_names_give_training_images_with_labels(keras_cache, capfd, name, write, class_name):
    images, labels = write(keras_cache)
    loaded = load_images(name)
    np.testing.assert_array_equal(loaded.images, images)
    np.testing.assert_array_equal(loaded.labels, labels)
    assert loaded.class_names[3] == class_name
    assert capfd.readouterr().out == "", "standard output is for results"


@pytest.mark.parametrize("name", image_datasets.KERAS_DATASETS)
def test_no_network_is_one_line_that_says_what_to_do(keras_cache, monkeypatch, name):
    from keras.src.utils import file_utils

    def unreachable(*arguments):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(file_utils, "urlretrieve", unreachable)
    with pytest.raises(ValueError) as refused:
        load_images(name)
    assert "\n" not in str(refused.value) and "pass data with your own folder" in str(refused.value)


# Glyphs


def test_glyphs_are_seeded_labeled_and_any_number_and_size():
    images, labels = draw_glyphs(30, (48, 80), seed=3)
    again, _ = draw_glyphs(10, (48, 80), seed=3)
    assert images.shape == (30, 48, 80, 3) and images.dtype == np.uint8 and set(labels) <= set(range(10))
    np.testing.assert_array_equal(images[:10], again)
    assert not np.array_equal(images[:10], draw_glyphs(10, (48, 80), seed=4)[0])
    shifted, _ = draw_glyphs(5, (48, 80), seed=3, start=10)
    np.testing.assert_array_equal(shifted, images[10:15])


def test_glyphs_fill_the_frame_with_contrast():
    images, labels = draw_glyphs(500)
    assert sorted(set(labels)) == list(range(10))
    for image in images:
        light = image.astype(float) @ [0.299, 0.587, 0.114]
        ink = light > (light.min() + light.max()) / 2
        rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
        assert light.max() - light.min() > 60
        assert rows[-1] - rows[0] + 1 >= 20, "the digit should fill the frame"
        assert not (ink[0].any() and ink[-1].any()), "the digit should not be cut"
        assert columns[-1] - columns[0] + 1 >= 5


def test_glyph_digits_can_be_told_apart():
    """Nearest neighbors name nearly all digits: the drawing is legible and the labels belong to it."""
    images, labels = draw_glyphs(3000)
    light = images.astype(np.float32) @ np.float32([0.299, 0.587, 0.114])
    light = light.reshape(len(light), -1)
    light -= light.mean(1, keepdims=True)
    light /= np.linalg.norm(light, axis=1, keepdims=True)
    nearest = (light[2500:] @ light[:2500].T).argmax(1)
    assert (labels[nearest] == labels[2500:]).mean() > 0.9


def test_default_glyphs(monkeypatch):
    monkeypatch.setattr("image_datasets.glyphs.GLYPH_COUNT", 12)
    loaded = load_images("glyphs")
    assert loaded.images.shape == (12, 32, 32, 3) and loaded.class_names == tuple("0123456789")
    assert load_images("glyphs", ReadingOptions(image_count=40)).images.shape[0] == 40
    assert load_images("glyphs", ReadingOptions((16, 16), 5, channels=1)).images.shape == (5, 16, 16, 1)


# The order of an epoch


def test_epoch_order_is_a_permutation_that_follows_from_seed_and_epoch():
    order = epoch_order(1000, seed=1, epoch=2)
    assert sorted(order) == list(range(1000))
    np.testing.assert_array_equal(order, epoch_order(1000, seed=1, epoch=2))
    assert not np.array_equal(order, epoch_order(1000, seed=1, epoch=3))
    assert not np.array_equal(order, epoch_order(1000, seed=2, epoch=2))


def test_another_draw_of_an_epoch_is_another_permutation():
    order, other = epoch_order(1000, seed=1, epoch=2), epoch_order(1000, seed=1, epoch=2, draw=1)
    np.testing.assert_array_equal(order, epoch_order(1000, seed=1, epoch=2, draw=0))
    np.testing.assert_array_equal(order, np.random.default_rng([1, 2]).permutation(1000))  # what runs began with
    assert sorted(other) == list(range(1000))
    for epoch in range(5):
        assert not np.array_equal(other, epoch_order(1000, seed=1, epoch=epoch))


def test_file_objects_are_closed(folder, monkeypatch):
    """Thousands of open files would end a run on a large folder."""
    opened: list[io.BufferedReader] = []
    monkeypatch.setattr(picture_files, "open", lambda *how: opened.append(open(*how)) or opened[-1], raising=False)
    load_images(folder[0])
    assert len(opened) >= 4 and all(file.closed for file in opened)
