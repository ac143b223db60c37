"""Files of every kind with some bytes changed, through the functions that read them; see soak.py."""

import contextlib
import io
import json
import os
import shutil
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from files import check_keras_file
from image_datasets import load_arrays, load_images
from imaging import load_image, save_image
from preprocessing import PixelScaler
from runs import RunFolder
from streams import LONGEST_MESSAGE, one_line

SLOW = 2.0  # seconds of processor time
FROZEN = Path(__file__).resolve().parent.parent / "tests" / "frozen_runs" / "db04404" / "plain"


@dataclass(frozen=True)
class Kind:
    """A kind of file: whole contents, where they are put, and what reads them."""

    name: str
    contents: tuple[bytes, ...]
    path: Path
    read: Callable[[], object]


def kinds(work: Path) -> list[Kind]:
    """All kinds, below a folder to work in."""
    found = [
        Kind(name, contents, work / "image", lambda: load_image(work / "image", alpha="drop", cmyk="convert"))
        for name, contents in pictures().items()
    ]
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)
    npy, npz, packed = work / "a.npy", work / "a.npz", work / "b.npz"
    np.save(npy, images)
    np.savez(npz, images=images, labels=np.arange(6))
    np.savez_compressed(packed, images=images, labels=np.arange(6))
    found.append(Kind(".npy", (npy.read_bytes(),), npy, lambda: load_arrays(npy)))
    found.append(Kind(".npz", (npz.read_bytes(), packed.read_bytes()), npz, lambda: read_all(load_arrays(npz))))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for index, image in enumerate(images):
            content = io.BytesIO()
            Image.fromarray(image).save(content, "PNG" if index % 2 else "BMP")
            file.writestr(f"class{index % 3}/{index}.{'png' if index % 2 else 'bmp'}", content.getvalue())
    found.append(Kind(".zip", (archive.getvalue(),), work / "a.zip", lambda: load_images(work / "a.zip")))
    run = work / "run"
    shutil.copytree(FROZEN, run)
    checkpoint = next((run / "checkpoints").iterdir())
    opened = RunFolder.open(run)
    for path, read in (
        (run / "config.json", lambda: RunFolder.open(run)),
        (run / "preprocessing.json", lambda: PixelScaler.load(run / "preprocessing.json")),
        (run / "metrics.jsonl", opened.load_metrics),
        (checkpoint, opened.load_checkpoint),
        (run / "generator.keras", lambda: check_keras_file(run / "generator.keras")),
    ):
        name = "checkpoint" if path == checkpoint else path.name
        found.append(Kind(name, (path.read_bytes(),), path, read))
    return found


def read_all(arrays) -> None:
    if not isinstance(arrays, np.ndarray):
        for name in arrays:
            arrays[name]


def pictures() -> dict[str, tuple[bytes, ...]]:
    """Small whole pictures of each format, in several forms."""
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (16, 20, 3)).astype(np.uint8)
    grey, deep = rgb[..., 0].copy(), rgb.astype(np.uint16) * 257

    def pillow(array: np.ndarray, form: str, **arguments) -> bytes:
        file = io.BytesIO()
        Image.fromarray(array).save(file, form, **arguments)
        return file.getvalue()

    def tiff(array: np.ndarray, **arguments) -> bytes:
        file = io.BytesIO()
        tifffile.imwrite(file, array, metadata=None, **arguments)
        return file.getvalue()

    def saved(array: np.ndarray) -> bytes:  # Pillow cannot write these
        with tempfile.TemporaryDirectory() as folder:
            save_image(Path(folder, "image.png"), array)
            return Path(folder, "image.png").read_bytes()

    compressions = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    return {
        "PNG": (pillow(rgb, "PNG"), pillow(grey, "PNG"), pillow(deep[..., 0], "PNG"), pillow(grey > 99, "PNG")),
        "PNG of 16-bit RGB": (saved(deep),),
        "JPEG": (pillow(rgb, "JPEG"), pillow(grey, "JPEG", progressive=True)),
        "TIFF": (
            *(tiff(array) for array in (grey, deep[..., 0])),
            *(tiff(array, photometric="rgb", rowsperstrip=5) for array in (rgb, deep)),
            tiff(np.tile(rgb, (2, 2, 1)), photometric="rgb", tile=(16, 16)),
            *(pillow(rgb, "TIFF", compression=name) for name in compressions),
            *(pillow(grey > 127, "TIFF", compression=name) for name in ("group3", "group4")),
        ),
        "WebP": (pillow(rgb, "WEBP", lossless=True), pillow(rgb, "WEBP")),
        "BMP": (pillow(rgb, "BMP"), pillow(grey, "BMP")),
        "GIF": (pillow(grey, "GIF"),),
        "picture as .npy": (npy_bytes(rgb), npy_bytes(deep[..., 0])),
    }


