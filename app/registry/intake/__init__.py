"""Bringing models in: an ONNX file made elsewhere becomes a version with a manifest.

Used by the command line and by the training scripts; a serving worker never imports it.
"""
