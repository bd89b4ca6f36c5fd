"""What stops a job, each with the exit code that the command line returns."""

__all__ = ["DataError", "GateError", "RecipeError", "TrainingError"]


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
