"""Cuts square crops of photographs into one .npy: training images of 64 or 128 pixels that anyone can make again.

apt-get download mate-backgrounds && dpkg-deb -x mate-backgrounds_*.deb photographs
python benchmarks/photograph_crops.py photographs/usr/share/backgrounds/mate/nature --size 64 --output crops-64.npy

The twelve photographs in Debian's package mate-backgrounds 1.26 are under the GPL, version 2 or later, according to its
copyright file. A crop is a random square between an eighth and all of the shorter side, resized with Lanczos. The same
command makes the same file.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from imaging import fit_image, load_image  # noqa: E402

SMALLEST_SHARE = 1 / 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="folder of .jpg files, each at least twice SIZE across"
    )
    parser.add_argument("--size", type=int, default=64, metavar="N", help="pixels (default 64)")
    parser.add_argument("--count", type=int, default=4_000, metavar="N", help="crops in all (default 4000)")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.npy")
    arguments = parser.parse_args()
    paths = sorted(arguments.folder.glob("*.jpg"))
    if not paths:
        raise SystemExit(f"expected .jpg files in {arguments.folder}, got none")
    random = np.random.default_rng(0)
    crops = []
    for number, path in enumerate(paths):
        photograph = load_image(path, max_pixels=None)
        shorter = min(photograph.shape[:2])
        for _ in range(len(range(number, arguments.count, len(paths)))):
            side = int(random.integers(max(arguments.size, round(shorter * SMALLEST_SHARE)), shorter + 1))
            top, left = (int(random.integers(0, length - side + 1)) for length in photograph.shape[:2])
            crops.append(fit_image(photograph[top : top + side, left : left + side], (arguments.size,) * 2))
    np.save(arguments.output, np.stack(crops))
    print(f"{len(crops)} crops of {len(paths)} photographs in {arguments.output}")


if __name__ == "__main__":
    main()
