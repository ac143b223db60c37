"""Distance against training time: recipes of this project and of two tutorials, on the same machine and data.

python benchmarks/recipes.py --data cifar10 --minutes 10 --seeds 0,1,2
python benchmarks/recipes.py --data glyphs --minutes 4 --recipes default dcgan dcgan+loss=hinge
python benchmarks/recipes.py --per-class 20 --recipes default 'default+augmentation=["color","translation","cutout"]'
python benchmarks/recipes.py --data noto-emoji-64.zip --alpha white --channels 3 --count 1500 --second efficientnet \
    --marks doubling --clock cpu --recipes default pytorch-example earlier

A recipe is "default", a preset, "earlier", one of these with options (dcgan+loss=hinge+spectral_normalization=true,
or default+start_from=RUN with a run in the current folder), or one of the tutorials (tensorflow-tutorial,
pytorch-example). "earlier" has the networks of the default up to version db04404, equally wide at every size, with
plain doublings and a discriminator from N(0, 0.02); its step is today's, which generates once for both networks.
With schedule=cosine, rates and penalties follow the share of the length that is done.
Every recipe and seed trains in its own process, and only training counts as time: wall-clock time, or with --clock
cpu the processor time of the process divided by the number of cores, which does not depend on other work on the
machine. Readings are appended to OUTPUT/readings.jsonl as they are taken. Finished ones are not repeated, so an
interrupted command can be run again to continue. It ends with OUTPUT/distance.png, over minutes,
OUTPUT/distance-by-images.png, over images seen, OUTPUT/samples.png, each recipe's last images with its first seed,
and OUTPUT/table.md.

Distances are Fréchet distances of --count images on the features of the project's classifier, and on those of a second
network that was never used to choose anything: a classifier with other filters and another seed, or EfficientNet-Lite0.
Images without classes have EfficientNet-Lite0 alone: --first efficientnet --second none.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import compare_runs
import costs
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from config import PRESETS, TrainingConfig  # noqa: E402
from evaluation.cache import Cache, cache_key  # noqa: E402
from evaluation.distances import frechet_distance, mean_and_covariance, precision_recall  # noqa: E402
from image_datasets import ImageSet, ReadingOptions, epoch_order, load_images  # noqa: E402
from imaging import image_grid, load_image, save_image  # noqa: E402
from models.sampling import generate_batches, latents_from_seeds, with_classes  # noqa: E402
from options import Size, converter  # noqa: E402
from preprocessing import PixelScaler  # noqa: E402

COUNT = 10_000
# What readings were made with before these could be chosen.
BEFORE_IT_COULD_BE_CHOSEN = {"count": COUNT, "first": "classifier", "second": "classifier"}
RECALL_COUNT = 3_000
CLOCKS = {"wall": time.perf_counter, "cpu": lambda: time.process_time() / len(os.sched_getaffinity(0))}
EARLIER, EARLIER_DEVIATION = "earlier", 0.02
PEER_NAMES = ("tensorflow-tutorial", "pytorch-example")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar10", metavar="NAME|PATH")
    parser.add_argument("--minutes", type=float, default=10.0, help="minutes of training (default 10)")
    parser.add_argument(
        "--images", type=int, metavar="N", help="train for N images in place of minutes, as on a GPU that is shared"
    )
    parser.add_argument("--recipes", nargs="+", default=["default", *PEER_NAMES], metavar="RECIPE")
    parser.add_argument("--seeds", default="0,1,2", metavar="LIST")
    parser.add_argument(
        "--per-class", type=int, metavar="N", help="train on N images per class; the judges know all (default all)"
    )
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="what counts as time (default wall)")
    parser.add_argument("--readings", type=int, default=10, metavar="N", help="evenly spaced readings (default 10)")
    parser.add_argument(
        "--marks",
        choices=("even", "doubling"),
        default="even",
        help="when readings are made: evenly, or each after twice the time of the one before (default even)",
    )
    parser.add_argument(
        "--drop-behind",
        type=float,
        metavar="FACTOR",
        help="at a quarter of the length, end a recipe FACTOR times as far as another, same seed (default never)",
    )
    parser.add_argument("--count", type=int, default=COUNT, metavar="N", help="images judged (default 10000)")
    parser.add_argument(
        "--first",
        choices=("classifier", "efficientnet"),
        default="classifier",
        help="the judge; images without classes need efficientnet (default classifier)",
    )
    parser.add_argument(
        "--second",
        choices=("classifier", "efficientnet", "none"),
        default="classifier",
        help="the second judge (default classifier)",
    )
    parser.add_argument("--image-size", type=converter(Size()), metavar=Size().metavar)
    parser.add_argument("--channels", type=int, choices=(1, 3))
    parser.add_argument("--alpha", choices=("drop", "white", "black"))
    parser.add_argument("--output", type=Path, default=Path("recipes"), metavar="FOLDER")
    parser.add_argument("--one", nargs=2, metavar=("RECIPE", "SEED"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    readings = arguments.output / "readings.jsonl"
    if arguments.one:
        recipe, seed = arguments.one
        train_one(arguments, recipe, int(seed))
        return
    check_folder(readings, arguments)
    for seed in map(
        int, arguments.seeds.split(",")
    ):  # seeds in the outer loop, so that all recipes run at all times of the day
        for recipe in arguments.recipes:
            if finished(readings, recipe, seed, arguments):
                continue
            forget(readings, recipe, seed)
            subprocess.run([sys.executable, *sys.argv, "--one", recipe, str(seed)], check=True)
    draw(readings, arguments.output)


def conditions(arguments: argparse.Namespace) -> dict:
    """The conditions that all readings in one folder share."""
    return {
        "data": Path(arguments.data).stem,
        "per_class": arguments.per_class,
        "clock": arguments.clock,
        "count": arguments.count,
        "first": arguments.first,
        "second": arguments.second,
    }


def check_folder(readings: Path, arguments: argparse.Namespace) -> None:
    mine = conditions(arguments)
    for entry in load(readings):
        theirs = {name: (BEFORE_IT_COULD_BE_CHOSEN | entry)[name] for name in mine}
        if theirs != mine:
            raise SystemExit(f"expected readings of {mine} in {readings}, got {theirs}; choose another --output")


def load(readings: Path) -> list[dict]:
    return [json.loads(line) for line in readings.read_text().splitlines()] if readings.exists() else []


def finished(readings: Path, recipe: str, seed: int, arguments: argparse.Namespace) -> bool:
    mine = [entry for entry in load(readings) if (entry["recipe"], entry["seed"]) == (recipe, seed)]
    return any(share_done(entry, arguments) >= 0.999 or "dropped" in entry for entry in mine)


def share_done(entry: dict, arguments: argparse.Namespace) -> float:
    """The share of the whole training that was done when this was read."""
    return entry["images"] / arguments.images if arguments.images else entry["minutes"] / arguments.minutes


def forget(readings: Path, recipe: str, seed: int) -> None:
    kept = [entry for entry in load(readings) if (entry["recipe"], entry["seed"]) != (recipe, seed)]
    readings.write_text("".join(json.dumps(entry) + "\n" for entry in kept))


# One recipe, one seed


def train_one(arguments: argparse.Namespace, recipe: str, seed: int) -> None:
    clock = CLOCKS[arguments.clock]
    reading = {name: getattr(arguments, name) for name in ("image_size", "channels", "alpha")}
    everything = load_images(arguments.data, ReadingOptions(**reading))
    images = few(everything, arguments.per_class) if arguments.per_class else everything
    scaler = PixelScaler("tanh").fit(images.images)
    if recipe in PEER_NAMES:
        batch_size, step, sampler, inputs = build_peer(recipe, images, seed, arguments.count)
    else:
        batch_size, step, sampler, inputs = build_ours(recipe, images, scaler, seed, arguments.count)
    steps_per_epoch = len(images.images) // batch_size
    if not steps_per_epoch:
        raise SystemExit(f"expected at least {batch_size} images, a batch of {recipe}, got {len(images.images)}")
    judges = open_judges(everything, arguments)
    number, seconds = 0, 0.0
    marks = when_to_read(arguments)
    while marks:
        epoch, place = divmod(number, steps_per_epoch)
        if place == 0:
            order = epoch_order(len(images.images), seed, epoch)
        chosen = order[place * batch_size : (place + 1) * batch_size]
        share = share_done({"images": number * batch_size, "minutes": seconds / 60}, arguments)
        start = clock()
        step(images, chosen, number, share)
        seconds += (clock() - start) if number >= 4 else 0.0  # the first steps also compile
        number += 1
        if (number * batch_size if arguments.images else seconds) < marks[0]:
            continue
        marks.pop(0)
        drawn = np.concatenate(list(generate_batches(sampler(), scaler, inputs)))
        entry = {
            "recipe": recipe,
            "seed": seed,
            **conditions(arguments),
            "minutes": round(seconds / 60, 5),
            "images": number * batch_size,
            **{name: value for judge in judges for name, value in judge(drawn).items()},
        }
        best = best_of_others(arguments, entry)
        if arguments.drop_behind and best and entry["distance"] > arguments.drop_behind * best:
            entry["dropped"] = f"more than {arguments.drop_behind:g} times as far as {best}"
            marks = []
        with (arguments.output / "readings.jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")
        print(json.dumps(entry), flush=True)
    sampler().save(arguments.output / f"{recipe}-{seed}.keras")
    save_image(arguments.output / f"{recipe}-{seed}.png", image_grid(drawn[:64], 8, 8))


def when_to_read(arguments: argparse.Namespace) -> list[float]:
    """When to read, in seconds of training or with --images in images seen, the last at the end."""
    length = arguments.images or 60 * arguments.minutes
    numbers = range(arguments.readings)
    if arguments.marks == "doubling":
        return [length / 2**number for number in reversed(numbers)]
    return [length * (number + 1) / arguments.readings for number in numbers]


def best_of_others(arguments: argparse.Namespace, entry: dict) -> float | None:
    """The smallest distance of another recipe with this seed as far along, None but at a quarter of the training."""
    if not 0.249 < share_done(entry, arguments) < 0.3:
        return None
    others = [
        other["distance"]
        for other in load(arguments.output / "readings.jsonl")
        if other["seed"] == entry["seed"]
        and other["recipe"] != entry["recipe"]
        and share_done(other, arguments) <= 1.02 * share_done(entry, arguments)
    ]
    return min(others, default=None)


def few(images: ImageSet, per_class: int) -> ImageSet:
    """The same random images of each class every time."""
    order = np.random.default_rng(0).permutation(len(images.images))
    labels = np.zeros(len(order)) if images.labels is None else images.labels[order]
    chosen = np.concatenate([order[np.flatnonzero(labels == label)[:per_class]] for label in np.unique(labels)])
    chosen.sort()
    chosen_labels = None if images.labels is None else images.labels[chosen]
    return ImageSet(images.name, images.images[chosen], chosen_labels, images.class_names)


def parse_recipe(recipe: str) -> TrainingConfig:
    preset, *options = recipe.split("+")
    choices = {"default": {}, EARLIER: dict(costs.EARLIER)}.get(preset, {"preset": preset})
    if preset not in ("default", EARLIER, *PRESETS):
        raise SystemExit(
            f"expected a recipe of default, {EARLIER}, {', '.join((*PRESETS, *PEER_NAMES))}, got {preset!r}"
        )
    for option in options:
        name, _, text = option.partition("=")
        try:
            value = json.loads(text)
        except ValueError:  # a word
            value = text
        choices[name] = tuple(value) if isinstance(value, list) else value
    return TrainingConfig.of(**choices)


def build_ours(recipe: str, images: ImageSet, scaler: PixelScaler, seed: int, count: int):
    import dataclasses

    from training.networks import build_networks
    from training.precision import faster_precision
    from training.start import begin
    from training.step import Batch, TrainStep

    config = parse_recipe(recipe)
    config = dataclasses.replace(config, seed=seed)
    if config.precision == "auto":
        config = dataclasses.replace(config, precision=faster_precision()[0])
    networks = build_networks(config, images.image_shape, scaler.output_activation, len(images.class_names))
    if recipe.partition("+")[0] == EARLIER:
        make_faint(networks.discriminator, seed)
    begin(config, None, networks)
    train_step = TrainStep(networks, config, total_steps=1)  # each step is told the share that is done
    classes = len(images.class_names) if config.conditional else 0
    inputs = with_classes(
        latents_from_seeds(range(count), config.latent_dim), np.arange(count) % max(1, classes), classes
    )
    others = np.random.default_rng([seed, 1])
    everyone, members = np.arange(len(images.images)), [np.flatnonzero(images.labels == n) for n in range(classes)]

    def step(images: ImageSet, chosen: np.ndarray, number: int, share: float) -> None:
        labels = images.labels[chosen] if classes else None
        batch = Batch(scaler.transform(images.images[chosen]), labels)
        if train_step.loss.pairs:
            pools = [members[label] for label in labels] if classes else [everyone] * len(chosen)
            second = np.array([others.choice(pool) for pool in pools])
            batch = batch._replace(second_images=scaler.transform(images.images[second]))
        float(train_step(batch, number, share)["generator_loss"])

    def sampler():
        networks.update_batch_statistics()
        return networks.averaged_generator

    return config.batch_size, step, sampler, inputs


def make_faint(discriminator, seed: int) -> None:
    """Draws its kernels from N(0, 0.02), as DCGAN does."""
    random = np.random.default_rng(seed)
    for layer in discriminator.layers:
        if hasattr(layer, "kernel"):
            layer.kernel.assign(EARLIER_DEVIATION * random.standard_normal(layer.kernel.shape))


def build_peer(recipe: str, images: ImageSet, seed: int, count: int):
    import tensorflow as tf
    from peers import LATENT_DIM, PEERS

    build, batch_size = PEERS[recipe]
    generator, train_step = build(images.image_shape, seed)

    def step(images: ImageSet, chosen: np.ndarray, number: int, share: float) -> None:
        float(
            train_step(tf.constant(images.images[chosen].astype(np.float32) / 127.5 - 1.0))
        )  # float() waits for the device

    return batch_size, step, lambda: generator, latents_from_seeds(range(count), LATENT_DIM)


# Measuring


def open_judges(images: ImageSet, arguments: argparse.Namespace) -> list:
    """Functions of generated images: the project's classifier, and a second one that was never used to choose."""
    from evaluation.classifier import open_classifier
    from evaluation.efficientnet import open_efficientnet
    from evaluation.features import real_features

    cache = Cache.open()
    fingerprint = images.fingerprint()
    count = min(arguments.count, len(images.images))
    chosen = np.random.default_rng(0).permutation(len(images.images))[:count]
    first = open_efficientnet() if arguments.first == "efficientnet" else open_classifier(images, cache)
    others = {
        "classifier": lambda: [open_second_classifier(images, fingerprint, cache)],
        "efficientnet": lambda: [open_efficientnet()],
        "none": list,
    }[arguments.second]()

    def judge(extractor, prefix: str, with_recall: bool):
        real = real_features(extractor, images, fingerprint, chosen, cache).values.astype(np.float64)
        statistics = mean_and_covariance(real)

        def measure(drawn: np.ndarray) -> dict:
            parts = (drawn[start : start + 64] for start in range(0, len(drawn), 64))
            values = extractor.extract(parts, "drawn images", len(drawn)).values.astype(np.float64)
            found = {f"{prefix}distance": round(float(frechet_distance(*statistics, *mean_and_covariance(values))), 3)}
            if with_recall:
                precision, recall = precision_recall(real[:RECALL_COUNT], values[:RECALL_COUNT])
                found |= {"precision": round(float(precision), 4), "recall": round(float(recall), 4)}
            return found

        return measure

    return [judge(first, "", True), *(judge(other, "second_", False) for other in others)]


