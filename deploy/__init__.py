"""What stands between a fresh clone and a running service: set-up, locks, the first model."""
