"use strict";
const element = (id) => document.getElementById(id);
const description = JSON.parse(element("description").textContent);
const [HEIGHT, WIDTH, CHANNELS] = description.image_shape;
const LARGEST_SEED = 2 ** 32 - 1, GRID_COUNT = 24, WALK_SECONDS = 2.4, CHECKED_SEEDS = 64;

// What is stored in the page

function storedBytes(id) {
  const text = atob(element(id).textContent.trim()), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function storedNetwork() {
  const kernels = storedBytes("kernels").buffer;
  return {
    description,
    kernels: description.precision === "float16" ? new Uint16Array(kernels) : new Float32Array(kernels),
    biases: new Float32Array(storedBytes("biases").buffer),
    program: storedBytes("program"),
  };
}

function inputsOf(latents, label) {
  const inputs = new Float32Array(description.inputs);
  inputs.set(latents);
  if (label !== null) inputs[description.latent_dim + label] = 1;
  return inputs;
}

// Drawing, in a worker, one picture at a time; of those that wait, the large one goes first

class Painter {
  constructor() {
    const start = "\nlet generator;\nonmessage = ({ data }) => {\n" +
      "  if (data.kernels) { generator = new Generator(data.description, data.kernels instanceof Uint16Array ? " +
      "widened(data.kernels) : data.kernels, data.biases, data.program); return; }\n" +
      "  const levels = generator.draw(data.inputs); postMessage({ levels }, [levels.buffer]);\n};";
    const text = new Blob([element("network").textContent + start], { type: "text/javascript" });
    const address = URL.createObjectURL(text);
    this.worker = new Worker(address);
    this.worker.onerror = ({ message }) => notice(`The drawing stopped: ${message || "this browser cannot run it"}.`);
    this.worker.onmessage = ({ data }) => {
      const done = this.busy;
      this.busy = null;
      done(data.levels);
      this.proceed();
    };
    this.large = null;
    this.small = [];
    this.busy = null;
    const network = storedNetwork();
    this.worker.postMessage(network, [network.kernels.buffer]);
  }

  paintLarge(inputs, done) { this.large = { inputs, done }; this.proceed(); } // replaces one that still waits

  paintSmall(jobs) { this.small = jobs; this.proceed(); }

  proceed() {
    if (this.busy) return;
    const job = this.large || this.small.shift();
    if (!job) return;
    if (job === this.large) this.large = null;
    this.busy = job.done;
    this.worker.postMessage({ inputs: job.inputs });
  }
}

// Levels on a canvas: 16 bits are shown by their upper half, and data that does not reach white, by its own maximum

function show(canvas, levels) {
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const context = canvas.getContext("2d"), picture = context.createImageData(WIDTH, HEIGHT);
  for (let pixel = 0; pixel < WIDTH * HEIGHT; pixel++) {
    const at = pixel * CHANNELS, shown = (channel) => levels[at + channel] * 255 / description.maximum;
    for (let color = 0; color < 3; color++) picture.data[4 * pixel + color] = shown(CHANNELS < 3 ? 0 : color);
    picture.data[4 * pixel + 3] = CHANNELS % 2 ? 255 : levels[at + CHANNELS - 1] * 255 / description.white;
  }
  context.putImageData(picture, 0, 0);
}

// The state, and what is seen of it

const state = { seed: 0, latents: null, walking: null, truncation: 1, label: null, first: 0, drawn: null };
state.amounts = description.directions.map(() => 0);
if (description.class_names.length) state.label = 0;
const painter = location.hash === "#check" ? null : new Painter();

function currentLatents() {
  return movedLatents(state.latents, state.truncation, description.directions, state.amounts);
}

function pictureName() {
  const moved = state.truncation !== 1 || state.amounts.some((amount) => amount !== 0);
  const name = state.seed === null || moved ? "latents" : `seed${String(state.seed).padStart(4, "0")}`;
  return state.label === null ? name : `${description.class_names[state.label].replace(/[^\p{L}\p{N} _-]/gu, "_")}-${name}`;
}

function paint() {
  const latents = currentLatents(), name = pictureName(), words = caption();
  painter.paintLarge(inputsOf(latents, state.label), (levels) => { // by then, another picture may be wanted
    state.drawn = { levels, name };
    show(element("picture"), levels);
    element("caption").textContent = words;
    document.body.dataset.drawn = name;
  });
  if (!state.walking) tell(latents);
}

function caption() {
  const what = state.label === null ? "" : `${description.class_names[state.label]}, `;
  if (state.walking) return `${what}walking from seed ${state.walking.from} to ${state.walking.to}`;
  if (state.seed === null) return `${what}between seeds`;
  return `${what}seed ${state.seed}${state.amounts.some((amount) => amount !== 0) ? ", changed" : ""}`;
}

function tell(latents) {
  element("latents").value = `[[${Array.from(latents, (value) => Number(value.toPrecision(9))).join(", ")}]]`;
  const name = state.label === null ? "" : ` --class "${description.class_names[state.label]}"`;
  element("command").textContent = `python generate.py RUN --latents latents.json --output picture.png${name}`;
}

function goTo(seed) {
  stopWalk();
  state.seed = Math.min(LARGEST_SEED, Math.max(0, Math.floor(seed) || 0));
  state.latents = latentsFromSeed(state.seed, description.latent_dim);
  element("seed").value = state.seed;
  for (const button of element("grid").children) {
    button.setAttribute("aria-current", Number(button.dataset.seed) === state.seed);
  }
  paint();
}

function setAmounts(amounts) {
  state.amounts = amounts;
  [...element("directions").querySelectorAll("input")].forEach((input, index) => {
    input.value = amounts[index];
    input.parentElement.querySelector("output").textContent = Number(amounts[index]).toFixed(1);
  });
}

// Walks: along great circles from a seed to the next, until it is stopped

function toggleWalk() {
  if (state.walking) { stopWalk(); paint(); return; }
  const from = state.seed === null ? Number(element("seed").value) : state.seed;
  state.walking = { from, to: (from + 1) % (LARGEST_SEED + 1), began: null, start: state.latents };
  element("walk").setAttribute("aria-pressed", "true");
  element("walk").textContent = "Stop";
  requestAnimationFrame(step);
}

function step(now) {
  const walk = state.walking;
  if (!walk) return;
  walk.began ??= now;
  const share = (now - walk.began) / (1000 * WALK_SECONDS);
  const end = latentsFromSeed(walk.to, description.latent_dim);
  state.latents = between(walk.start, end, share);
  state.seed = share >= 1 ? walk.to : null;
  if (share >= 1) {
    element("seed").value = walk.to;
    state.walking = { from: walk.to, to: (walk.to + 1) % (LARGEST_SEED + 1), began: now, start: end };
  }
  if (!painter.large) paint();
  requestAnimationFrame(step);
}

function stopWalk() {
  state.walking = null;
  element("walk").setAttribute("aria-pressed", "false");
  element("walk").textContent = "Walk";
}

// The grid of seeds

function showGrid(first) {
  state.first = Math.min(Math.max(0, first), LARGEST_SEED - GRID_COUNT + 1);
  element("earlier").disabled = state.first === 0;
  const buttons = Array.from({ length: GRID_COUNT }, (_, index) => {
    const seed = state.first + index, button = document.createElement("button"), text = document.createElement("span");
    text.textContent = seed;
    button.dataset.seed = seed;
    button.setAttribute("aria-label", `Seed ${seed}`);
    button.setAttribute("aria-current", seed === state.seed);
    button.append(newCanvas(), text);
    button.onclick = () => goTo(seed);
    return button;
  });
  element("grid").replaceChildren(...buttons);
  paintGrid();
}

function newCanvas() {
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  canvas.classList.toggle("see-through", CHANNELS % 2 === 0);
  return canvas;
}

function paintGrid() {
  painter.paintSmall([...element("grid").children].map((button) => {
    const latents = latentsFromSeed(Number(button.dataset.seed), description.latent_dim);
    const moved = movedLatents(latents, state.truncation, [], []);
    const done = (levels) => { show(button.firstChild, levels); button.dataset.drawn = "true"; };
    return { inputs: inputsOf(moved, state.label), done };
  }));
}

// Controls

function addControls() {
  if (description.class_names.length) {
    element("classes").hidden = false;
    description.class_names.forEach((name, index) => {
      const [label, input, text] = ["label", "input", "span"].map((name) => document.createElement(name));
      Object.assign(input, { type: "radio", name: "class", checked: index === state.label });
      input.onchange = () => { state.label = index; paint(); paintGrid(); };
      text.textContent = name;
      label.append(input, text);
      element("classes").querySelector(".chips").append(label);
    });
  }
  description.directions.forEach((_, index) => {
    const [box, label, output, input] = ["div", "label", "output", "input"].map((name) => document.createElement(name));
    const { reach } = description;
    Object.assign(input, { type: "range", min: -reach, max: reach, step: 0.1, value: 0, id: `direction${index}` });
    label.textContent = `Direction ${index + 1}`;
    label.htmlFor = input.id;
    output.textContent = "0.0";
    input.oninput = () => {
      state.amounts[index] = Number(input.value);
      output.textContent = state.amounts[index].toFixed(1);
      paint();
    };
    box.className = "slider";
    box.append(label, output, input);
    element("directions").append(box);
  });
  const tellTruncation = () => { element("truncation-value").textContent = state.truncation.toFixed(2); };
  element("truncation").oninput = () => {
    state.truncation = Number(element("truncation").value);
    tellTruncation();
    paint();
    paintGrid();
  };
  tellTruncation();
  element("seed").onchange = () => goTo(Number(element("seed").value));
  element("previous").onclick = () => goTo(neighbor(-1));
  element("next").onclick = () => goTo(neighbor(1));
  element("surprise").onclick = surprise;
  element("walk").onclick = toggleWalk;
  element("download").onclick = download;
  element("reset").onclick = reset;
  element("earlier").onclick = () => showGrid(state.first - GRID_COUNT);
  element("later").onclick = () => showGrid(state.first + GRID_COUNT);
  element("copy").onclick = copyLatents;
  addKeys();
  addSwipes();
}

function neighbor(way) {
  return (state.seed === null ? Number(element("seed").value) : state.seed) + way;
}

function surprise() { goTo(crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000); }

function reset() {
  setAmounts(state.amounts.map(() => 0));
  goTo(state.seed === null ? Number(element("seed").value) : state.seed);
}

async function download() {
  if (!state.drawn) return;
  const { levels, name } = state.drawn;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await pngFile(levels, HEIGHT, WIDTH, CHANNELS));
  link.download = `${name}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function copyLatents() {
  element("latents").select();
  if (navigator.clipboard) await navigator.clipboard.writeText(element("latents").value);
  else document.execCommand("copy"); // where pages from disk have no clipboard
  element("copy").textContent = "Copied";
  setTimeout(() => { element("copy").textContent = "Copy"; }, 1500);
}

function addKeys() {
  const actions = {
    ArrowLeft: () => goTo(neighbor(-1)), ArrowRight: () => goTo(neighbor(1)),
    r: surprise, d: download, 0: reset, " ": toggleWalk,
  };
  document.addEventListener("keydown", (event) => {
    const typing = ["INPUT", "TEXTAREA", "SELECT"].includes(event.target.tagName);
    const pressing = event.key === " " && ["BUTTON", "SUMMARY"].includes(event.target.tagName);
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || typing || pressing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  });
}

function addSwipes() {
  let start = null;
  element("picture").addEventListener("pointerdown", (event) => { start = event.clientX; });
  addEventListener("pointerup", (event) => {
    const moved = start === null ? 0 : event.clientX - start;
    start = null;
    if (Math.abs(moved) > 40) goTo(neighbor(moved < 0 ? 1 : -1));
  });
}

function notice(text) {
  element("notice").textContent = text;
  element("notice").hidden = false;
}

// The page compares itself with what generate.py drew when it was made

function checkAgainstPython() {
  const expected = storedBytes("expected"), pixels = description.white > 255 ? new Uint16Array(expected.buffer) : expected;
  painter.paintSmall([{ inputs: inputsOf(latentsFromSeed(0, description.latent_dim), state.label), done: (levels) => {
    const apart = levels.map((level, i) => Math.abs(level - pixels[i]));
    const changed = apart.filter((difference) => difference > 0).length, most = apart.reduce((a, b) => Math.max(a, b), 0);
    element("checked").textContent = "In this browser, seed 0 " + (changed === 0
      ? "is pixel for pixel what generate.py drew."
      : `differs from what generate.py drew in ${changed} of ${apart.length} values, by at most ${most} ` +
        `of ${description.white}.`);
    document.body.dataset.checked = most;
    if (most > description.bound) notice("This browser draws other pictures than the program that made this page.");
    showGrid(0);
  } }]);
}

// page.html#check draws seeds 0 to 63, each class in turn, and writes the levels into the page for export.py to read

function writeCheck() {
  const began = performance.now(), network = storedNetwork();
  if (network.kernels instanceof Uint16Array) network.kernels = widened(network.kernels);
  const generator = new Generator(description, network.kernels, network.biases, network.program);
  const classes = description.class_names.length;
  const drawSeed = (seed) =>
    generator.draw(inputsOf(latentsFromSeed(seed, description.latent_dim), classes ? seed % classes : null));
  drawSeed(0);
  const first = performance.now();
  const parts = Array.from({ length: CHECKED_SEEDS }, (_, seed) => new Uint8Array(drawSeed(seed).buffer));
  const ended = performance.now();
  const texts = parts.map((part) => btoa(part.reduce((text, byte) => text + String.fromCharCode(byte), "")));
  element("check").textContent = JSON.stringify({ first_seconds: (first - began) / 1000,
    images_per_second: CHECKED_SEEDS * 1000 / (ended - first), images: texts });
}

function about() {
  const shape = `${HEIGHT}×${WIDTH}${CHANNELS < 3 ? " grey" : ""}`;
  return `Pictures of ${shape} pixels, ${description.image_dtype === "uint16" ? 16 : 8} bits, by a generator of ` +
    `${description.weights.toLocaleString("en")} weights (${description.precision}), ` +
    `${description.operations.toLocaleString("en")} ` +
    `multiplications each. Trained with Pixelwright on ${description.data}; run ${description.run}, generator ` +
    `${description.generator_sha256.slice(0, 12)}.`;
}

if (painter) {
  element("about").textContent = about();
  element("picture").classList.toggle("see-through", CHANNELS % 2 === 0);
  addControls();
  goTo(0);
  checkAgainstPython();
} else writeCheck();
