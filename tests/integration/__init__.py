"""Tests of more than one program at once."""
