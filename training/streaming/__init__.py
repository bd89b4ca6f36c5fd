"""Tables larger than memory: surveyed in one pass, encoded into files in a second, fitted in shuffled blocks."""

from training.streaming.preparing import Draft, draft_chunked, needed, prepare_chunked

__all__ = ["Draft", "draft_chunked", "needed", "prepare_chunked"]
