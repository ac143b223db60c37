"""What people bring, as they bring it: read whole, or answered; what is left out or changed is said."""

import gzip
import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import QUICKEST
from PIL import Image

import train
from image_datasets import ImagesNotAlike, ReadingOptions, load_images
from imaging import fit_image, load_image, save_image

RANDOM = np.random.default_rng(0)
ENDINGS = "png apng jpg JPG jpeg jfif jpe tif tiff webp bmp dib gif ppm avif jp2 tga"
KEYS = (
    "images,labels images,label images,y Images,Labels image,label X,y x,y data,target X_train,y_train arr_0,arr_1 "
    "train_images,train_labels"
)


def picture(height: int = 16, width: int = 16, channels: int = 3, dtype=np.uint8) -> np.ndarray:
    return RANDOM.integers(0, np.iinfo(dtype).max, (height, width, channels), dtype, endpoint=True)


def fill(folder: Path, names: str, **how) -> Path:
    """Pictures with these names, separated by blanks."""
    for name in names.split():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save_image(folder / name, picture(**how))
    return folder


def counts(loaded) -> dict[str, int]:
    found = np.bincount(loaded.labels, minlength=len(loaded.class_names))
    return dict(zip(loaded.class_names, found.tolist(), strict=True))


# Folders


def test_links_are_followed_but_not_in_a_circle(tmp_path):
    pets = fill(tmp_path / "pets", "bird/1.png bird/2.png")
    fill(tmp_path / "elsewhere", "1.png 2.png 3.png")
    (pets / "cat").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (pets / "bird" / "up").symlink_to(pets, target_is_directory=True)
    (pets / "bird" / "gone.png").symlink_to(tmp_path / "nothing.png")
    loaded = load_images(pets)
    assert counts(loaded) == {"bird": 2, "cat": 3}
    assert "1 linked in a circle (bird/up)" in loaded.report.left_out
    assert "1 linked to nothing (bird/gone.png)" in loaded.report.left_out


def test_what_is_not_read_is_counted_by_ending(tmp_path):
    folder = fill(tmp_path / "mixed", "1.png .thumb.png")
    for name in ("a.heic", "b.heic", "notes.txt", "README"):
        (folder / name).write_bytes(b"something")
    os.mkfifo(folder / "pipe.png")
    report = load_images(folder).report.left_out
    for words in ("2 .heic", "1 .txt (notes.txt)", "1 without an ending", "1 hidden", "1 not regular (pipe.png)"):
        assert words in report
    assert "pip install pillow-heif" in report


@pytest.mark.parametrize("zipped", [False, True])
def test_parts_of_a_data_set_are_no_classes(tmp_path, zipped):
    path = fill(tmp_path / "pets", "train/cat/1.png train/dog/1.png Test/cat/2.png Test/dog/2.png")
    if zipped:
        with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
            for file in path.rglob("*.png"):
                archive.write(file, str(file.relative_to(path)).replace("/", "\\"))  # as some programs of Windows do
        path = tmp_path / "pets.zip"
    loaded = load_images(path)
    assert loaded.labels is None and "Test, train look like parts" in loaded.report.doubt
    assert counts(load_images(path, ReadingOptions(class_level=loaded.report.other_level))) == {"cat": 2, "dog": 2}


def test_classes_may_be_called_train_and_test_where_nothing_lies_below(tmp_path):
    assert counts(load_images(fill(tmp_path / "any", "train/1.png test/2.png"))) == {"test": 1, "train": 1}


def test_a_picture_beside_the_class_folders_is_named_and_can_be_left_out(tmp_path):
    pets = fill(tmp_path / "pets", "a/1.png b/2.png cover.png")
    loaded = load_images(pets)
    assert loaded.labels is None and "1 picture outside the folders (cover.png)" in loaded.report.doubt
    chosen = load_images(pets, ReadingOptions(class_level=loaded.report.other_level))
    assert counts(chosen) == {"a": 1, "b": 1} and "above the class folders (cover.png)" in chosen.report.left_out


