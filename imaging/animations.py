"""Animations, and the conversion of 16-bit images to 8 bits for display."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from files import atomic_path
from imaging.checks import check_dtype, checked_set
from imaging.file_errors import ImageFileError
from imaging.transparency import on_checkers
from imaging.writing import check_place

CAPTION_HEIGHT = 24  # pixels


def to_display(images: np.ndarray, maximum: float = 65535) -> np.ndarray:
    """uint8 (...) unchanged; uint16 (...) -> uint8, rint(v · 255 / maximum). For display only: 16-bit levels merge.

    255 / 65535 = 1 / 257, so 0 stays black, 65535 stays white, and an 8-bit image that was widened by v * 257 is
    restored exactly. Levels above a smaller maximum become white. Raises TypeError for other dtypes.

    >>> to_display(np.array([0, 257, 65535], np.uint16)).tolist()
    [0, 1, 255]
    """
    images = np.asarray(images)
    check_dtype(images, "images")
    if images.dtype == np.uint8:
        return images
    return np.minimum(np.rint(images * (255.0 / maximum)), 255.0).astype(np.uint8)


ANIMATION_SUFFIXES = (".gif", ".webp", ".apng")


def save_animation(
    path: str | os.PathLike,
    frames: np.ndarray,
    seconds_per_frame: float = 0.2,
    last_frame_seconds: float | None = None,
    scale: int = 1,
    captions: Sequence[str] = (),
) -> None:
    """Writes uint8 or uint16 frames (N, H, W, C) as a looping .gif, .webp or .apng for display; whole or not at all.

    WebP, written losslessly, and APNG keep every value. GIF keeps gray frames and frames of at most 256 colors exactly;
    each other frame gets its own 256 colors, dithered, and RGBA is put on a checkered ground. uint16 goes through
    `to_display`, which frames with another white than 65535 need before. Times are in seconds, rounded to GIF's
    hundredths. `last_frame_seconds` shows the last frame longer; None: as long as the others. `scale` enlarges each
    pixel to a square of that side. `captions`, one for each frame or none at all, are printed above the frames.

    Raises TypeError unless uint8 or uint16, ValueError for other shapes, for a path with another ending, for a wrong
    number of captions, and for times outside 0.02 to 655 seconds, which players or the format do not support.
    """
    path = Path(path)
    _check_path(path)
    suffix = path.suffix.lower()
    frames = to_display(checked_set(frames, "frames"))
    if suffix == ".gif":
        frames = on_checkers(frames)
    seconds = _frame_times(len(frames), seconds_per_frame, last_frame_seconds)
    if captions and len(captions) != len(frames):
        raise ValueError(f"expected a caption for each of {len(frames)} frames, got {len(captions)}")
    pictures = _pictures(frames, suffix, scale, captions)
    with atomic_path(path) as partial:
        pictures[0].save(
            partial,
            {".gif": "GIF", ".webp": "WEBP", ".apng": "PNG"}[suffix],
            save_all=True,
            append_images=pictures[1:],
            duration=[round(one * 100) * 10 for one in seconds],  # milliseconds, in GIF's whole hundredths of a second
            loop=0,
            **{".gif": {"optimize": False}, ".webp": {"lossless": True, "exact": True}, ".apng": {}}[suffix],
        )


def _pictures(frames: np.ndarray, suffix: str, scale: int, captions: Sequence[str]) -> list[Image.Image]:
    """uint8 frames as the format keeps them, enlarged, each below its caption if there are any."""
    size = (frames.shape[2] * scale, frames.shape[1] * scale)
    picture_of = _palette_picture if suffix == ".gif" else _exact_picture
    pictures = [picture_of(frame).resize(size, Image.Resampling.NEAREST) for frame in frames]
    if not captions:
        return pictures
    return [_captioned(picture, words) for picture, words in zip(pictures, captions, strict=True)]


def _check_path(path: Path) -> None:
    if path.suffix.lower() not in ANIMATION_SUFFIXES:
        raise ImageFileError(
            f"{path}: expected a name ending in {', '.join(ANIMATION_SUFFIXES)} for an animation, got "
            f"{path.suffix or 'no suffix'!r}"
        )
    check_place(path)


def _frame_times(count: int, each: float, last: float | None) -> list[float]:
    """Seconds of each frame. Raises ValueError for times that players or the format do not support."""
    seconds = [each] * (count - 1) + [each if last is None else last]
    for duration in seconds:
        if not 0.02 <= duration <= 655:
            raise ValueError(f"expected frame times from 0.02 to 655 seconds, got {duration}")
    return seconds


def _captioned(picture: Image.Image, words: str) -> Image.Image:
    """The picture below a strip with black text on white, or the nearest colors in its palette."""
    if picture.mode == "P":
        colors = np.array(picture.getpalette(), np.int64).reshape(-1, 3).sum(axis=1)
        white, black = int(colors.argmax()), int(colors.argmin())
    else:
        white, black = ((255, 255, 255, 255), (0, 0, 0, 255)) if picture.mode == "RGBA" else ("white", "black")
    sheet = Image.new(picture.mode, (picture.width, picture.height + CAPTION_HEIGHT), white)
    if picture.mode == "P":
        sheet.putpalette(picture.getpalette())
    sheet.paste(picture, (0, CAPTION_HEIGHT))
    font = ImageFont.load_default(CAPTION_HEIGHT * 2 // 3)
    ImageDraw.Draw(sheet).text((4, CAPTION_HEIGHT // 2), words, fill=black, font=font, anchor="lm")
    return sheet


def _exact_picture(frame: np.ndarray) -> Image.Image:
    """uint8 (H, W, 1, 3 or 4) -> a Pillow picture of the same values."""
    return Image.fromarray(np.ascontiguousarray(frame[..., 0] if frame.shape[2] == 1 else frame))


def _palette_picture(frame: np.ndarray) -> Image.Image:
    """uint8 (H, W, 1 or 3) -> a Pillow picture of gray levels, or of the best 256 colors for this frame."""
    frame = np.ascontiguousarray(frame)
    if frame.shape[2] == 1:
        return Image.fromarray(frame[..., 0])
    picture = Image.fromarray(frame)
    colors = picture.getcolors(256)
    if colors is None:
        # With dithering, the octree looks as good as the median cut and takes a fiftieth of the time.
        palette = picture.quantize(256, Image.Quantize.FASTOCTREE)
        return picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    # Up to 256 colors are kept exactly: pixel art and flat pictures do not change.
    keys = frame.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    distinct, indices = np.unique(keys, return_inverse=True)
    exact = Image.fromarray(indices.reshape(frame.shape[:2]).astype(np.uint8))
    palette_bytes = np.stack([distinct >> 16, distinct >> 8 & 255, distinct & 255], axis=-1).astype(np.uint8).tobytes()
    exact.putpalette(palette_bytes)
    return exact
