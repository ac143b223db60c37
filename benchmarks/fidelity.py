"""torch-fidelity on an exported generator, and our own distance on the same images: python benchmarks/fidelity.py RUN

Needs `pip install torch-fidelity onnxruntime`. torch-fidelity itself generates images from the .onnx file, with latent
vectors from its own seed; for a conditional run, which it cannot generate from, it reads image files. Its InceptionV3
would have to be downloaded; instead, both programs get the same simple features: every image averaged down to 8×8
pixels. So the numbers show that both see the same images and compute the same distance; they say nothing about quality.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from command_line import import_tensorflow, quiet_libraries  # noqa: E402
from evaluation.distances import frechet_distance  # noqa: E402
from exporting.request import ExportRequest  # noqa: E402
from imaging import save_image  # noqa: E402
from runs import RunFolder  # noqa: E402

SIDE, SEED = 8, 2020  # torch-fidelity's own default seed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--count", type=int, default=2000, metavar="N")
    arguments = parser.parse_args()
    run = RunFolder.open(arguments.run)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        import_tensorflow()
        if run.class_count:
            judged, generated = folder / "generated", draw_files(run, folder / "generated", arguments.count)
        else:
            judged = folder / "generator.onnx"
            generated = export_and_draw(run, judged, arguments.count)
        real = run.load_training_images().images[: arguments.count]
        write_files(folder / "real", real)
        theirs = distance_by_torch_fidelity(judged, folder / "real", run, arguments.count)
    print(f"torch-fidelity: {theirs:.6f}")
    print(f"this project:   {distance_here(generated, np.asarray(real)):.6f}")


def export_and_draw(run: RunFolder, path: Path, count: int) -> np.ndarray:
    """Writes the .onnx file, and generates the images of torch-fidelity's latent vectors with this program."""
    from exporting.trained import TrainedGenerator
    from exporting.writing import export_generator
    from models.sampling import generate_images

    with quiet_libraries():
        generator = TrainedGenerator.of(run)
        export_generator(generator, ExportRequest(path, "onnx", channels_first=True))
        latents = np.random.RandomState(SEED).randn(count, generator.latent_dim).astype(np.float32)
        return generate_images(generator.network, run.load_scaler(), latents)


def draw_files(run: RunFolder, folder: Path, count: int) -> np.ndarray:
    """Draws images whose classes take turns, and writes them as PNG files."""
    from models.sampling import generate_images, latents_from_seeds, with_classes

    latents = latents_from_seeds(range(count), run.config.latent_dim)
    inputs = with_classes(latents, np.arange(count) % run.class_count, run.class_count)
    images = generate_images(run.load_generator(), run.load_scaler(), inputs)
    write_files(folder, images)
    return images


def write_files(folder: Path, images: np.ndarray) -> None:
    folder.mkdir()
    for index, image in enumerate(images):
        save_image(folder / f"{index:06d}.png", image)


def small(images: np.ndarray) -> np.ndarray:
    """(n, height, width, channels) -> float64 (n, 8 · 8 · channels): means of blocks of pixels."""
    count, height, width, channels = images.shape
    blocks = images.reshape(count, SIDE, height // SIDE, SIDE, width // SIDE, channels).astype(np.float64)
    return blocks.mean(axis=(2, 4)).reshape(count, -1)


def distance_here(generated: np.ndarray, real: np.ndarray) -> float:
    moments = [(features.mean(axis=0), np.cov(features, rowvar=False)) for features in map(small, (generated, real))]
    return frechet_distance(*moments[0], *moments[1])


def distance_by_torch_fidelity(judged: Path, real: Path, run: RunFolder, count: int) -> float:
    import torch
    import torch_fidelity
    from torch_fidelity.feature_extractor_base import FeatureExtractorBase

    class SmallPixels(FeatureExtractorBase):
        def __init__(self, name, features_list, **others) -> None:
            super().__init__(name, features_list)

        @staticmethod
        def get_provided_features_list() -> tuple[str]:
            return ("pixels",)

        @staticmethod
        def get_default_feature_layer_for_metric(metric: str) -> str:
            return "pixels"

        @staticmethod
        def can_be_compiled() -> bool:
            return False

        @staticmethod
        def get_dummy_input_for_compile() -> torch.Tensor:
            raise NotImplementedError

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor]:
            return (torch.from_numpy(small(images.permute(0, 2, 3, 1).numpy())),)

    torch_fidelity.register_feature_extractor("small-pixels", SmallPixels)
    scores = torch_fidelity.calculate_metrics(
        input1=str(judged),
        input1_model_z_type="normal",
        input1_model_z_size=run.config.latent_dim,
        input1_model_num_classes=0,
        input1_model_num_samples=count,
        input2=str(real),
        feature_extractor="small-pixels",
        rng_seed=SEED,
        cuda=False,
        fid=True,
        cache=False,
        verbose=False,
    )
    return scores["frechet_inception_distance"]


if __name__ == "__main__":
    main()
