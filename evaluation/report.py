"""The output of evaluate.py: all numbers of one evaluation, as a table for people and as JSON for programs."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.distances import class_counts, class_difference
from evaluation.scores import FEWEST_IMAGES, Features, Scores, compare
from image_datasets import ImageSet

if TYPE_CHECKING:
    from evaluation.features import FeatureExtractor

MOST_CLASS_ROWS = 20
ROWS = (
    ("Fréchet distance", "frechet_distance", "0 is best"),
    ("kernel distance", "kernel_distance", "0 is best; ± over its subsets"),
    ("precision", "precision", "share of these images that look real"),
    ("recall", "recall", "share of real images within reach of these"),
    ("density", "density", "about 1 for real images; more if they crowd"),
    ("coverage", "coverage", "share of real images with one of these nearby"),
)


@dataclass(frozen=True)
class Evaluated:
    """The images to evaluate, a run's or others, and their features."""

    name: str
    features: Features
    weights: str | None = None  # the run's weights, "last" or "best"; None for image files
    seed: int | None = None  # the first one used; None for image files
    requested_classes: tuple[str, ...] | None = None  # in a conditional run: the class requested for each image


@dataclass(frozen=True)
class Reference:
    """Real images, and the features of some: first those to compare with, then equally many others."""

    images: ImageSet
    fingerprint: str
    features: Features


@dataclass(frozen=True)
class Report:
    """Everything that is printed and written.

    floor: the scores of real images against other real images, which a perfect generator would reach.
    """

    evaluated: Evaluated
    reference: Reference
    reference_count: int
    extractor: "FeatureExtractor"
    scores: Scores
    floor: Scores | None
    floor_count: int
    classes: dict[str, tuple[int, int]]  # name -> (generated, real)
    requested_class_named: float | None  # in a conditional run: share of images in which the classifier sees that class

    @classmethod
    def of(
        cls,
        evaluated: Evaluated,
        reference: Reference,
        extractor: "FeatureExtractor",
        count: int,
        with_floor: bool = True,
    ) -> "Report":
        """Compares `evaluated` with the first `count` real images, and these with other real images for the floor."""
        real = reference.features[:count]
        half = min(count, len(reference.features) // 2)
        floor = None
        if half >= FEWEST_IMAGES and with_floor:
            one, other = reference.features[:half], reference.features[half : 2 * half]
            floor = compare(one, other, title="comparing real images with real images")
        return cls(
            evaluated=evaluated,
            reference=reference,
            reference_count=len(real),
            extractor=extractor,
            scores=compare(real, evaluated.features),
            floor=floor,
            floor_count=half if floor else 0,
            classes=_class_counts(extractor.class_names, evaluated.features, real),
            requested_class_named=_share_named(evaluated, extractor.class_names),
        )


def _class_counts(names: tuple[str, ...], generated: Features, real: Features) -> dict[str, tuple[int, int]]:
    if generated.classes is None:
        return {}
    counts = zip(*(class_counts(features.classes, len(names)).tolist() for features in (generated, real)), strict=True)
    return dict(zip(names, counts, strict=True))


def _share_named(evaluated: Evaluated, names: tuple[str, ...]) -> float | None:
    requested = evaluated.requested_classes
    if requested is None or not set(requested) <= set(names):
        return None
    return float(np.mean(np.array(names)[evaluated.features.classes] == np.array(requested)))


def as_table(report: Report) -> str:
    """For people: what was compared, one line per score beside that of real images, and one line per class."""
    return "\n".join([*_heading(report), "", *_score_lines(report), *_class_lines(report)])


def _heading(report: Report) -> list[str]:
    evaluated, real = report.evaluated, report.reference.images
    count, length = evaluated.features.values.shape
    height, width, channels = real.image_shape
    weights = ", best weights" if evaluated.weights == "best" else ""
    lines = [
        f"images    {count:,} of {evaluated.name}{weights}",
        f"against   {report.reference_count:,} of the {len(real.images):,} of {real.name}, "
        f"all {height}x{width}x{channels}{', seen on white' if channels == 4 else ''}",
        f"features  {report.extractor.description}",
    ]
    fewest = min(count, report.reference_count)
    if fewest < 2 * length:
        lines.append(f"          {fewest:,} images are few for {length:,} features: distances are too large")
    if report.floor and report.floor_count < fewest:
        lines.append(
            f"          to compare both columns, pass --count {report.floor_count}: more images give smaller distances"
        )
    return lines


def _score_lines(report: Report) -> list[str]:
    floor_title = f"real, other {report.floor_count:,}" if report.floor else ""
    lines = [f"{'':18}{'these images':>18}{floor_title:>22}"]
    for title, name, meaning in ROWS:
        score, floor = (_shown(scores, name) if scores else "" for scores in (report.scores, report.floor))
        lines.append(f"{title:18}{score:>18}{floor:>22}  {meaning}".rstrip())
    if report.requested_class_named is not None:
        share, real = f"{report.requested_class_named:.1%}", f"{report.extractor.accuracy:.1%}"
        lines.append(f"{'class named':18}{share:>18}{real:>22}  share whose requested class the classifier recognizes")
    return lines


def _class_lines(report: Report) -> list[str]:
    if not report.classes:
        return []
    widest = max(18, *(len(name) + 1 for name in report.classes))
    lines = ["", f"{'looks like':{widest}}{'these images':>18}{'real':>22}"]
    totals = [sum(column) for column in zip(*report.classes.values(), strict=True)]
    if len(report.classes) > MOST_CLASS_ROWS:
        lines.append(f"--json counts each of the {len(report.classes)} classes")
    else:
        for name, counts in report.classes.items():
            these, real = (f"{count:,} ({count / total:.1%})" for count, total in zip(counts, totals, strict=True))
            lines.append(f"{name:{widest}}{these:>18}{real:>22}")
    lines.append(f"{'difference':{widest}}{_class_difference(report):>18.1%}{'':>22}  0% is best".rstrip())
    return lines


def _shown(scores: Scores, name: str) -> str:
    value = getattr(scores, name)
    if name == "kernel_distance":
        return f"{value:.4f} ± {scores.kernel_distance_spread:.4f}"
    return f"{value:.2f}" if name == "frechet_distance" else f"{value:.3f}"


def _class_difference(report: Report) -> float:
    return class_difference(*zip(*report.classes.values(), strict=True))


def as_json(report: Report) -> dict:
    return {
        "images": {
            "of": report.evaluated.name,
            "count": len(report.evaluated.features),
            "seed": report.evaluated.seed,
            "weights": report.evaluated.weights,
        },
        "real": {
            "of": report.reference.images.name,
            "count": report.reference_count,
            "shape": list(report.reference.images.image_shape),
            "sha256": report.reference.fingerprint,
        },
        "features": {
            "name": report.extractor.name,
            "description": report.extractor.description,
            "accuracy": report.extractor.accuracy,
            "length": report.evaluated.features.values.shape[1],
        },
        "scores": dataclasses.asdict(report.scores),
        "floor": report.floor and {"count": report.floor_count, **dataclasses.asdict(report.floor)},
        "classes": {name: {"images": found, "real": real} for name, (found, real) in report.classes.items()},
        "class_difference": _class_difference(report) if report.classes else None,
        "asked_class_named": report.requested_class_named,
    }
