"""The service beside its peers: same networks, workers, load generator, in turn. `python -m benchmarks.serving`."""