def open_second_classifier(images: ImageSet, fingerprint: str, cache: Cache):
    """A classifier with another seed and other filters: 5×5 convolutions and maximum pooling."""
    import keras
    import tensorflow as tf
    from keras import layers

    from evaluation.features import FeatureExtractor, digest_of_weights

    path = cache.folder / f"second-{cache_key('second', 1, fingerprint, keras.__version__)}.keras"
    if path.exists():
        network = keras.saving.load_model(path, compile=False)
    else:
        keras.utils.set_random_seed(1)
        network = keras.Sequential([keras.Input(images.image_shape), layers.Rescaling(2.0, offset=-1.0)])
        for filters in (48, 96, 160):
            network.add(layers.Conv2D(filters, 5, padding="same", use_bias=False))
            network.add(layers.BatchNormalization(momentum=0.9))
            network.add(layers.ReLU())
            network.add(layers.MaxPooling2D())
        network.add(layers.GlobalAveragePooling2D())
        network.add(layers.Dense(128, activation="relu"))
        network.add(layers.Dense(len(images.class_names)))
        scaler = PixelScaler("normalize", dtype=images.images.dtype)
        network.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        for epoch in range(2):
            order = epoch_order(len(images.images), 1, epoch)
            for start in range(0, len(order) - 127, 128):
                chosen = order[start : start + 128]
                network.train_on_batch(scaler.transform(images.images[chosen]), images.labels[chosen])
        network.save(path)
    both = keras.Model(network.inputs, [network.layers[-2].output, network.layers[-1].output])
    compute = tf.function(lambda batch: tuple(both(batch, training=False)))
    return FeatureExtractor("second", "second classifier", compute, digest_of_weights(network), images.class_names)


