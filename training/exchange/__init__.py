"""Models from and to other libraries: ONNX out, the weights of PyTorch and Keras in."""

from training.exchange.keras_file import from_keras
from training.exchange.onnx_file import to_onnx
from training.exchange.safetensors_file import from_safetensors

__all__ = ["from_keras", "from_safetensors", "to_onnx"]
