"""The run folder: what is written to it and read from it."""

import contextlib
import json
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from config import CHANGED_BY_RESUMING, TrainingConfig
from errors import InputError, Parameter, words
from files import (
    PARTIAL_MARK,
    DamagedFile,
    UnreadableFile,
    atomic_path,
    brief,
    check_keras_file,
    load_arrays,
    nearest_path,
    read_json,
    read_json_lines,
    remove_partials,
    write_text,
)
from files.locks import LOCK_NAME, FolderIsLocked, locked_folder
from image_datasets import DATASET_NAMES, ImageSet, ReadingOptions, load_images
from imaging import save_image
from preprocessing import PixelScaler

FORMAT, VERSION = "pixelwright-run", 1
RUNS_FOLDER = Path("runs")
CHECKPOINTS_KEPT = 2
# The files that a run cannot do without; the others can be written again.
_OWN_NAMES = {
    *("config.json", "preprocessing.json", "generator.keras", "generator_best.keras", "discriminator.keras"),
    *("metrics.jsonl", "checkpoints", "samples", "tensorboard"),
}
_SAMPLE_NAME = re.compile(r"epoch_(\d+)\.png")
_CHECKPOINT_NAME = re.compile(r"step_(\d+)\.npz")


class RunIsBusy(ValueError):
    """Another process is training this run."""


