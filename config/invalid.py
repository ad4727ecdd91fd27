"""The one error of configuration."""


class ConfigInvalid(ValueError):
    """Something an operator wrote cannot be used; the text names the variable, or file and key, and what is allowed."""
