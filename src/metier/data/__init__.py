"""The data room: files become datasets with known columns, and datasets are split."""
