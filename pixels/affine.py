"""(v - offset) / divisor on images and back, in float64 with one rounding to float32, in blocks that fit the cache."""

from dataclasses import dataclass

import numpy as np

from pixels.checks import as_levels, flat_blocks

# Blocks of up to 64 * 256 pixels: the float64 work area and the block itself stay in a core's second-level cache.
ROW_PIXELS = 256
BLOCK_ROWS = 64


@dataclass(frozen=True)
class Affine:
    """One scaling: float64 `offset` and `divisor` in levels, one number per channel or one for all.

    clip_to_unit: then clip to [-1, 1] and map to [0, 1], text C's positive standardization.
    """

    offset: np.ndarray
    divisor: np.ndarray
    clip_to_unit: bool = False

    def forward(self, images: np.ndarray, out: np.ndarray, value_range: tuple[float, float] | None, top: int) -> None:
        """integer levels, or floats in `value_range`, (n, h, w, c) -> `out`, float32 C-contiguous of the same shape."""
        channels = images.shape[-1]
        offset, divisor = self._rows(channels)
        work = np.empty((BLOCK_ROWS, offset.size))
        flat_out = out.reshape(-1)
        for start, block in flat_blocks(images, BLOCK_ROWS * offset.size):
            if value_range is not None:
                block = as_levels(block, value_range, top)
            for piece, target in _as_rows(block, flat_out[start : start + block.size], offset.size):
                width = piece.shape[1]
                scaled = work[: len(piece), :width]
                np.subtract(piece, offset[:width], out=scaled)
                np.divide(scaled, divisor[:width], out=scaled)
                if self.clip_to_unit:
                    np.clip(scaled, -1, 1, out=scaled)
                    np.add(scaled, 1, out=scaled)
                    np.divide(scaled, 2, out=scaled)
                np.copyto(target, scaled, casting="same_kind")

    def backward(self, scaled: np.ndarray, out: np.ndarray, top: int) -> None:
        """floats (n, h, w, c) -> `out`, integer levels: rint, then clip to 0..top. Values must be finite."""
        channels = scaled.shape[-1]
        offset, divisor = self._rows(channels)
        work = np.empty((BLOCK_ROWS, offset.size))
        flat_out = out.reshape(-1)
        for start, block in flat_blocks(scaled, BLOCK_ROWS * offset.size):
            for piece, target in _as_rows(block, flat_out[start : start + block.size], offset.size):
                width = piece.shape[1]
                levels = work[: len(piece), :width]
                np.copyto(levels, piece)
                if self.clip_to_unit:
                    np.multiply(levels, 2, out=levels)
                    np.subtract(levels, 1, out=levels)
                np.multiply(levels, divisor[:width], out=levels)
                np.add(levels, offset[:width], out=levels)
                np.rint(levels, out=levels)
                np.clip(levels, 0, top, out=levels)
                np.copyto(target, levels, casting="unsafe")  # already whole numbers in 0..top

    def line_back(self) -> tuple[np.ndarray, np.ndarray]:
        """(factor, offset), float64: levels = scaled * factor + offset before rint and clip."""
        return (2 * self.divisor, self.offset - self.divisor) if self.clip_to_unit else (self.divisor, self.offset)

    def _rows(self, channels: int) -> tuple[np.ndarray, np.ndarray]:
        """offset and divisor repeated over a row of pixels, so that one operation runs over a whole row."""
        return tuple(np.tile(np.broadcast_to(part, (channels,)), ROW_PIXELS) for part in (self.offset, self.divisor))


def _as_rows(block: np.ndarray, target: np.ndarray, width: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """1-D block and target -> pairs of 2-D views: the whole rows, then the rest as one short row."""
    whole = block.size - block.size % width
    pairs = [(block[:whole].reshape(-1, width), target[:whole].reshape(-1, width))] if whole else []
    if whole < block.size:
        pairs.append((block[whole:].reshape(1, -1), target[whole:].reshape(1, -1)))
    return pairs
