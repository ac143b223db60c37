"""What a training run is: one frozen dataclass, the presets that fill it, and its way to JSON and back."""

import dataclasses
from dataclasses import dataclass

LOSSES = ("non_saturating", "hinge", "wasserstein", "relativistic")
PRECISIONS = ("auto", "float32", "bfloat16")
XLA = ("auto", "on", "off")
SCHEDULES = ("constant", "cosine")
AUGMENTATIONS = ("colour", "translation", "cutout", "mirror")
CHANGED_BY_RESUMING = ("epochs", "data", "evaluate_every")
BOUNDED_SCALINGS = ("normalize", "tanh", "positive_standardize")

# What a run did before a setting was there, where that is not today's default; a new setting that changes what is done
# by default gets a line here, so that runs begun without it go on as they began.
BEFORE_IT_WAS_THERE = {"r1": 0.0, "penalty_interval": 1, "xla": "off"}
# All that generate.py and evaluate.py need to know of a run's settings.
NEEDED_FOR_DRAWING = (
    "data",
    "image_size",
    "image_count",
    "channels",
    "alpha",
    "cmyk",
    "scaling",
    "latent_dim",
    "conditional",
)


@dataclass(frozen=True)
class TrainingConfig:
    """Every choice of a run. What is not given follows the defaults here, which the preset may override.

    Raises ValueError for values that cannot work.
    """

    data: str = "glyphs"  # a name or a path
    image_size: tuple[int, int] | None = None  # (height, width), None: as they are
    image_count: int | None = None  # None: all; glyphs: 20,000
    channels: int | None = None  # None: as they are
    alpha: str | None = None
    cmyk: str | None = None
    preset: str = "r1gan"
    epochs: int = 10
    batch_size: int = 32  # images: many small steps learn more per minute than few large ones
    seed: int = 0
    scaling: str = "tanh"
    loss: str = "non_saturating"
    precision: str = "auto"  # "float32", "bfloat16", or "auto", which is measured and replaced before a run is written
    xla: str = "auto"  # whether XLA compiles the step: "on", "off", or "auto", which is measured on a GPU and replaced
    latent_dim: int = 100
    learning_rate: float = 4e-4
    beta_1: float = 0.0  # of Adam
    schedule: str = "constant"  # of the learning rate and the penalties
    r1: float = 0.5  # weights of the penalties on the discriminator's slope; 0 is off
    r2: float = 0.0
    gradient_penalty: float = 0.0
    penalty_interval: int = 4  # steps; a rarer penalty weighs more, so that its mean stays
    spectral_normalisation: bool = False  # of the discriminator
    augmentation: tuple[str, ...] = ()
    conditional: bool = False  # both networks are told the class of an image
    evaluate_every: int | None = None  # epochs, None: never
    averaging: float = 0.05  # half-life of the averaged generator, as a share of the steps so far
    maximum: str | float | None = None  # of the scaling: None for the white of the type, "data", or a level

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 2), ("seed", 0), ("latent_dim", 1), ("penalty_interval", 1)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"expected {option_name(name)} of at least {least}, got {getattr(self, name)}; choose more"
                )
        if self.seed >= 2**30:
            raise ValueError(f"expected --seed below {2**30}, got {self.seed}; choose a smaller one")
        for name, known in (
            ("preset", PRESETS),
            ("loss", LOSSES),
            ("precision", PRECISIONS),
            ("xla", XLA),
            ("schedule", SCHEDULES),
        ):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"expected {option_name(name)} {' or '.join(known)}, got {getattr(self, name)!r}; choose one"
                )
        if self.maximum is not None and self.scaling not in ("normalize", "tanh", "center"):
            raise ValueError(
                f"expected --maximum with a scaling that divides by it (normalize, tanh, center), got {self.scaling}; "
                "leave it out"
            )
        if not 0 < self.learning_rate < 1:
            raise ValueError(f"expected --learning-rate between 0 and 1, got {self.learning_rate}; 0.0002 is usual")
        if not 0 <= self.averaging < 1:
            raise ValueError(f"expected --averaging from 0 to below 1, got {self.averaging}; 0.05 is usual, 0 is off")
        unknown = [kind for kind in self.augmentation if kind not in AUGMENTATIONS]
        if unknown or len(set(self.augmentation)) < len(self.augmentation):
            raise ValueError(
                f"expected --augmentation of {', '.join(AUGMENTATIONS)}, each once, got {','.join(self.augmentation)}; "
                "choose some"
            )
        if "colour" in self.augmentation and self.scaling not in BOUNDED_SCALINGS:
            raise ValueError(
                f"expected --augmentation colour with a scaling of known range ({', '.join(BOUNDED_SCALINGS)}), "
                f"got {self.scaling}; leave colour out or choose another scaling"
            )
        for name in ("r1", "r2", "gradient_penalty"):
            if not 0 <= getattr(self, name) < 1e6:
                raise ValueError(f"expected {option_name(name)} from 0 on, got {getattr(self, name)}; 0 is off")
        if self.loss == "wasserstein" and not (self.gradient_penalty or self.spectral_normalisation):
            raise ValueError(
                "expected --gradient-penalty above 0 or --spectral-normalisation with --loss wasserstein, got neither; "
                "10 is usual"
            )
        if self.evaluate_every is not None and self.evaluate_every < 1:
            raise ValueError(f"expected --evaluate-every of at least 1 epoch, got {self.evaluate_every}; choose more")
        if not 0 <= self.beta_1 < 1:
            raise ValueError(f"expected --beta-1 from 0 to below 1, got {self.beta_1}; 0.5 is usual for GANs")

    @classmethod
    def of(cls, **choices) -> "TrainingConfig":
        """The config of explicit choices over those their loss needs, over those of their preset, over the defaults.

        >>> TrainingConfig.of(loss="wasserstein").gradient_penalty
        10.0
        """
        preset = PRESETS.get(choices.get("preset", cls.preset), {})
        needed = LOSS_NEEDS.get(choices.get("loss", ""), {})
        return cls(**{**preset, **needed, **choices})

    def whole_intervals(self, steps: int) -> int:
        """At least so many steps, a multiple of those from one penalty to the next."""
        return -(-steps // self.penalty_interval) * self.penalty_interval

    def to_json(self) -> dict:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: dict) -> tuple["TrainingConfig", tuple[str, ...]]:
        """The settings of a run that any version of this project wrote; and what of them this version does not know.

        What is missing is what was done before the setting was there. A setting or a value that is not known may come
        from a newer version: drawing needs none of them, so they are only named. Training must not go on without them.
        Raises ValueError where a setting that drawing needs is not known.

        >>> config, unknown = TrainingConfig.from_json({"latent_dim": 4, "sharpness": 2})
        >>> config.latent_dim, unknown
        (4, ('sharpness 2',))
        """
        names = {field.name for field in dataclasses.fields(cls)}
        unknown = tuple(f"{name} {_shown(value)}" for name, value in document.items() if name not in names)
        values = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in (BEFORE_IT_WAS_THERE | document).items()
            if name in names
        }
        try:
            return cls(**values), unknown
        except (ValueError, TypeError) as error:
            needed = {name: value for name, value in values.items() if name in NEEDED_FOR_DRAWING}
            return cls(**needed), (*unknown, str(error))

    def contradictions(self, choices: dict) -> list[str]:
        """The explicit choices that differ from this config, in words.

        Another place of the data is none: the images themselves are compared. Nor is what is measured on the way, or
        another number of epochs, unless the schedule was laid out for it.
        """
        fixed = ("epochs",) if self.schedule == "cosine" else ()
        return [
            f"{option_name(name)} {_shown(value)} (the run has {_shown(getattr(self, name))})"
            for name, value in choices.items()
            if value != getattr(self, name) and (name not in CHANGED_BY_RESUMING or name in fixed) and value != "auto"
        ]


