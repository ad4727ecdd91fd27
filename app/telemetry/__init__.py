"""What tells operators what happens: logs, the access log, metrics."""
