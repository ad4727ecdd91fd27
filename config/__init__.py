"""What an operator decides: settings from the environment, choices from files. Knows nothing of ``app``."""
