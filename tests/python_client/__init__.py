"""clients/python, against real servers."""
