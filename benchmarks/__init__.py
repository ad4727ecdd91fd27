"""``make bench``: this server against its rivals, side by side in one run."""
