"""What the metrics page tells of the moment: models, watches, drift and live accuracy, as families of Prometheus.

To be imported at the first scrape: prometheus_client costs a worker time and memory that predictions do not need.
"""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from predictor import ClassOutputs
from predictor.drift import Shift
from service.runtime import Runtime
from service.sharing.windows import WINDOWS
from service.versions.catalog import Served

__all__ = ["gauges"]

FIGURES = ("errors", "errors_beside", "slower", "shift", "difference", "live_loss", "live_loss_beside")
MOST_FEATURES = 64  # with a series of their own; of a wider model the largest shift is told


def gauges(runtime: Runtime) -> Iterator[Metric]:
    """Yield what is not counted but looked up."""
    yield from _models(runtime)
    yield from _watches(runtime)
    yield from _drift(runtime)
    yield from _live(runtime)


def _models(runtime: Runtime) -> Iterator[Metric]:
    info = GaugeMetricFamily(
        "ganglion_model_info", "1 for the version that an alias serves.", labels=("model", "version", "alias", "task")
    )
    ready = GaugeMetricFamily("ganglion_model_ready", "Whether every alias of a model is served.", labels=("model",))
    refused = GaugeMetricFamily(
        "ganglion_version_refused", "1 for a version that cannot serve.", labels=("model", "version", "reason")
    )
    for entry in runtime.registry.catalog.models.values():
        for version, state in entry.versions.items():
            if state.code is not None:
                refused.add_metric([entry.name, str(version), state.code], 1)
        for version in {back.version for back in entry.rollbacks.values() if back.is_held}:
            refused.add_metric([entry.name, str(version), "rolled_back"], 1)
        ready.add_metric([entry.name], float(entry.is_ready))
        for alias, served in entry.serving.items():
            task = "classification" if isinstance(served.predictor.outputs, ClassOutputs) else "regression"
            info.add_metric([entry.name, str(served.version), alias, task], 1)
    yield from (info, ready, refused)


def _watches(runtime: Runtime) -> Iterator[Metric]:
    of = ("model", "version")
    answers = GaugeMetricFamily("ganglion_watch_answers", "Answers that a watched version is judged by.", labels=of)
    found = GaugeMetricFamily("ganglion_watch", "What a watched version is judged by.", labels=(*of, "figure"))
    for entry in runtime.registry.catalog.models.values():
        for watch in entry.watches.values():
            figures = runtime.evidence.figures(entry, watch)
            if figures is None:
                continue
            labels = [entry.name, str(watch.version)]
            answers.add_metric(labels, figures.answers)
            for name in FIGURES:
                value = figures.said().get(name)
                if value is not None:
                    found.add_metric([*labels, name], value)
    yield from (answers, found)


def _drift(runtime: Runtime) -> Iterator[Metric]:
    if runtime.drift is None:
        return
    of = ("model", "version")
    rows = GaugeMetricFamily("ganglion_drift_rows", "Rows of the last hour that drift is told by.", labels=of)
    largest = GaugeMetricFamily("ganglion_drift_psi_max", "Largest stability index of a feature.", labels=of)
    drifted = GaugeMetricFamily("ganglion_drift_features", "Features in a state.", labels=(*of, "state"))
    by_feature = {
        key: GaugeMetricFamily(f"ganglion_drift_{key}", text, labels=(*of, "kind", "name"))
        for key, text in (
            ("psi", "Stability index of a feature or prediction over the last hour."),
            ("missing_ratio", "Share of cells that were missing over the last hour."),
            ("outside_ratio", "Share of cells out of the training range over the last hour."),
        )
    }
    for served in _serving(runtime):
        labels = [served.name, str(served.version)]
        seen, features, predictions = runtime.drift.shifts(served, WINDOWS[0])
        rows.add_metric(labels, seen)
        largest.add_metric(labels, max((shift.psi or 0.0 for shift in features), default=0.0))
        for state in ("shifted", "drifted"):
            drifted.add_metric([*labels, state], sum(shift.state == state for shift in features))
        shown = features if len(features) <= MOST_FEATURES else []
        for kind, shift in [("feature", s) for s in shown] + [("prediction", s) for s in predictions[:MOST_FEATURES]]:
            for key, value in _values(shift).items():
                by_feature[key].add_metric([*labels, kind, shift.name], value)
    yield from (rows, largest, drifted, *by_feature.values())


def _live(runtime: Runtime) -> Iterator[Metric]:
    if runtime.logbook is None:
        return
    names = {
        "rows": "Rows of the last day whose truth is known.",
        "accuracy": "Share of these whose class was right.",
        "mean_absolute_error": "How far predicted numbers were off in the mean.",
        "coverage": "Share of these that lay in the interval or set for nine in ten.",
    }
    families = {
        key: GaugeMetricFamily(f"ganglion_live_{key}", text, labels=("model", "version")) for key, text in names.items()
    }
    for served in _serving(runtime):
        found = runtime.logbook.live.of(served.name, served.version, WINDOWS[-1])
        said = found.said(is_classes=isinstance(served.predictor.outputs, ClassOutputs))
        for key, value in said.items():
            if value is not None:
                families[key].add_metric([served.name, str(served.version)], value)
    yield from families.values()


def _values(shift: Shift) -> dict[str, float]:
    psi = {} if shift.psi is None else {"psi": shift.psi}
    return psi | {"missing_ratio": shift.missing, "outside_ratio": shift.outside}


def _serving(runtime: Runtime) -> list[Served]:
    """Return every version that an alias serves, once."""
    entries = runtime.registry.catalog.models.values()
    return list(dict.fromkeys(served for entry in entries for served in entry.serving.values()))
