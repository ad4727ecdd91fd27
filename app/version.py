"""The version of Sluice itself."""

VERSION = "0.1.0"