# Pictures and tables


def draw(readings: Path, output: Path) -> None:
    entries = load(readings)
    recipes = list(dict.fromkeys(entry["recipe"] for entry in entries))
    draw_curves(entries, recipes, "minutes", "minutes of training", output / "distance.png")
    draw_curves(entries, recipes, "images", "images seen", output / "distance-by-images.png")
    firsts = {recipe: min(entry["seed"] for entry in entries if entry["recipe"] == recipe) for recipe in recipes}
    grids = {recipe: output / f"{recipe}-{seed}.png" for recipe, seed in firsts.items()}
    panels = [(recipe.replace("+", "\n+"), load_image(path)) for recipe, path in grids.items() if path.exists()]
    if panels:  # readings may have been kept without them
        compare_runs.draw(panels, output / "samples.png")
    judges = judges_of(entries)
    columns = ("recipe", "seeds", "images seen", *judges.values(), "recall")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for recipe in recipes:
        last = {}
        for entry in entries:
            if entry["recipe"] == recipe:
                last[entry["seed"]] = entry
        seen = f"{int(np.median([entry['images'] for entry in last.values()])):,}"
        distances = [" ".join(f"{entry[field]:.2f}" for entry in last.values()) for field in judges]
        recall = " ".join(f"{entry['recall']:.3f}" for entry in last.values())
        lines.append(f"| {' | '.join((recipe, ' '.join(map(str, last)), seen, *distances, recall))} |")
    (output / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def judges_of(entries: list[dict]) -> dict[str, str]:
    """By whom the distances were measured: the name of the entry, and words for it."""
    chosen = BEFORE_IT_COULD_BE_CHOSEN | entries[0]
    names = {"classifier": "the project's classifier", "efficientnet": "EfficientNet-Lite0"}
    judges = {"distance": names[chosen["first"]]}
    names["classifier"] = "second classifier"
    return judges | ({"second_distance": names[chosen["second"]]} if chosen["second"] in names else {})


def draw_curves(entries: list[dict], recipes: list[str], against: str, words: str, path: Path) -> None:
    """A curve for each recipe and seed, by either classifier, over the entry named `against`."""
    from matplotlib.figure import Figure

    judges = judges_of(entries)
    figure = Figure(figsize=(5.5 * len(judges), 4.8), dpi=120, layout="constrained")
    panels = figure.subplots(1, len(judges), squeeze=False)[0]
    for axes, (field, title) in zip(panels, judges.items(), strict=True):
        for recipe, (color, style) in zip(recipes, styles(), strict=False):
            seeds = sorted({entry["seed"] for entry in entries if entry["recipe"] == recipe})
            for seed in seeds:
                mine = [entry for entry in entries if (entry["recipe"], entry["seed"]) == (recipe, seed)]
                points = ([entry[name] for entry in mine] for name in (against, field))
                label = recipe if seed == seeds[0] else None
                axes.plot(*points, style, color=color, label=label, marker="o", markersize=3)
        axes.set(xlabel=words, title=title)
        distance_axis(axes)
        axes.locator_params(axis="x", nbins=6)
    panels[-1].set_ylabel(panels[0].get_ylabel() if len(panels) == 1 else "")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2 if len(panels) > 1 else 1, fontsize=8)
    figure.savefig(path)


def styles() -> Iterator[tuple[str, str]]:
    """Colors and lines, no two alike."""
    colors = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
    return zip(colors * 9, ("-", "--", "-.", ":") * 16, strict=False)


def distance_axis(axes) -> None:
    """A logarithmic y axis for distances, marked 1, 2, 5, 10, ..."""
    from matplotlib.ticker import LogLocator

    axes.set(ylabel="Fréchet distance (0 is best)", yscale="log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.grid(alpha=0.3, which="both")


if __name__ == "__main__":
    main()
