"""The scalings of text C on one photograph: mean, standard deviation, minimum, maximum, and how much is restored.

python benchmarks/scaling_table.py                     # Matplotlib's grace_hopper.jpg
python benchmarks/scaling_table.py --image photo.jpg
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PIL import Image

from preprocessing import PixelScaler, scale_image

# name, mode, per channel, centering
SCALINGS = [
    ("normalize", "normalize", False, "after_normalize"),
    ("tanh", "tanh", False, "after_normalize"),
    ("center pixels, global", "center", False, "pixels"),
    ("center pixels, per channel", "center", True, "pixels"),
    ("center before normalize, global", "center", False, "before_normalize"),
    ("center before normalize, per channel", "center", True, "before_normalize"),
    ("center after normalize, global", "center", False, "after_normalize"),
    ("center after normalize, per channel", "center", True, "after_normalize"),
    ("standardize, global", "standardize", False, "after_normalize"),
    ("standardize, per channel", "standardize", True, "after_normalize"),
    ("positive standardize, global", "positive_standardize", False, "after_normalize"),
    ("positive standardize, per channel", "positive_standardize", True, "after_normalize"),
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path, help="a photograph (default: the one Matplotlib carries)")
    image = read_photograph(parser.parse_args().image)
    print(f"{image.shape[1]} x {image.shape[0]} pixels, {image.dtype}\n")
    print("| scaling | channel | mean | standard deviation | minimum | maximum | values that come back |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    print_rows("raw pixels", image, image, per_channel=False)
    print_rows("raw pixels", image, image, per_channel=True)
    for name, mode, per_channel, centering in SCALINGS:
        scaled = scale_image(image, mode, per_channel, centering=centering)
        scaler = PixelScaler(mode, per_channel=per_channel, centering=centering).fit(image[None])
        print_rows(name, scaled, scaler.inverse_transform(scaled[None])[0], per_channel, image)
    return 0


def read_photograph(path: Path | None) -> np.ndarray:
    """uint8 (h, w, 3)."""
    if path is None:
        from matplotlib import cbook

        path = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    with Image.open(path) as file:
        return np.asarray(file.convert("RGB"))


def print_rows(
    name: str, scaled: np.ndarray, back: np.ndarray, per_channel: bool, original: np.ndarray | None = None
) -> None:
    """One row for all channels, or one row each; sums in float64, as text C recommends."""
    original = back if original is None else original
    channels = {"red": 0, "green": 1, "blue": 2} if per_channel else {"all": slice(None)}
    for channel, index in channels.items():
        values = scaled[..., index].astype(np.float64)
        numbers = (values.mean(), values.std(), values.min(), values.max())
        cells = " | ".join(f"{number + 0.0:.4f}".replace("-0.0000", "0.0000") for number in numbers)
        share = np.mean(back[..., index] == original[..., index])
        print(f"| {name} | {channel} | {cells} | {share:.1%} |")


if __name__ == "__main__":
    sys.exit(main())
