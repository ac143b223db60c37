"""Identifies files by their first bytes: the one table of endings and signatures, for pictures, arrays and the rest."""

from dataclasses import dataclass
from itertools import product
from pathlib import PurePath

FIRST_BYTES = 512  # enough to identify any kind


@dataclass(frozen=True)
class Kind:
    """A kind of file: its name, its endings, how it begins, and what reads it.

    Attributes:
        name: as messages show it, such as "PNG" or "a web page".
        endings: in lower case, the usual one first.
        starts: the first bytes; a pair is (offset, bytes).
        pillow: the name of Pillow's reader, for pictures that this project reads.
        way_out: what to do with a file that this project does not read.
    """

    name: str
    endings: tuple[str, ...] = ()
    starts: tuple[bytes | tuple[int, bytes], ...] = ()
    pillow: str | None = None
    way_out: str = ""

    def begins(self, first: bytes) -> bool:
        places = ((0, start) if isinstance(start, bytes) else start for start in self.starts)
        return any(first[place : place + len(start)] == start for place, start in places)


_BOXES = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
PICTURE_KINDS = (
    Kind("PNG", (".png", ".apng"), (b"\x89PNG\r\n\x1a\n",), "PNG"),
    Kind("JPEG", (".jpg", ".jpeg", ".jfif", ".jpe"), (b"\xff\xd8\xff",), "JPEG"),
    Kind("TIFF", (".tif", ".tiff"), (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"), "TIFF"),
    Kind("WebP", (".webp",), ((8, b"WEBP"),), "WEBP"),
    Kind("BMP", (".bmp", ".dib"), (b"BM",), "BMP"),
    Kind("GIF", (".gif",), (b"GIF8",), "GIF"),
    Kind(
        "PPM",
        (".ppm", ".pgm", ".pbm", ".pnm"),
        tuple(b"P%d%c" % pair for pair in product(range(1, 7), b" \n\r\t#")),
        "PPM",
    ),
    Kind("AVIF", (".avif",), ((4, b"ftypavif"), (4, b"ftypavis")), "AVIF"),
    Kind("JPEG 2000", (".jp2", ".j2k", ".jpx"), (_BOXES, b"\xff\x4f\xff\x51"), "JPEG2000"),
    Kind("TGA", (".tga",), (), "TGA"),  # has no signature
    Kind("NPY", (".npy",), (b"\x93NUMPY",)),
)
_HEIF = tuple((4, b"ftyp" + brand) for brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim"))
_CONVERT = "convert it to .png"
OTHER_KINDS = (
    Kind(
        "HEIC",
        (".heic", ".heif", ".hif"),
        _HEIF,
        way_out="convert it: pip install pillow-heif, then in Python: import pillow_heif; from PIL import Image; "
        "pillow_heif.register_heif_opener(); Image.open('photo.heic').save('photo.png')",
    ),
    Kind("JPEG XL", (".jxl",), (b"\xff\x0a", b"\x00\x00\x00\x0cJXL "), way_out=_CONVERT),
    Kind("a Photoshop file", (".psd",), (b"8BPS",), way_out=_CONVERT),
    Kind("an SVG drawing", (".svg",), (b"<svg",), way_out=_CONVERT),
    Kind("OpenEXR", (".exr",), (b"v/1\x01",), way_out=_CONVERT),
    Kind("an icon", (".ico",), (b"\x00\x00\x01\x00",), way_out=_CONVERT),
    Kind("a PDF", (".pdf",), (b"%PDF",), way_out=_CONVERT),
    Kind("a camera's raw file", (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"), (), way_out=_CONVERT),
    Kind("HDF5", (".h5", ".hdf5"), (b"\x89HDF\r\n\x1a\n",)),
    Kind("MATLAB's format", (".mat",), (b"MATLAB",)),
    Kind("gzip", (".gz",), (b"\x1f\x8b",)),
    Kind("a zip archive", (".zip", ".npz"), (b"PK\x03\x04", b"PK\x05\x06")),
    Kind("a Git LFS pointer", (), (b"version https://git-lfs",), way_out="run git lfs pull where it lies"),
    Kind("a pickle", (".pkl", ".pickle"), (b"\x80\x02}", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"\x80\x02")),
    Kind("an idx file", (), tuple(b"\x00\x00\x08" + bytes([axes]) for axes in (1, 3, 4))),
    Kind("Parquet", (".parquet",), (b"PAR1",)),
    Kind("RAR", (".rar",), (b"Rar!",), way_out="unpack it and name the folder"),
    Kind("7z", (".7z",), (b"7z\xbc\xaf",), way_out="unpack it and name the folder"),
    Kind("a tar archive", (".tar",), ((257, b"ustar"),), way_out="unpack it and name the folder"),
)
PICTURE_ENDINGS = tuple(ending for kind in PICTURE_KINDS for ending in kind.endings)


def kind_of(first: bytes) -> Kind | None:
    """The kind of a file by its first `FIRST_BYTES` bytes (all bytes of a shorter file); None if unknown.

    >>> kind_of(b"GIF89a").name, kind_of(b"<!doctype html><html>").name, kind_of(b"label,pixel0\\n5,0\\n").name
    ('GIF', 'a web page', 'text')
    """
    for kind in (*PICTURE_KINDS, *OTHER_KINDS):
        if kind.begins(first):
            return kind
    text = first.lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return Kind("a web page", way_out="download it again; the server sent a page instead of the file")
    if text.startswith(b"<?xml") and b"<svg" in text:
        return next(kind for kind in OTHER_KINDS if kind.name == "an SVG drawing")
    is_text = bool(first.strip()) and all(byte in b"\t\r\n" or byte >= 32 for byte in first) and b"\x7f" not in first
    return Kind("text", (".csv", ".txt")) if is_text and _decodes(first) else None


def kind_by_ending(name: str) -> Kind | None:
    """The kind of a file by the ending of its name; None if unknown."""
    ending = PurePath(name).suffix.lower()
    return next((kind for kind in (*PICTURE_KINDS, *OTHER_KINDS) if ending in kind.endings), None)


def _decodes(first: bytes) -> bool:
    try:
        first[:-3].decode("utf-8")  # a character may be cut off at the end
    except UnicodeDecodeError:
        return False
    return True
