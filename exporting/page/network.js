"use strict";
// The generator: a list of steps (see exporting/steps.py), each a few loops around one small WebAssembly function.
// Images lie as [height][width][channels], channels filled up with zeros to a multiple of 8. This text runs in a
// worker, and in the page itself when the page is asked to check itself.

class Generator {
  // description: the page's JSON. kernels, biases: Float32Array, in the order of the steps. program: convolve.wasm.
  constructor(description, kernels, biases, program) {
    this.description = description;
    const slack = 4096; // floats; a row of four pixels is always drawn whole, so up to three pixels of room are needed
    let largest = roundUp(description.inputs), padded = largest, height = 1, width = 1;
    for (const step of description.steps) {
      if (step.kind === "convolve") {
        const scratch = (height + 2 * step.reach) * (width + 2 * step.reach) * roundUp(step.channels_in);
        padded = Math.max(padded, scratch + 4 * (1 + step.reach) * roundUp(step.channels_in) * (width + 2));
        height *= step.stride; width *= step.stride;
        largest = Math.max(largest, (height * width + 4 * step.stride) * roundUp(step.channels_out));
      } else if (step.kind === "reshape") {
        [height, width] = step.shape;
        largest = Math.max(largest, height * width * roundUp(step.shape[2]));
      } else if (step.kind === "upsample") {
        height *= step.rows; width *= step.columns;
        largest = Math.max(largest, height * width * roundUp(step.channels));
      }
    }
    largest += slack; padded += slack;
    const weights = { kernels: kernels.length, biases: biases.length };
    const sizes = { ...weights, taps: 1024, padded, first: largest, second: largest };
    const places = {};
    let end = 1024;
    for (const [name, size] of Object.entries(sizes)) { places[name] = end; end += roundUp(size); }
    const memory = new WebAssembly.Memory({ initial: Math.ceil(end * 4 / 65536) });
    const instance = new WebAssembly.Instance(new WebAssembly.Module(program), { page: { memory } });
    this.convolveRow = instance.exports.convolve_row;
    this.floats = new Float32Array(memory.buffer);
    this.integers = new Int32Array(memory.buffer);
    this.places = places;
    this.floats.set(kernels, places.kernels);
    this.floats.set(biases, places.biases);
  }

  // inputs: Float32Array, latents followed by the one-hot class -> integer levels [height][width][channels].
  draw(inputs) {
    let image = { at: this.places.first, height: 1, width: 1, channels: inputs.length };
    this.floats.fill(0, image.at, image.at + roundUp(inputs.length));
    this.floats.set(inputs, image.at);
    let kernels = this.places.kernels, biases = this.places.biases;
    for (const step of this.description.steps) {
      const free = image.at === this.places.first ? this.places.second : this.places.first;
      if (step.kind === "convolve") {
        image = this.convolve(step, image, free, kernels, biases);
        kernels += step.kernel_values; biases += roundUp(step.channels_out);
      } else if (step.kind === "reshape") image = this.reshape(step, image, free);
      else if (step.kind === "upsample") image = this.upsample(step, image, free);
      else this.scale(step, image);
    }
    return this.levels(image);
  }

