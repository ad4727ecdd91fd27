"""Tests of single modules, laid out as ``app`` is."""
