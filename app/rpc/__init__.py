"""The gRPC door: Open Inference Protocol v2 as ``inference.GRPCInferenceService``. Start it with ``python -m app.rpc``.

A REST worker imports nothing of this, and so no grpc.
"""
