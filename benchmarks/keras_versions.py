"""Do other versions of Keras load a run's networks with the same outputs? python benchmarks/keras_versions.py RUN …

Each version is installed in its own environment, on top of this environment's TensorFlow, and runs in an empty folder,
where it cannot find this project. It loads every .keras file of the runs as any program would, and its outputs for 64
random inputs are compared with those here. Needs the network; each version takes some 20 MB and half a minute.
"""

import argparse
import site
import subprocess
import sys
import tempfile
from pathlib import Path

VERSIONS = "3.3.3,3.6.0,3.10.0,3.13.0,3.14.0,3.15.1"
# Gets pairs of a network and a file for its outputs; the seed determines the inputs.
PROGRAM = """
import sys, zipfile
import keras, numpy
for network_path, output_path in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        network = keras.saving.load_model(network_path, compile=False)
    except Exception as error:
        print(f"does not load: {type(error).__name__}")
        continue
    inputs = numpy.random.default_rng(0).normal(size=(64, *network.input_shape[1:])).astype("float32")
    numpy.save(output_path, numpy.asarray(network.predict_on_batch(inputs)))
    print("loads")
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--versions", default=VERSIONS, help=f"(default {VERSIONS})")
    parser.add_argument("--environments", type=Path, metavar="FOLDER", help="keep them here (default: delete them)")
    arguments = parser.parse_args()
    networks = [path.resolve() for run in arguments.runs for path in sorted(run.glob("*.keras"))]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        here = draw(Path(sys.executable), networks, Path(folder) / "here")
        print("| Keras | " + " | ".join(f"{path.parent.name}/{path.stem}" for path in networks) + " |")
        print("|---" * (len(networks) + 1) + "|")
        for version in arguments.versions.split(","):
            python = install(version, (arguments.environments or Path(folder)).resolve() / f"keras-{version}")
            found = [compare(*pair) for pair in zip(here, draw(python, networks, Path(folder) / version), strict=True)]
            failed += sum(words != "0.0" for words in found)
            print(f"| {version} | " + " | ".join(found) + " |", flush=True)
    return 1 if failed else 0


def install(version: str, folder: Path) -> Path:
    """The Python of a new environment with this version of Keras; everything else comes from the present one."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        libraries = next((folder / "lib").glob("python*")) / "site-packages"
        (libraries / "present.pth").write_text("\n".join(site.getsitepackages()) + "\n")
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", f"keras=={version}"], check=True)
    return python


def draw(python: Path, networks: list[Path], folder: Path) -> list[tuple[str, Path]]:
    """For each network, whether it loaded, and the file with its outputs."""
    folder.mkdir()
    outputs = [folder / f"{number}.npy" for number in range(len(networks))]
    pairs = [str(path) for pair in zip(networks, outputs, strict=True) for path in pair]
    result = subprocess.run([python, "-I", "-c", PROGRAM, *pairs], cwd=folder, capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"{python} could not run: {result.stderr[-2000:]}")
    return list(zip(result.stdout.splitlines(), outputs, strict=True))


def compare(here: tuple[str, Path], there: tuple[str, Path]) -> str:
    """The largest difference between the outputs, or why there are none."""
    import numpy as np

    for words, _ in (here, there):
        if words != "loads":
            return words
    return str(float(np.abs(np.load(here[1]) - np.load(there[1])).max()))


if __name__ == "__main__":
    raise SystemExit(main())
