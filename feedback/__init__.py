"""The log store: what was asked, what was answered, and what turned out to be true."""

from feedback.places import Place, PlaceError, place_of
from feedback.reading import Example, Tally, examples, merged, newest_shape, tally
from feedback.records import SCHEMA_VERSION, Answered, Asked, Shape, Told
from feedback.store import Store, StoreError

__all__ = [
    "SCHEMA_VERSION",
    "Answered",
    "Asked",
    "Example",
    "Place",
    "PlaceError",
    "Shape",
    "Store",
    "StoreError",
    "Tally",
    "Told",
    "examples",
    "merged",
    "newest_shape",
    "place_of",
    "tally",
]
