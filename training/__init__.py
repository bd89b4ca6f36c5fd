"""The job: from a table to a published model. ``python -m training --help`` says how.

This module imports nothing, so that ``__main__`` can choose the number of BLAS threads before NumPy is loaded.
"""
