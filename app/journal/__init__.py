"""How predictions went, told without delaying them: outcomes by version, and copies for shadows."""
