"""The two reports of a finished run: report.html for whoever trained it, README.md for whoever receives it.

Both are made from the files of the run folder and the images. The page contains its pictures and needs neither a
network nor a script; the card has the form that hubs for Keras models read (Mitchell et al. 2019, "Model cards").
"""

import base64
import dataclasses
import hashlib
import html
import json
import math
import re
import shlex
from pathlib import Path

import numpy as np

from config import RECIPE, REGULARIZERS, TrainingConfig
from errors import counted, option_text
from files import write_text
from image_datasets import ImageSet
from options import options_of
from progress import time_in_words
from runs import RunFolder

REPORT, CARD = "report.html", "README.md"
MOST_CLASSES_LISTED = 20
KINDS = {1: "grayscale", 3: "RGB", 4: "RGBA"}
PICTURES = {
    "comparison.png": "Real images beside generated ones. Look at variety as well as sharpness: if many generated "
    "images look alike, the generator has collapsed.",
    "progress.gif": "The same latent vectors as training went on.",
    "distance.png": "Fréchet distance to the real images: lower is better. Recall and coverage fall when the generator "
    "makes fewer kinds of images.",
    "losses.png": "The losses of a GAN need not fall. Trouble is a loss that runs away, or a discriminator's loss "
    "near 0, when the generator has nothing to learn from.",
    "scores.png": "The discriminator's logits. While the bands overlap, it cannot tell the two kinds apart reliably.",
}
HUB_DATASETS = {
    "mnist": "ylecun/mnist",
    "fashion_mnist": "zalando-datasets/fashion_mnist",
    "cifar10": "uoft-cs/cifar10",
    "cifar100": "uoft-cs/cifar100",
}
STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1d2330; --soft: #5b6475; --line: #d9dee7; --tile: #f4f6f9; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14171d; --ink: #e6e9ef; --soft: #a3acbb; --line: #333a46; --tile: #1e232c; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 1080px; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.7rem; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 0.75rem; font-size: 1.2rem; }
p.lead { margin: 0.25rem 0 1.25rem; color: var(--soft); }
dl.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: 0.6rem;
  margin: 0 0 1.5rem; }
dl.numbers div { padding: 0.6rem 0.8rem; background: var(--tile); border-radius: 8px; }
dl.numbers dt { color: var(--soft); font-size: 0.8rem; }
dl.numbers dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
figure { margin: 0 0 1.5rem; }
figure img { display: block; max-width: 100%; height: auto; background: #ffffff; border-radius: 6px; }
figure.pixels img { image-rendering: pixelated; }
figcaption { margin-top: 0.4rem; color: var(--soft); font-size: 0.9rem; max-width: 46rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); gap: 0 1.5rem; }
pre { margin: 0.25rem 0 1rem; padding: 0.7rem 0.9rem; background: var(--tile); border-radius: 8px;
  white-space: pre-wrap; overflow-wrap: anywhere; font: 0.88rem/1.45 ui-monospace, monospace; }
pre span { display: inline-block; max-width: 100%; }
table { border-collapse: collapse; width: 100%; font-size: 0.92rem; }
th, td { padding: 0.3rem 0.6rem 0.3rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
  overflow-wrap: anywhere; }
