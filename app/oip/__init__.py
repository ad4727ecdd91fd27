"""The Open Inference Protocol v2 without a transport: what its REST and its gRPC door have in common."""