def test_classes_without_images_are_known_by_name(tmp_path):
    pets = fill(tmp_path / "pets", "cat/1.png cat/2.png dog/3.png dog/4.png")
    (pets / "bird").mkdir()
    loaded = load_images(pets)
    assert loaded.class_names == ("cat", "dog") and loaded.classes_without_images() == ("bird",)
    assert "folders without an image: bird" in loaded.summary()
    assert len(load_images(pets, ReadingOptions(image_count=1)).classes_without_images()) == 2


def test_a_level_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="class_level of at most 1, the deepest folders, got 2"):
        load_images(fill(tmp_path / "pets", "a/1.png b/2.png"), ReadingOptions(class_level=2))


# Formats


@pytest.mark.parametrize(
    "ending",
    [
        "png",
        "apng",
        "jpg",
        "JPG",
        "jpeg",
        "jfif",
        "jpe",
        "tif",
        "tiff",
        "webp",
        "bmp",
        "dib",
        "gif",
        "ppm",
        "avif",
        "jp2",
        "tga",
    ],
)
def test_every_format_that_can_be_read_is(tmp_path, ending):
    save = {"apng": "PNG", "jfif": "JPEG", "jpe": "JPEG", "dib": "BMP", "jp2": "JPEG2000", "tif": "TIFF", "JPG": "JPEG"}
    stream = io.BytesIO()
    image = Image.fromarray(picture())
    image.save(stream, save.get(ending, {"jpg": "JPEG"}.get(ending, ending.upper())))
    (tmp_path / f"1.{ending}").write_bytes(stream.getvalue())
    loaded = load_images(tmp_path).images
    assert loaded.shape == (1, 16, 16, 3)
    if ending not in ("jpg", "JPG", "jpeg", "jfif", "jpe", "webp", "avif", "gif"):  # those lose values on the way in
        np.testing.assert_array_equal(loaded[0], np.asarray(image))


def test_gray_maps_of_any_depth_keep_their_values(tmp_path):
    for top, dtype in ((255, np.uint8), (100, np.uint8), (4095, np.uint16), (65535, np.uint16)):
        values = RANDOM.integers(0, top, (16, 16), dtype, endpoint=True)
        big_endian = values.astype(values.dtype.newbyteorder(">"))
        (tmp_path / "1.pgm").write_bytes(b"P5\n# a comment\n16 16\n%d\n" % top + big_endian.tobytes())
        read = load_image(tmp_path / "1.pgm")
        assert read.dtype == dtype
        np.testing.assert_array_equal(read[..., 0], values)
    colors = RANDOM.integers(0, 65535, (2, 3, 3), np.uint16)
    (tmp_path / "1.ppm").write_bytes(b"P6 3 2 65535\n" + colors.astype(">u2").tobytes())
    np.testing.assert_array_equal(load_image(tmp_path / "1.ppm"), colors)


def test_what_would_be_cut_to_eight_bits_is_refused(tmp_path):
    deep = Image.fromarray(picture(channels=1, dtype=np.uint16)[..., 0])
    deep.save(tmp_path / "1.jp2")
    with pytest.raises(ValueError, match="expected JPEG2000 of 8 bits, got 16"):
        load_image(tmp_path / "1.jp2")
    (tmp_path / "1.pgm").write_bytes(b"P2 1 1 4095 17 ")
    with pytest.raises(ValueError, match="got 4095"):
        load_image(tmp_path / "1.pgm")


def test_the_content_decides_and_what_cannot_be_read_is_named(tmp_path):
    stream = io.BytesIO()
    Image.fromarray(picture()).save(stream, "AVIF")
    (tmp_path / "1.jpg").write_bytes(stream.getvalue())
    assert load_images(tmp_path).images.shape == (1, 16, 16, 3)
    (tmp_path / "1.jpg").write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(80))
    with pytest.raises(ValueError, match=r"got HEIC; convert it: pip install pillow-heif"):
        load_images(tmp_path)


def test_a_folder_of_one_array_an_image(tmp_path):
    images = [picture() for _ in range(3)]
    for number, image in enumerate(images):
        np.save(tmp_path / f"{number}.npy", image)
    np.testing.assert_array_equal(load_images(tmp_path).images, images)


