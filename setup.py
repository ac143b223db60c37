"""Says what to do instead of pip install: names such as files and models would stand among other people's modules."""

raise SystemExit(
    "expected Pixelwright to be cloned and run, got pip install .; in the clone, run: pip install -r requirements.txt, "
    "then: python train.py"
)