# Radford, Metz, Chintala 2015
DCGAN = {"r1": 0.0, "penalty_interval": 1, "learning_rate": 2e-4, "beta_1": 0.5}

# The recipe that goes with a pair of networks. Only what differs from the defaults above is listed.
PRESETS: dict[str, dict] = {
    "r1gan": {},  # Mescheder, Geiger, Nowozin 2018: the penalty R1, and Adam without momentum
    "dcgan": DCGAN,
    "tutorial": {**DCGAN, "averaging": 0.0},  # the same optimizers, so that the layers make the difference
}

# What goes with a loss when it is asked for by name; explicit choices go before.
LOSS_NEEDS: dict[str, dict] = {
    "wasserstein": {"gradient_penalty": 10.0, "r1": 0.0, "penalty_interval": 1, "beta_1": 0.0},  # Gulrajani et al. 2017
    "relativistic": {"r1": 0.5, "r2": 0.5, "beta_1": 0.0},  # Huang et al. 2024
}


def option_name(field: str) -> str:
    """The command-line option of a field.

    >>> option_name("batch_size")
    '--batch-size'
    """
    return "--" + field.replace("_", "-")


def _shown(value) -> str:
    if isinstance(value, tuple):
        return ("x" if all(isinstance(part, int) for part in value) else ",").join(map(str, value)) or "none"
    return str(value)
