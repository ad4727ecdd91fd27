"""Who may call, and how much. Knows no transport: the REST and gRPC doors bring credentials and get a caller."""
