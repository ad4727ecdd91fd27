"""Clients that nobody here wrote, against real servers; each in an environment of its own, driven as a program."""
