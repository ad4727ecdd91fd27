"""How load reaches a server: over HTTP, over gRPC, or, for onnxruntime alone, through no protocol at all."""
