"""Pictures as SVG that take the colours of the page around them; the same data give the same bytes."""

import functools
import io
import re
import warnings
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Literal, ParamSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIRST", "INK", "SECOND", "canvas", "framed", "spread", "themed"]

P = ParamSpec("P")

# matplotlib knows no CSS, so it draws in colours that nothing else has, and these become the page's own.
INK, FAINT, FIRST, SECOND = "#010203", "#040506", "#07080a", "#0b0c0d"
INHERITED = {
    INK: "currentColor",
    FAINT: "var(--faint, #8885)",
    FIRST: "var(--first, #2f74c0)",
    SECOND: "var(--second, #d9730d)",
}
FAR, VERY_FAR = 10, 1000
WIDE = 400.0  # points: what gets unreadable in half the page
FONT = "DejaVu Sans"  # comes with matplotlib, which measures by it; readers see their own system's
SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "ganglion",
    "svg.fonttype": "none",
    "font.family": FONT,
    "font.size": 10,
    "text.color": INK,
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": f"cycler('color', ['{FIRST}', '{SECOND}'])",
    "figure.facecolor": "none",
    "grid.color": FAINT,
    "legend.frameon": False,
    "xtick.color": INK,
    "ytick.color": INK,
}


def themed(draw: "Callable[P, Figure]") -> Callable[P, bytes]:
    """Let a function that draws a figure draw it in the page's colours and return it as an SVG file."""

    @functools.wraps(draw)
    def drawn(*arguments: P.args, **options: P.kwargs) -> bytes:
        import matplotlib as mpl  # noqa: PLC0415 - slow to import, and a wrong command should be told at once

        with mpl.rc_context(SETTINGS), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # the reader's may well have it
            return _file(draw(*arguments, **options))

    return drawn


def canvas(width: float, height: float) -> "Figure":
    """Return an empty figure of so many inches; 4.6 of them are readable on a phone."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    return Figure(figsize=(width, height), layout="constrained")


def spread(axes: "Axes", which: Literal["x", "y"], values: Sequence[float]) -> None:
    """Make an axis logarithmic, in plain numbers, where the values on it are positive and far apart."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415 - as above

    low, high = min(values), max(values)
    if low <= 0 or high < FAR * low:
        return
    axis, rescale = (axes.xaxis, axes.set_xscale) if which == "x" else (axes.yaxis, axes.set_yscale)
    rescale("log")
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < VERY_FAR * low else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _file(figure: "Figure") -> bytes:
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415 - as above

    buffer = io.BytesIO()
    FigureCanvasSVG(figure)
    unnamed = dict.fromkeys(("Date", "Creator", "Format", "Type"))  # what would change from run to run, or says nothing
    figure.savefig(buffer, format="svg", metadata=unnamed)
    text = buffer.getvalue().decode()
    for drawn, meant in INHERITED.items():
        text = text.replace(drawn, meant)
    return text.replace(f"'{FONT}'", "system-ui, sans-serif").encode()


def framed(picture: bytes, name: str, title: str) -> str:
    """Return an SVG file as a figure of a page; a wide one has the page's width, and scrolls on a phone.

    `name` makes its ids its own, and `title` is for those who cannot see it.
    """
    found = re.search(rb'<svg[^>]* width="([0-9.]+)pt"', picture)
    mark = ' class="wide"' if found and float(found[1]) > WIDE else ""
    return f"<figure{mark}>{_inline(picture, name, escape(title))}</figure>"


def _inline(picture: bytes, name: str, title: str) -> str:
    """Return the element itself, without the prolog that only a file of its own has."""
    text = picture.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)  # in a page it would be the whole page's
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
