"""The apparatus behind `main.py`: settings, batches, training, measuring, records, reports, TensorBoard."""
