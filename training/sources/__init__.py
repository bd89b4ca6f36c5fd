"""Where tables come from: data sets by name, CSV, Parquet, `.npz` and IDX files."""

from training.sources.select import SourceOptions, read_source

__all__ = ["SourceOptions", "read_source"]
