"""The parser of every command line here: what it does not know it names beside the usage of its own command."""

import argparse
from collections.abc import Sequence
from typing import Any

from predictor.wording import hint

__all__ = ["CommandParser"]


class CommandParser(argparse.ArgumentParser):
    """A parser that refuses what it does not know itself, so that the usage shown is that of the command in question.

    The parsers of its commands are of the same class.
    """

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:  # type: ignore[override]
        """Parse everything, or end with the usage and the nearest option."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            option = next((word.partition("=")[0] for word in rest if word.startswith("-")), "")
            near = hint(option, self._option_string_actions) if option else ""
            self.error(f"unrecognized arguments: {' '.join(rest)}{near}")
        return found, rest
