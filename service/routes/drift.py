"""How far the rows that were asked for have moved from those of training."""

from dataclasses import asdict
from typing import Any

from predictor.drift import DRIFTED, FEWEST_ROWS, SHIFTED, Shift
from service.messages import Request, Response, json_response
from service.problems import Problem, one_fault
from service.router import Route
from service.runtime import Runtime
from service.sharing.windows import WINDOWS

__all__ = ["ROUTES"]

DIGITS = 6


def show_drift(request: Request, runtime: Runtime) -> Response:
    """Answer what the last hour, or ?window=24h, says of each feature and output, the largest shift first.

    ?version= asks for another loaded version than the champion, ?bins=true adds the shares of the bins.
    """
    if runtime.drift is None:
        raise Problem(404, "Drift is not watched: GANGLION_DRIFT is off.")
    window = request.option("window") or WINDOWS[0]
    if window not in WINDOWS:
        raise one_fault(422, "", "window", f"window: expected {' or '.join(WINDOWS)}")
    served = runtime.registry.catalog.current(request.parameters["name"], version=request.option("version"))
    rows, features, predictions = runtime.drift.shifts(served, window)
    with_bins = request.option("bins") == "true"
    return json_response(
        {
            "model": served.name,
            "version": served.version,
            "window": window,
            "rows": rows,
            "fewest_rows": FEWEST_ROWS,
            "thresholds": {"shifted": SHIFTED, "drifted": DRIFTED},
            "features": [_said(shift, with_bins=with_bins) for shift in sorted(features, key=_size)],
            "predictions": [_said(shift, with_bins=with_bins) for shift in predictions],
        }
    )


def _size(shift: Shift) -> float:
    return -(shift.psi or 0.0)


def _said(shift: Shift, *, with_bins: bool) -> dict[str, Any]:
    said = asdict(shift)
    if not with_bins:
        for key in ("bins", "seen", "expected"):
            del said[key]
    return {key: round(value, DIGITS) if isinstance(value, float) else value for key, value in said.items()}


ROUTES = (
    Route(
        "GET",
        "/models/<name>/drift",
        show_drift,
        "How far live rows have moved from those of training",
        access="observe",
    ),
)
