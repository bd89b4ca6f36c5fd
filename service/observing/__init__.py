"""What is counted, logged and told of the work: metrics, log lines, traces, drift."""
