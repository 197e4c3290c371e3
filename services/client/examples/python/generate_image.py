"""Generates one image: python generate_image.py 127.0.0.1:50051 "a lighthouse at dusk" lighthouse.jpg"""
import hashlib
import sys
import uuid

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from sekai.image.v1 import image_generation_service_pb2 as pb
from sekai.image.v1 import image_generation_service_pb2_grpc as pb_grpc


def generate(stub: pb_grpc.ImageGenerationServiceStub, prompt: str) -> tuple[bytes, pb.GenerationResult]:
    """Returns the file and what is known about it; raises grpc.RpcError for a call that fails."""
    request = pb.GenerateImageRequest(request_id=str(uuid.uuid4()), prompt=prompt, width=512, height=320)
    header, result, data = None, None, bytearray()
    for response in stub.GenerateImage(request, timeout=120):
        match response.WhichOneof("event"):
            case "accepted":
                print(f"accepted by {response.accepted.engine}, seed {response.accepted.parameters.seed}")
            case "progress":
                stage = pb.GenerationStage.Name(response.progress.stage).removeprefix("GENERATION_STAGE_").lower()
                print(f"{response.progress.fraction:4.0%} {stage}")
            case "header":
                header = response.header
            case "chunk":
                if response.chunk.offset != len(data):
                    raise ValueError(f"chunk at {response.chunk.offset}, expected {len(data)}")
                data += response.chunk.data
            case "result":
                result = response.result
    # OK without a result never happens; a proxy in between could still cut a stream short.
    if header is None or result is None or hashlib.sha256(data).digest() != header.sha256:
        raise ValueError("the stream is not complete")
    return bytes(data), result


def main(target: str, prompt: str, path: str) -> int:
    # The default of 64 KiB a stream is fine: gRPC's C core sizes its windows by itself.
    with grpc.insecure_channel(target) as channel:
        try:
            data, result = generate(pb_grpc.ImageGenerationServiceStub(channel), prompt)
        except grpc.RpcError as error:
            print(f"{error.code().name}: {error.details()}", file=sys.stderr)
            explain(error)
            return 1
    with open(path, "wb") as file:
        file.write(data)
    state = pb.ArchiveState.Name(result.archive.state)
    print(f"{path}: {len(data)} bytes, image hash {result.image_hash}, {state} {result.archive.key}")
    return 0


def explain(error: grpc.RpcError) -> None:
    """Prints every fault of the request, and when to come back."""
    status = rpc_status.from_call(error)
    for detail in status.details if status else []:
        for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo):
            message = kind()
            if detail.Unpack(message):
                print(f"{kind.DESCRIPTOR.name}: {message}".rstrip(), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