  convolve(step, image, target, kernels, biases) {
    const { floats, integers, places } = this;
    const from = roundUp(step.channels_in), to = roundUp(step.channels_out), reach = step.reach, stride = step.stride;
    const { height, width } = image, wide = width + 2 * reach;
    floats.fill(0, places.padded, places.padded + (height + 2 * reach) * wide * from);
    for (let y = 0; y < height; y++) {
      const start = image.at + y * width * from;
      floats.copyWithin(places.padded + ((y + reach) * wide + reach) * from, start, start + width * from);
    }
    const phases = [];
    let taps = places.taps;
    for (const phase of step.phases) {
      phases.push({ ...phase, taps, kernels, count: phase.taps.length });
      for (const [down, right] of phase.taps) integers[taps++] = (down * wide + right) * from * 4;
      kernels += phase.taps.length * from * to;
    }
    const slope = step.activation === "relu" || step.activation === "leaky_relu" ? step.slope : 1;
    for (let y = 0; y < height; y++) {
      const input = places.padded + ((y + reach) * wide + reach) * from;
      for (const phase of phases) {
        const output = target + ((stride * y + phase.row) * stride * width + phase.column) * to;
        this.convolveRow(input * 4, phase.kernels * 4, biases * 4, output * 4, width, from, to, phase.taps * 4,
          phase.count, from * 4, stride * to * 4, slope);
      }
    }
    const drawn = { at: target, height: stride * height, width: stride * width, channels: step.channels_out };
    this.bend(step.activation, drawn);
    return drawn;
  }

  bend(activation, image) {
    if (activation !== "tanh" && activation !== "sigmoid") return;
    const bent = activation === "tanh" ? Math.tanh : (value) => 1 / (1 + Math.exp(-value));
    const end = image.at + image.height * image.width * roundUp(image.channels);
    for (let i = image.at; i < end; i++) this.floats[i] = bent(this.floats[i]);
  }

  reshape(step, image, target) {
    const [height, width, channels] = step.shape;
    const from = roundUp(image.channels), to = roundUp(channels);
    if (from === image.channels && to === channels) return { at: image.at, height, width, channels };
    this.floats.fill(0, target, target + height * width * to);
    for (let i = 0; i < height * width * channels; i++) {
      const source = Math.floor(i / image.channels) * from + i % image.channels;
      this.floats[target + Math.floor(i / channels) * to + i % channels] = this.floats[image.at + source];
    }
    return { at: target, height, width, channels };
  }

  upsample(step, image, target) {
    const stored = roundUp(image.channels), height = image.height * step.rows, width = image.width * step.columns;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const source = image.at + (Math.floor(y / step.rows) * image.width + Math.floor(x / step.columns)) * stored;
        this.floats.copyWithin(target + (y * width + x) * stored, source, source + stored);
      }
    }
    return { at: target, height, width, channels: image.channels };
  }

  scale(step, image) {
    const stored = roundUp(image.channels), { floats } = this;
    const slope = step.activation === "relu" || step.activation === "leaky_relu" ? step.slope : 1;
    for (let pixel = 0; pixel < image.height * image.width; pixel++) {
      for (let channel = 0; channel < image.channels; channel++) {
        const i = image.at + pixel * stored + channel;
        floats[i] = floats[i] * step.factor[channel] + step.offset[channel];
        floats[i] = Math.max(floats[i], floats[i] * slope);
      }
    }
    this.bend(step.activation, image);
  }

  // Round half to even, then clip, in double precision: as preprocessing.py does it.
  levels(image) {
    const { white, factor, offset } = this.description;
    const levels = new (white > 255 ? Uint16Array : Uint8Array)(image.height * image.width * image.channels);
    const stored = roundUp(image.channels);
    for (let i = 0; i < levels.length; i++) {
      const channel = i % image.channels, pixel = (i - channel) / image.channels;
      const scaled = this.floats[image.at + pixel * stored + channel];
      const level = scaled * factor[channel] + offset[channel];
      let rounded = Math.round(level);
      if (rounded - level === 0.5 && rounded % 2 !== 0) rounded -= 1;
      levels[i] = Math.min(white, Math.max(0, rounded));
    }
    return levels;
  }
}

function roundUp(size) { return Math.ceil(size / 8) * 8; }

// IEEE half precision, 1 sign bit, 5 of exponent, 10 of fraction -> Float32Array.
function widened(halves) {
  const floats = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) {
    const exponent = halves[i] >> 10 & 31, fraction = halves[i] & 1023;
    const size = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
    floats[i] = halves[i] & 0x8000 ? -size : size;
  }
  return floats;
}
