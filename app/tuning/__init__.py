"""Finding out what a model can do on this machine, and how it is best served here. For commands, not for requests."""