def test_frames_are_taken_as_asked(tmp_path):
    frames = [Image.fromarray(picture()) for _ in range(3)]
    frames[0].save(tmp_path / "pages.tif", save_all=True, append_images=frames[1:])
    save_image(tmp_path / "one.png", np.asarray(frames[0]))
    with pytest.raises(ImagesNotAlike, match=r"1 of several frames \(pages\.tif\)") as raised:
        load_images(tmp_path)
    assert raised.value.choices == {"frames": "first"}
    assert len(load_images(tmp_path, ReadingOptions(frames="first")).images) == 2
    everything = load_images(tmp_path, ReadingOptions(frames="all")).images
    np.testing.assert_array_equal(everything, [np.asarray(frame) for frame in (frames[0], *frames)])
    decoded_when_asked = load_images(tmp_path, ReadingOptions(frames="all", in_memory_bytes=0))
    np.testing.assert_array_equal(decoded_when_asked.images[:], everything)
    assert decoded_when_asked.fingerprint() == load_images(tmp_path, ReadingOptions(frames="all")).fingerprint()


# Obstacles


@pytest.fixture
def scraped(tmp_path) -> Path:
    """Damaged, transparent, CMYK, animated and gray files, and several sizes."""
    folder = fill(tmp_path / "scraped", "1.png 2.png 3.png 4.png cut1.png cut2.png")
    for name in ("cut1.png", "cut2.png"):
        (folder / name).write_bytes((folder / name).read_bytes()[:100])
    Image.new("RGBA", (16, 16), (9, 9, 9, 0)).save(folder / "clear.png")
    Image.new("CMYK", (24, 32), (0, 0, 0, 0)).save(folder / "print.jpg")
    frames = [Image.fromarray(picture()) for _ in range(2)]
    frames[0].save(folder / "moving.png", save_all=True, append_images=frames[1:])
    fill(folder, "gray.png", channels=1)
    return folder


def test_all_obstacles_are_told_at_once_with_choices_that_work(scraped):
    with pytest.raises(ImagesNotAlike) as raised:
        load_images(scraped)
    message = str(raised.value)
    assert "\n" not in message
    for words in ("2 that cannot be read (cut1.png, cut2.png)", "1 with transparent pixels (clear.png)",
                  "1 in CMYK (print.jpg)", "1 of several frames (moving.png)", "32x24 RGB uint8 (1)"):  # fmt: skip
        assert words in message
    assert raised.value.image_count == 8
    loaded = load_images(scraped, ReadingOptions(**raised.value.choices))
    assert loaded.images.shape == (8, 16, 16, 3)
    assert any("1 gray image became RGB (gray.png)" in change for change in loaded.report.changes)
    assert any("left out 2 that cannot be read (cut1.png, cut2.png)" in change for change in loaded.report.changes)


def test_labels_stay_with_their_images_when_files_are_left_out(tmp_path):
    folder = fill(tmp_path / "pets", "cat/1.png cat/2.png dog/1.png dog/2.png")
    (folder / "cat" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for bytes_kept in (2**30, 0):
        loaded = load_images(folder, ReadingOptions(skip_damaged=True, in_memory_bytes=bytes_kept))
        assert counts(loaded) == {"cat": 1, "dog": 2}
        np.testing.assert_array_equal(loaded.images[0], load_image(folder / "cat" / "2.png"))


def test_gray_and_shallow_images_are_widened_without_loss(tmp_path):
    gray, deep = picture(channels=1), picture(dtype=np.uint16)
    save_image(tmp_path / "1.png", gray)
    save_image(tmp_path / "2.npy", deep)
    loaded = load_images(tmp_path)
    np.testing.assert_array_equal(loaded.images[0], np.repeat(gray.astype(np.uint16) * 257, 3, axis=-1))
    np.testing.assert_array_equal(loaded.images[1], deep)
    assert len(loaded.report.changes) == 2


def test_nothing_but_damaged_files_is_an_error_that_says_why(tmp_path):
    (tmp_path / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for options in (ReadingOptions(), ReadingOptions(skip_damaged=True)):
        with pytest.raises(
            ValueError, match=r"1 that cannot be read \(1\.png\), such as .*1\.png: expected a whole PNG"
        ):
            load_images(tmp_path, options)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_fits(fit):
    image = np.zeros((16, 32, 3), np.uint8)
    image[:, 8:24] = 200
    fitted = fit_image(image, (16, 16), fit)
    assert fitted.shape == (16, 16, 3)
    if fit == "crop":
        assert (fitted == 200).all()
    elif fit == "stretch":
        assert (fitted[:, [0, -1]] < 100).all() and (fitted[:, 8] == 200).all()
    else:
        border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]]).mean()
        assert np.abs(fitted[:3].astype(float) - border).max() <= 2 and (fitted[8, 8] > 190).all()
    np.testing.assert_array_equal(fit_image(image, (16, 32), fit), image)


