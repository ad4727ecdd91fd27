"""Which versions of which models exist, are verified, and are loaded."""
