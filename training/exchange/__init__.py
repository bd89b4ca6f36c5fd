"""Models from and to other libraries: ONNX out, the weights of PyTorch and Keras in.

This module imports nothing, so that the command line can offer its commands before slow libraries are loaded.
"""
