"""The settings of a training run: one frozen dataclass, its presets, and its conversion to and from JSON.

Each field is an option of train.py: its default, its allowed values, its group and its help are defined only here.
`docs/options.md` lists them all.
"""

import dataclasses
from dataclasses import dataclass

from errors import InputError, Parameter, option_text, words
from image_datasets import DATASET_NAMES
from imaging import FITS
from models.layout import DCGAN_PRESETS
from options import (
    Choice,
    Flag,
    Level,
    Names,
    Number,
    Range,
    Size,
    Text,
    Whole,
    check_options,
    option,
    restored_options,
)
from preprocessing import MODES

LOSSES = (
    "non_saturating",
    "hinge",
    "wasserstein",
    "relativistic",
)
AUGMENTATIONS = ("color", "translation", "cutout", "mirror")
CHANGED_BY_RESUMING = ("epochs", "minutes", "data", "evaluate_every")
BOUNDED_SCALINGS = ("normalize", "tanh", "positive_standardize")
DIVIDING_SCALINGS = ("normalize", "tanh", "center")

# Radford, Metz, Chintala 2015
DCGAN = {"r1": 0.0, "penalty_interval": 1, "learning_rate": 2e-4, "beta_1": 0.5, "smooth": False}

# The recipe for each pair of networks. Lists only differences from the defaults below.
PRESETS: dict[str, dict] = {
    "r1gan": {},  # Mescheder, Geiger, Nowozin 2018: the penalty R1, and Adam without momentum
    "dcgan": DCGAN,
    "tutorial": {**DCGAN, "averaging": 0.0},  # the same optimizers, so that the layers make the difference
}

IMAGES_SHOWN, IMAGES_A_LINE = 100_000, 5_000  # in a run without --epochs, and from one line of it to the next
MOST_EPOCHS = 1_000_000  # of a run that its minutes end

# Settings that come with a loss, unless they are chosen explicitly.
LOSS_NEEDS: dict[str, dict] = {
    "wasserstein": {"gradient_penalty": 10.0, "r1": 0.0, "penalty_interval": 1, "beta_1": 0.0},  # Gulrajani et al. 2017
    "relativistic": {"r1": 0.5, "r2": 0.5, "beta_1": 0.0},  # Huang et al. 2024
}

# Groups of options, in the order of the help
IMAGES, RECIPE, REGULARIZERS, RUN = "images", "recipe", "regularizers of the discriminator", "run"
SHARE = Number("SHARE", least=0, below=1, usual="0.05 is usual, 0 is off")
WEIGHT = Number("WEIGHT", least=0, below=1e6, usual="0 is off")

# What runs did before a setting existed, if that differs from today's default. A new setting that changes the default
# behavior gets a line here, so that older runs continue as they started.
BEFORE_IT_WAS_THERE = {"r1": 0.0, "penalty_interval": 1, "xla": "off", "smooth": False}
# The settings of a run that generate.py and evaluate.py need.
NEEDED_FOR_DRAWING = (
    "data",
    "image_size",
    "image_count",
    "channels",
    "alpha",
    "cmyk",
    "fit",
    "crops",
    "frames",
    "skip_damaged",
    "class_level",
    "labels",
    "value_range",
    "max_pixels",
    "scaling",
    "latent_dim",
    "conditional",
)


