"""Tests of the whole: ``unit`` mirrors ``app``, ``contract`` speaks to a real server over a socket."""
