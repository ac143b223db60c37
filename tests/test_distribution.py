"""Many devices are one: the same losses, the same files; and when a worker goes, the others say so and can go on."""

import functools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import QUICK, STATISTICS, small_images, train_here
from processes import Ended, Process

import train
from image_datasets import ImageSet
from preprocessing import PixelScaler
from training.feed import BatchPlan, Feed
from training.workers import find_workers

ROOT = Path(__file__).resolve().parent.parent
STEPS = 20
RECIPES = {
    "default": {"learning_rate": 1e-5},  # at their own rates rounding grows past the tolerance within twenty steps
    "dropout, augmented, conditional, spectral": {
        "preset": "dcgan",
        "loss": "hinge",
        "augmentation": ("color", "translation", "cutout"),
        "conditional": True,
        "spectral_normalization": True,
        "learning_rate": 1e-5,
    },
    "wasserstein": {"preset": "tutorial", "loss": "wasserstein"},
    "relativistic": {"preset": "tutorial", "loss": "relativistic", "schedule": "cosine"},
}
ON_TWO_DEVICES = """
import json, sys
from command_line import import_tensorflow
import_tensorflow()
import numpy as np
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
"""
COMPARE = """
import keras
import training.networks
from config import TrainingConfig
from training.distribution import ONE_DEVICE, open_replicas
from training.networks import build_networks
from training.step import Batch, TrainStep

steps, recipes = json.loads(sys.argv[1])
draws = np.random.default_rng(0)
images = draws.uniform(-1, 1, (64, 16, 16, 3)).astype(np.float32)
chosen = draws.integers(64, size=(steps, 2, 8))
two = open_replicas("mirrored", 0, 1, 8)
assert two.count == 2

def lists_as_tuples(value):  # JSON has no tuples
    return tuple(value) if isinstance(value, list) else value

def trained(recipe, replicas, steps_per_execution=1):
    choices = {name: lists_as_tuples(value) for name, value in recipe.items()}
    config = TrainingConfig.of(precision="float32", filters=8, **choices)
    networks = build_networks(config, (16, 16, 3), "tanh", 3, replicas)
    step = TrainStep(networks, config, steps)
    losses, logits = [], []
    batches = [Batch(images[first], first % 3, images[second]) for first, second in chosen]
    said = []
    for number in range(0, steps, steps_per_execution):
        said += step.execute(batches[number : number + steps_per_execution], number)
    for found in said:
        losses.append([float(found[name]) for name in ("generator_loss", "discriminator_loss")])
        logits.append(found["real_logits"].numpy().tolist())
    layers = networks.generator.layers
    statistics = [
        getattr(layer, name).numpy().tolist()
        for layer in layers if isinstance(layer, keras.layers.BatchNormalization)
        for name in ("moving_mean", "moving_variance")
    ]
    moments = [
        float(tf.norm(tf.cast(variable, tf.float32)))
        for optimizer in (networks.generator_optimizer, networks.discriminator_optimizer)
        for variable in optimizer.variables
    ]
    training.networks.STATISTICS_BATCHES = 1
    latents = np.zeros((64, networks.generator.input_shape[-1]), np.float32)
    networks.update_batch_statistics()
    samples = networks.averaged_generator.predict_on_batch(latents)
    kinds = [type(layer).__module__.split(".")[0] for layer in networks.discriminator_to_store().layers]
    stored = networks.discriminator_to_store()(images[:8])
    live = networks.discriminator(images[:8])
    return {
        "losses": losses,
        "logits": logits,
        "statistics": statistics,
        "moments": moments,
        "samples": samples.shape,
        "stock": set(kinds) == {"keras"} and bool(np.array_equal(stored, live)),
        "traces": [graph.experimental_get_tracing_count() for graph in (step.compiled_step, step.compiled_steps)],
    }

results = {name: [trained(recipe, one) for one in (ONE_DEVICE, two)] for name, recipe in recipes.items()}
results["many"] = trained(recipes["relativistic"], two, steps_per_execution=2)
print(json.dumps(results))
"""


