"""The gRPC door, module by module."""
