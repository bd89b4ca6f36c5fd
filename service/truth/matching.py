"""Finds the answers that feedback is about, and judges them by it."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from feedback import Answered, Shape, Store, Told, merged
from service.observer import Observer
from service.truth.judging import LiveFigures, judged

__all__ = ["Matcher"]

PATIENCE_S = 30.0
"""How long an answer may take from another worker's memory to the store."""
FIRST_PAUSE_S = 0.4
"""After which an answer that is not there is looked for again; then after twice as long, and so on."""
MOST_WAITING = 10_000
MOST_AT_ONCE = 1_000


@dataclass(frozen=True)
class _Pending:
    """Feedback that was written: what of it nobody had told before, and when its answer is looked for, until when."""

    told: Told
    fresh: list[Any]
    until: float
    due: float
    pause_s: float = FIRST_PAUSE_S

    def later(self, now: float) -> "_Pending":
        """Put it off; at last until all its time is over."""
        return replace(self, due=min(now + self.pause_s, self.until), pause_s=2 * self.pause_s)


class Matcher:
    """For one thread. What is judged is counted once, when it is first told; corrections are for training only."""

    def __init__(self, observer: Observer, live: LiveFigures) -> None:
        self._observer = observer
        self._live = live
        self._pending: list[_Pending] = []
        self._shapes: dict[str, Shape] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether answers are still looked for."""
        return bool(self._pending)

    def fresh(self, store: Store, batch: Sequence[Told]) -> list[tuple[Told, list[Any]]]:
        """Return what is new in feedback that is about to be written: what was told already is null; StoreError."""
        found = []
        for model, records in _by_model(batch).items():
            earlier = store.feedback(model, [str(record.request_id) for record in records])
            for record in records:
                before = earlier.setdefault(str(record.request_id), [])
                known = merged(before, record.size)
                truths = json.loads(record.truths)
                before.append(record)
                new = [truth if old is None else None for old, truth in zip(known, truths, strict=True)]
                if any(old is not None and truth is not None for old, truth in zip(known, truths, strict=True)):
                    self._observer.logged("repeated", 1)
                if any(truth is not None for truth in new):
                    found.append((record, new))
        return found

    def add(self, batch: Iterable[tuple[Told, list[Any]]]) -> None:
        """Look for the answers to feedback from now on."""
        now = time.monotonic()
        self._pending += [_Pending(record, fresh, now + PATIENCE_S, now) for record, fresh in batch]
        if len(self._pending) > MOST_WAITING:
            self._observer.logged("unmatched", len(self._pending) - MOST_WAITING)
            del self._pending[:-MOST_WAITING]

    def match(self, store: Store) -> None:
        """Judge what is found, and give up what was waited for long enough; StoreError leaves all as it is.

        Ids that nobody knows are looked for ever more rarely: they would cost as much as all others.
        """
        now = time.monotonic()
        due = [item for item in self._pending if item.due <= now][:MOST_AT_ONCE]
        answers: dict[tuple[str, str | None], Answered] = {}
        for model, records in _by_model(item.told for item in due).items():
            found = store.answers(model, [str(record.request_id) for record in records])
            answers |= {(model, request_id): answer for request_id, answer in found.items()}
        for answer in answers.values():
            if answer.shape not in self._shapes:
                self._shapes[answer.shape] = store.shape(answer.shape)
        taken = set(map(id, due))
        self._pending = [item for item in self._pending if id(item) not in taken]
        for item in due:
            known = answers.get((item.told.model, item.told.request_id))
            if known is None and now < item.until:
                self._pending.append(item.later(now))
            elif known is None:
                self._observer.logged("unmatched", 1)
            elif known.size != len(item.fresh):
                self._observer.logged("mismatched", 1)
            else:
                outputs = json.loads(known.outputs)
                self.judge(item.told.model, known.version, self._shapes[known.shape], outputs, item.fresh)

    def judge(self, model: str, version: int, shape: Shape, outputs: Mapping[str, Any], truths: Sequence[Any]) -> None:
        """Count how right a version was."""
        found = judged(shape, outputs, truths)
        self._observer.judged(model, version, found)
        self._live.add(model, version, found)


def _by_model(records: Iterable[Told]) -> dict[str, list[Told]]:
    """Sort feedback that names requests by model."""
    found: dict[str, list[Told]] = {}
    for record in records:
        if record.request_id is not None:
            found.setdefault(record.model, []).append(record)
    return found