def run_on_two_devices(program: str, *arguments: str) -> Ended:
    return Process(ON_TWO_DEVICES + program, *arguments).end()


@functools.cache
def compared() -> dict[str, list[dict]]:
    """What the recipes come to on one device and on two, in one process."""
    result = run_on_two_devices(COMPARE, json.dumps([STEPS, RECIPES]))
    assert result.status == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_two_replicas_have_the_losses_and_batch_statistics_of_one_device(recipe):
    one, two = compared()[recipe]
    for name in ("losses", "logits"):  # training magnifies what rounding leaves
        np.testing.assert_allclose(two[name][:4], one[name][:4], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(two[name], one[name], rtol=1e-2, atol=1e-2)
    assert len(one["statistics"]) == len(two["statistics"])
    for first, second in zip(one["statistics"], two["statistics"], strict=True):
        np.testing.assert_allclose(second, first, rtol=1e-2, atol=1e-3)
    np.testing.assert_allclose(two["moments"], one["moments"], rtol=5e-2, err_msg="Adam hides a wrong scale of slopes")
    graphs = 2 if recipe == "default" else 1  # its penalties are rarer than its steps, which go without them between
    assert one["traces"] == two["traces"] == [graphs, 0]
    assert one["samples"] == two["samples"] == [64, 16, 16, 3], "one image a latent vector"
    assert two["stock"], "what is stored has the weights that train, in layers that Keras knows"


@pytest.mark.slow
def test_two_replicas_take_many_steps_in_one_call():
    """With the schedule of the recipe, whose rates then are set within the call."""
    results = compared()
    _, expected = results["relativistic"]
    assert results["many"]["losses"] == expected["losses"]
    assert results["many"]["statistics"] == expected["statistics"]
    assert results["many"]["moments"] == expected["moments"]
    assert max(results["many"]["traces"]) == 1


def test_a_batch_that_cannot_be_shared_is_refused_in_one_line(image_file):
    arguments = ["--data", image_file, "--batch-size", 9, "--precision", "float32", "--distribute", "mirrored"]
    program = f"sys.argv = {['train.py', *map(str, arguments)]!r}\nimport train, command_line\n"
    result = run_on_two_devices(program + "command_line.run_command(train.main)")
    assert result.status == 2 and not result.stdout
    (line,) = result.stderr.strip().splitlines()
    assert "divisible by 2" in line and "got 9" in line and "--batch-size 8" in line


@pytest.mark.parametrize(
    "place",
    [
        None,
        "{",
        "[]",
        '{"cluster": {"worker": ["one:1"]}}',
        '{"cluster": {"worker": ["one:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"ps": ["one:1"]}, "task": {"type": "ps", "index": 0}}',
    ],
)
def test_a_missing_or_broken_tf_config_is_one_line(image_file, run_script, monkeypatch, place):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if place is not None:
        monkeypatch.setenv("TF_CONFIG", place)
    outcome = run_script(train, "--data", image_file, "--distribute", "multi-worker")
    assert outcome.status == 2 and len(outcome.stderr.strip().splitlines()) == 1
    assert "expected TF_CONFIG such as" in outcome.stderr


def test_the_chief_is_the_first_of_all_tasks(monkeypatch):
    cluster = {"worker": ["one:1", "two:1"], "chief": ["three:1"]}
    found = []
    for kind, index in (("chief", 0), ("worker", 0), ("worker", 1)):
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}}))
        found.append(find_workers("multi-worker"))
    assert found == [(0, 3), (1, 3), (2, 3)]
    assert find_workers("mirrored") == find_workers(None) == (0, 1)


