"""What is remembered of predictions that were made: outcomes per version now; logs, drift and costs beside them."""
