"""How to fit: every choice of a fit in one frozen value."""

from dataclasses import dataclass, field

from network.checks import at_least, positive
from network.lbfgs import LBFGS
from network.losses import Loss
from network.optimizers import Optimizer
from network.schedules import Constant, Schedule
from network.stopping import EarlyStopping

__all__ = ["FitOptions"]


@dataclass(frozen=True)
class FitOptions:
    """How to fit.

    ``batch_size`` None is the full batch and 1 one row at a time; the last batch of an epoch may be smaller. ``l2``
    adds l2 / 2 times the sum of squared weights to the loss; ``clip_norm`` scales a gradient down to that Euclidean
    norm (Pascanu et al., 2013, algorithm 1). ValueError for what cannot be.
    """

    loss: Loss
    optimizer: Optimizer
    schedule: Schedule = field(default_factory=Constant)
    epochs: int = 200
    batch_size: int | None = None
    shuffle: bool = True
    l2: float = 0.0
    clip_norm: float | None = None
    stopping: EarlyStopping | None = None

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs)
        at_least(0, l2=self.l2)
        if self.batch_size is not None:
            at_least(1, batch_size=self.batch_size)
            if isinstance(self.optimizer, LBFGS):
                raise ValueError("batch_size: lbfgs needs the full batch")
        if self.clip_norm is not None:
            positive(clip_norm=self.clip_norm)
            if isinstance(self.optimizer, LBFGS):
                raise ValueError("clip_norm: lbfgs needs the whole gradient")