th { width: 13rem; font-weight: 400; color: var(--soft); }
tr.chosen td { font-weight: 600; }
@media (max-width: 600px) {
  th { width: 11.5rem; }
  figure.pixels img { image-rendering: auto; } /* pictures shrink here, and their letters would break */
}
"""


def write_report(run: RunFolder, images: ImageSet) -> None:
    """Writes report.html and README.md into the run folder.

    Leaves a README.md alone that somebody has changed. Raises OSError if the folder cannot be written to.
    """
    write_text(run.path / REPORT, report_page(run, images))
    card = run.path / CARD
    if not card.exists() or _is_unchanged(card.read_text(encoding="utf-8", errors="replace")):
        write_text(card, _signed(model_card(run, images)))


# The page


def report_page(run: RunFolder, images: ImageSet) -> str:
    """The whole page as HTML. All text that comes from files or names is escaped."""
    records = run.load_metrics()
    curves = "".join(_figure(run, name) for name in ("distance.png", "losses.png", "scores.png"))
    parts = [
        f"<h1>{html.escape(run.path.resolve().name)}</h1>",
        f'<p class="lead">{html.escape(_lead(run, records))}</p>',
        _tiles(_key_numbers(run, records)),
        _figure(run, "comparison.png", "pixels"),
        _progress_figure(run),
        "<h2>What to do next</h2>",
        _commands(run),
        "<h2>Curves</h2>",
        f'<div class="pair">{curves}</div>',
        "<h2>Images</h2>",
        _table(_image_facts(run, images)),
        "<h2>Settings</h2>",
        "<p>Bold: differs from the default.</p>",
        _settings_table(run.config),
        "<h2>Versions</h2>",
        _table(_versions(run)),
    ]
    title = html.escape(f"{run.path.resolve().name}: training report")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def _lead(run: RunFolder, records: list[dict]) -> str:
    height, width, channels = run.image_shape
    kind = KINDS[channels]
    time = f" in {time_in_words(records[-1]['seconds'])}" if records else ""
    return (
        f"A GAN trained on {run.image_total:,} {kind} images of {height}×{width} pixels; "
        f"epochs: {_epochs_done(run.config, records)}{time}."
    )


def _epochs_done(config: TrainingConfig, records: list[dict]) -> str:
    """Such as "3 of 5"; a run that its minutes end has no number of epochs to reach."""
    epoch = records[-1]["epoch"] if records else 0
    return f"{epoch}" if config.minutes else f"{epoch} of {config.epochs}"


def _key_numbers(run: RunFolder, records: list[dict]) -> dict[str, str]:
    if not records:
        return {"epochs": _epochs_done(run.config, records)}
    last = records[-1]
    numbers = {
        "epochs": _epochs_done(run.config, records),
        "steps": f"{last['step']:,}",
        "images seen": f"{last['images_seen']:,}",
        "training time": time_in_words(last["seconds"]),
        "images/second": f"{last['images_per_second']:,.0f}",
        "generator loss": f"{last['generator_loss']:.3f}",
        "discriminator loss": f"{last['discriminator_loss']:.3f}",
    }
    best = _best(records)
    if best is not None:
        numbers["best Fréchet distance"] = f"{best['frechet_distance']:.2f} (epoch {best['epoch']})"
    return numbers


def _best(records: list[dict]) -> dict | None:
    measured = [record for record in records if "frechet_distance" in record]
    return min(measured, key=lambda record: record["frechet_distance"], default=None)


def _tiles(numbers: dict[str, str]) -> str:
    rows = (f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>" for name, value in numbers.items())
    return f'<dl class="numbers">{"".join(rows)}</dl>'


def _figure(run: RunFolder, name: str, kind: str = "curves") -> str:
    """A picture of the run with its caption; empty if the run has no such picture."""
    path = run.path / name
    if not path.exists():
        return ""
    words = html.escape(PICTURES[name])
    picture = f'<img alt="{words}" src="{_data_address(path)}">'
    return f'<figure class="{kind}">{picture}<figcaption>{words}</figcaption></figure>'


def _progress_figure(run: RunFolder) -> str:
    """progress.gif, or only its last frame in browsers that are set to reduced motion."""
    path, samples = run.path / "progress.gif", run.samples()
    if not path.exists() or not samples:
        return ""
    words = html.escape(PICTURES["progress.gif"])
    still = f'<source media="(prefers-reduced-motion: reduce)" srcset="{_data_address(samples[-1])}">'
    picture = f'<picture>{still}<img alt="{words}" src="{_data_address(path)}"></picture>'
    return f'<figure class="pixels">{picture}<figcaption>{words}</figcaption></figure>'


def _data_address(path: Path) -> str:
    kind = {".png": "png", ".gif": "gif"}[path.suffix]
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def _commands(run: RunFolder) -> str:
    folder = shlex.quote(str(run.path))
    config = run.config
    longer = f"--minutes {2 * config.minutes:g}" if config.minutes else f"--epochs {2 * config.epochs}"
    commands = {
        "More images": f"python generate.py {folder} --rows 8 --columns 8 --seed 64",
        "One exact PNG per seed": f"python generate.py {folder} --seeds 0-99 --output images/",
        "Does it copy? Its images beside the nearest training images": f"python generate.py {folder} --nearest 5",
        "Continue training": f"python train.py --run-dir {folder} --resume {longer}",
        "Measure how close it is to the real images": f"python evaluate.py {folder}",
    }
    if config.length_is_fixed:
        del commands["Continue training"]
    return "".join(f"<p>{html.escape(words)}:</p><pre>{_unbroken(line)}</pre>" for words, line in commands.items())


def _unbroken(command: str) -> str:
    """The words of a command as elements, so that a narrow window breaks lines between them, not after a hyphen."""
    return " ".join(f"<span>{html.escape(word)}</span>" for word in command.split(" "))


def _image_facts(run: RunFolder, images: ImageSet) -> dict[str, str]:
    height, width, channels = run.image_shape
    low, high = run.load_scaler().output_range
    return {
        "data set": images.name,
        "images": f"{run.image_total:,}",
        "size": f"{height}×{width} pixels, {KINDS[channels]}",
        "type": run.image_dtype,
        "classes": _classes(images),
        "conditional": "yes: python generate.py RUN --class NAME" if run.class_count else "no",
        "scaling": f"{run.config.scaling}, to {_bound(low)} … {_bound(high)}",
        "SHA-256 of the pixels": run.fingerprint,
    }


def _bound(value: float) -> str:
    return f"{value:g}" if math.isfinite(value) else "unbounded"


def _classes(images: ImageSet) -> str:
    if not images.class_names:
        return "none"
    if images.labels is None or len(images.class_names) > MOST_CLASSES_LISTED:
        return str(len(images.class_names))
    counts = np.bincount(images.labels, minlength=len(images.class_names))
    return ", ".join(f"{name} ({count:,})" for name, count in zip(images.class_names, counts, strict=True))


def _settings_table(config: TrainingConfig) -> str:
    defaults = dataclasses.asdict(TrainingConfig())
    rows = []
    for name, value in dataclasses.asdict(config).items():
        chosen = ' class="chosen"' if value != defaults[name] and name != "data" else ""
        shown = Path(value).name if name == "data" else _shown(config, name)
        rows.append(f"<tr{chosen}><th>{html.escape(name)}</th><td>{html.escape(shown)}</td></tr>")
    return f"<table>{''.join(rows)}</table>"


def _versions(run: RunFolder) -> dict[str, str]:
    """The versions that started the run; empty if its config.json names none."""
    document = json.loads((run.path / "config.json").read_text(encoding="utf-8"))
    return {name: str(version) for name, version in document.get("versions", {}).items()}


def _shown(config: TrainingConfig, name: str) -> str:
    value = getattr(config, name)
    if name == "epochs" and config.minutes:
        return "until the minutes are over"
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return option_text(value) or "none"
    return str(value)


def _table(facts: dict[str, str]) -> str:
    rows = (f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in facts.items())
    return f"<table>{''.join(rows)}</table>"


# The card


LIMITS = """## Limits

