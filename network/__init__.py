"""Small dense networks in NumPy: arrays in, arrays out."""

from network.activations import ACTIVATIONS, Activation
from network.architecture import Architecture, Layer
from network.errors import DivergenceError, ShapeError
from network.fit import EpochRecord, FitResult, Keep, Parts, State, fit, fit_parts
from network.initializers import INITIALIZERS, Initializer
from network.lbfgs import LBFGS
from network.losses import LOSSES, Loss
from network.mlp import MLP
from network.optimizers import SGD, Adam, AdamW, Momentum, Nesterov, Optimizer, RMSProp
from network.options import FitOptions
from network.parameters import Parameters
from network.passes import Rows, loss_and_gradients
from network.schedules import SCHEDULES, Schedule
from network.stopping import EarlyStopping
from network.trainer import Trainer, check_options, training_rows

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "LBFGS",
    "LOSSES",
    "MLP",
    "OPTIMIZERS",
    "SCHEDULES",
    "SGD",
    "Activation",
    "Adam",
    "AdamW",
    "Architecture",
    "DivergenceError",
    "EarlyStopping",
    "EpochRecord",
    "FitOptions",
    "FitResult",
    "Initializer",
    "Keep",
    "Layer",
    "Loss",
    "Momentum",
    "Nesterov",
    "Optimizer",
    "Parameters",
    "Parts",
    "RMSProp",
    "Rows",
    "Schedule",
    "ShapeError",
    "State",
    "Trainer",
    "check_options",
    "fit",
    "fit_parts",
    "loss_and_gradients",
    "training_rows",
]

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "rmsprop": RMSProp,
    "adam": Adam,
    "adamw": AdamW,
    "lbfgs": LBFGS,
}
