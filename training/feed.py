"""The feed: batches of scaled real images, read, decoded and scaled in the background while the step runs."""

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import numpy as np

from image_datasets import ImageSet, epoch_order
from preprocessing import PixelScaler
from training.step import Batch

BATCHES_AHEAD = 3  # waiting for the step, so that one slow file does not stop it


class Feed:
    """The batches of the steps first_step … last_step − 1, in order: iterate, or call next.

    A step's batch depends only on the images, batch_size, seed and the number of the step, so a resumed run continues
    identically. An epoch has len(images) // batch_size steps; leftover images may be used in another epoch.

    Use it as a context manager, or call `close`, to end its threads. They also end when the feed is garbage-collected.

    Args:
        images: the real images; batches have labels if these do.
        scaler: fitted. With scope "batch", each batch is scaled by its own statistics.
        batch_size: images per step.
        seed, first_step, last_step: those of the run.
        second: each batch also has other images, `Batch.second_images`, in a different order; with labels, each has the
            class of its counterpart in `images`, so that the class does not distinguish the two.
        share: (index, count): only part `index` of `count` equal parts of each batch, as for one of many workers.
        steps_per_execution: how many batches are taken in immediate succession, and should therefore be ready.

    Yields:
        `training.step.Batch` of NumPy arrays that are used nowhere else: images and, if requested, second_images
        float32 C-contiguous (batch, height, width, channels), labels int64 (batch,) or None.

    Raises ValueError if there are fewer images than a batch needs, and for steps or parts that do not exist. An error
    in the background, such as a missing file, is raised unchanged by next, and closes the feed.
    """

    def __init__(
        self,
        images: ImageSet,
        scaler: PixelScaler,
        batch_size: int,
        seed: int,
        first_step: int,
        last_step: int,
        second: bool = False,
        share: tuple[int, int] = (0, 1),
        steps_per_execution: int = 1,
    ) -> None:
        if not 1 <= batch_size <= len(images.images):
            raise ValueError(
                f"expected a batch size from 1 to the {len(images.images)} images there are, got {batch_size}"
            )
        if not 0 <= first_step <= last_step:
            raise ValueError(f"expected 0 <= first_step <= last_step, got {first_step} and {last_step}")
        self._part, parts = share
        if batch_size % parts or not 0 <= self._part < parts:
            raise ValueError(f"expected a part (number, count) of a batch of {batch_size}, got {share}")
        if parts > 1 and scaler.scope == "batch":
            raise ValueError("expected a scaling that does not need the whole batch, got scope 'batch'; choose another")
        self._images, self._scaler, self._batch_size, self._seed = images, scaler, batch_size, seed
        self._next_step, self._last_step, self._second = first_step, last_step, second
        self._steps_per_epoch, self._part_size = len(images.images) // batch_size, batch_size // parts
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
            what = len(self._images.images), self._seed, epoch
            orders = [self._threads.submit(epoch_order, *what)]
            if self._second:
                orders.append(self._threads.submit(_second_order, orders[0], self._images.labels, *what))
            self._orders = {epoch: orders}
        self._waiting.append(
            self._threads.submit(_read_batch, self._images, self._scaler, self._orders[epoch], self._place(position))
        )

    def _place(self, position: int) -> slice:
        start = position * self._batch_size + self._part * self._part_size
        return slice(start, start + self._part_size)


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
