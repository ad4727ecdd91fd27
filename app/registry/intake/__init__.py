"""Bringing models in: an ONNX file made elsewhere becomes a version with a manifest.

Used by the command line and by the training scripts; a serving worker never imports it.
"""

from app.registry.intake.adding import add_version
from app.registry.intake.assembly import Intake, take_in
from app.registry.intake.options import IntakeRefused, Options
from app.registry.intake.sample import read_sample

__all__ = ["Intake", "IntakeRefused", "Options", "add_version", "read_sample", "take_in"]
