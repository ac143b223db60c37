"use strict";
// A PNG file with exactly these levels: grey, grey with alpha, RGB or RGBA, 8 or 16 bits (ISO/IEC 15948). A canvas would
// cut 16 bits to 8.
async function pngFile(levels, height, width, channels) {
  const bytes = levels.BYTES_PER_ELEMENT, row = width * channels;
  const raw = new Uint8Array(height * (1 + row * bytes));
  let at = 0;
  for (let y = 0; y < height; y++) {
    raw[at++] = 0; // no filter
    for (let x = 0; x < row; x++) {
      const level = levels[y * row + x];
      if (bytes === 2) raw[at++] = level >> 8;
      raw[at++] = level & 255;
    }
  }
  const stream = new Blob([raw]).stream().pipeThrough(new CompressionStream("deflate"));
  const data = new Uint8Array(await new Response(stream).arrayBuffer());
  const header = new Uint8Array(13), view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = 8 * bytes;
  header[9] = [0, 4, 2, 6][channels - 1];
  const signature = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
  return new Blob([signature, pngChunk("IHDR", header), pngChunk("IDAT", data), pngChunk("IEND", new Uint8Array(0))],
    { type: "image/png" });
}

function pngChunk(name, data) {
  const chunk = new Uint8Array(12 + data.length), view = new DataView(chunk.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; i++) chunk[4 + i] = name.charCodeAt(i);
  chunk.set(data, 8);
  let check = 0xffffffff;
  for (let i = 4; i < 8 + data.length; i++) {
    check ^= chunk[i];
    for (let bit = 0; bit < 8; bit++) check = check >>> 1 ^ (check & 1 ? 0xedb88320 : 0);
  }
  view.setUint32(8 + data.length, (check ^ 0xffffffff) >>> 0);
  return chunk;
}
