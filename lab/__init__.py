"""The apparatus behind `main.py`: settings, batches, training, measuring, records, reports, TensorBoard."""

VERSION = "1.0.0"  # As in CITATION.cff.
