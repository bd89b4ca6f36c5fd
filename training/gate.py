"""Whether a model is good enough to be published."""

from collections.abc import Iterable, Iterator, Mapping

from predictor.wording import hint, shown
from training.errors import GateError, RecipeError
from training.recipe import Demand

__all__ = ["check_gate", "misses"]


def check_gate(demands: Iterable[Demand], metrics: Mapping[str, float]) -> None:
    """Raise GateError naming every metric that misses its demand; RecipeError for a metric that there is not."""
    if found := "; ".join(misses(demands, metrics)):
        raise GateError(f"the gate refuses the model, nothing is published: {found}")


def misses(demands: Iterable[Demand], metrics: Mapping[str, float]) -> Iterator[str]:
    """Yield what misses its demand. Raises RecipeError for a metric that there is not."""
    for demand in demands:
        if demand.metric not in metrics:
            near = hint(demand.metric, metrics) or f"; known: {', '.join(metrics)}"
            raise RecipeError(f"gate: there is no metric {shown(demand.metric)}{near}")
        value = metrics[demand.metric]
        if demand.at_least is not None and not value >= demand.at_least:
            yield f"{demand.metric} is {value:.4g}, expected at least {demand.at_least:g}"
        if demand.at_most is not None and not value <= demand.at_most:
            yield f"{demand.metric} is {value:.4g}, expected at most {demand.at_most:g}"