# Arrays


@pytest.mark.parametrize("keys", KEYS.split())
@pytest.mark.parametrize("form", ["numbers", "names", "rows", "columns"])
def test_labels_beside_arrays_are_kept_in_every_usual_form(keys, form, tmp_path):
    kinds = np.array([2, 0, 1, 0])
    labels = {
        "numbers": kinds,
        "names": np.array(["ant", "bee", "cat"])[kinds],
        "rows": np.eye(3, dtype=np.float32)[kinds],
        "columns": kinds[:, np.newaxis],
    }[form]
    image_key, label_key = keys.split(",")
    np.savez(tmp_path / "set.npz", **{image_key: np.zeros((4, 16, 16), np.uint8), label_key: labels})
    loaded = load_images(tmp_path / "set.npz")
    assert loaded.labels.tolist() == kinds.tolist()
    assert loaded.class_names == (("ant", "bee", "cat") if form == "names" else ("0", "1", "2"))


def test_names_of_classes_and_unused_arrays(tmp_path):
    names = np.array(["ant", "bee", "cat"])
    images = np.zeros((2, 16, 16), np.uint8)
    np.savez(tmp_path / "set.npz", images=images, labels=[2, 0], class_names=names, weights=np.ones(5))
    loaded = load_images(tmp_path / "set.npz")
    assert loaded.class_names == ("ant", "bee", "cat") and loaded.labels.tolist() == [2, 0]
    assert loaded.report.left_out == "the arrays weights" and loaded.classes_without_images() == ("bee",)


def test_labels_of_their_own(tmp_path):
    np.save(tmp_path / "images.npy", np.zeros((3, 16, 16), np.uint8))
    np.save(tmp_path / "labels.npy", np.array([1, 0, 1]))
    loaded = load_images(tmp_path / "images.npy", ReadingOptions(labels=str(tmp_path / "labels.npy")))
    assert loaded.labels.tolist() == [1, 0, 1]
    folder = fill(tmp_path / "photos", "a/1.png a/2.png 3.png")
    (tmp_path / "labels.csv").write_text("file,kind\na/1.png,cat\n2.png,dog\n3,cat\n")
    assert counts(load_images(folder, ReadingOptions(labels=str(tmp_path / "labels.csv")))) == {"cat": 2, "dog": 1}
    fill(folder, "4.png 5.png")
    with pytest.raises(ValueError, match=r"got none for 2 \(4\.png, 5\.png\); add rows"):
        load_images(folder, ReadingOptions(labels=str(tmp_path / "labels.csv")))


@pytest.mark.parametrize(
    ("low", "high", "proposed"),
    [(0, 1, (0, 1)), (-1, 1, (-1, 1)), (0, 255, (0, 255)), (-3, 7, (-3, 7)), (0, 0.9, (0, 1))],
)
def test_floats_are_told_their_range_and_become_levels(low, high, proposed, tmp_path):
    levels = RANDOM.integers(0, 256, (4, 16, 16, 3), np.uint8)
    levels[0, 0, 0] = [0, 255, 128]
    floats = (low + levels / 255 * (high - low)).astype(np.float32)
    np.save(tmp_path / "floats.npy", floats)
    with pytest.raises(TypeError, match="expected uint8 or uint16, got float32 from") as raised:
        load_images(tmp_path / "floats.npy")
    assert raised.value.choices == {"value_range": pytest.approx(proposed, abs=1e-6)}
    loaded = load_images(tmp_path / "floats.npy", ReadingOptions(value_range=(low, high)))
    assert loaded.images.dtype == np.uint8
    np.testing.assert_array_equal(loaded.images, levels)
    decoded_when_asked = load_images(
        tmp_path / "floats.npy", ReadingOptions(value_range=(low, high), in_memory_bytes=0)
    )
    np.testing.assert_array_equal(decoded_when_asked.images[:], levels)


