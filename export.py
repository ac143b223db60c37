"""Exports a trained generator for other programs: python export.py --help"""

import sys
from pathlib import Path

from command_line import (
    BEST_HELP,
    DONE,
    ArgumentParser,
    import_tensorflow,
    one_line_errors,
    quiet_libraries,
    run_command,
)
from exporting.request import FORMATS, PRECISIONS, ExportRequest, choose_format
from runs import RunFolder

PROGRAM = "export.py"
EXAMPLES = """examples:
  python export.py runs/mine --output page.html --title "My digits"           a page to play with, offline; send it
  python export.py runs/mine --output generator.onnx                         for ONNX Runtime, in many languages
  python export.py runs/mine --output generator.tflite --precision float16   for phones, at half the size
  python export.py runs/mine --output model/                                 TensorFlow's SavedModel
  python export.py runs/mine --output share/                                 a folder to upload: run, page, card

Every format takes float32 latents (n, latent_dim), and for a conditional run an int32 label for each, and returns the
exact uint8 or uint16 pixels: the scaling of the run, rounding and clipping are inside. The written file is opened in
its own runtime and compared with generate.py on seeds 0 to 63 before it gets its name.
"""


def main() -> int:
    parser = build_parser()
    arguments = parser.parse_args()
    with one_line_errors(parser):
        run = RunFolder.open(arguments.run_dir)
        request = ExportRequest(
            arguments.output,
            choose_format(arguments.output, arguments.format),
            arguments.precision,
            arguments.raw,
            arguments.channels_first,
            arguments.title,
        )
        run.check_output(request.output, "output")
        import_tensorflow()  # only now, so that mistakes in the command are reported at once
        from exporting.trained import TrainedGenerator
        from exporting.writing import cautions, export_generator

        with quiet_libraries():
            generator = TrainedGenerator.of(run, arguments.best)
            exported = export_generator(generator, request)
    print(arguments.output)
    print(f"{exported.size / 1e6:.1f} MB in {request.precision}; against generate.py on seeds 0 to 63, "
          f"{exported.difference}")  # fmt: skip
    print(f"opened in {exported.reading.opened_in}: first image after {exported.reading.first_seconds:.2f} s, then "
          f"{exported.reading.images_per_second:.0f} images per second")  # fmt: skip
    for caution in cautions(exported, request):
        print(f"note: {caution}", file=sys.stderr)
    return DONE


def build_parser() -> ArgumentParser:
    parser = ArgumentParser(prog=PROGRAM, description="Exports a trained generator.", epilog=EXAMPLES)
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="a run folder from train.py")
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="PATH",
        help="the file or folder to write; its ending decides the format",
    )
    parser.add_argument("--format", choices=FORMATS, help="the format, whatever the ending of --output")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="type of the stored weights: float16 halves the file and moves some values by a level (default float32)",
    )
    parser.add_argument("--best", action="store_true", help=BEST_HELP)
    parser.add_argument(
        "--raw", action="store_true", help="export the generator's own scaled float32 values instead of pixels"
    )
    parser.add_argument(
        "--channels-first",
        action="store_true",
        help="images as (n, channels, height, width), as PyTorch tools expect",
    )
    parser.add_argument("--title", metavar="TEXT", help="title of a page (default: from the name of the run)")
    return parser


if __name__ == "__main__":
    run_command(main)
