"""Networks as scikit-learn estimators."""

from training.estimators.classifier import MLPClassifier
from training.estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
