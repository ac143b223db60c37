"""Sheets: grids of images with a title above, row names on the left and a caption below each image.

Images are enlarged only by whole factors, so every pixel keeps its value and becomes a square.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from drawing.fonts import drawable, font_for
from imaging import image_grid, on_checkers

PADDING = 2  # pixels between images, before enlargement
PREVIEW_SIDE = 64  # pixels; smaller images are enlarged to about this side
WIDEST_PREVIEW = 1600  # pixels; a wider sheet is not enlarged
LONGEST_NAME = 180  # pixels; a longer row name is cut
MARGIN, PANEL_GAP = 8, 24
SMALLEST_FONT, LARGEST_FONT = 10, 16


@dataclass(frozen=True)
class Panel:
    """A grid on a sheet.

    Attributes:
        images: uint8 or uint16 (n, height, width, channels), row by row.
        columns: images per row.
        rows: rows of the grid; None for as many as the images need.
        title: the text above the panel.
        captions: one line below each image, or none at all.
    """

    images: np.ndarray
    columns: int
    rows: int | None = None
    title: str = ""
    captions: Sequence[str] = ()


def preview_scale(image_shape: Sequence[int], columns: int) -> int:
    """The whole factor by which to enlarge images of this shape, with `columns` in a row, for a screen.

    >>> preview_scale((32, 32, 3), 8), preview_scale((256, 256, 3), 8), preview_scale((16, 16, 1), 100)
    (2, 1, 1)
    """
    height, width = image_shape[:2]
    wanted = PREVIEW_SIDE // min(height, width)
    fitting = WIDEST_PREVIEW // (columns * (width + PADDING))
    return max(1, min(wanted, fitting))


def draw_sheet(panels: Sequence[Panel], scale: int = 1, row_names: Sequence[str] = ()) -> np.ndarray:
    """Panels side by side -> one image of their dtype, (height, width, 1 or 3), white around them.

    One panel without title, captions and row names is `image_grid`, each of its pixels a square of `scale` pixels.
    RGBA is seen on a checkered ground.

    Args:
        panels: with equal numbers of rows, image shapes and dtypes.
        scale: a whole factor, 1 for the original size.
        row_names: one for each row, on the left of the first panel.

    Raises:
        ValueError: if panels differ in rows, shape or dtype, or if the number of names or captions is wrong.
    """
    rows = _checked_rows(panels, scale, row_names)
    panels = [replace(one, title=drawable(one.title), captions=[*map(drawable, one.captions)]) for one in panels]
    size = _font_size(panels[0].images.shape[1] * scale)
    line = ImageFont.load_default(size).getbbox("Ég")[3] + 3
    caption_height = line if any(panel.captions for panel in panels) else 0
    names = [_shortened(drawable(name), size) for name in row_names]
    names_width = max(_width(name, size) for name in names) + MARGIN if names else 0
    top = line + MARGIN // 2 if any(panel.title for panel in panels) else 0
    grids = [_spread(panel, rows, scale, caption_height) for panel in panels]
    widths = [max(grid.shape[1], _width(panel.title, size) + 1) for grid, panel in zip(grids, panels, strict=True)]
    margin = MARGIN if names or top or caption_height else 0
    lefts = margin + names_width + np.cumsum([0, *(width + PANEL_GAP for width in widths[:-1])])
    shape = (grids[0].shape[0] + top + 2 * margin, lefts[-1] + widths[-1] + margin)
    sheet = np.full((*shape, grids[0].shape[2]), np.iinfo(grids[0].dtype).max, grids[0].dtype)
    ink = Image.new("L", shape[::-1], 0)  # of the letters, merged with the sheet at the end
    pen = ImageDraw.Draw(ink)
    cell = np.array(panels[0].images.shape[1:3]) * scale
    step = cell + PADDING * scale + (caption_height, 0)
    for panel, grid, left in zip(panels, grids, lefts, strict=True):
        sheet[margin + top : margin + top + grid.shape[0], left : left + grid.shape[1]] = grid
        pen.text((left, margin), panel.title, fill=255, font=font_for(panel.title, size))
        _write_captions(pen, panel, np.array([margin + top, left]), cell, step, size)
    for row, name in enumerate(names):
        place = (margin + names_width - MARGIN, margin + top + row * step[0] + cell[0] // 2)
        pen.text(place, name, fill=255, font=font_for(name, size), anchor="rm")
    return _inked(sheet, np.asarray(ink))


def _write_captions(
    pen: ImageDraw.ImageDraw, panel: Panel, corner: np.ndarray, cell: np.ndarray, step: np.ndarray, size: int
) -> None:
    """Below the middle of each image. corner, cell, step: (y, x) of the panel, an image, and from one to the next."""
    for index, caption in enumerate(panel.captions):
        y, x = corner + divmod(index, panel.columns) * step + (cell[0] + 1, cell[1] // 2)
        pen.text((x, y), caption, fill=255, font=font_for(caption, size), anchor="ma")


def _checked_rows(panels: Sequence[Panel], scale: int, row_names: Sequence[str]) -> int:
    """The number of rows of every panel."""
    if scale < 1:
        raise ValueError(f"expected a scale of at least 1, got {scale}; 1 keeps the size")
    kinds = {(*panel.images.shape[1:], panel.images.dtype.name) for panel in panels}
    rows = {panel.rows or -(-len(panel.images) // panel.columns) for panel in panels}
    if len(kinds) != 1 or len(rows) != 1:
        raise ValueError(f"expected panels of the same rows, shape and dtype, got rows {rows} and images {kinds}")
    (count,) = rows
    if row_names and len(row_names) != count:
        raise ValueError(f"expected a name for each of {count} rows, got {len(row_names)}")
    for panel in panels:
        if panel.captions and len(panel.captions) != len(panel.images):
            raise ValueError(f"expected a caption for each of {len(panel.images)} images, got {len(panel.captions)}")
    return count


def _spread(panel: Panel, rows: int, scale: int, caption_height: int) -> np.ndarray:
    """The panel's grid, enlarged, with room for a caption below each row."""
    images = on_checkers(panel.images)
    grid = image_grid(images, rows, panel.columns, PADDING).repeat(scale, axis=0).repeat(scale, axis=1)
    if not caption_height:
        return grid
    step = (panel.images.shape[1] + PADDING) * scale
    room = np.full((caption_height, *grid.shape[1:]), np.iinfo(grid.dtype).max, grid.dtype)
    parts = [grid[start : start + step] for start in range(0, len(grid), step)]
    parts[-1] = parts[-1][: panel.images.shape[1] * scale]
    between = [piece for part in parts for piece in (part, room)]
    return np.concatenate(between)


def _font_size(cell_height: int) -> int:
    return min(LARGEST_FONT, max(SMALLEST_FONT, cell_height // 4))


def _width(text: str, size: int) -> int:
    """Pixels of a line of text."""
    return int(font_for(text, size).getlength(text))


def _shortened(name: str, size: int) -> str:
    if _width(name, size) <= LONGEST_NAME:
        return name
    return next(
        f"{name[:length]}..." for length in range(len(name), 0, -1) if _width(name[:length], size) <= LONGEST_NAME
    )


def _inked(sheet: np.ndarray, ink: np.ndarray) -> np.ndarray:
    """The sheet with black letters. They are only on white background, so the pixels of images do not change."""
    rows, columns = np.nonzero(ink)
    maximum = np.iinfo(sheet.dtype).max
    sheet[rows, columns] = (maximum - ink[rows, columns].astype(np.uint32) * maximum // 255)[:, np.newaxis]
    return sheet