def test_the_parts_of_the_feeds_make_up_the_batches():
    images = ImageSet("blobs", small_images(50), np.arange(50) % 7, tuple("abcdefg"))
    scaler = PixelScaler("tanh").fit(images.images)
    with Feed(images, scaler, BatchPlan(8, 3, True), range(12)) as feed:
        whole = list(feed)
    feeds = [Feed(images, scaler, BatchPlan(8, 3, True, (part, 2)), range(12)) for part in range(2)]
    for batch, *parts in zip(whole, *feeds, strict=True):
        for name in batch._fields:
            together = np.concatenate([getattr(part, name) for part in parts])
            np.testing.assert_array_equal(together, getattr(batch, name))
            assert len(getattr(parts[0], name)) == 4
    with pytest.raises(ValueError, match="expected a part"):
        BatchPlan(8, 3, share=(0, 3))
    with pytest.raises(ValueError, match="whole batch"):
        by_batch = PixelScaler("standardize", scope="batch").fit(images.images)
        Feed(images, by_batch, BatchPlan(8, 3, share=(0, 2)), range(12))


# Two processes


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


LESS_TO_DO = f"import {STATISTICS[0].rpartition('.')[0]}; {STATISTICS[0]} = {STATISTICS[1]}\n"
TELL_THE_WEIGHTS = """
import hashlib, command_line
command_line.import_tensorflow()
from training.loop import Training
def told(self, *arguments):
    whole(self, *arguments)
    state = self.networks.state()
    names = sorted(name for name in state if "averaged" not in name)
    print("weights", hashlib.sha256(b"".join(state[name].tobytes() for name in names)).hexdigest(), file=sys.stderr)
whole, Training.train = Training.train, told
"""
SIGNAL_ITSELF = """
import os, progress
told = 0
def tell(self, *words):
    global told
    told += 1
    if told == {step}:
        os.kill(os.getpid(), {signal})
    return advance(self, *words)
advance, progress.ProgressLines.advance = progress.ProgressLines.advance, tell
"""


