"""Sheets: every pixel of an image stays what it is, whatever is written around it."""

import numpy as np
import pytest

from drawing.sheets import Panel, draw_sheet, preview_scale
from imaging import image_grid


def levels(count: int, shape=(12, 10, 3), dtype=np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (count, *shape), dtype, endpoint=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_without_words_a_sheet_is_the_grid_enlarged(dtype, channels):
    images = levels(7, (12, 10, channels), dtype)
    for scale in (1, 3):
        sheet = draw_sheet([Panel(images, 4)], scale)
        np.testing.assert_array_equal(sheet, image_grid(images, columns=4).repeat(scale, axis=0).repeat(scale, axis=1))
        assert sheet.dtype == dtype


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_words_stand_beside_the_images_and_never_on_them(dtype):
    """The images are found again, each at its place, and there is ink outside of them only."""
    images, scale = levels(6, dtype=dtype), 4
    left = Panel(images[:2], 1, title="left")
    right = Panel(images[2:], 2, title="right, with a long title", captions=["1.5", "22.5", "3.0", "404.5"])
    sheet = draw_sheet([left, right], scale, ["Éa", "a name that is far too long to be written out beside its row"])
    rest = sheet.copy()
    for image in images:
        large = image.repeat(scale, axis=0).repeat(scale, axis=1)
        windows = np.lib.stride_tricks.sliding_window_view(sheet[..., 0], large.shape[:2])
        (row, column), *others = np.argwhere((windows == large[..., 0]).all(axis=(-2, -1)))
        np.testing.assert_array_equal(sheet[row : row + large.shape[0], column : column + large.shape[1]], large)
        rest[row : row + large.shape[0], column : column + large.shape[1]] = np.iinfo(dtype).max
        assert not others
    assert rest.min() == 0 and (rest == rest[..., :1]).all(), "black letters"
    blank = draw_sheet([Panel(images[:2], 1), Panel(images[2:], 2)], scale)
    assert sheet.shape[0] > blank.shape[0] and sheet.shape[1] > blank.shape[1]


@pytest.mark.parametrize("shape, columns", [((16, 16, 3), 8), ((32, 32, 1), 8), ((48, 80, 3), 4), ((256, 256, 3), 9)])
def test_a_preview_is_enlarged_towards_64_pixels_and_never_beyond(shape, columns):
    scale = preview_scale(shape, columns)
    assert scale == max(1, 64 // min(shape[:2]))
    assert preview_scale(shape, 1000) == 1


@pytest.mark.parametrize(
    "panels, keywords, words",
    [
        ([Panel(levels(2), 1)], {"scale": 0}, "scale"),
        ([Panel(levels(2), 1), Panel(levels(3), 1)], {}, "same rows"),
        ([Panel(levels(2), 1), Panel(levels(2, (9, 9, 3)), 1)], {}, "shape"),
        ([Panel(levels(2), 1)], {"row_names": ["one"]}, "each of 2 rows, got 1"),
        ([Panel(levels(2), 1, captions=["1.0"])], {}, "each of 2 images, got 1"),
    ],
)
def test_what_cannot_be_laid_out_is_refused(panels, keywords, words):
    with pytest.raises(ValueError, match=words):
        draw_sheet(panels, **keywords)