@dataclass(frozen=True)
class TrainingConfig:
    """Every setting of a run. The defaults are those here; the preset may override them.

    Raises InputError, a ValueError, for values that cannot work.
    """

    data: str = option(
        "glyphs",
        IMAGES,
        f"{', '.join(DATASET_NAMES)}, or a folder (class sub-folders give labels), a .zip of one, an .npy or .npz "
        "(default {default})",
        Text("NAME|PATH"),
    )
    image_size: tuple[int, int] | None = option(
        None,
        IMAGES,
        "size in pixels; other images are brought to it by --fit (default: as they are)",
        Size(),
    )
    fit: str = option(
        "crop",
        IMAGES,
        "to --image-size: cut around the center, pad the edges, or stretch (default {default})",
        Choice(FITS),
    )
    crops: int = option(
        1,
        IMAGES,
        "images from each picture file, at --image-size: the center, then random parts of at least half its size "
        "(default {default})",
        Whole("N", 1),
        rare=True,
    )
    image_count: int | None = option(
        None,
        IMAGES,
        "images to take at random, or glyphs to draw (default: all; 20000 glyphs)",
        Whole("N", 1),
    )
    channels: int | None = option(
        None, IMAGES, "convert all images to grayscale (1) or RGB (3) (default: as they are)", Choice((1, 3))
    )
    skip_damaged: bool = option(False, IMAGES, "leave out files that cannot be read (default: an error)", Flag())
    alpha: str | None = option(
        None,
        IMAGES,
        "transparency: keep as RGBA, drop, or put on a background (default: an error)",
        Choice(("keep", "drop", "white", "black")),
    )
    cmyk: str | None = option(
        None, IMAGES, "convert CMYK images to RGB (default: an error)", Choice(("convert",)), rare=True
    )
    frames: str | None = option(
        None,
        IMAGES,
        "for files with several (GIF, TIFF pages): take the first, or all as separate images (default: an error)",
        Choice(("first", "all")),
        rare=True,
    )
    labels: str | None = option(
        None,
        IMAGES,
        "a file with the classes: an .npy, or a .csv with a file name and a class in each row",
        Text("PATH"),
        rare=True,
    )
    class_level: int | None = option(
        None,
        IMAGES,
        "the level of folders whose names are the classes, from 1; images above it are left out (default: the first at "
        "which the images differ, unless it is train, test and the like)",
        Whole("N", 1),
        rare=True,
    )
    value_range: tuple[float, float] | None = option(
        None,
        IMAGES,
        "black and white of floats, in arrays and image files, such as 0,1 (default: an error)",
        Range(),
        rare=True,
    )
    max_pixels: int | None = option(
        None,
        IMAGES,
        "pixels of an image file at most; a larger one may be a bomb (default 89478485)",
        Whole("N", 1),
        rare=True,
    )
    scaling: str = option(
        "tanh", IMAGES, f"how pixels are scaled: {', '.join(MODES)} (default {{default}})", Choice(MODES, "MODE")
    )
    maximum: str | float | None = option(
        None,
        IMAGES,
        "the level scaled to the upper end, or data, the highest found (default: white)",
        Level(),
    )

    preset: str = option(
        "r1gan",
        RECIPE,
        f"networks and recipe: {' or '.join(PRESETS)} (default {{default}})",
        Choice(tuple(PRESETS), "NAME"),
    )
    filters: int | None = option(
        None,
        RECIPE,
        "filters of the layers next to the image; more are slower (default by size: 32 up to 32x32, 16 at 64x64, 8 "
        "from 128x128; dcgan and tutorial 64)",
        Whole("N", 1),
        rare=True,
    )
    smooth: bool = True  # whether r1gan's generator averages neighbors; not an option: only older runs go without
    loss: str = option(
        "non_saturating", RECIPE, "the loss both networks are trained with (default {default})", Choice(LOSSES)
    )
    epochs: int = option(
        5,
        RECIPE,
        f"passes over the data (default: as many as show {IMAGES_SHOWN:,} images, {{default}} of the glyphs)",
        Whole("N", 1),
    )
    # Many small steps learn more per minute than a few large ones.
    batch_size: int = option(32, RECIPE, "images per step (default {default})", Whole("N", 2))
    learning_rate: float = option(
        4e-4,
        RECIPE,
        "Adam's learning rate (default {default})",
        Number("RATE", above=0, below=1, usual="0.0002 is usual"),
    )
    beta_1: float = option(
        0.0,
        RECIPE,
        "Adam's momentum, beta 1 (default {default})",
        Number("BETA", least=0, below=1, usual="0.5 is usual for GANs"),
    )
    schedule: str = option(
        "constant",
        RECIPE,
        "how learning rate and penalties change; cosine decays both until the end of the run (default {default})",
        Choice(("constant", "cosine")),
    )
    conditional: bool = option(
        False,
        RECIPE,
        "give both networks the class of each image, so that generate.py --class can choose one; needs labels",
        Flag(),
    )
    augmentation: tuple[str, ...] = option(
        (),
        RECIPE,
        f"any of {','.join(AUGMENTATIONS)}: applied to real and generated images alike before the discriminator sees "
        "them; for small data sets (default: none)",
        Names("LIST", AUGMENTATIONS, formerly=(("colour", "color"),)),
    )
    averaging: float = option(
        0.05,
        RECIPE,
        "half-life of the averaged generator, as a share of the steps so far; 0 turns averaging off "
        "(default {default}; tutorial 0)",
        SHARE,
    )
    latent_dim: int = option(100, RECIPE, "length of a latent vector (default {default})", Whole("N", 1))
    seed: int = option(0, RECIPE, "seed of all random numbers (default {default})", Whole("N", 0, below=2**30))
    # "auto" is replaced by a measured choice before the run is written.
    precision: str = option(
        "auto",
        RECIPE,
        "precision of the convolutions; auto measures which is faster here and keeps it for the run; name one to "
        "repeat a run exactly (default {default})",
        Choice(("auto", "float32", "bfloat16")),
    )
    xla: str = option(
        "off",
        RECIPE,
        "compile the train step of a single device with XLA (default {default})",
        Choice(("on", "off"), formerly=(("auto", "off"),)),
    )

    r1: float = option(0.5, REGULARIZERS, "weight of the gradient penalty at real images (default {default})", WEIGHT)
    r2: float = option(
        0.0, REGULARIZERS, "weight of the gradient penalty at generated images (default {default})", WEIGHT
    )
    gradient_penalty: float = option(
        0.0,
        REGULARIZERS,
        "weight of the penalty that pulls the gradient's norm between real and generated images toward 1 "
        "(default {default}; wasserstein 10)",
        WEIGHT,
    )
    # A less frequent penalty weighs more, so that its mean stays the same.
    penalty_interval: int = option(
        4,
        REGULARIZERS,
        "steps from one penalty to the next; a longer interval is faster (default {default})",
        Whole("STEPS", 1),
    )
    spectral_normalization: bool = option(
        False,
        REGULARIZERS,
        "keep the largest singular value of each kernel at 1",
        Flag(),
        formerly="spectral_normalisation",
    )

    minutes: float | None = option(
        None,
        RUN,
        "stop after this many minutes of training (default: when the epochs are done)",
        Number("MINUTES", above=0, below=1e6, usual="30 is usual"),
    )
    save_every: int = option(
        1,
        RUN,
        "epochs from one sample grid, line and checkpoint to the next (default {default}; without --epochs, as many as "
        f"show {IMAGES_A_LINE:,} images)",
        Whole("EPOCHS", 1),
        rare=True,
    )
    start_from: str | None = option(
        None,
        RUN,
        "begin with the networks of another run, of the same size or of half of it",
        Text("RUN"),
    )
    start_sha256: str | None = None  # of the weights that the run started from; set when it starts
    evaluate_every: int | None = option(
        None,
        RUN,
        "every EPOCHS epochs, measure the distance between up to 5,000 samples and real images, and keep the best "
        "weights in generator_best.keras; with a classifier trained once on labeled images, else EfficientNet-Lite0 "
        "if it is installed, or InceptionV3 (default: never)",
        Whole("EPOCHS", 1),
    )

    def __post_init__(self) -> None:
        check_options(self)
        if self.maximum is not None and self.scaling not in DIVIDING_SCALINGS:
            raise InputError(
                words(
                    "expected {maximum} with a scaling that divides by it ({}), got {}",
                    ", ".join(DIVIDING_SCALINGS),
                    self.scaling,
                ),
                "leave it out",
            )
        if self.alpha == "keep" and self.channels is not None:
            raise InputError(
                words("expected {alpha=keep}, which is a fourth channel, without {channels}, got {}", self.channels),
                words("pass {alpha=white} with it"),
                "leave it out",
            )
        if "color" in self.augmentation and self.scaling not in BOUNDED_SCALINGS:
            raise InputError(
                words(
                    "expected {augmentation=color} with a scaling of known range ({}), got {}",
                    ", ".join(BOUNDED_SCALINGS),
                    self.scaling,
                ),
                "leave color out",
                "choose another scaling",
            )
        if self.loss == "wasserstein" and not (self.gradient_penalty or self.spectral_normalization):
            raise InputError(
                words(
                    "expected {gradient_penalty} above 0 or {spectral_normalization} with {loss=wasserstein}, "
                    "got neither"
                ),
                ("pass ", Parameter("gradient_penalty", 10)),
            )

    @classmethod
    def of(cls, **choices) -> "TrainingConfig":
        """The config by explicit choices, then by what the loss needs, then by the preset, then by the defaults.

        >>> TrainingConfig.of(loss="wasserstein").gradient_penalty
        10.0
        """
        preset = PRESETS.get(choices.get("preset", cls.preset), {})
        needed = LOSS_NEEDS.get(choices.get("loss", ""), {})
        return cls(**{**preset, **needed, **choices})

    def lasting(self, choices: dict, total: int) -> "TrainingConfig":
        """Sets the epochs of a new run on `total` images, if `choices` do not: enough to show `IMAGES_SHOWN` images, or
        unlimited if `minutes` end the run. Such a run saves after every `IMAGES_A_LINE` images, not every epoch.
        """
        if "epochs" in choices:
            return self
        epochs = MOST_EPOCHS if self.minutes else max(1, round(IMAGES_SHOWN / total))
        save_every = choices.get("save_every", max(1, round(IMAGES_A_LINE / total)))
        return dataclasses.replace(self, epochs=epochs, save_every=save_every)

    def whole_intervals(self, steps: int) -> int:
        """At least this many steps, rounded up to a multiple of the penalty interval."""
        return -(-steps // self.penalty_interval) * self.penalty_interval

    def to_json(self) -> dict:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: dict) -> tuple["TrainingConfig", tuple[str, ...]]:
        """The settings of a run that any version of this project wrote, and those that this version does not know.

        A missing setting gets the behavior from before it existed. An unknown setting or value may come from a newer
        version: generating needs none of those, so they are only named, but training must not continue without them.
        Raises ValueError for an unknown value of a setting that generating needs.

        >>> config, unknown = TrainingConfig.from_json({"latent_dim": 4, "sharpness": 2})
        >>> config.latent_dim, unknown
        (4, ('sharpness 2',))
        """
        names = {field.name for field in dataclasses.fields(cls)}
        before = BEFORE_IT_WAS_THERE | ({} if document.get("preset") in DCGAN_PRESETS else {"filters": 32})
        document = restored_options(cls, before | document)
        unknown = tuple(f"{name} {option_text(value)}" for name, value in document.items() if name not in names)
        values = {name: value for name, value in document.items() if name in names}
        try:
            return cls(**values), unknown
        except (ValueError, TypeError) as error:
            needed = {name: value for name, value in values.items() if name in NEEDED_FOR_DRAWING}
            return cls(**needed), (*unknown, str(error))

    @property
    def length_is_fixed(self) -> bool:
        """Whether the schedule was made for the length of the run, which resuming then cannot change."""
        return self.schedule == "cosine"

    def contradictions(self, choices: dict) -> list[str | Parameter]:
        """The explicit choices that differ from this config, as parts of an error; empty if there are none.

        Moved data is no difference: the images themselves are compared. Neither is what is measured during training,
        nor the length of the run, unless the schedule depends on it.
        """
        fixed = ("epochs", "minutes") if self.length_is_fixed else ()
        differing: list[str | Parameter] = []
        for name, value in choices.items():
            mine = getattr(self, name)
            if value != mine and (name not in CHANGED_BY_RESUMING or name in fixed) and value != "auto":
                differing += [", " if differing else "", Parameter(name, value)]
                differing += [f" (the run has {'none' if mine in (None, ()) else option_text(mine)})"]
        return differing
