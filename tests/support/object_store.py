"""An object store for tests: files in a folder, without renames, appends and folders.

`teststore://NAME/key` is the file NAME/key below $TEST_STORE. Every put and removal is a line in
$TEST_STORE/.log. As a program, `bertprep` with this store, killed at one of its moments:

    python object_store.py MOMENT NAME NTH create CORPUS ...

MOMENT is `before` or `after` the upload of a file whose name matches NAME, for the NTH time in a
process; `kill -9` then hits the process and its parent. Progress lines are off.
"""

import hashlib
import math
import os
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import fsspec
from fsspec.spec import AbstractFileSystem

from bertprep import terminal


def root() -> Path:
    return Path(os.environ["TEST_STORE"])


class ObjectStore(AbstractFileSystem):  # type: ignore[misc]
    """The methods that fsspec calls on a store; `fault(action, path)` may raise its errors."""

    protocol = "teststore"

    @staticmethod
    def fault(action: str, path: str) -> None:
        """Fail as a store does; replaced by tests."""

    @staticmethod
    def log(action: str, path: str) -> None:
        with open(root() / ".log", "a") as file:
            file.write(f"{action} {path}\n")

    def _local(self, path: str) -> Path:
        return root() / self._strip_protocol(path)

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        self.fault("info", path)
        local, name = self._local(path), self._strip_protocol(path)
        if local.is_file():
            digest = hashlib.md5(local.read_bytes()).hexdigest()
            return {
                "name": name,
                "size": local.stat().st_size,
                "type": "file",
                "ETag": digest,
            }
        if local.is_dir() and any(local.iterdir()):
            return {"name": name, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        local, name = self._local(path), self._strip_protocol(path)
        if not local.is_dir():
            raise FileNotFoundError(path)
        found = [self.info(f"{name}/{entry.name}") for entry in sorted(local.iterdir())]
        return found if detail else [info["name"] for info in found]

    def put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        self.fault("put", rpath)
        local = self._local(rpath)
        local.parent.mkdir(parents=True, exist_ok=True)
        incoming = root() / f".incoming-{os.getpid()}"
        shutil.copyfile(lpath, incoming)
        os.replace(incoming, local)
        self.log("put", self._strip_protocol(rpath))
        self.fault("has put", rpath)

    def pipe_file(self, path: str, value: bytes, **_: Any) -> None:
        source = root() / f".piped-{os.getpid()}"
        source.write_bytes(value)
        self.put_file(str(source), path)
        source.unlink()

    def rm_file(self, path: str) -> None:
        self._local(path).unlink()
        self.log("rm", self._strip_protocol(path))
        if not any(self._local(path).parent.iterdir()):
            self._local(path).parent.rmdir()

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **_: Any
    ) -> Any:
        self.fault("read", path)
        return self._local(path).read_bytes()[start:end]

    def mv(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError("an object store renames nothing")

    def open(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError("an object store has no open files")


fsspec.register_implementation("teststore", ObjectStore)


if __name__ == "__main__":
    moment, wanted, nth = sys.argv[1:4]
    terminal._PLAIN_LINE_SECONDS = math.inf
    parent, times = os.getpid(), 0
    action = {"before": "put", "after": "has put"}[moment]

    def kill(happens: str, path: str) -> None:
        global times
        if happens == action and re.search(wanted, path):
            times += 1
            if times == int(nth):
                os.kill(parent, signal.SIGKILL)
                os.kill(os.getpid(), signal.SIGKILL)

    ObjectStore.fault = staticmethod(kill)  # type: ignore[method-assign]
    from bertprep.cli import main
    from bertprep.create import job, tokenizing
    from bertprep.records import shards

    tokenizing.BLOCK_BYTES, job.BLOCK_BYTES, shards.BLOCK_BYTES = 4_000, 12_000, 1 << 16
    main(sys.argv[4:], prog_name="bertprep")
