"""Engines that run a model file.

onnxruntime's Linux wheels report usage from the moment they are imported; this package is what imports them.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
