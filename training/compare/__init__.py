"""Versions of models side by side: what they are, how good they were found, how good they are on the same rows."""