def run_workers(arguments: list[str], *sabotages: str) -> list[Ended]:
    """As many workers on loopback as there are programs to run before train.py."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(len(sabotages))]
    processes = []
    for index, sabotage in enumerate(sabotages):
        place = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        program = f"import sys; sys.argv[0] = 'train.py'\n{LESS_TO_DO}{sabotage}\n"
        program += "import train, command_line; command_line.run_command(train.main)"
        words = (*arguments, "--distribute", "multi-worker")
        processes.append(Process(program, *words, environment={"TF_CONFIG": json.dumps(place)}))
    return [process.end() for process in processes]


def said(errors: str) -> list[str]:
    """The lines on standard error, without what a run says of its images and of its progress."""
    of_images = ("read small: 48 images", "48 images are few")
    lines = errors.strip().splitlines()
    return [line for line in lines if not line.startswith(of_images) and " images/s, " not in line]


def losses_of(run: Path) -> np.ndarray:
    with np.load(sorted((run / "checkpoints").glob("step_*.npz"))[-1]) as archive:
        return archive["progress/losses"]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills processes by signals")
def test_two_workers_are_stopped_killed_resumed_and_end_as_one_device(image_file, tmp_path):
    """Three runs of two processes: a signal to one stops both, the death of one ends the other, and both go on."""
    common = ["--data", image_file, "--batch-size", 12, *QUICK, "--epochs", 4]
    train_here(*common, "--run-dir", tmp_path / "one")
    run = tmp_path / "two"
    arguments = [*map(str, common), "--run-dir", str(run)]

    stopped = run_workers(arguments, "", SIGNAL_ITSELF.format(step=6, signal=int(signal.SIGTERM)))
    for worker in stopped:
        assert worker.status == 143 and "--resume" in worker.stderr and len(said(worker.stderr)) == 1, worker.stderr
    assert stopped[0].stdout.strip() == str(run) and not stopped[1].stdout
    (checkpoint,) = (run / "checkpoints").glob("step_00000000[5-9].npz")
    assert checkpoint.stem in ("step_000000006", "step_000000007")

    start = time.monotonic()
    kill = SIGNAL_ITSELF.format(step=4, signal=int(signal.SIGKILL))
    chief, killed = run_workers([*arguments, "--resume"], "", kill)
    assert killed.status == -signal.SIGKILL
    (line,) = said(chief.stderr)
    assert chief.status == 1 and "expected all 2 workers to continue" in line and "resume all of them" in line, chief
    assert time.monotonic() - start < 120

    ended = run_workers([*arguments, "--resume"], TELL_THE_WEIGHTS, TELL_THE_WEIGHTS)
    assert [worker.status for worker in ended] == [0, 0], ended
    weights = [worker.stderr.split("weights ")[1].split()[0] for worker in ended]
    assert weights[0] == weights[1]
    assert "done: look at" in ended[0].stdout and not ended[1].stdout
    np.testing.assert_allclose(losses_of(run), losses_of(tmp_path / "one"), rtol=1e-3, atol=1e-4)
    names = [sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) for folder in (tmp_path / "one", run)]
    assert names[0] == names[1], "one run folder, and nothing else in it"
    configs = [json.loads((folder / "config.json").read_text()) for folder in (tmp_path / "one", run)]
    assert configs[0] == configs[1]


# The files to copy


def listings(language: str) -> list[str]:
    text = (ROOT / "docs" / "distributed.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(os.name != "posix", reason="runs bash")
@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("cluster", ["slurm", "kubernetes"])
def test_the_files_to_copy_tell_each_worker_where_it_is(cluster, begun, tmp_path, monkeypatch):
    """Their shell parts run here, with programs in place of the cluster's and of Python that tell what they got."""
    shown = 'echo "$TF_CONFIG"; echo "$@"\n'
    programs = {".venv/bin/python": shown, "bin/python": shown, "bin/scontrol": "echo node07; echo node12\n"}
    programs["bin/srun"] = 'shift; for rank in 0 1; do SLURM_PROCID=$rank "$@"; done\n'
    for name, text in programs.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("#!/bin/bash\n" + text)
        (tmp_path / name).chmod(0o755)
    run = tmp_path / "run"
    if begun:
        run.mkdir()
        (run / "config.json").write_text("{}")
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    scripts = []
    if cluster == "slurm":
        (text,) = (text for text in listings("text") if "#SBATCH" in text)
        scripts.append((text.replace("RUN=/shared/runs/mine", f"RUN={run}"), {"SLURM_JOB_ID": "77"}))
    else:
        (text,) = listings("yaml")
        body = textwrap.dedent(re.search(r"- \|\n(( {14}.*\n)+)", text)[1])
        workers = re.search(r"value: '(\"gan-0.*)'", text)[1]
        for number in range(2):
            scripts.append((body, {"RUN": str(run), "WORKERS": workers, "JOB_COMPLETION_INDEX": str(number)}))
    lines: list[str] = []
    for script, variables in scripts:
        environment = os.environ | variables | {"PATH": path, "SLURM_JOB_NODELIST": "node[07,12]"}
        command = ["bash", "-euc", script]
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        lines += result.stdout.splitlines()
    for number, (place, command) in enumerate(zip(lines[::2], lines[1::2], strict=True)):
        monkeypatch.setenv("TF_CONFIG", place)
        assert find_workers("multi-worker") == (number, 2 if cluster == "slurm" else 4)
        monkeypatch.setattr(sys, "argv", command.split())
        arguments = train.build_parser().parse_args()
        assert arguments.resume == begun and arguments.run_dir == run
        train.explicit_choices(arguments)
    assert len(lines) == 4


def test_ctrl_c_ends_the_wait_for_other_workers():
    from training.distribution import _ended_by_interrupt

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with _ended_by_interrupt():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL, "Python cannot look while TensorFlow waits"
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with _ended_by_interrupt():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN, "a job in the background stays in it"
    finally:
        signal.signal(signal.SIGINT, before)