@dataclass(frozen=True)
class RunFolder:
    """An existing run folder: it has a config.json that some version of this project wrote.

    unknown_settings: the settings that this version does not know, in words; see `check_settings_known`.
    """

    path: Path
    config: TrainingConfig
    image_shape: tuple[int, int, int]
    image_dtype: str
    class_names: tuple[str, ...]
    image_total: int
    fingerprint: str
    unknown_settings: tuple[str, ...] = ()

    @property
    def class_count(self) -> int:
        """How many classes the networks distinguish; 0 for a run that is not conditional."""
        return len(self.class_names) if self.config.conditional else 0

    @property
    def steps_per_epoch(self) -> int:
        return self.image_total // self.config.batch_size

    def epoch_of(self, step: int) -> int:
        """The epoch, counted from 1, that this step belongs to; 0 before the first step."""
        return -(-step // self.steps_per_epoch)

    @property
    def board_folder(self) -> Path:
        """The folder of event files for TensorBoard; exists once they were requested."""
        return self.path / "tensorboard"

    @classmethod
    def create(cls, path: Path | None, config: TrainingConfig, images: ImageSet, scaler: PixelScaler) -> "RunFolder":
        """Creates the folder and its first two files, config.json last: it makes the folder a run.

        Without a path, the folder gets the next free number. Raises ValueError if `path` has content already, and
        RunIsBusy if another process is creating it.
        """
        run = cls.of(path or RUNS_FOLDER, config, images)  # everything slow, before the folder is created
        if path is None:
            path = _claim_number(images.name)
        else:
            path.mkdir(parents=True, exist_ok=True)
        run = replace(run, path=path)
        with run.locked():
            check_new(path)  # under the lock: if two processes create the same folder, one finds the other's run
            for folder in ("checkpoints", "samples"):
                (path / folder).mkdir(exist_ok=True)
            scaler.save(path / "preprocessing.json")
            write_text(path / "config.json", json.dumps(run._document(), indent=2) + "\n")
        return run

    @classmethod
    def of(cls, path: Path, config: TrainingConfig, images: ImageSet) -> "RunFolder":
        """The run of these images at `path`; writes nothing."""
        how = (images.image_shape, images.images.dtype.name, images.class_names, len(images.images))
        return cls(path, config, *how, images.fingerprint())

    @classmethod
    def open(cls, path: str | os.PathLike) -> "RunFolder":
        """Opens an existing run folder. Raises ValueError with the reason if `path` is not one."""
        path = Path(path)
        if not path.is_dir():
            near = nearest_path(path, lambda folder: (folder / "config.json").is_file())
            way_out = f"did you mean {near}?" if near else "train.py creates one"
            raise ValueError(f"expected a run folder, got {str(path)!r}, which is not a folder; {way_out}")
        try:
            document = read_json(path / "config.json")
        except FileNotFoundError:
            raise ValueError(
                f"expected a run folder, got {str(path)!r}, which has no config.json; train.py creates one"
            ) from None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ValueError(
                f"{path / 'config.json'}: expected the file of a run, got something else; train.py creates one"
            )
        if document.get("version") not in range(1, VERSION + 1):  # increased when old entries change their meaning
            raise ValueError(
                f"{path / 'config.json'}: expected version {VERSION} or earlier, got {document.get('version')!r}; use "
                "the version of this project that wrote it"
            )
        try:
            config, unknown_settings = TrainingConfig.from_json(document["config"])
            return cls(path, config, *_checked_images(document["images"]), unknown_settings)
        except (KeyError, TypeError, AttributeError) as error:
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
            "config": _settings(self.config),
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
        """Writes another config, such as one with more epochs. Raises RunIsBusy if a process is training the run."""
        if config == self.config:
            return self
        path = self.path / "config.json"
        with self.locked():
            document = read_json(path)  # keeps the versions that started the run
            write_text(path, json.dumps(document | {"config": _settings(config)}, indent=2) + "\n")
        return replace(self, config=config)

    def identity(self) -> tuple[int, int] | None:
        """Identifies the folder whatever its name; None if it does not exist."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes from training this run at the same time. Raises RunIsBusy if one already does."""
        try:
            with locked_folder(self.path, wait=False):
                yield
        except FolderIsLocked:
            raise RunIsBusy(
                f"expected a run that nobody trains, got {self.path}, which another process trains; wait for it"
            ) from None

    def config_to_resume(self, choices: dict) -> TrainingConfig:
        """The config to resume with, including new choices. Raises ValueError for a choice that cannot change."""
        self.check_settings_known()
        self.check_own_folders()
        contradictions = self.config.contradictions(choices)
        if contradictions:
            raise InputError(
                (f"expected the settings of {self.path} with ", Parameter("resume"), ", got ", *contradictions),
                "leave them out",
                "start a new run",
            )
        if "data" not in choices:
            self.check_data_is_there()
        changed = {name: value for name, value in choices.items() if name in CHANGED_BY_RESUMING}
        return replace(self.config, **changed)

    def is_finished(self, config: TrainingConfig) -> bool:
        """Whether nothing is left to do: the report, which is written last, is newer than the checkpoint, and both
        networks are intact. (Resuming writes lost networks again.)
        """
        checkpoint, report = self.latest_checkpoint(), self.path / "report.html"
        if checkpoint is None or not report.exists() or report.stat().st_mtime < checkpoint.stat().st_mtime:
            return False
        if not (self.has_network("generator") and self.has_network("discriminator")):
            return False
        state = self.load_checkpoint()
        steps, minutes = int(state["progress/step"]), float(state["progress/seconds"][0]) / 60
        if config.minutes is not None and minutes >= config.minutes:
            return True
        return steps == config.epochs * self.steps_per_epoch  # fewer epochs than are done are an error, reported later

    def how_to_go_on(self) -> str:
        """What to do with a finished run that should train for longer."""
        if self.config.length_is_fixed:
            return f"its schedule, too: go on in a new run with --start-from {shlex.quote(str(self.path))}"
        minutes = self.config.minutes
        return "continue with more " + (f"--minutes than {minutes:g}" if minutes else "--epochs or --minutes")

    def check_settings_known(self) -> None:
        """Raises ValueError if this version does not know all settings and could not train the run as it started."""
        if self.unknown_settings:
            raise ValueError(
                f"{self.path / 'config.json'}: expected settings that this version knows, got "
                f"{'; '.join(self.unknown_settings)}; continue with the version that wrote it, or only generate"
            )

    def check_own_folders(self) -> None:
        """Raises ValueError for folders in it that are links: training removes files there, which could be anyone's."""
        for folder in ("checkpoints", "samples", "tensorboard"):
            if (self.path / folder).is_symlink():
                raise ValueError(
                    f"expected a folder, got the link {self.path / folder}; training removes old files there, so "
                    "replace the link by the folder"
                )

    def check_output(self, path: Path, name: str) -> None:
        """Raises InputError if writing to `path`, the parameter `name`, would damage the run or its images."""
        place, own, option = path.resolve(), self.path.resolve(), Parameter(name)
        if place.is_relative_to(own):
            if place.relative_to(own).parts[:1] and place.relative_to(own).parts[0] in _OWN_NAMES:
                problem = (
                    "expected ",
                    option,
                    f" beside the files of the run, got {str(path)!r}, which is one of them",
                )
                raise InputError(problem, "choose another name")
        elif _is_among(place, self.config.data):
            problem = ("expected ", option, f" outside of the training images {self.config.data!r}, got {str(path)!r}")
            raise InputError(problem, "choose another place")

    def check_same_images(self, images: ImageSet) -> None:
        """Raises ValueError unless these are the images that the run started with."""
        if images.fingerprint() != self.fingerprint:
            raise ValueError(
                f"expected the {self.image_total} images that {self.path} was started with, got other pixels "
                f"({len(images.images)} images of shape {images.image_shape}); put the data back or start a new run"
            )

    def check_data_is_there(self) -> None:
        """Raises InputError if the images of the run are no longer where they were."""
        if self.config.data not in DATASET_NAMES and not Path(self.config.data).exists():
            raise InputError(
                f"expected the images of the run where they were, {self.config.data!r}, got nothing there",
                words("pass {data} with their new place"),
            )

    def load_training_images(self, data: str | None = None) -> ImageSet:
        """The images the run was trained on, from `data` if they have moved. Raises ValueError if they differ."""
        config = self.config
        if data is None:
            self.check_data_is_there()
        images = load_images(data or config.data, ReadingOptions.of(config))
        self.check_same_images(images)
        return images

    # Networks and scaling

    def load_scaler(self) -> PixelScaler:
        """preprocessing.json. Raises ValueError when it is missing or damaged."""
        path = self.path / "preprocessing.json"
        if not path.exists():
            raise InputError(f"expected {path}, got a run without it", "restore it; without it levels cannot be found")
        return PixelScaler.load(path)

    def save_network(self, name: str, network) -> None:
        """Writes NAME.keras (generator, generator_best or discriminator): the weights, without optimizers."""
        from models.keras_files import save_network

        with atomic_path(self.path / f"{name}.keras") as partial:
            save_network(network, partial)

    def has_network(self, name: str) -> bool:
        """Whether NAME.keras exists and is intact."""
        try:
            check_keras_file(self.path / f"{name}.keras")
            return True
        except (FileNotFoundError, UnreadableFile):
            return False

    def load_generator(self, best: bool = False):
        """generator.keras, or generator_best.keras, as stock Keras reads it.

        Raises ValueError if there is none yet or it is damaged.
        """
        from models.keras_files import load_network

        path = self.path / ("generator_best.keras" if best else "generator.keras")
        if best and not path.exists():
            raise InputError(
                f"expected {path}, got a run that has measured no distance",
                "train one that does",
                words("leave {best} out"),
            )
        if not path.exists():
            raise InputError(f"expected {path}, got a run without it", "resume its training, which writes it")
        return load_network(path)

    def load_discriminator(self):
        """discriminator.keras, as stock Keras reads it. Raises ValueError if there is none or it is damaged."""
        from models.keras_files import load_network

        path = self.path / "discriminator.keras"
        if not path.exists():
            raise InputError(f"expected {path}, got a run without it", "resume its training, which writes it")
        return load_network(path)

    # Checkpoints

    def save_checkpoint(self, step: int, state: dict[str, np.ndarray]) -> None:
        """Writes everything needed to resume from `step`, then deletes all but the newest checkpoints."""
        with atomic_path(self._checkpoint_path(step)) as partial:
            np.savez(partial, **state)
        for older in self._checkpoints()[:-CHECKPOINTS_KEPT]:
            older.unlink()

    def latest_checkpoint(self) -> Path | None:
        return self._checkpoints()[-1] if self._checkpoints() else None

    def load_checkpoint(self) -> dict[str, np.ndarray] | None:
        """The newest checkpoint, or None if the run was stopped before its first."""
        path = self.latest_checkpoint()
        if path is None:
            return None
        try:
            return dict(load_arrays(path))
        except (TypeError, DamagedFile) as error:  # TypeError: a single array instead of an archive
            older = self._checkpoints()[:-1]
            way_out = f"remove it to continue from {older[-1].name}" if older else "restore it; there is no older one"
            reason = brief(error.__cause__ or error)
            raise ValueError(
                f"{path}: expected a whole checkpoint, got one that cannot be read ({reason}); {way_out}"
            ) from error

    def _checkpoint_path(self, step: int) -> Path:
        return self.path / "checkpoints" / f"step_{step:09d}.npz"

    def _checkpoints(self) -> list[Path]:
        """From the oldest to the newest."""
        return _numbered(self.path / "checkpoints", _CHECKPOINT_NAME)

    # Readings and pictures

    def save_metrics(self, records: list[dict]) -> None:
        """Rewrites metrics.jsonl, one line per record, so that it never ends in a partial line."""
        write_text(self.path / "metrics.jsonl", "".join(json.dumps(record) + "\n" for record in records))

    def load_metrics(self) -> list[dict]:
        """The lines of metrics.jsonl, none if it does not exist. Raises ValueError for lines that are not readings."""
        path = self.path / "metrics.jsonl"
        try:
            records = read_json_lines(path)
        except FileNotFoundError:
            return []
        for number, record in enumerate(records, 1):
            if not isinstance(record, dict) or not all(type(record.get(name)) is int for name in ("epoch", "step")):
                raise ValueError(f"{path}, line {number}: expected the readings of an epoch, got others; restore it")
        return records

    def save_sample(self, epoch: int, grid: np.ndarray) -> None:
        save_image(self.path / "samples" / f"epoch_{epoch:04d}.png", grid)

    def samples(self) -> list[Path]:
        """The sample grids, in the order of their epochs."""
        return _numbered(self.path / "samples", _SAMPLE_NAME)

    def clean_after(self, step: int) -> None:
        """Removes what was written after the checkpoint at `step`, and partial files."""
        remove_partials(self.path)
        records = self.load_metrics()
        kept = [record for record in records if record["step"] <= step]
        last = step // self.steps_per_epoch
        for sample in self.samples():
            if int(_SAMPLE_NAME.fullmatch(sample.name)[1]) > last:
                sample.unlink()
        if kept != records:
            self.save_metrics(kept)


def _checked_images(entries: dict) -> tuple:
    """What config.json says about the images, in the order of `RunFolder`. Raises ValueError for invalid entries."""
    shape, names = tuple(entries["shape"]), tuple(entries["class_names"])
    checks = {
        "shape": len(shape) == 3 and all(type(side) is int and 0 < side <= 2**14 for side in shape),
        "dtype": entries["dtype"] in ("uint8", "uint16"),
        "class_names": all(isinstance(name, str) for name in names),
        "count": type(entries["count"]) is int and entries["count"] > 0,
        "sha256": isinstance(entries["sha256"], str),
    }
    for name, fits in checks.items():
        if not fits:
            raise ValueError(f"expected {name} of the images, got {entries[name]!r}; restore the file")
    return shape, entries["dtype"], names, entries["count"], entries["sha256"]


def _numbered(folder: Path, pattern: re.Pattern) -> list[Path]:
    """The files of a folder whose names contain a number, sorted by it."""
    found = [(int(match[1]), folder / match[0]) for match in map(pattern.fullmatch, _names_in(folder)) if match]
    return [path for _, path in sorted(found)]


def _settings(config: TrainingConfig) -> dict:
    """The settings for JSON, with absolute paths, so that a run can be resumed from any folder."""
    settings = config.to_json()
    for name in ("data", "labels"):
        path = None if settings[name] is None else Path(settings[name]).expanduser()
        if path is not None and settings[name] not in DATASET_NAMES and path.exists():
            settings[name] = str(path.absolute())
    return settings


def check_outside(path: Path | None, data: str) -> None:
    """Raises InputError for a new run inside its own images, where its pictures would become training images."""
    place = (path or RUNS_FOLDER).resolve()
    if Path(data).is_dir() and _is_among(place, data):
        raise InputError(
            words("expected {run_dir} outside of the images of {data}, got {!r} in {!r}", str(place), data),
            words("pass {run_dir=../run}, or another folder elsewhere"),
        )


def _is_among(place: Path, data: str) -> bool:
    """Whether a resolved path is the data of a run, or inside it."""
    return data not in DATASET_NAMES and Path(data).exists() and place.is_relative_to(Path(data).resolve())


def check_new(path: Path) -> None:
    """Raises ValueError unless `path` does not exist, is an empty folder, or is a run killed while it was created."""
    begun = {"preprocessing.json", "checkpoints", "samples", LOCK_NAME}
    if path.is_dir() and any(name not in begun and PARTIAL_MARK not in name for name in _names_in(path)):
        is_run = (path / "config.json").exists()
        raise InputError(
            (
                *words("expected {run_dir} to be new or empty"),
                f", got {str(path)!r}, which holds {'a run' if is_run else 'other files'}",
            ),
            words("go on with {resume}") if is_run else "choose another folder",
        )
    if path.exists() and not path.is_dir():
        raise InputError(words("expected {run_dir} to be a folder, got the file {!r}", path), "choose another name")
    parent = path.parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise InputError(
            words("expected a folder that can be written to, got {} for {run_dir} {!r}", parent, path),
            "choose another",
        )


def _claim_number(name: str) -> Path:
    """Creates runs/00000-glyphs, runs/00001-cifar10, …: one more than the highest existing number."""
    RUNS_FOLDER.mkdir(parents=True, exist_ok=True)
    while True:
        numbers = [int(match[1]) for match in map(re.compile(r"(\d{5})-").match, _names_in(RUNS_FOLDER)) if match]
        path = RUNS_FOLDER / f"{max(numbers, default=-1) + 1:05d}-{name}"
        with contextlib.suppress(FileExistsError):  # another process was faster
            path.mkdir()
            return path


def _names_in(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
