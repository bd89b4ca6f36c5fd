"""One small server each. They run in environments of their own and import nothing of this project."""
