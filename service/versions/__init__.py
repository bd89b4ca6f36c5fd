"""Which versions are loaded, which of them answers, and when that changes."""
