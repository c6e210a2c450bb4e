"""Environments for the workers of one multi-process training run on this machine."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def worker_environments(count: int) -> Iterator[list[dict[str, str]]]:
    """Yield the environment variables of each of `count` workers.

    Each worker's port stays bound here, without listening, so that no other process gets it.
    """
    with ExitStack() as sockets:
        addresses = []
        for _ in range(count):
            reserved = sockets.enter_context(socket.socket())
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            reserved.bind(("127.0.0.1", 0))
            addresses.append(f"127.0.0.1:{reserved.getsockname()[1]}")
        cluster = {"worker": addresses}
        yield [
            {
                "TF_CONFIG": json.dumps(
                    {"cluster": cluster, "task": {"type": "worker", "index": index}}
                ),
                "TF_GRPC_REUSE_PORT": "true",  # the worker's server shares the reserved port
            }
            for index in range(count)
        ]
