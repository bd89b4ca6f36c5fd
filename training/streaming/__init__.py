"""Tables larger than memory: surveyed in one pass, encoded into files in a second, fitted in shuffled blocks."""

from training.streaming.preparing import needed, prepare_chunked

__all__ = ["needed", "prepare_chunked"]
