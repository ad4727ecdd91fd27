"""What tells operators what happens: logs now; metrics and traces beside them."""
