"""What every format starts from: a trained generator, its conversion to pixels, and the images to compare with."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.sampling import generate_images, latents_from_seeds, with_classes
from runs import RunFolder

if TYPE_CHECKING:
    import keras

FORMAT, VERSION = "pixelwright-export", 1
CHECKED_SEEDS = range(64)
BEST = "generator_best.keras"


@dataclass(frozen=True)
class TrainedGenerator:
    """A generator with everything that turns its output into pixels.

    Attributes:
        run: its run folder. weights: the .keras file in it.
        network: float32 (n, latent_dim + classes) -> scaled float32 (n, height, width, channels).
        factor, offset: float64; levels = scaled * factor + offset, one entry per channel or one for all. For a whitened
            run, levels = flat scaled @ factor + offset, (d, d) and (d,).
        maximum: the level that the run scales to the upper end; below white, for example, for 12 bits in 16.
        image_shape: (height, width, channels).
        image_dtype: "uint8" or "uint16".
        latent_dim: length of a latent vector.
        class_names: the classes that it can generate; () for a run without classes.
        metadata: what is stored in an exported file, ready for JSON.
        latents, labels: float32 (64, latent_dim) from seeds 0 to 63, and int32 (64,) classes in turn, or None.
        drawn: integer (64, height, width, channels), the images that generate.py makes from them.
    """

    run: RunFolder
    weights: Path
    network: "keras.Sequential"
    factor: np.ndarray
    offset: np.ndarray
    maximum: float
    image_shape: tuple[int, int, int]
    image_dtype: str
    latent_dim: int
    class_names: tuple[str, ...]
    metadata: dict
    latents: np.ndarray
    labels: np.ndarray | None
    drawn: np.ndarray

    @classmethod
    def of(cls, run: RunFolder, best: bool = False) -> "TrainedGenerator":
        """Reads a run. Raises ValueError if its generator is missing, damaged, or from another run."""
        scaler, network = run.load_scaler(), run.load_generator(best)
        classes = run.class_names if run.class_count else ()
        shapes = (None, run.config.latent_dim + len(classes)), (None, *run.image_shape)
        if (network.input_shape, network.output_shape) != shapes:
            raise ValueError(
                f"{run.path}: expected a generator from {shapes[0]} to {shapes[1]}, got a network from "
                f"{network.input_shape} to {network.output_shape}; restore the generator of this run"
            )
        latents = latents_from_seeds(CHECKED_SEEDS, run.config.latent_dim)
        labels = np.resize(np.arange(len(classes), dtype=np.int32), len(latents)) if classes else None
        weights = run.path / (BEST if best else "generator.keras")
        return cls(
            run=run,
            weights=weights,
            network=network,
            factor=scaler.line_back()[0],
            offset=scaler.line_back()[1],
            maximum=scaler.maximum_,
            image_shape=run.image_shape,
            image_dtype=run.image_dtype,
            latent_dim=run.config.latent_dim,
            class_names=classes,
            metadata=_metadata(run, classes, weights),
            latents=latents,
            labels=labels,
            drawn=generate_images(network, scaler, with_classes(latents, labels, len(classes))),
        )

    @property
    def is_best(self) -> bool:
        """Whether these are the weights with the best distance, rather than the last."""
        return self.weights.name == BEST

    @property
    def white(self) -> int:
        """The level of white, 255 or 65535."""
        return int(np.iinfo(self.image_dtype).max)

    def to_levels(self, scaled: np.ndarray) -> np.ndarray:
        """Scaled floats (n, height, width, channels) -> integer levels, in float64, as PixelScaler does it."""
        scaled = scaled.astype(np.float64)
        if self.factor.ndim == 2:
            levels = (scaled.reshape(len(scaled), -1) @ self.factor + self.offset).reshape(scaled.shape)
        else:
            levels = scaled * self.factor + self.offset
        return np.rint(levels).clip(0, self.white).astype(self.image_dtype)


def _metadata(run: RunFolder, classes: tuple[str, ...], weights: Path) -> dict:
    return {
        "format": FORMAT,
        "version": VERSION,
        "run": run.path.resolve().name,
        "data": Path(run.config.data).name,
        "images_sha256": run.fingerprint,
        "generator_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "latent_dim": run.config.latent_dim,
        "class_names": list(classes),
        "image_shape": list(run.image_shape),
        "image_dtype": run.image_dtype,
    }
