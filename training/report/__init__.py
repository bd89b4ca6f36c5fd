"""The report of a version: facts as report.json, and the page made of them as report.html."""

from training.report.files import report_files, weak_lines

__all__ = ["report_files", "weak_lines"]
