"""Exact mean and standard deviation of pixels, mergeable in any order (text C sums in float64; this is exact)."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pixels.checks import as_levels, check_values, flat_blocks

# 256 rows of 256 pixels stay in a core's second-level cache, and 256 * 255 still fits in uint16.
BLOCK_ROWS = 256
BLOCK_PIXELS = 256
# A uint64 column holds the squares of 2**64 / (256 * 65,535**2) = 2**24 blocks; Python integers take over long before.
BLOCKS_BEFORE_FLUSH = 2**20
# From this many values on, a second thread pays off.
THREADED_SIZE = 2**23

# Input type -> (the type for a value and its square, the type for 256 summed values, the type for 256 summed squares).
_SUM_TYPES = {"uint8": (np.uint16, np.uint16, np.uint32), "uint16": (np.uint32, np.uint32, np.uint64)}


@dataclass(frozen=True)
class PixelStatistics:
    """Counts, sums and sums of squares per channel: Python integers (fractions for float images), so never rounded.

    `lowest` and `highest` are the extreme values per channel. Merging is exact, so neither the order nor the division
    into shards matters.
    """

    pixels: int
    sums: tuple[int | Fraction, ...]
    squares: tuple[int | Fraction, ...]
    lowest: tuple[float, ...]
    highest: tuple[float, ...]

    def merge(self, other: "PixelStatistics") -> "PixelStatistics":
        """Both sets of pixels together. Raises ValueError when the channels differ."""
        if len(self.sums) != len(other.sums):
            raise ValueError(
                f"expected images with {len(self.sums)} channels as before, got {len(other.sums)}; fit them separately"
            )
        return PixelStatistics(
            self.pixels + other.pixels,
            tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)),
            tuple(a + b for a, b in zip(self.squares, other.squares, strict=True)),
            tuple(map(min, self.lowest, other.lowest)),
            tuple(map(max, self.highest, other.highest)),
        )

    def across_channels(self) -> "PixelStatistics":
        """All channels as one: the global statistics of text C."""
        return PixelStatistics(
            self.pixels * len(self.sums),
            (sum(self.sums),),
            (sum(self.squares),),
            (min(self.lowest),),
            (max(self.highest),),
        )

    def mean(self) -> np.ndarray:
        """float64 per channel, each the correctly rounded quotient of two integers."""
        return np.array([float(Fraction(total) / self.pixels) for total in self.sums])

    def standard_deviation(self) -> np.ndarray:
        """float64 per channel, of the population (divided by n); exactly 0.0 when all pixels are equal."""
        return np.array(
            [
                _square_root(max(Fraction(0), Fraction(squares) / self.pixels - (Fraction(total) / self.pixels) ** 2))
                if low < high
                else 0.0
                for total, squares, low, high in zip(self.sums, self.squares, self.lowest, self.highest, strict=True)
            ]
        )


def measure(images: np.ndarray, value_range: tuple[float, float] | None = None, top: int = 255) -> PixelStatistics:
    """(n, h, w, c) -> PixelStatistics in levels. Reads once, in blocks, with less than 8 MiB of additional memory.

    uint8 and uint16 are summed in integers. Floats in `value_range` are moved to 0..top first; those that are whole
    levels are summed in integers too. Raises ValueError for floats that are not finite or out of range.
    """
    if images.dtype.kind == "f":
        return _measure_floats(images, value_range, top)
    if images.size < THREADED_SIZE or len(images) < 2:
        return _measure_integers(images)
    halves = images[: len(images) // 2], images[len(images) // 2 :]
    with ThreadPoolExecutor(len(halves)) as pool:  # NumPy releases the interpreter lock while it sums
        first, second = pool.map(_measure_integers, halves)
    return first.merge(second)


def _measure_integers(images: np.ndarray) -> PixelStatistics:
    channels = images.shape[-1]
    accumulator = _IntegerAccumulator(channels, images.dtype.newbyteorder("="))
    for _, block in flat_blocks(images, BLOCK_ROWS * BLOCK_PIXELS * channels):
        accumulator.add(block)
    return accumulator.finish()


def _measure_floats(images: np.ndarray, value_range: tuple[float, float], top: int) -> PixelStatistics:
    channels = images.shape[-1]
    low, high = value_range
    level_type = np.dtype(np.uint8 if top <= 255 else np.uint16)
    accumulator = _IntegerAccumulator(channels, level_type)
    fractional = None
    for _, block in flat_blocks(images, BLOCK_ROWS * BLOCK_PIXELS * channels):
        if not (low <= block.min() and block.max() <= high):
            check_values(images, low, high)  # raises, with the index in the whole array
        levels = as_levels(block, value_range, top)
        whole = levels.astype(level_type)
        if np.array_equal(whole, levels):
            accumulator.add(whole)
        else:
            part = _measure_fractions(levels.reshape(-1, channels))
            fractional = part if fractional is None else fractional.merge(part)
    exact = accumulator.finish()
    if fractional is None:
        return exact
    return fractional if exact.pixels == 0 else exact.merge(fractional)


class _IntegerAccumulator:
    """Sums blocks of integers by column. A row is many pixels, wide enough for vector instructions."""

    def __init__(self, channels: int, dtype: np.dtype) -> None:
        self._channels = channels
        self._value_type, self._sum_type, self._square_type = _SUM_TYPES[dtype.name]
        self._white = int(np.iinfo(dtype).max)
        self._work = np.empty((BLOCK_ROWS, BLOCK_PIXELS * channels), self._value_type)
        self._columns = np.zeros((2, self._work.shape[1]), np.uint64)
        self._blocks = 0
        self._sums, self._squares, self._pixels = [0] * channels, [0] * channels, 0
        self._lowest, self._highest = [self._white] * channels, [0] * channels

    def add(self, block: np.ndarray) -> None:
        """block: 1-D, whole pixels, at most BLOCK_ROWS * BLOCK_PIXELS of them."""
        self._pixels += block.size // self._channels
        width = self._work.shape[1]
        whole = block.size - block.size % width
        if whole:
            self._add_rows(block[:whole].reshape(-1, width), self._work, self._columns)
            self._blocks += 1
        if whole < block.size:  # fewer than 256 pixels, so their sum fits, too
            rows = block[whole:].reshape(-1, self._channels)
            columns = np.zeros((2, self._channels), np.uint64)
            self._add_rows(rows, np.empty(rows.shape, self._value_type), columns)
            self._add_columns(columns)
        if self._blocks >= BLOCKS_BEFORE_FLUSH:
            self._flush()

    def finish(self) -> PixelStatistics:
        self._flush()
        lowest, highest = tuple(map(float, self._lowest)), tuple(map(float, self._highest))
        return PixelStatistics(self._pixels, tuple(self._sums), tuple(self._squares), lowest, highest)

    def _add_rows(self, rows: np.ndarray, work: np.ndarray, columns: np.ndarray) -> None:
        work = work[: len(rows)]
        np.copyto(work, rows)
        columns[0] += np.add.reduce(work, axis=0, dtype=self._sum_type)
        np.multiply(work, work, out=work)
        columns[1] += np.add.reduce(work, axis=0, dtype=self._square_type)
        if min(self._highest) < self._white or max(self._lowest) > 0:  # no search once black and white were found
            self._add_extremes(rows)

    def _add_extremes(self, rows: np.ndarray) -> None:
        lowest = np.minimum.reduce(rows, axis=0).reshape(-1, self._channels).min(axis=0).tolist()
        highest = np.maximum.reduce(rows, axis=0).reshape(-1, self._channels).max(axis=0).tolist()
        self._lowest = list(map(min, self._lowest, lowest))
        self._highest = list(map(max, self._highest, highest))

    def _flush(self) -> None:
        self._add_columns(self._columns)
        self._columns[...] = 0
        self._blocks = 0

    def _add_columns(self, columns: np.ndarray) -> None:
        for channel in range(self._channels):
            self._sums[channel] += sum(columns[0, channel :: self._channels].tolist())
            self._squares[channel] += sum(columns[1, channel :: self._channels].tolist())


def _measure_fractions(levels: np.ndarray) -> PixelStatistics:
    """float64 (pixels, c) -> statistics of one block, summed around its own mean so that nothing cancels.

    Only the block's sums are rounded, to float64; moving them back to zero and adding blocks is exact.
    """
    pixels = len(levels)
    centers = levels.mean(axis=0).astype(np.float32).astype(np.float64)
    deviations = levels - centers
    sums, squares = [], []
    for channel, center in enumerate(map(Fraction, centers.tolist())):
        total = Fraction(math.fsum(deviations[:, channel]))
        square = Fraction(math.fsum(deviations[:, channel] ** 2))
        sums.append(total + pixels * center)
        squares.append(square + 2 * center * total + pixels * center**2)
    return PixelStatistics(
        pixels, tuple(sums), tuple(squares), tuple(levels.min(axis=0).tolist()), tuple(levels.max(axis=0).tolist())
    )


def _square_root(value: Fraction) -> float:
    """The float64 nearest the square root of an exact number: integer root with 100 spare bits, rounded once."""
    if value == 0:
        return 0.0
    shift = max(0, 100 + (value.denominator.bit_length() - value.numerator.bit_length()) // 2)
    return float(Fraction(math.isqrt((value.numerator << 2 * shift) // value.denominator), 1 << shift))


def statistics_document(statistics: PixelStatistics) -> dict:
    """JSON form: integers and fractions as text, since other JSON readers round integers to 53 bits."""
    return {
        "pixels": str(statistics.pixels),
        "sums": [str(value) for value in statistics.sums],
        "squares": [str(value) for value in statistics.squares],
        "lowest": list(statistics.lowest),
        "highest": list(statistics.highest),
    }


def statistics_from_document(document: dict) -> PixelStatistics:
    """The inverse of `statistics_document`. Raises ValueError, KeyError or TypeError for other documents."""

    def exact(texts: Sequence[str]) -> tuple[int | Fraction, ...]:
        values = (Fraction(text) for text in texts)
        return tuple(value.numerator if value.denominator == 1 else value for value in values)

    return PixelStatistics(
        int(document["pixels"]),
        exact(document["sums"]),
        exact(document["squares"]),
        tuple(map(float, document["lowest"])),
        tuple(map(float, document["highest"])),
    )
