"""What a trained model is: its schema, network and outputs, its file, and the repository of its versions."""

from predictor.artifact import load, load_bytes, save_bytes
from predictor.calibration import Calibration
from predictor.errors import ArtifactError, Fault, Findings, InputError, RepositoryError
from predictor.features import CategoricalFeature, DateFeature, Feature, Histogram, NumericFeature
from predictor.outputs import ClassOutputs, NumberOutputs, Outputs
from predictor.predictor import Golden, Predictor, prove
from predictor.promotions import Promotion
from predictor.reference import Reference
from predictor.repository import FolderRepository, Repository
from predictor.schema import Encoded, Schema
from predictor.single_file import FileRepository

__all__ = [
    "ArtifactError",
    "Calibration",
    "CategoricalFeature",
    "ClassOutputs",
    "DateFeature",
    "Encoded",
    "Fault",
    "Feature",
    "FileRepository",
    "Findings",
    "FolderRepository",
    "Golden",
    "Histogram",
    "InputError",
    "NumberOutputs",
    "NumericFeature",
    "Outputs",
    "Predictor",
    "Promotion",
    "Reference",
    "Repository",
    "RepositoryError",
    "Schema",
    "load",
    "load_bytes",
    "prove",
    "save_bytes",
]
