"""Refuses pip install, and says what to do instead: names such as files and models would clash with other packages."""

raise SystemExit(
    "expected Pixelwright to be cloned and run, got pip install .; in the clone, run: pip install -r requirements.txt, "
    "then: python train.py"
)
