"""What callers of the gRPC door are promised."""
