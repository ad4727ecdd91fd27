"""Tests of what callers are promised, over a real socket."""
