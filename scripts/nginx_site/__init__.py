"""The nginx site in front of the server: its options, its text, and whether nginx takes it."""
