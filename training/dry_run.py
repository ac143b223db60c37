"""What a run would do, without doing it: sizes, and the time, estimated from a few steps."""

import os
import time

import numpy as np
import tensorflow as tf

from config import TrainingConfig
from errors import counted
from image_datasets import ImageSet
from preprocessing import PixelScaler
from training.forecast import disk_space, forecast, most_memory
from training.history import History
from training.networks import Networks
from training.step import Batch, TrainStep


def describe(config: TrainingConfig, images: ImageSet, scaler: PixelScaler, networks: Networks) -> str:
    """A line for each part of the run. Takes a few steps with the networks, which must not be used afterwards."""
    height, width, channels = images.image_shape
    steps = len(images.images) // config.batch_size
    length = f"{config.minutes:g} minutes of epochs" if config.minutes else counted(config.epochs, "epoch")
    lines = [
        f"images         {len(images.images)} of {height}x{width}x{channels} {images.images.dtype}, {images.name}",
        f"classes        {', '.join(images.class_names) or 'none'}",
        f"scaling        {config.scaling}, to {scaler.output_range[0]:g} … {scaler.output_range[1]:g}",
        f"generator      {networks.generator.count_params():,} parameters, ends in {scaler.output_activation}",
        f"discriminator  {networks.discriminator.count_params():,} parameters",
        f"recipe         preset {config.preset}, loss {config.loss}, {config.precision}, on {_device()}",
        *_cost(config, images, scaler, networks),
        f"disk           {disk_space(networks)}, most of it the last two checkpoints",
        f"work           {length} of {counted(steps, 'step')} of {config.batch_size} images; nothing was written",
    ]
    return "\n".join(lines)


def _cost(config: TrainingConfig, images: ImageSet, scaler: PixelScaler, networks: Networks) -> list[str]:
    """Measured time and memory; for several replicas only how they share the batch."""
    replicas = networks.replicas
    if not replicas.is_one_device:
        return [f"replicas       {replicas.count}, {config.batch_size // replicas.count} images per step each"]
    seconds = _seconds_per_step(config, images, scaler, networks)
    steps_per_epoch = len(images.images) // config.batch_size
    whole, first = forecast(config, steps_per_epoch, History(), seconds)
    steps = config.epochs * steps_per_epoch
    if config.minutes:
        steps = min(steps, int(60 * config.minutes / seconds))
    return [
        f"time           {whole} at {config.batch_size / seconds:.3g} images/s, measured just now",
        f"images seen    {steps * config.batch_size:,}",
        f"first picture  after {first}",
        f"memory         {most_memory()}",
    ]


def _seconds_per_step(config: TrainingConfig, images: ImageSet, scaler: PixelScaler, networks: Networks) -> float:
    low, high = scaler.output_range
    train_step = TrainStep(networks, config, config.epochs, high - low)
    real = scaler.transform(images.take(np.arange(config.batch_size)))
    labels = images.labels[: config.batch_size] if config.conditional else None
    batch, interval = Batch(real, labels, real if train_step.loss.pairs else None), config.penalty_interval
    for step in range(2 * interval):
        if step == interval:  # both graphs are compiled by then
            start = time.perf_counter()
        float(train_step(batch, step)["generator_loss"])
    return (time.perf_counter() - start) / interval


def _device() -> str:
    """The device that TensorFlow will use, in words."""
    gpus = tf.config.list_physical_devices("GPU")
    return f"{len(gpus)} GPU" if gpus else f"CPU, {counted(os.cpu_count() or 1, 'core')}"
