"""What the readers and writers of image files share: their error, the checks of a shape, and packages that few need."""

from command_line import import_tensorflow as quiet_tensorflow
from errors import InputError, Parameter


class ImageFileError(InputError):
    """An image file that cannot be read or written exactly; one line: the file, expected, got, what to do."""


def checked_image_shape(shape: tuple[int, ...], name: str) -> tuple[int, int, int]:
    """The shape of one image, (H, W) or (H, W, 1, 3 or 4) -> (H, W, C); raises ImageFileError for any other."""
    expected = f"{name}: expected one image of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), got {shape}"
    if any(length < 1 for length in shape):
        raise ImageFileError(f"{expected}, which has no pixels; check how the array was sliced")
    if len(shape) == 2:
        return (*shape, 1)
    if len(shape) == 3 and shape[2] in (1, 3, 4):
        return shape
    if len(shape) == 3 and shape[0] in (1, 3):
        raise ImageFileError(f"{expected}, which is channels-first; pass np.moveaxis(array, 0, -1)")
    if len(shape) == 3 and shape[2] == 2:
        raise ImageFileError(
            f"{expected}, whose last channel is alpha; repeat the gray for RGBA: array[..., [0, 0, 0, 1]]"
        )
    if len(shape) == 4:
        raise ImageFileError(f"{expected}, which is a set of images; take one, or make a grid with image_grid")
    raise ImageFileError(f"{expected}; reshape it to rows, columns and channels")


def check_size(width: int, height: int, max_pixels: int | None) -> None:
    if max_pixels is not None and width * height > max_pixels:
        raise ImageFileError(
            f"expected at most {max_pixels} pixels, got {width} x {height} = {width * height}, which may be a"
            " decompression bomb",
            ("pass ", Parameter("max_pixels", width * height), " if the file is trusted"),
            "make the picture smaller",
        )


def several_frames(count: int) -> ImageFileError:
    return ImageFileError(
        f"expected one image, got {count} frames",
        ("choose one with ", Parameter("frame", 0), " to ", Parameter("frame", count - 1)),
        "save one of them as a separate file",
    )


def import_tensorflow(action: str):
    try:
        quiet_tensorflow()
        import tensorflow as tf
    except ImportError as error:
        raise ImageFileError(
            f"expected TensorFlow to be installed, because 16-bit RGB PNG is {action} by tf.io, got {error};"
            " install it, or use .npy"
        ) from error
    return tf


def import_tifffile(action: str):
    try:
        import tifffile
    except ImportError as error:
        raise ImageFileError(
            f"expected tifffile to be installed, because 16-bit RGB TIFF is {action} by it, got {error}; run pip"
            " install tifffile, or use .png"
        ) from error
    return tifffile
