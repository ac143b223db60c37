"""The pictures of a run: the sample grid, always from the same latents, the curves, and the comparison."""

import keras
import numpy as np

from config import TrainingConfig
from drawing.fonts import drawable_names
from image_datasets import ImageSet
from imaging import save_image
from models.sampling import generate_images, latents_from_seeds, with_classes
from preprocessing import PixelScaler
from runs import RunFolder
from training.history import History
from training.losses import gan_loss
from training.plots import comparison_sheet, plot_distance, plot_losses, plot_scores

SAMPLE_ROWS, SAMPLE_COLUMNS = 8, 8  # in the grid after each epoch, seeds 0 to 63
MOST_CLASS_ROWS = 16  # in a conditional run: one row per class, one column for each of the seeds 0 to 7
COMPARISON_PIXELS = 1_000  # approximate width of either half of comparison.png: fewer images if they are large


def draw_samples(run: RunFolder, scaler: PixelScaler, generator: keras.Sequential) -> np.ndarray:
    """The samples of an epoch, uint8 or uint16 (n, height, width, channels), n a multiple of `SAMPLE_COLUMNS`."""
    return generate_images(generator, scaler, sample_inputs(run))


def real_images_to_compare(run: RunFolder, images: ImageSet) -> np.ndarray:
    """The real images to show beside the samples, always the same, of the same dtype and shape."""
    return images.take(_images_to_compare(run, images))


def sample_inputs(run: RunFolder) -> np.ndarray:
    """The inputs for the sample grid, always the same: seeds 0 to 63, or one class per row in a conditional run."""
    if run.class_count == 0:
        return latents_from_seeds(range(SAMPLE_ROWS * SAMPLE_COLUMNS), run.config.latent_dim)
    rows = _sample_rows(run)
    latents = np.tile(latents_from_seeds(range(SAMPLE_COLUMNS), run.config.latent_dim), (rows, 1))
    return with_classes(latents, np.repeat(np.arange(rows), SAMPLE_COLUMNS), run.class_count)


def draw_curves(run: RunFolder, history: History) -> None:
    """Draws losses.png, scores.png, and distance.png if a distance was measured."""
    title = f"{run.path.name}: {run.config.preset}, {run.config.loss}"
    losses, scores = np.array(history.losses, np.float32), np.array(history.scores, np.float32)
    undecided, best = _undecided_loss(run.config), history.best
    plot_losses(run.path / "losses.png", losses, run.steps_per_epoch, title, undecided, best)
    plot_scores(run.path / "scores.png", scores, run.steps_per_epoch, title, best)
    if best is not None:
        plot_distance(run.path / "distance.png", history.measured, title, best)


def draw_real_beside_samples(
    run: RunFolder, images: ImageSet, scaler: PixelScaler, generator: keras.Sequential, step: int
) -> None:
    """Draws comparison.png: real images on the left, the generator's images after `step` steps on the right."""
    chosen = _images_to_compare(run, images)
    rows = _sample_rows(run)
    shown = max(2, COMPARISON_PIXELS // max(run.image_shape))
    side = min(shown, SAMPLE_COLUMNS)
    cells = np.arange(rows * SAMPLE_COLUMNS).reshape(rows, SAMPLE_COLUMNS)
    cells = cells[: rows if run.class_count else side, :side].ravel()
    cells = cells[cells < len(chosen)]
    generated = generate_images(generator, scaler, sample_inputs(run)[cells])
    title = f"generated, epoch {run.epoch_of(step)}"
    real = images.take(chosen[cells])
    names = drawable_names(run.class_names)[:rows] if run.class_count else ()
    sheet = comparison_sheet(real, generated, side, title, scaler.maximum_, names)
    save_image(run.path / "comparison.png", sheet)


def _sample_rows(run: RunFolder) -> int:
    return min(run.class_count, MOST_CLASS_ROWS) or SAMPLE_ROWS


def _images_to_compare(run: RunFolder, images: ImageSet) -> np.ndarray:
    """Indices of the real images to show, always the same; one class per row in a conditional run."""
    shuffled = np.random.default_rng(0).permutation(len(images.images))
    if run.class_count == 0:
        return shuffled[: SAMPLE_ROWS * SAMPLE_COLUMNS]
    rows = []
    for row in range(_sample_rows(run)):
        of_class = shuffled[images.labels[shuffled] == row]
        rows.append(np.resize(of_class if len(of_class) else shuffled, SAMPLE_COLUMNS))
    return np.concatenate(rows)


def _undecided_loss(config: TrainingConfig) -> float:
    """The discriminator's loss when it gives real and generated images the same logit, 0."""
    logits = np.zeros((1, 1), np.float32)
    return float(gan_loss(config.loss).discriminator(logits, logits))
