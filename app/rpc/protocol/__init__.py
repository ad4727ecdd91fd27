"""What the protocol compiler makes of open_inference.proto; see scripts/generate_grpc.py."""
