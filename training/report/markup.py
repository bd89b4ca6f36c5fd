"""Pieces of HTML. What these functions take is plain text, and they alone escape it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

__all__ = [
    "Cell",
    "Raw",
    "Section",
    "bar",
    "bars",
    "chapters",
    "contents",
    "items",
    "page",
    "paragraph",
    "preformatted",
    "span",
    "table",
]


STYLE = Path(__file__).with_name("page.css")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""
LONG = 32  # letters that a narrow column would break into many lines


class Raw(str):
    """Text that is HTML already."""

    __slots__ = ()


Cell = str | Raw


@dataclass(frozen=True)
class Section:
    """A part of a page under a heading; one without content is left out. `anchor` is what links name it by."""

    anchor: str
    title: str
    parts: Sequence[str]

    @property
    def body(self) -> str:
        """The content of the section."""
        return "\n".join(part for part in self.parts if part)


def page(title: str, body: Raw) -> bytes:
    """Return a whole page, which may not fetch or run anything, whatever it shows."""
    style = STYLE.read_text(encoding="utf-8")
    return PAGE.format(policy=POLICY, title=escape(title), style=style, body=body).encode()


def contents(sections: Iterable[Section]) -> str:
    """Return links to the sections."""
    links = "".join(f'<a href="#{one.anchor}">{escape(one.title)}</a>' for one in sections if one.body)
    return f"<nav>{links}</nav>"


def chapters(sections: Iterable[Section]) -> str:
    """Return the sections themselves."""
    return "\n".join(
        f'<section id="{one.anchor}">\n<h2>{escape(one.title)}</h2>\n{one.body}\n</section>'
        for one in sections
        if one.body
    )


def preformatted(text: str) -> str:
    """Return text as it is typed."""
    return f"<pre>{escape(text)}</pre>"


def paragraph(text: str) -> str:
    """Return a paragraph."""
    return f"<p>{_cell(text)}</p>"


def items(texts: Iterable[str]) -> str:
    """Return a list, or nothing for no items."""
    lines = "".join(f"<li>{_cell(text)}</li>" for text in texts)
    return f"<ul>{lines}</ul>" if lines else ""


def span(text: str, kind: str) -> Raw:
    """Return text in a class of the style sheet."""
    return Raw(f'<span class="{kind}">{_cell(text)}</span>')


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]], *, numbers: Iterable[int] = ()) -> str:
    """Return a table that scrolls by itself where it is too wide; `numbers` are the columns set to the right.

    A table without rows is nothing; without a head its first column heads the rows.
    """
    right = set(numbers)
    lines = "".join(f"<tr>{_row(row, right, is_headed=not head)}</tr>" for row in rows)
    top = "".join(f"<th{_mark(place in right)}>{_cell(text)}</th>" for place, text in enumerate(head))
    top = f"<thead><tr>{top}</tr></thead>" if head else ""
    # A region that scrolls must be reached by the keyboard, too.
    return f'<div class="scroll" tabindex="0"><table>{top}<tbody>{lines}</tbody></table></div>' if lines else ""


def bar(share: float) -> Raw:
    """Return a bar of a share of the full length, 0 to 1."""
    return Raw(f'<span class="bar" style="width:{8 * min(1.0, max(0.0, share)):.2f}rem"></span>')


def bars(counts: Sequence[int]) -> Raw:
    """Return a histogram as small as a word; it is for the eye alone."""
    most = max(counts, default=0)
    if not most:
        return Raw()
    tall = [max(0.6 if count else 0.0, 16 * count / most) for count in counts]
    shapes = "".join(
        f'<rect x="{6 * place}" y="{16 - height:.1f}" width="5" height="{height:.1f}"/>'
        for place, height in enumerate(tall)
    )
    return Raw(f'<svg class="bars" aria-hidden="true" viewBox="0 0 {6 * len(counts)} 16">{shapes}</svg>')


def _row(cells: Sequence[Cell], right: set[int], *, is_headed: bool) -> str:
    tags = ["th" if is_headed and place == 0 else "td" for place in range(len(cells))]
    return "".join(
        f"<{tag}{_mark(place in right) or _long(cell)}>{_cell(cell)}</{tag}>"
        for place, (tag, cell) in enumerate(zip(tags, cells, strict=True))
    )


def _mark(is_number: bool) -> str:  # noqa: FBT001 - two callers, just above
    return ' class="number"' if is_number else ""


def _long(text: Cell) -> str:
    return ' class="long"' if len(text) > LONG and not isinstance(text, Raw) else ""


def _cell(text: Cell) -> str:
    return text if isinstance(text, Raw) else escape(text)