def npy_bytes(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def trial(kind: Kind, mutations: int, seed: list[int], found: Path) -> dict:
    """Reads many mutations of one kind; what went wrong is kept in `found`."""
    random = np.random.default_rng(seed)
    outcomes: Counter = Counter()
    slowest, longest = 0.0, 0
    for number in range(mutations):
        content = mutated(kind.contents[random.integers(len(kind.contents))], random)
        kind.path.write_bytes(content)
        start = time.process_time()
        with heard() as lines:
            outcome, message = outcome_of(kind.read)
        seconds = time.process_time() - start
        if lines and outcome == "loaded":
            outcome = "LOADED WHILE THE DECODER COMPLAINED"
        if seconds > SLOW:
            outcome += ", SLOW"
        slowest, longest = max(slowest, seconds), max(longest, len(message))
        outcomes[outcome] += 1
        if outcome.upper() == outcome or "SLOW" in outcome:
            found.mkdir(exist_ok=True)
            name = f"{kind.name.strip('.').replace(' ', '_')}-{'-'.join(map(str, seed))}-{number}"
            (found / name).write_bytes(content)
            (found / f"{name}.txt").write_text(f"{outcome}\n{message}\n{lines}\n")
    return {"outcomes": dict(outcomes), "slowest": slowest, "longest_message": longest}


def outcome_of(read: Callable[[], object]) -> tuple[str, str]:
    """Capitals are for what must not be. The message is the one that a script would print."""
    try:
        read()
        return "loaded", ""
    except (ValueError, TypeError) as error:
        message = one_line(str(error))
        if len(message) > LONGEST_MESSAGE or not message.isprintable() or not message:
            return "A MESSAGE THAT CANNOT BE SHOWN", message
        return "refused", message
    except Exception as error:
        return f"UNDOCUMENTED {type(error).__name__.upper()}", str(error)


def mutated(content: bytes, random: np.random.Generator) -> bytes:
    """A bit, a byte or several changed, a piece taken out, doubled or put in, or the end cut off."""
    data = bytearray(content)
    match random.integers(7):
        case 0 | 1:
            data[random.integers(len(data))] ^= 1 << random.integers(8)
        case 2:
            data[random.integers(len(data))] = random.choice([0, 1, 127, 128, 254, 255])
        case 3:
            for place in random.integers(0, len(data), random.integers(2, 20)):
                data[place] = random.integers(256)
        case 4:
            del data[random.integers(len(data)) :]
        case 5:
            start = random.integers(len(data))
            del data[start : start + random.integers(1, 64)]
        case _:
            start = random.integers(len(data))
            data[start:start] = random.bytes(random.integers(1, 64)) if random.integers(2) else data[: start % 64]
    if json_like(content) and random.integers(4) == 0:
        text = json.dumps(json.loads(content)) if b"\n{" not in content.strip() else content.decode()
        data = bytearray(text.replace("1", random.choice(["[", "{}", "-1", "1e999", '"x"', "null"]), 1).encode())
    return bytes(data)


def json_like(content: bytes) -> bool:
    return content[:1] == b"{"


@contextlib.contextmanager
def heard():
    """What anybody writes to standard error in the block, as lines."""
    lines: list[str] = []
    reading, writing = os.pipe()
    standard_error = os.dup(2)
    os.dup2(writing, 2)
    os.close(writing)
    os.set_blocking(reading, False)
    try:
        yield lines
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)
        with contextlib.suppress(BlockingIOError):
            lines += os.read(reading, 2**16).decode("utf-8", "replace").splitlines()
        os.close(reading)
