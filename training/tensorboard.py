"""Event files for TensorBoard: curves, sample grids, histograms of logits, and the configuration as text.

Only TensorFlow is needed to write them, and the tensorboard package to view them.
"""

import time
from collections import deque
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from config import TrainingConfig
from files import atomic_path

SCALAR_STEPS = 10  # each point on a curve is the mean of this many steps
HISTOGRAM_LOGITS = 2_000  # per epoch, its last logits of either kind, at most this many
HISTOGRAM_BUCKETS = 40
FLUSH_SECONDS = 10.0  # the longest time between updates of the curves

Event, Summary = tf.compat.v1.Event, tf.compat.v1.Summary


class Board:
    """The event files of a run, with each step once: events after `step` are removed, and a new file is started.

    So a run that was killed and resumed shows the same curves as one that was not. Only the histograms of the epoch in
    which it stopped contain fewer logits.
    """

    def __init__(self, folder: Path, config: TrainingConfig, step: int) -> None:
        folder.mkdir(exist_ok=True)
        for path in sorted(folder.glob("events.out.tfevents." + 10 * "[0-9]")):
            _cut_after(path, step)
        self._file = tf.io.TFRecordWriter(str(folder / f"events.out.tfevents.{step:010d}"))
        self._file.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
        self._logits = {"real": deque(maxlen=HISTOGRAM_LOGITS), "generated": deque(maxlen=HISTOGRAM_LOGITS)}
        self._flushed_at = time.monotonic()
        self._write(step, [_table("configuration", config.to_json())])

    def show_step(
        self, losses: list[tuple], scores: list[tuple], real_logits: np.ndarray, generated_logits: np.ndarray
    ) -> None:
        """After each step: the losses and scores of all steps so far, and the logits of this one."""
        self._logits["real"].extend(np.ravel(real_logits).tolist())
        self._logits["generated"].extend(np.ravel(generated_logits).tolist())
        step = len(losses)
        if step % SCALAR_STEPS:
            return
        generator_loss, discriminator_loss = np.mean(losses[-SCALAR_STEPS:], axis=0)
        real_score, _, generated_score, _ = np.mean(scores[-SCALAR_STEPS:], axis=0)
        self._write_scalars(
            step,
            {
                "loss/generator": generator_loss,
                "loss/discriminator": discriminator_loss,
                "score/real": real_score,
                "score/generated": generated_score,
            },
        )
        if time.monotonic() - self._flushed_at > FLUSH_SECONDS:
            self.flush()

    def show_epoch(self, record: dict, sample: Path) -> None:
        """After each epoch: its line of metrics.jsonl, its sample grid, its logits; then flushes all to disk."""
        scalars = {"speed/images_per_second": record["images_per_second"]}
        if "frechet_distance" in record:
            scalars["quality/frechet_distance"] = record["frechet_distance"]
            scalars["quality/recall"] = record["recall"]
            scalars["quality/coverage"] = record["coverage"]
        self._write_scalars(record["step"], scalars)
        with Image.open(sample) as picture:
            width, height = picture.size
        image = Summary.Image(height=height, width=width, encoded_image_string=sample.read_bytes())
        values = [Summary.Value(tag="samples", image=image)]
        for name, logits in self._logits.items():
            if logits:
                values.append(Summary.Value(tag=f"logits/{name}", histo=_histogram(np.array(logits))))
            logits.clear()
        self._write(record["step"], values)
        self.flush()

    def flush(self) -> None:
        """Flushes everything to disk; required before a checkpoint, from which a resumed run starts."""
        self._file.flush()
        self._flushed_at = time.monotonic()

    def close(self) -> None:
        self._file.close()

    def _write_scalars(self, step: int, scalars: dict[str, float]) -> None:
        self._write(step, [Summary.Value(tag=tag, simple_value=float(value)) for tag, value in scalars.items()])

    def _write(self, step: int, values: list) -> None:
        event = Event(wall_time=time.time(), step=step, summary=Summary(value=values))
        self._file.write(event.SerializeToString())


def read_events(path: Path) -> list:
    """The events in a file, except a last one that a killed process left incomplete."""
    events = []
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            events.append(Event.FromString(record))
    except tf.errors.DataLossError:
        pass
    return events


def _cut_after(path: Path, step: int) -> None:
    """Keeps only the events up to `step` in the file; deletes the file if there are none."""
    if int(path.suffix[1:]) >= step:  # the step after which it starts
        path.unlink()
        return
    kept = [event for event in read_events(path) if event.step <= step]
    with atomic_path(path) as partial, tf.io.TFRecordWriter(str(partial)) as file:
        for event in kept:
            file.write(event.SerializeToString())


def _table(tag: str, rows: dict):
    """A Markdown table, which TensorBoard renders."""
    lines = ["|setting|value|", "|---|---|", *(f"|{name}|{value}|" for name, value in rows.items())]
    plugin = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="text")
    metadata = tf.compat.v1.SummaryMetadata(plugin_data=plugin)
    return Summary.Value(tag=tag, tensor=tf.make_tensor_proto(["\n".join(lines)]), metadata=metadata)


def _histogram(values: np.ndarray):
    counts, edges = np.histogram(values, HISTOGRAM_BUCKETS)
    return tf.compat.v1.HistogramProto(
        min=values.min(),
        max=values.max(),
        num=len(values),
        sum=values.sum(),
        sum_squares=np.square(values).sum(),
        bucket_limit=edges[1:].tolist(),
        bucket=counts.tolist(),
    )
