"""Whether a model is good enough to be published."""

from collections.abc import Iterable, Mapping

from predictor.wording import hint, shown
from training.errors import GateError, RecipeError
from training.recipe import Demand

__all__ = ["check_gate"]


def check_gate(demands: Iterable[Demand], metrics: Mapping[str, float]) -> None:
    """Raise GateError naming every metric that misses its demand; RecipeError for a metric that there is not."""
    misses = []
    for demand in demands:
        if demand.metric not in metrics:
            near = hint(demand.metric, metrics) or f"; known: {', '.join(metrics)}"
            raise RecipeError(f"gate: there is no metric {shown(demand.metric)}{near}")
        value = metrics[demand.metric]
        if demand.at_least is not None and not value >= demand.at_least:
            misses.append(f"{demand.metric} is {value:.4g}, expected at least {demand.at_least:g}")
        if demand.at_most is not None and not value <= demand.at_most:
            misses.append(f"{demand.metric} is {value:.4g}, expected at most {demand.at_most:g}")
    if misses:
        raise GateError(f"the gate refuses the model, nothing is published: {'; '.join(misses)}")
