"""Peer: the old API's way. grpcio, an in-process thread pool for uploads, presigned POST with requests.

The image is handed to the pool when the answer has been sent, as the old API did; nothing is kept that a crash would
lose, no duplicate is seen, no upload is tried again. Ready bytes, as in the bench's own service.
"""

import hashlib
import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import boto3
import grpc
import requests

BUCKET = "bench-bucket"
CHUNK_BYTES = 256 * 1024
UPLOAD_THREADS = 8
IMAGE = os.urandom(int(os.environ["BENCH_IMAGE_BYTES"]))

s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["S3_ENDPOINT"],
    region_name="us-east-1",
    aws_access_key_id="bench",
    aws_secret_access_key="bench",
)
uploads = ThreadPoolExecutor(UPLOAD_THREADS)
local = threading.local()
count = 0


def varint(value):
    out = bytearray()
    while value >= 128:
        out.append(value % 128 | 128)
        value //= 128
    out.append(value)
    return bytes(out)


def chunk_message(offset, data):
    head = b"\x08" + varint(offset) if offset else b""
    chunk = head + b"\x12" + varint(len(data)) + data
    return b"\x2a" + varint(len(chunk)) + chunk


def post(key, content_type, body):
    if not hasattr(local, "session"):
        local.session = requests.Session()
    fields = {"acl": "private", "Content-Type": content_type}
    form = s3.generate_presigned_post(BUCKET, key, fields, [{name: value} for name, value in fields.items()])
    answer = local.session.post(form["url"], data=form["fields"], files={"file": (key, body, content_type)})
    answer.raise_for_status()


def archive(image):
    digest = hashlib.sha256(image).hexdigest()
    record = json.dumps({"hash": digest, "filler": "x" * 1200}).encode()
    post(f"output-{digest}.jpg", "image/jpeg", image)
    post(f"input-{digest}.json", "application/json", record)


def generate_image(_request, _context):
    global count
    count += 1
    image = count.to_bytes(8, "big") + IMAGE[8:]
    for offset in range(0, len(image), CHUNK_BYTES):
        yield chunk_message(offset, image[offset : offset + CHUNK_BYTES])
    uploads.submit(archive, image)


server = grpc.server(ThreadPoolExecutor(16))
method = grpc.unary_stream_rpc_method_handler(generate_image)
name = "sekai.image.v1.ImageGenerationService"
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, {"GenerateImage": method})])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(json.dumps({"msg": "ready", "grpcPort": port}), flush=True)
signal.sigwait({signal.SIGTERM, signal.SIGINT})
os._exit(0)
