"""report.html: what was trained, on what, how good it is and where it leans, on one page that needs nothing else."""

import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from predictor import CategoricalFeature, ClassOutputs, Predictor
from predictor.features import Feature

__all__ = ["report_html"]

SHOWN_CATEGORIES = 8
STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; }
h2 { margin: 2rem 0 .5rem; break-after: avoid; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top; border-bottom: 1px solid #8884; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
figure { display: inline-block; margin: .5rem .5rem .5rem 0; background: #fff; border-radius: .5rem; max-width: 100%; }
figure svg { display: block; max-width: 100%; height: auto; }
.bar { display: inline-block; height: .8rem; background: #2a6fb0; border-radius: .2rem; }
.scroll { overflow-x: auto; }
pre { overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; background: #8882; padding: .75rem; }
@media print { body { margin: 0; max-width: none; } pre { background: none; border: 1px solid #888; } }
"""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def report_html(
    predictor: Predictor,
    report: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    importance: Mapping[str, float] | None,
) -> bytes:
    """Return the page. ``report`` is what report.json holds, ``pictures`` are SVG files by their caption."""
    outputs = predictor.outputs
    target = outputs.target if isinstance(outputs, ClassOutputs) else ", ".join(outputs.targets)
    sections = [
        f"<h1>{escape(target)}</h1>",
        f"<p>{escape(_summary(predictor, report))}</p>",
        *_listed("Warnings", report["warnings"]),
        *_listed("Notes", report["notes"]),
        "<h2>How good it is</h2>",
        _metrics(predictor.metrics),
        *map(_figure, pictures.values()),
        *_importance(importance),
        "<h2>Columns</h2>",
        _table(("name", "kind", "in training", "when missing"), map(_feature, predictor.schema.features)),
        "<h2>Where it comes from</h2>",
        _table(("", ""), ((name, str(value)) for name, value in sorted(predictor.lineage.items()))),
        "<h2>Recipe</h2>",
        f"<pre>{escape(json.dumps(predictor.recipe, indent=2, ensure_ascii=False))}</pre>",
    ]
    return PAGE.format(title=escape(target), style=STYLE, body="\n".join(sections)).encode()


def _summary(predictor: Predictor, report: Mapping[str, Any]) -> str:
    outputs, network = predictor.outputs, predictor.network
    what = f"one of {len(outputs.labels)} classes" if isinstance(outputs, ClassOutputs) else "a number"
    sizes = "-".join(map(str, [network.architecture.inputs, *(layer.units for layer in network.architecture.layers)]))
    rows = report["rows"]
    return (
        f"Predicts {what} from {len(predictor.schema.names)} columns by a {sizes} network of "
        f"{network.parameters.flat.size:,} parameters. Fitted to {rows['train']:,} rows in {report['epochs']:,} epochs "
        f"and {report['seconds']:.1f} s, tested on {rows['test']:,} rows that the fit did not see. "
        f"It ended because: {report['stopped']}. Outside the ranges below it extrapolates, and the service warns."
    )


def _metrics(metrics: Mapping[str, float]) -> str:
    parts = list(dict.fromkeys(name.partition(".")[0] for name in metrics))
    names = list(dict.fromkeys(name.partition(".")[2] for name in metrics))

    def cell(part: str, name: str) -> str:
        value = metrics.get(f"{part}.{name}")
        return "" if value is None else f"{value:.4g}"

    rows = ((name.replace("_", " "), *(cell(part, name) for part in parts)) for name in names)
    return _table(("", *parts), rows, numbers=True)


def _importance(importance: Mapping[str, float] | None) -> list[str]:
    if not importance:
        return []
    largest = max(*importance.values(), 1e-12)
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{_bar(max(0.0, rise / largest))} {rise:.3g}</td></tr>"
        for name, rise in importance.items()
    )
    text = "How much the error rises when a column is shuffled: the larger, the more the model leans on it."
    return ["<h2>What it leans on</h2>", f"<p>{text}</p>", f'<div class="scroll"><table>{rows}</table></div>']


def _bar(part: float) -> str:
    return f'<span class="bar" style="width:{12 * part:.2f}rem"></span>'


def _feature(feature: Feature) -> tuple[str, ...]:
    missing = "refused" if feature.missing is None else f"taken as {feature.missing}"
    if isinstance(feature, CategoricalFeature):
        known = ", ".join(feature.categories[:SHOWN_CATEGORIES])
        more = len(feature.categories) - SHOWN_CATEGORIES
        return feature.name, "category", known + (f" and {more} more" if more > 0 else ""), missing
    return feature.name, "number", f"{feature.low:g} to {feature.high:g}", missing


def _listed(title: str, entries: Iterable[str]) -> list[str]:
    items = "".join(f"<li>{escape(entry)}</li>" for entry in entries)
    return [f"<h2>{title}</h2>", f"<ul>{items}</ul>"] if items else []


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], *, numbers: bool = False) -> str:
    mark = ' class="number"' if numbers else ""
    top = "".join(f"<th{mark if place else ''}>{escape(cell)}</th>" for place, cell in enumerate(head))
    lines = "".join(
        "<tr>" + "".join(f"<td{mark if place else ''}>{escape(cell)}</td>" for place, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table></div>'


def _figure(svg: bytes) -> str:
    """Return an SVG file's element, without the prolog that only a file of its own has."""
    text = svg.decode()
    return f"<figure>{text[text.index('<svg') :]}</figure>"
