"""Every format of export.py for one or more runs, as a table: python benchmarks/exports.py RUN…

Each file is written, opened in its own runtime, and compared with generate.py on seeds 0 to 63; the files go into a
temporary folder. The page is opened in Chromium if there is one. Times are those of this machine with all its cores.
"""

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from command_line import import_tensorflow, quiet_libraries  # noqa: E402
from exporting.request import ExportRequest  # noqa: E402
from runs import RunFolder  # noqa: E402

FILES = {"savedmodel": "model", "onnx": "generator.onnx", "tflite": "generator.tflite", "page": "page.html"}
HEADING = """| run | format | opened in | weights | MB | levels off | values off | first image, s | images per second |
|---|---|---|---|---|---|---|---|---|"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    runs = [RunFolder.open(path) for path in parser.parse_args().runs]
    import_tensorflow()
    print(HEADING)
    for run in runs:
        with quiet_libraries():
            rows = table_rows(run)
        print("\n".join(rows), flush=True)


def table_rows(run: RunFolder) -> list[str]:
    """A row for each format and precision, including refused ones."""
    from exporting.trained import TrainedGenerator
    from exporting.writing import export_generator

    generator, rows = TrainedGenerator.of(run), []
    height, width, channels = generator.image_shape
    kind = f"{height}×{width}, {'gray' if channels == 1 else 'RGB'}, {8 * generator.drawn.itemsize} bits"
    kind += f", {len(generator.class_names)} classes" if generator.class_names else ""
    for precision in ("float32", "float16"):
        for form, name in FILES.items():
            with tempfile.TemporaryDirectory() as folder:
                try:
                    exported = export_generator(generator, ExportRequest(Path(folder) / name, form, precision))
                except ValueError as error:
                    rows.append(f"| {kind} | {form} | {precision} | refused: {error} |")
                    continue
            difference, reading = exported.difference, exported.reading
            cells = (kind, form, reading.opened_in, precision, f"{exported.size / 1e6:.1f}", difference.levels)
            cells += (f"{difference.changed:,} of {difference.total:,}", f"{reading.first_seconds:.2f}")
            rows.append(f"| {' | '.join(map(str, cells))} | {reading.images_per_second:.0f} |")
    return rows


if __name__ == "__main__":
    main()
