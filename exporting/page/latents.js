"use strict";
// Latent vectors as the Python program makes them: a seed is an image, here and there.

// Standard normal numbers of NumPy's RandomState(seed): the Mersenne Twister (Matsumoto and Nishimura 1998), doubles of
// 53 bits, and Marsaglia's polar method. -> Float32Array of `length`.
function latentsFromSeed(seed, length) {
  const state = new Uint32Array(624);
  let word = seed >>> 0;
  for (let i = 0; i < 624; i++) {
    state[i] = word;
    word = (Math.imul(1812433253, word ^ word >>> 30) + i + 1) >>> 0;
  }
  let used = 624;
  function next() {
    if (used === 624) {
      for (let i = 0; i < 624; i++) {
        const mixed = state[i] & 0x80000000 | state[(i + 1) % 624] & 0x7fffffff;
        state[i] = state[(i + 397) % 624] ^ mixed >>> 1 ^ (mixed & 1 ? 0x9908b0df : 0);
      }
      used = 0;
    }
    let value = state[used++];
    value ^= value >>> 11;
    value ^= value << 7 & 0x9d2c5680;
    value ^= value << 15 & 0xefc60000;
    return (value ^ value >>> 18) >>> 0;
  }
  const uniform = () => ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;
  const latents = new Float32Array(length);
  for (let i = 0; i < length; i += 2) {
    let first, second, square;
    do {
      first = 2 * uniform() - 1;
      second = 2 * uniform() - 1;
      square = first * first + second * second;
    } while (square >= 1 || square === 0);
    const factor = Math.sqrt(-2 * Math.log(square) / square);
    latents[i] = factor * second;
    if (i + 1 < length) latents[i + 1] = factor * first;
  }
  return latents;
}

// A point between two vectors, on the great circle, the length going over evenly; share from 0 to 1.
function between(start, end, share) {
  if (share <= 0) return Float32Array.from(start);
  if (share >= 1) return Float32Array.from(end);
  const norm = (vector) => Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  const [long, longToo] = [norm(start), norm(end)];
  const product = start.reduce((sum, value, i) => sum + value / long * (end[i] / longToo), 0);
  const angle = Math.acos(Math.min(1, Math.max(-1, product)));
  if (!(long > 0 && longToo > 0) || Math.sin(angle) < 1e-6) {
    return start.map((value, i) => value + share * (end[i] - value));
  }
  const parts = [Math.sin((1 - share) * angle) / Math.sin(angle), Math.sin(share * angle) / Math.sin(angle)];
  const length = long + share * (longToo - long);
  return start.map((value, i) => length * (parts[0] * value / long + parts[1] * end[i] / longToo));
}

// What is drawn: latents · truncation + the sum of amount · direction, in float32 like NumPy.
function movedLatents(latents, truncation, directions, amounts) {
  const moved = latents.map((value) => value * Math.fround(truncation));
  directions.forEach((direction, index) => {
    if (amounts[index] !== 0) direction.forEach((part, i) => { moved[i] += Math.fround(amounts[index] * part); });
  });
  return moved;
}
