"""What stops a job, each with the exit code that the command line returns."""

__all__ = ["DataError", "GateError", "Interrupted", "RecipeError", "TrainingError"]


class Interrupted(KeyboardInterrupt):
    """A fit that was asked to end; `epoch` is the last one that is kept, None when there is nothing to go on from."""

    def __init__(self, epoch: int | None = None) -> None:
        self.epoch = epoch
        super().__init__()


class TrainingError(Exception):
    """A job that cannot go on; the message is one sentence for the person who started it."""

    exit_code = 2


class DataError(TrainingError):
    """The data cannot be used: the message says where, what was expected and what was found."""


class RecipeError(TrainingError):
    """A recipe or an override is wrong: the message names the key and, for a near miss, the nearest known one."""


class GateError(TrainingError):
    """A metric misses what the recipe's gate demands, so nothing is published."""

    exit_code = 3
