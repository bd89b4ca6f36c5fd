"""The API: one trained model or many behind HTTP, fast, bounded and precise about what is wrong."""
