"""Several devices that train as one: each takes its share of every batch, and their gradients are summed.

The strategies are TensorFlow's own. Every replica, a copy of both networks on its own device, starts from the same
weights and applies the same sums, so the copies stay equal. The random numbers of a step are the same as on one device;
each replica uses the part for its images.
"""

import contextlib
import hashlib
import signal
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from errors import InputError, Parameter, words

NUMBERS_IN_A_BLOCK = 4  # Philox generates its numbers in blocks of four
PHILOX = 1
LOST = (  # what a collective operation raises when another worker has gone, depending on how it ended
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnknownError,
)


class WorkerLost(ConnectionError):
    """Another worker ended before the run did; the message has TensorFlow's reason and how to continue."""


class Replicas:
    """The devices of a run: a single one, or those of a `tf.distribute` strategy.

    Args:
        strategy: None for one device.
        worker: the index of this worker among the processes that share the run. Worker 0 is the chief, the only one
            that writes files.
        workers: the number of workers.
    """

    def __init__(self, strategy: tf.distribute.Strategy | None = None, worker: int = 0, workers: int = 1) -> None:
        self._strategy, self.worker, self.workers = strategy, worker, workers
        self.count = 1 if strategy is None else strategy.num_replicas_in_sync
        self._exchange = tf.function(self._exchange_values, autograph=False)

    @property
    def is_chief(self) -> bool:
        return self.worker == 0

    @property
    def is_one_device(self) -> bool:
        """Whether there is no strategy; False for a strategy with one replica."""
        return self._strategy is None

    def scope(self) -> contextlib.AbstractContextManager:
        """The context in which to create variables that every replica has a copy of."""
        return contextlib.nullcontext() if self._strategy is None else self._strategy.scope()

    def copy_network(self, network: keras.Sequential) -> keras.Sequential:
        """The same layers and weights on every replica; the network itself for one device.

        Batch normalization then uses the statistics of the whole batch, and dropout the random numbers of its share.
        """
        if self._strategy is None:
            return network
        with self.scope():
            copy = keras.models.clone_model(network, clone_function=_copy_layer)
        copy.set_weights(network.get_weights())
        return copy

    def spread(self, batch: tuple) -> tuple:
        """Cuts a named tuple of arrays, this worker's share of a batch, into equal parts, each on its replica's device.

        Entries that are None stay None.
        """
        if self._strategy is None:
            return batch
        devices = self._strategy.extended.worker_devices
        return type(batch)(*(None if array is None else self._cut(array, devices) for array in batch))

    def _cut(self, array: np.ndarray, devices: tuple[str, ...]) -> tf.distribute.DistributedValues:
        length = len(array) // len(devices)

        def part(context: tf.distribute.experimental.ValueContext) -> tf.Tensor:
            number = context.replica_id_in_sync_group % len(devices)
            with tf.device(devices[number]):
                return tf.constant(array[number * length : (number + 1) * length])

        return self._strategy.experimental_distribute_values_from_function(part)

    def run(self, function: Callable[..., dict[str, tf.Tensor]], *arguments) -> dict[str, tf.Tensor]:
        """Calls a function on every replica, within a tf.function, and joins the results.

        Scalars are averaged; tensors of shape (batch, 1), at least one, are concatenated to the whole batch. All are
        float32, so that one transfer is enough.
        """
        if self._strategy is None:
            return function(*arguments)

        def join_what_it_returns(*arguments) -> dict[str, tf.Tensor]:
            own = function(*arguments)
            batch_size = max(value.shape[0] for value in own.values() if value.shape.rank)
            columns = [value if value.shape.rank else tf.fill((batch_size, 1), value) for value in own.values()]
            table = tf.distribute.get_replica_context().all_gather(tf.concat(columns, axis=1), axis=0)
            joined = tf.split(table, len(columns), axis=1)
            return {
                name: column if value.shape.rank else tf.reduce_mean(column)
                for (name, value), column in zip(own.items(), joined, strict=True)
            }

        joined = self._strategy.run(join_what_it_returns, args=arguments)
        return {name: self._strategy.experimental_local_results(values)[0] for name, values in joined.items()}

    def draw(self, sampler: Callable, shape: tuple, seed: tf.Tensor, axis: int = 0) -> tf.Tensor:
        """Within `run`: this replica's part of sampler(shape, seed), drawn for all replicas' images along `axis`.

        sampler: one of the functions `tf.random.stateless_…`.
        """
        if self._strategy is None:
            return sampler(shape, seed)
        draws = sampler((*shape[:axis], shape[axis] * self.count, *shape[axis + 1 :]), seed)
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.gather(draws, number * shape[axis] + tf.range(shape[axis]), axis=axis)

    def gather(self, *values: float) -> np.ndarray:
        """The values of every worker, float32 (workers, values); every worker must call it. Raises WorkerLost."""
        own = np.float32(values)
        if self.workers == 1:
            return own[np.newaxis]
        with self.watched():
            rows = self._exchange(tf.constant(own)).numpy()
        return rows[:: self.count // self.workers]

    def check_alike(self, *values: object) -> None:
        """Raises ValueError in every worker unless all called it with the same values."""
        digest = hashlib.sha256(repr(values).encode()).digest()
        digests = self.gather(*digest[:8])
        strangers = [worker for worker in range(self.workers) if (digests[worker] != digests[0]).any()]
        if strangers:
            raise ValueError(
                f"expected the same command, images and checkpoint in all {self.workers} workers, got others in worker "
                f"{', '.join(map(str, strangers))} than in worker 0; give all of them the same files"
            )

    def _exchange_values(self, values: tf.Tensor) -> tf.Tensor:
        def on_replica(values: tf.Tensor) -> tf.Tensor:
            return tf.distribute.get_replica_context().all_gather(values[tf.newaxis], axis=0)

        return self._strategy.experimental_local_results(self._strategy.run(on_replica, args=(values,)))[0]

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Turns what TensorFlow raises when another worker has gone into WorkerLost."""
        try:
            yield
        except LOST as error:
            if self.workers == 1:
                raise
            raise WorkerLost(
                f"expected all {self.workers} workers to continue, got one that ended ({_reason(error)}); see what it "
                "says, and resume all of them from the last checkpoint"
            ) from error


ONE_DEVICE = Replicas()


def open_replicas(distribute: str | None, worker: int, workers: int, batch_size: int) -> Replicas:
    """The devices for --distribute: None for one, "mirrored" for all of this machine, "multi-worker" for TF_CONFIG's.

    "mirrored" takes the GPUs, or TensorFlow's logical CPU devices if there are none. "multi-worker" waits until all
    workers have connected, and must come before anything else that uses TensorFlow.

    Raises ValueError for a batch size that the devices cannot share, or if the workers do not find each other.
    """
    if distribute is None:
        return ONE_DEVICE
    if distribute == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        replicas = Replicas(tf.distribute.MirroredStrategy([device.name for device in devices]))
    else:
        try:
            with _ended_by_interrupt():
                replicas = Replicas(tf.distribute.MultiWorkerMirroredStrategy(), worker, workers)
        except (tf.errors.OpError, RuntimeError) as error:
            raise ValueError(
                f"expected the {workers} workers of TF_CONFIG to find each other, got {_reason(error)}; check the "
                "addresses, and start all of them"
            ) from error
    if batch_size % replicas.count:
        nearest = max(1, batch_size // replicas.count) * replicas.count
        raise InputError(
            words(
                "expected {batch_size} divisible by {}, the devices that share it, got {}", replicas.count, batch_size
            ),
            ("pass ", Parameter("batch_size", nearest)),
        )
    return replicas


@contextlib.contextmanager
def _ended_by_interrupt() -> Iterator[None]:
    """Makes Ctrl-C end the process at once, even while TensorFlow waits for other workers and Python cannot react."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # the caller's choice, such as ignoring it
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _copy_layer(layer: keras.Layer) -> keras.Layer:
    settings = layer.get_config()
    if isinstance(layer, keras.layers.BatchNormalization):
        settings["synchronized"] = True
    copied = SharedDropout if isinstance(layer, keras.layers.Dropout) else type(layer)
    return copied.from_config(settings)


class SharedDropout(keras.layers.Dropout):
    """Dropout that draws its replica's part of the numbers that keras.layers.Dropout would draw for the whole batch.

    Philox can generate any block without those before it, so no replica draws more than it needs. The number of
    activations per image must be a multiple of `NUMBERS_IN_A_BLOCK`, as it is in all networks here.
    """

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training or not self.rate:
            return inputs
        activations = int(np.prod(inputs.shape[1:]))
        if activations % NUMBERS_IN_A_BLOCK:
            raise ValueError(f"expected a multiple of {NUMBERS_IN_A_BLOCK} activations per image, got {activations}")
        number = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.uint64)
        blocks = tf.cast(tf.size(inputs) // NUMBERS_IN_A_BLOCK, tf.uint64)
        seed = tf.cast(self.seed_generator.next() % (tf.int32.max - 1), tf.int32)  # cast as Keras does
        key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed)
        draws = tf.raw_ops.StatelessRandomUniformV2(
            shape=tf.shape(inputs),
            key=key,
            counter=counter + tf.stack([number * blocks, tf.constant(0, tf.uint64)]),
            alg=PHILOX,
            dtype=inputs.dtype,
        )
        return tf.where(draws >= self.rate, inputs * (1.0 / (1.0 - self.rate)), tf.zeros_like(inputs))


def _reason(error: Exception) -> str:
    """The line that says what happened, out of a long TensorFlow message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [line for line in lines if "abort" in line.lower() or "unhealthy" in line.lower()] or lines
    return " ".join(said[0].rsplit("aborted by: ")[-1].split())[:160] if said else type(error).__name__