def test_floats_between_levels_become_sixteen_bits(tmp_path):
    floats = RANDOM.uniform(0, 1, (2, 16, 16))
    np.save(tmp_path / "floats.npy", floats)
    loaded = load_images(tmp_path / "floats.npy", ReadingOptions(value_range=(0, 1)))
    np.testing.assert_array_equal(loaded.images[..., 0], np.rint(floats * 65535))
    assert "became uint16" in loaded.report.changes[0]


NAMES = ["1.png", "2.png", "a, b.png"]
TABLES = {
    "semicolons": "file;class\n1.png;x\n2.png;y\na, b.png;x\n",
    "tabs": "1.png\tx\n2.png\ty\na, b.png\tx\n",
    "a byte order mark and quotes": '\ufeff"file","class"\r\n"1.png","x"\r\n"2.png","y"\r\n"a, b.png","x"\r\n',
    "a class in the middle": 'id,Label,split\n1.png,x,train\n2.png,y,train\n"a, b.png",x,test\n',
    "names behind classes": 'class,path\nx,old/1.png\ny,old\\2.png\nx,"elsewhere/a, b.png"\n',
    "a class called label": '1.png,x\n2.png,y\n"a, b.png",x\n',
}


@pytest.mark.parametrize("form", TABLES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_tables_of_classes_are_read_in_any_usual_form(form, encoding, tmp_path):
    for name in NAMES:
        save_image(tmp_path / name, picture())
    (tmp_path / "classes.csv").write_bytes(TABLES[form].encode(encoding))
    loaded = load_images(tmp_path, ReadingOptions(labels=str(tmp_path / "classes.csv")))
    assert [loaded.class_names[label] for label in loaded.labels] == ["x", "y", "x"]


@pytest.mark.parametrize("names", ["train_images test_images", "TrainSet ValSet", "images-train images-val"])
def test_folders_named_after_parts_are_no_classes(names, tmp_path):
    first, second = names.split()
    fill(tmp_path, f"{first}/a/1.png {first}/b/2.png {second}/a/3.png {second}/b/4.png")
    loaded = load_images(tmp_path)
    assert loaded.labels is None and loaded.report.other_level == 2
    assert load_images(fill(tmp_path / "set", "trains/1.png cars/2.png")).class_names == ("cars", "trains")


@pytest.mark.parametrize("lowest", [-1024, 0])
def test_a_line_of_python_is_tried_on_the_very_array(lowest, tmp_path, monkeypatch, obey):
    """Hounsfield units of a scanner, and labels of several classes at once."""
    monkeypatch.chdir(tmp_path)
    units = RANDOM.integers(lowest, 3000, (6, 16, 16), np.int16)
    np.savez("scan.npz", images=np.moveaxis(np.stack([units] * 3, axis=-1), -1, 1), labels=np.arange(6))
    with pytest.raises(TypeError) as raised:
        load_images("scan.npz")
    obey(str(raised.value))
    again = load_images("scan-images.npz")
    np.testing.assert_array_equal(again.images[..., 0].astype(int) + min(0, units.min()), units)
    assert again.labels.tolist() == list(range(6))
    np.savez("many.npz", images=DIGITS, labels=np.ones((6, 3), int))
    with pytest.raises(ValueError, match="expected one class an image, or rows with a single 1, got labels of shape"):
        load_images("many.npz")


def test_floats_of_sixteen_bits_are_known_as_levels_of_eight(tmp_path):
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    np.save(tmp_path / "half.npy", (levels / 255).astype(np.float16))
    loaded = load_images(tmp_path / "half.npy", ReadingOptions(value_range=(0, 1)))
    np.testing.assert_array_equal(loaded.images[..., 0], levels)


def test_a_folder_of_floats_ends_in_one_command_line(tmp_path, run_script):
    import tifffile

    for number, low in enumerate((0, -1, 0)):
        tifffile.imwrite(tmp_path / f"{number}.tif", RANDOM.uniform(low, 1, (16, 16)).astype(np.float32))
    np.save(tmp_path / "3.npy", RANDOM.uniform(0, 1, (16, 16)))
    message = run_script(train, "--data", tmp_path, "--batch-size", 4, "--dry-run").stderr
    assert "got 4 of floats (0.tif, 1.tif, 2.tif, 3.npy)" in message
    assert message.endswith(" --value-range=-1,1\n")
    loaded = load_images(tmp_path, ReadingOptions(value_range=(-1, 1)))
    assert loaded.images.dtype == np.uint16 and loaded.images.shape == (4, 16, 16, 1)


def test_a_large_picture_is_taken_where_its_size_is_named(tmp_path, run_script, monkeypatch):
    monkeypatch.setattr("image_datasets.pictures.MAX_PIXELS", 5_000)
    fill(tmp_path, "large.png", height=100, width=100)
    fill(tmp_path, "1.png 2.png")
    message = run_script(train, "--data", tmp_path, "--image-size", 16, "--dry-run").stderr
    assert "pass --max-pixels 10000 if the file is trusted or make the picture smaller; run: python" in message
    assert "--skip-damaged" in message and "max_pixels" not in message
    with pytest.raises(ImagesNotAlike):
        load_images(tmp_path, ReadingOptions(image_size=(16, 16), max_pixels=9_999))
    assert len(load_images(tmp_path, ReadingOptions(image_size=(16, 16), max_pixels=10_000)).images) == 3


# Too many to keep: decoded when they are asked for


class Visited(list):
    def __call__(self, images: np.ndarray) -> None:
        self.append(images.copy())

    def forget(self) -> None:
        self.clear()


@pytest.mark.parametrize("first", ["gray", "rgb"])
def test_gray_among_rgb_is_widened_on_demand_as_in_memory(first, tmp_path, monkeypatch):
    monkeypatch.setattr("image_datasets.on_demand.BLOCK_IMAGES", 2)
    fill(tmp_path, "1.png 2.png", channels=1 if first == "gray" else 3)
    fill(tmp_path, "3.png 4.png", channels=3 if first == "gray" else 1)
    if first == "gray":
        fill(tmp_path, "5.png", channels=1, dtype=np.uint16)
    visited = Visited()
    kept = load_images(tmp_path)
    on_demand = load_images(tmp_path, ReadingOptions(in_memory_bytes=0), visit=visited)
    assert kept.images.shape[1:] == (16, 16, 3) and on_demand.report.changes == kept.report.changes
    np.testing.assert_array_equal(on_demand.images[:], kept.images)
    np.testing.assert_array_equal(np.concatenate(visited), kept.images)
    assert on_demand.fingerprint() == kept.fingerprint()


# Files of other kinds: what the message tells to do is done, and works

DIGITS = RANDOM.integers(0, 256, (6, 28, 28), np.uint8)
KINDS = np.array([0, 1, 2, 0, 1, 2])


def write_idx(path: Path, zipped: bool) -> None:
    content = b"\x00\x00\x08\x03" + struct.pack(">3I", *DIGITS.shape) + DIGITS.tobytes()
    path.write_bytes(gzip.compress(content) if zipped else content)


def write_csv(path: Path, named: bool) -> None:
    table = np.column_stack([KINDS, DIGITS.reshape(6, -1)])
    names = "label," + ",".join(f"p{number}" for number in range(784))
    np.savetxt(path, table, "%d", ",", header=names if named else "", comments="")


def write_hdf5(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file["train/pictures"], file["train/kinds"] = DIGITS, KINDS


MADE = {
    "digits.h5": (write_hdf5, True),
    "digits.npy": (lambda path: write_csv(path, True), True),
    "digits.csv": (lambda path: write_csv(path, False), True),
    "train-images-idx3-ubyte": (lambda path: write_idx(path, False), False),
    "train-images-idx3-ubyte.gz": (lambda path: write_idx(path, True), False),
    "flat.npy": (lambda path: np.save(path, DIGITS.reshape(6, -1)), False),
    "odd.npz": (lambda path: np.savez(path, faces=DIGITS, who=KINDS, size=np.array([28, 28])), True),
    "flat.npz": (lambda path: np.savez(path, X=DIGITS.reshape(6, -1), y=KINDS), False),
    "a name with 'quotes' and $.csv": (lambda path: write_csv(path, True), True),
}


@pytest.mark.parametrize("name", MADE)
def test_what_a_message_tells_to_run_gives_the_images(name, tmp_path, monkeypatch, obey):
    monkeypatch.chdir(tmp_path)
    write, has_labels = MADE[name]
    write(tmp_path / name)
    with pytest.raises(ValueError) as raised:
        load_images(name)
    message = str(raised.value)
    assert "\n" not in message
    obey(message)
    loaded = load_images(message.rpartition("pass ")[2])
    np.testing.assert_array_equal(loaded.images[..., 0], DIGITS)
    if has_labels:
        assert loaded.labels.tolist() == KINDS.tolist()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "a web page; download it again"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "a Git LFS pointer; run git lfs pull"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "PNG; put it into a folder with others"),
        (b"\x80\x04\x95" + bytes(50), "a pickle; loading it can run any code; if you trust it, run: python -c"),
        (b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(100), "MATLAB's format; pip install scipy"),
        (b"", "an empty file"),
        (bytes(range(1, 60)), "of an unknown kind"),
    ],
)
@pytest.mark.parametrize("name", ["data.npy", "data.npz", "data.bin"])
def test_files_of_other_kinds_are_told_by_their_content(name, content, words, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError) as raised:
        load_images(tmp_path / name)
    assert words in str(raised.value) and "\n" not in str(raised.value) and "np.stack" not in str(raised.value)


