"""Networks as scikit-learn estimators."""

from training.estimators.classifier import MLPClassifier
from training.estimators.regressor import MLPRegressor
from training.estimators.serving import from_sklearn, publish

__all__ = ["MLPClassifier", "MLPRegressor", "from_sklearn", "publish"]