*Fill in what the images must not be used for.* A GAN reproduces what its data shows, including gaps and biases, and may
reproduce single training images: `python generate.py RUN --nearest 5` puts generated images beside the nearest
training images.
"""


def model_card(run: RunFolder, images: ImageSet) -> str:
    """README.md: front matter that hubs read, then what the network is, how to use it, and what it was trained on.

    Shows only generated images, and names the data without its path, so that it can be published.
    """
    height, width, channels = run.image_shape
    records = run.load_metrics()
    kind = KINDS[channels]
    title = _plain(run.path.resolve().name)
    samples = run.samples()
    picture = f"![Generated images, seeds in order, none selected](samples/{samples[-1].name})\n\n" if samples else ""
    classes = f"\nClasses: {_plain(_classes(images))}.\n" if images.class_names else ""
    time = f" in {time_in_words(records[-1]['seconds'])}" if records else ""
    return f"""{_front_matter(run)}
# {title}

A generator of {height}×{width} {kind} images: a GAN, trained with Pixelwright on {run.image_total:,} images
({counted(records[-1]["epoch"] if records else 0, "epoch")}{time}).

{picture}{_how_to_use(run)}
## Training data

{_plain(images.name)}: {run.image_total:,} images, {run.image_dtype}. *Fill in where they come from and under which
license.*
{classes}
## Training

