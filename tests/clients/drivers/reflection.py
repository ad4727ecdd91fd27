"""Calls a server it knows nothing of, as grpcurl does: services, messages and methods come from the server itself.

The task on standard input: ``url`` (host:port), ``headers``, ``call`` (a full method name), ``message`` (its request as
JSON). What was seen is printed as one line of JSON.
"""

import json
import sys

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, Parse
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def ask(task):
    with grpc.insecure_channel(task["url"]) as channel:
        told = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(told)
        service, _, name = task["call"].rpartition("/")
        method = pool.FindServiceByName(service).FindMethodByName(name)
        request = Parse(json.dumps(task["message"]), GetMessageClass(method.input_type)())
        call = channel.unary_unary(
            f"/{service}/{name}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        answer = call(request, metadata=list(task["headers"].items()), timeout=30)
        return {"services": sorted(told.get_services()), "answer": MessageToDict(answer)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(ask(json.load(sys.stdin))) + "\n")