def test_one_image_is_not_cut_into_stripes(tmp_path):
    np.save(tmp_path / "one.npy", picture(64, 64))
    with pytest.raises(ValueError, match="looks like one image; stack several"):
        load_images(tmp_path / "one.npy")


# The command


def test_what_was_read_is_said_and_low_levels_are_pointed_at(tmp_path, run_script):
    images = RANDOM.integers(0, 4096, (12, 16, 16), np.uint16)
    images[0, 0, :2] = 0, 4095
    np.savez(tmp_path / "scans.npz", images=images, labels=np.arange(12) % 3, patient=np.arange(12))
    common = ("--data", tmp_path / "scans.npz", "--batch-size", 4, "--dry-run", *QUICKEST)
    lines = run_script(train, *common).stderr.splitlines()
    read = "read scans: 12 images of 16x16 gray uint16, levels 0 … 4095; classes: 0 4, 1 4, 2 4"
    hint = "the levels reach 4095 of 65535; --maximum data scales them to the whole range"
    assert lines[:3] == [read, "not read: the arrays patient", hint] and "12 images are few" in lines[3]
    assert hint not in run_script(train, *common, "--maximum", "data").stderr


def test_conditional_asks_for_classes_that_can_be_learned(tmp_path, run_script, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    pets = fill(tmp_path / "pets", "cat/1.png cat/2.png dog/3.png dog/4.png")
    (pets / "bird").mkdir()
    asked = ("--data=~/pets", "--conditional", "--dry-run", "--batch-size", 2)  # a shell leaves this ~ to us
    assert "expected images of each class with --conditional, got none of bird" in run_script(train, *asked).stderr
    (pets / "bird").rmdir()
    few = load_images(pets, ReadingOptions(image_count=1)).classes_without_images()
    assert len(few) == 1 and set(few) < {"cat", "dog"}
    fill(pets, "cover.png")
    stray = run_script(train, *asked).stderr
    assert "(cover.png); run: python train.py" in stray and stray.endswith("--class-level 1\n")


def test_one_image_is_too_few_and_is_said_once(tmp_path, run_script):
    fill(tmp_path / "one", "1.png")
    outcome = run_script(train, "--data", tmp_path / "one")
    assert outcome.status == 2 and "expected at least two images in one, got one; add some" in outcome.stderr
