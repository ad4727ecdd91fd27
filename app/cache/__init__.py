"""Predictions remembered where that pays: a tier in each worker, a tier in Redis."""
