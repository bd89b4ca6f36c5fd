"""Early stopping: when a fit has got as far as it will, and which epoch's weights are the best."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from network.checks import at_least

__all__ = ["EarlyStopping", "Watch"]

Vector = NDArray[np.floating]


@dataclass(frozen=True)
class EarlyStopping:
    """Stop by a monitored value: "loss" (training), "validation_loss" or the name of a metric.

    ``below`` stops as soon as the value is under it; ``patience`` stops when that many epochs have brought no value
    better by more than ``min_delta`` (Prechelt, 1998), and with ``restore_best`` the fit ends with the weights of the
    best epoch. With neither, the fit runs to its end and takes the weights of its best epoch. ``mode`` says whether
    better is "min" or "max".
    """

    monitor: str = "loss"
    below: float | None = None
    patience: int | None = None
    min_delta: float = 0.0
    mode: Literal["min", "max"] = "min"
    restore_best: bool = True

    def __post_init__(self) -> None:
        if self.below is None and self.patience is None and not self.restore_best:
            raise ValueError("stopping: expected `below`, `patience` or `restore_best`")
        if self.patience is not None:
            at_least(1, patience=self.patience)
        at_least(0, min_delta=self.min_delta)
        if self.mode not in {"min", "max"}:
            raise ValueError(f"mode: expected min or max, found {self.mode!r}")


class Watch:
    """What early stopping has seen in one fit of the parameters ``theta``."""

    def __init__(self, stopping: EarlyStopping, theta: Vector) -> None:
        self.best_epoch = 0
        self._stopping = stopping
        self._sign = 1 if stopping.mode == "min" else -1
        self._best = math.inf
        self._theta = theta
        keeps = stopping.restore_best and (stopping.patience is not None or stopping.below is None)
        self._kept = theta.copy() if keeps else None

    def observe(self, epoch: int, values: Mapping[str, float]) -> str | None:
        """Take note of an epoch; return why to stop after it, or None."""
        stopping = self._stopping
        value = values.get(stopping.monitor)
        if value is None:  # metrics may be computed every few epochs only
            return None
        if self._sign * value < self._best - stopping.min_delta:
            self._best, self.best_epoch = self._sign * value, epoch
            if self._kept is not None:
                np.copyto(self._kept, self._theta)
        if stopping.below is not None and value < stopping.below:
            self.best_epoch, self._kept = epoch, None
            return f"{stopping.monitor} fell to {value:.6g}, under {stopping.below:g}, in epoch {epoch}"
        if stopping.patience is not None and epoch - self.best_epoch >= stopping.patience:
            better = "above" if stopping.mode == "max" else "under"
            return (
                f"{stopping.monitor} has not come {better} the {abs(self._best):.4g} of epoch {self.best_epoch} "
                f"for {stopping.patience} epochs"
            )
        return None

    def state(self) -> dict[str, Any]:
        """Return what was seen, with a copy of the best weights where they are kept."""
        kept = None if self._kept is None else self._kept.copy()
        return {"best_epoch": self.best_epoch, "best": self._best, "kept": kept}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Have seen what another watch of the same options had when it gave this state."""
        self.best_epoch, self._best, self._kept = state["best_epoch"], state["best"], state["kept"]

    def put_back(self) -> None:
        """Put the best epoch's weights back."""
        if self._kept is not None and self.best_epoch:
            np.copyto(self._theta, self._kept)
