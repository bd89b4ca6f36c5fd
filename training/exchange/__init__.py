"""Models from and to other libraries: ONNX out, the weights of PyTorch and Keras in."""

from training.exchange.onnx_file import to_onnx

__all__ = ["to_onnx"]
