"""Tables side by side on a terminal, and as a page."""

import shutil
from collections.abc import Sequence

from predictor.wording import printable
from training.compare.recorded import Block
from training.compare.versions import Version
from training.report.drawing import framed
from training.report.markup import Raw, Section, chapters, contents, page, paragraph, table
from training.report.pictures import curves_svg

__all__ = ["as_page", "as_text"]

UNCUT = 10_000
NARROWEST = 16
GAP = 2


def as_text(blocks: Sequence[Block]) -> str:
    """Return the tables as text: long cells cut to the width of the terminal, whole where there is none."""
    width = shutil.get_terminal_size((UNCUT, 24)).columns
    return "\n".join(line for block in blocks for line in [*_lines(block, width), ""])


def as_page(versions: Sequence[Version], blocks: Sequence[Block]) -> bytes:
    """Return the tables as one page, with the curves of the fits where the reports have them."""
    sections = [
        Section(f"part-{place}", block.title, [table(block.head, block.rows), *map(paragraph, block.notes)])
        for place, block in enumerate(blocks)
    ]
    sections.append(Section("curves", "Curves", [_curves(versions)]))
    title = " and ".join(version.label for version in versions)
    return page(title, Raw(f"{contents(sections)}\n{chapters(sections)}"))


def _curves(versions: Sequence[Version]) -> str:
    curves = {version.label: points for version in versions if (points := _history(version))}
    if not curves:
        return ""
    return framed(curves_svg(curves), "curves", "Validation loss by epoch")


def _history(version: Version) -> list[tuple[float, float]]:
    """Return the validation loss, or else the loss, by epoch, as the report has it."""
    history = version.report.get("history")
    if not isinstance(history, dict):
        return []
    values = history.get("validation_loss") or history.get("loss")
    epochs = history.get("epoch")
    if not isinstance(values, list) or not isinstance(epochs, list):
        return []
    pairs = zip(epochs, values, strict=False)
    return [(float(a), float(b)) for a, b in pairs if isinstance(a, int | float) and isinstance(b, int | float)]


def _lines(block: Block, width: int) -> list[str]:
    lines = [block.title]
    if block.rows:
        rows = [[printable(cell) for cell in row] for row in (block.head, *block.rows)]
        widths = _widths([max(map(len, column)) for column in zip(*rows, strict=True)], width - GAP)
        lines += [
            "  " + "  ".join(_cut(cell, size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
    return lines + [f"  {note}" for note in block.notes]


def _widths(wanted: list[int], width: int) -> list[int]:
    """Take from the widest columns until all fit, but leave each enough to tell its cells apart."""
    widths = list(wanted)
    while sum(widths) + GAP * (len(widths) - 1) > width and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _cut(cell: str, size: int) -> str:
    return f"{cell:<{size}}" if len(cell) <= size else f"{cell[: size - 3]}..."