{_training_lines(run.config)}

Versions: {", ".join(f"{name} {version}" for name, version in _versions(run).items())}.

## Evaluation

{_evaluation(records)}

{LIMITS}"""


def _how_to_use(run: RunFolder) -> str:
    return f"""## Use it

`generator.keras` loads in stock Keras, without this project's code:

```python
import keras
import numpy as np

generator = keras.saving.load_model("generator.keras", compile=False)
{_sampling_code(run)}```

`python generate.py {shlex.quote(run.path.name)} --seeds 0-99 --output images/`, run with Pixelwright, writes exact PNG
files.
"""


def _front_matter(run: RunFolder) -> str:
    tags = ["gan", "image-generation", "keras", "tensorflow", "pixelwright"]
    lines = ["---", "library_name: keras", "license: other  # fill in, such as mit or cc-by-4.0"]
    lines += ["pipeline_tag: unconditional-image-generation", "tags:", *(f"- {tag}" for tag in tags)]
    if run.config.data in HUB_DATASETS:
        lines += ["datasets:", f"- {HUB_DATASETS[run.config.data]}"]
    return "\n".join([*lines, "---\n"])


def _sampling_code(run: RunFolder) -> str:
    """Code from latent vectors to pixels in stock Keras; one line of NumPy undoes the scaling where that is enough."""
    lines = [f'latents = np.random.default_rng(0).standard_normal((16, {run.config.latent_dim})).astype("float32")']
    if run.class_count:
        lines.append(f'classes = np.eye({run.class_count}, dtype="float32")[np.arange(16) % {run.class_count}]')
        lines.append("latents = np.concatenate([latents, classes], axis=1)")
    lines.append("images = np.asarray(generator(latents, training=False))")
    scaler = run.load_scaler()
    white = scaler.maximum_
    if run.config.scaling in ("normalize", "tanh"):
        scaled = "images" if run.config.scaling == "normalize" else "(images + 1) / 2"
        lines.append(f'pixels = np.rint({scaled} * {white:g}).clip(0, {white:g}).astype("{run.image_dtype}")')
    else:
        lines.append("from preprocessing import PixelScaler  # part of Pixelwright")
        lines.append('pixels = PixelScaler.load("preprocessing.json").inverse_transform(images)')
    return "".join(f"{line}\n" for line in lines)


def _training_lines(config: TrainingConfig) -> str:
    """A table of every setting that decides what the networks learn: a reader need not know the defaults."""
    names = [name for name, one in options_of(TrainingConfig).items() if one.group in (RECIPE, REGULARIZERS)]
    rows = [f"| {name} | {_plain(_shown(config, name))} |" for name in names]
    return "\n".join(["| setting | value |", "| --- | --- |", *rows])


def _evaluation(records: list[dict]) -> str:
    best = _best(records)
    if best is None:
        return "Not measured. `python evaluate.py` measures the distance to the real images."
    return (
        f"Best Fréchet distance {best['frechet_distance']:.2f} in epoch {best['epoch']}, recall {best['recall']:.3f}, "
        f"coverage {best['coverage']:.3f}, on the features that Pixelwright's `--evaluate-every` uses. Compare it only "
        "with other runs on the same images; it is not the FID of papers."
    )


def _plain(text: str) -> str:
    """Text from files as plain Markdown: one line, with all markup escaped."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", " ".join(text.split()))


def _signed(text: str) -> str:
    """The text with a last line that identifies it as unchanged."""
    return f"{text}\n<!-- written by train.py, {_digest(text)}; a file that you have changed is left alone -->\n"


def _is_unchanged(text: str) -> bool:
    match = re.search(r"\n<!-- written by train\.py, ([0-9a-f]{16});[^\n]*-->\n\Z", text)
    return match is not None and match[1] == _digest(text[: match.start()])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]
