"""The feed: batches of scaled real images, read, decoded and scaled in the background while the step runs."""

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from image_datasets import ImageSet, epoch_order
from preprocessing import PixelScaler
from training.step import Batch

BATCHES_AHEAD = 3  # waiting for the step, so that one slow file does not stop it


@dataclass(frozen=True)
class BatchPlan:
    """How images are cut into batches.

    Attributes:
        batch_size: images per step.
        seed: that of the run.
        second: each batch also has other images, `Batch.second_images`, in a different order; with labels, each has the
            class of its counterpart in `images`, so that the class does not distinguish the two.
        share: (index, count): only part `index` of `count` equal parts of each batch, as for one of many workers.

    Raises ValueError for parts that do not exist.
    """

    batch_size: int
    seed: int
    second: bool = False
    share: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        index, count = self.share
        if self.batch_size % count or not 0 <= index < count:
            raise ValueError(f"expected a part (index, count) of a batch of {self.batch_size}, got {self.share}")

    def place(self, position: int) -> slice:
        """Where in the order of an epoch this share of its position-th batch lies."""
        index, count = self.share
        size = self.batch_size // count
        start = position * self.batch_size + index * size
        return slice(start, start + size)


class Feed:
    """The batches of some steps, in order: iterate, or call next.

    A step's batch depends only on the images, the plan and the number of the step, so a resumed run continues
    identically. An epoch has len(images) // batch_size steps; leftover images may be used in another epoch.

    Use it as a context manager, or call `close`, to end its threads. They also end when the feed is garbage-collected.

    Args:
        images: the real images; batches have labels if these do.
        scaler: fitted. With scope "batch", each batch is scaled by its own statistics.
        plan: how the images are cut into batches.
        steps: range(first, last): from step `first` of the run to the one before `last`.
        steps_per_execution: how many batches are taken in immediate succession, and should therefore be ready.

    Yields:
        `training.step.Batch` of NumPy arrays that are used nowhere else: images and, if requested, second_images
        float32 C-contiguous (batch, height, width, channels), labels int64 (batch,) or None.

    Raises ValueError if there are fewer images than a batch needs, and for steps that do not exist. An error
    in the background, such as a missing file, is raised unchanged by next, and closes the feed.
    """

    def __init__(
        self, images: ImageSet, scaler: PixelScaler, plan: BatchPlan, steps: range, steps_per_execution: int = 1
    ) -> None:
        if not 1 <= plan.batch_size <= len(images.images):
            raise ValueError(
                f"expected a batch size from 1 to the {len(images.images)} images there are, got {plan.batch_size}"
            )
        if not 0 <= steps.start <= steps.stop or steps.step != 1:
            raise ValueError(f"expected steps such as range(0, 100), got {steps}")
        if plan.share[1] > 1 and scaler.scope == "batch":
            raise ValueError("expected a scaling that does not need the whole batch, got scope 'batch'; choose another")
        self._images, self._scaler, self._plan = images, scaler, plan
        self._next_step, self._last_step = steps.start, steps.stop
        self._steps_per_epoch = len(images.images) // plan.batch_size
        self._orders: dict[int, list[Future[np.ndarray]]] = {}  # of the epoch used last
        self._waiting: deque[Future[Batch]] = deque()
        # One thread is enough on few cores; decoding files has its own threads.
        workers = max(1, min(4, (os.cpu_count() or 1) // 4))
        self._ahead = BATCHES_AHEAD + workers + steps_per_execution - 2
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="feed")

    def __iter__(self) -> "Feed":
        return self

    def __next__(self) -> Batch:
        while self._next_step < self._last_step and len(self._waiting) <= self._ahead:
            self._submit(self._next_step)
            self._next_step += 1
        if not self._waiting:
            raise StopIteration
        try:
            return self._waiting.popleft().result()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Feed":
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the threads as soon as each has finished its current batch. There are no batches afterwards."""
        self._next_step = self._last_step
        self._waiting.clear()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _submit(self, step: int) -> None:
        epoch, position = divmod(step, self._steps_per_epoch)
        if epoch not in self._orders:
            # Submitted before the batches that need them, so that a batch never waits for work that has no thread.
            what = len(self._images.images), self._plan.seed, epoch
            orders = [self._threads.submit(epoch_order, *what)]
            if self._plan.second:
                orders.append(self._threads.submit(_second_order, orders[0], self._images.labels, *what))
            self._orders = {epoch: orders}
        place = self._plan.place(position)
        self._waiting.append(self._threads.submit(_read_batch, self._images, self._scaler, self._orders[epoch], place))


def _second_order(
    order: Future[np.ndarray], labels: np.ndarray | None, count: int, seed: int, epoch: int
) -> np.ndarray:
    """Another order of the epoch; the nth image of a class in the one is at the place of the nth in the other."""
    other = epoch_order(count, seed, epoch, draw=1)
    if labels is None:
        return other
    paired = np.empty_like(other)
    labels, order = np.asarray(labels), order.result()
    paired[np.argsort(labels[order], kind="stable")] = other[np.argsort(labels[other], kind="stable")]
    return paired


def _read_batch(images: ImageSet, scaler: PixelScaler, orders: list[Future[np.ndarray]], place: slice) -> Batch:
    """The images at this slice of the order, and of the second order if there is one."""
    chosen = [order.result()[place] for order in orders]
    labels = None if images.labels is None else np.asarray(images.labels[chosen[0]], np.int64)
    scaled, *second = [scaler.transform(images.take(those)) for those in chosen]
    return Batch(scaled, labels, *second)
