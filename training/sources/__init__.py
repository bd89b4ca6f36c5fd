"""Where tables come from: data sets by name, CSV, Parquet, `.npz` and IDX files."""

from training.sources.select import SourceOptions, chunked_source, read_source

__all__ = ["SourceOptions", "chunked_source", "read_source"]
