"""A TIFF has no checksums: what its header claims and the file lacks is refused, as is what libtiff complains of."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from imaging import ImageFileError, load_image

RGB = np.random.default_rng(0).integers(0, 256, (16, 20, 3)).astype(np.uint8)
GRAY = RGB[..., 0].copy()
LENGTH, STRIP_BYTES = 257, 279


def written(array, **arguments) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, metadata=None, **arguments)
    return file.getvalue()


def packed(array, compression) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "TIFF", compression=compression)
    return file.getvalue()


def with_tag(content: bytes, tag: int, change) -> bytes:
    """The value of one tag of the first page, of a little-endian file, changed."""
    changed = bytearray(content)
    (directory,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, directory)
    for place in range(directory + 2, directory + 2 + 12 * count, 12):
        if struct.unpack_from("<H", content, place)[0] == tag:
            form = "<I" if struct.unpack_from("<H", content, place + 2)[0] == 4 else "<H"
            (value,) = struct.unpack_from(form, content, place + 8)
            struct.pack_into(form, changed, place + 8, change(value))
            return bytes(changed)
    raise AssertionError(f"no tag {tag}")


WHOLE = {
    "plain": written(RGB, photometric="rgb"),
    "strips": written(RGB, photometric="rgb", rowsperstrip=5),
    "planes": written(np.moveaxis(RGB, -1, 0), photometric="rgb", planarconfig="separate"),
    "gray": written(GRAY),
    "gray 16": written(GRAY.astype(np.uint16) * 257),
    "rgb 16": written(RGB.astype(np.uint16) * 257, photometric="rgb"),
    "tiles": written(np.tile(RGB, (2, 2, 1)), photometric="rgb", tile=(16, 16)),
    **{name: packed(RGB, name) for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")},
    **{name: packed(GRAY > 127, name) for name in ("group3", "group4", "tiff_ccitt")},
}


@pytest.mark.parametrize("name", WHOLE)
def test_rows_that_are_not_in_the_file_are_refused(name, capfd):
    assert load_image(io.BytesIO(WHOLE[name])).shape[0] in (16, 32)
    claimed = with_tag(WHOLE[name], LENGTH, lambda rows: 2 * rows)
    with pytest.raises(ImageFileError, match="expected a whole TIFF file, got"):
        load_image(io.BytesIO(claimed))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", sorted(set(WHOLE) - {"strips", "planes", "tiles"}))
def test_strips_that_are_cut_short_are_refused(name, capfd):
    cut = with_tag(WHOLE[name], STRIP_BYTES, lambda size: size // 2)
    with pytest.raises(ImageFileError, match="expected a whole TIFF file, got"):
        load_image(io.BytesIO(cut))
    assert capfd.readouterr().err == ""


def test_pages_are_counted_to_an_end(monkeypatch):
    monkeypatch.setattr("imaging.tiff_pixels.MOST_PAGES", 3)
    file = io.BytesIO()
    pages = [Image.fromarray(GRAY + np.uint8(index)) for index in range(5)]
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    with pytest.raises(ImageFileError, match="expected one image, got 3 frames"):
        load_image(io.BytesIO(file.getvalue()))
    np.testing.assert_array_equal(load_image(io.BytesIO(file.getvalue()), frame=2)[..., 0], GRAY + np.uint8(2))


def test_a_small_file_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("imaging.reading.LARGE_PICTURE", 2**20)
    flat = io.BytesIO()
    Image.new("RGB", (700, 700)).save(flat, "PNG")
    with pytest.raises(ImageFileError, match="decompression bomb"):
        load_image(io.BytesIO(flat.getvalue()))
    assert load_image(io.BytesIO(flat.getvalue()), max_pixels=None).shape == (700, 700, 3)
    small = io.BytesIO()
    Image.new("RGB", (500, 500)).save(small, "PNG")
    assert load_image(io.BytesIO(small.getvalue())).shape == (500, 500, 3)


@pytest.mark.parametrize("form", [*WHOLE, "JPEG", "WEBP", "BMP", "GIF", "PNG"])
def test_a_file_that_is_cut_anywhere_has_its_pixels_or_is_refused(form):
    if form in WHOLE:
        content = WHOLE[form]
    else:
        file = io.BytesIO()
        Image.fromarray(GRAY if form == "GIF" else RGB).save(file, form)
        content = file.getvalue()
    whole = load_image(io.BytesIO(content))
    for length in range(1, len(content), max(1, len(content) // 60)):
        try:
            np.testing.assert_array_equal(load_image(io.BytesIO(content[:length])), whole)
        except ImageFileError as error:
            assert "expected" in str(error)
