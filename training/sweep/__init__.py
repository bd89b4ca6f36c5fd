"""Searching recipes: many fits of one table, judged by the rows that watch, with Optuna."""
