"""The run folder: what is written, what is read back."""

import json
import os
import re
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from config import TrainingConfig
from datasets import ImageSet
from files import atomic_path, remove_partials, write_text
from imaging import save_image
from preprocessing import PixelScaler

FORMAT, VERSION = "pixelwright-run", 1
RUNS_FOLDER = Path("runs")
CHECKPOINTS_KEPT = 2


@dataclass(frozen=True)
class RunFolder:
    """A run folder that exists: its config.json is there and was written by this project."""

    path: Path
    config: TrainingConfig
    image_shape: tuple[int, int, int]
    image_dtype: str
    class_names: tuple[str, ...]
    image_total: int
    fingerprint: str

    @classmethod
    def create(cls, path: Path | None, config: TrainingConfig, images: ImageSet, scaler: PixelScaler) -> "RunFolder":
        """Makes the folder with its two first files in one move. Without a path it gets the next free number.

        Raises ValueError when `path` holds something already.
        """
        run = cls(
            _next_numbered(images.name) if path is None else path,
            config,
            images.image_shape,
            images.images.dtype.name,
            images.class_names,
            len(images.images),
            images.fingerprint(),
        )
        if path is not None:
            check_new(path)
        run.path.parent.mkdir(parents=True, exist_ok=True)
        beside = run.path.with_name(f".{run.path.name}.partial")
        shutil.rmtree(beside, ignore_errors=True)  # what a killed process left there
        (beside / "checkpoints").mkdir(parents=True)
        (beside / "samples").mkdir()
        try:
            scaler.save(beside / "preprocessing.json")
            write_text(beside / "config.json", json.dumps(run._document(), indent=2) + "\n")
            beside.rename(run.path)  # takes the place of an empty folder, but of nothing else
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        return run

    @classmethod
    def open(cls, path: str | os.PathLike) -> "RunFolder":
        """Reads the folder of an earlier run. Raises ValueError for a path that is none, saying why."""
        path = Path(path)
        if not path.is_dir():
            raise ValueError(f"expected a run folder, got {str(path)!r}, which is not a folder; train.py makes one")
        try:
            document = json.loads((path / "config.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ValueError(
                f"expected a run folder, got {str(path)!r}, which has no config.json; train.py makes one"
            ) from None
        except ValueError as error:
            raise ValueError(f"{path / 'config.json'}: expected JSON, got {error}; restore the file") from error
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ValueError(
                f"{path / 'config.json'}: expected the file of a run, got something else; train.py makes one"
            )
        if document.get("version") != VERSION:
            raise ValueError(
                f"{path / 'config.json'}: expected version {VERSION}, got {document.get('version')!r}; "
                "use the version of this project that wrote it"
            )
        try:
            return cls(
                path,
                TrainingConfig.from_json(document["config"]),
                tuple(document["images"]["shape"]),
                document["images"]["dtype"],
                tuple(document["images"]["class_names"]),
                document["images"]["count"],
                document["images"]["sha256"],
            )
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"{path / 'config.json'}: expected a complete file, got one without {error}; restore it"
            ) from error
        except ValueError as error:
            raise ValueError(f"{path / 'config.json'}: {error}") from error

    def _document(self) -> dict:
        import keras
        import tensorflow as tf

        return {
            "format": FORMAT,
            "version": VERSION,
            "config": self.config.to_json(),
            "images": {
                "shape": list(self.image_shape),
                "dtype": self.image_dtype,
                "class_names": list(self.class_names),
                "count": self.image_total,
                "sha256": self.fingerprint,
            },
            "versions": {"tensorflow": tf.__version__, "keras": keras.__version__, "numpy": np.__version__},
        }

    def with_config(self, config: TrainingConfig) -> "RunFolder":
        """The same folder with another config (more epochs), written at once."""
        changed = RunFolder(**{**self.__dict__, "config": config})
        write_text(self.path / "config.json", json.dumps(changed._document(), indent=2) + "\n")
        return changed

    def check_same_images(self, images: ImageSet) -> None:
        """Raises ValueError unless these are the images that the run was started with."""
        if images.fingerprint() != self.fingerprint:
            raise ValueError(
                f"expected the {self.image_total} images that {self.path} was started with, got other pixels "
                f"({len(images.images)} images of shape {images.image_shape}); put the data back or start a new run"
            )

    # Networks and scaling

    def load_scaler(self) -> PixelScaler:
        return PixelScaler.load(self.path / "preprocessing.json")

    def save_network(self, name: str, network) -> None:
        """Writes generator.keras or discriminator.keras: the weights to sample from, without optimizers."""
        with atomic_path(self.path / f"{name}.keras") as partial:
            network.save(partial)

    def load_generator(self):
        """generator.keras as stock Keras reads it. Raises ValueError when there is none yet or it is damaged."""
        import keras

        path = self.path / "generator.keras"
        if not path.exists():
            raise ValueError(f"expected {path}, got a run that has not finished an epoch; go on with train.py --resume")
        try:
            return keras.saving.load_model(path, compile=False)
        except Exception as error:  # Keras meets damaged files with many kinds of exception
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"{path}: expected a whole Keras file, got one that does not load ({reason})") from error

    # Checkpoints

    def save_checkpoint(self, step: int, state: dict[str, np.ndarray]) -> None:
        """Writes everything needed to go on from `step`, then forgets all but the newest checkpoints."""
        with atomic_path(self._checkpoint_path(step)) as partial:
            np.savez(partial, **state)
        for older in self._checkpoints()[:-CHECKPOINTS_KEPT]:
            older.unlink()

    def latest_checkpoint(self) -> Path | None:
        return self._checkpoints()[-1] if self._checkpoints() else None

    def load_checkpoint(self) -> dict[str, np.ndarray] | None:
        """The newest checkpoint, or None when the run was stopped before its first."""
        path = self.latest_checkpoint()
        if path is None:
            return None
        try:
            with np.load(path, allow_pickle=False) as archive:
                return dict(archive)
        except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path}: expected a whole checkpoint, got one that cannot be read ({error}); remove it "
                "to go on from the one before"
            ) from error

    def _checkpoint_path(self, step: int) -> Path:
        return self.path / "checkpoints" / f"step_{step:09d}.npz"

    def _checkpoints(self) -> list[Path]:
        return sorted((self.path / "checkpoints").glob("step_*.npz"))

    # Readings and pictures

    def save_metrics(self, records: list[dict]) -> None:
        """Writes metrics.jsonl anew, one line a record, so that it is never half a line."""
        write_text(self.path / "metrics.jsonl", "".join(json.dumps(record) + "\n" for record in records))

    def load_metrics(self) -> list[dict]:
        path = self.path / "metrics.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def save_sample(self, epoch: int, grid: np.ndarray) -> None:
        save_image(self.path / "samples" / f"epoch_{epoch:04d}.png", grid)

    def samples(self) -> list[Path]:
        """The sample grids, in the order of their epochs."""
        return sorted((self.path / "samples").glob("epoch_*.png"))

    def clean_after(self, step: int) -> list[dict]:
        """Takes back what was written after the checkpoint at `step`; returns the records that stay."""
        remove_partials(self.path)
        records = [record for record in self.load_metrics() if record["step"] <= step]
        kept = {f"epoch_{record['epoch']:04d}.png" for record in records}
        for sample in self.samples():
            if sample.name not in kept:
                sample.unlink()
        if records or (self.path / "metrics.jsonl").exists():
            self.save_metrics(records)
        return records


def check_new(path: Path) -> None:
    """Raises ValueError unless a run folder can be made at `path`: nothing is there, or an empty folder."""
    if path.is_dir() and any(path.iterdir()):
        what = "a run; go on with --resume" if (path / "config.json").exists() else "other files; choose another folder"
        raise ValueError(f"expected --run-dir to be new or empty, got {str(path)!r}, which holds {what}")
    if path.exists() and not path.is_dir():
        raise ValueError(f"expected --run-dir to be a folder, got the file {str(path)!r}; choose another name")
    parent = path.parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise ValueError(
            f"expected a folder that can be written to, got {str(parent)!r} for --run-dir {path}; choose another"
        )


def _next_numbered(name: str) -> Path:
    """runs/00000-glyphs, runs/00001-cifar10, …: one more than the highest number there is."""
    numbers = [int(match[1]) for match in map(re.compile(r"\.?(\d{5})-").match, _names_in(RUNS_FOLDER)) if match]
    return RUNS_FOLDER / f"{max(numbers, default=-1) + 1:05d}-{name}"


def _names_in(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
