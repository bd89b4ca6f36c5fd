"""The log store: what was asked, what was answered, and what turned out to be true."""

from feedback.places import Place, PlaceError, place_of
from feedback.reading import Example, examples, logged_rows, merged, newest_shape
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
    "Told",
    "examples",
    "logged_rows",
    "merged",
    "newest_shape",
    "place_of",
]
