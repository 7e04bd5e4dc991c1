# SPDX-License-Identifier: GPL-2.0-only
"""A cache of what is slow to make: directories named WHAT-KEY, complete or absent."""

import contextlib
import fcntl
import glob
import hashlib
import os
import shutil
import tempfile

from common import usage
from progress import Progress

COLD_BYTES = 4 << 30


def directory():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "hv_netvsc")


def key_of(*inputs):
    """A short hash of strings and of the contents of files (given as ("file", path))."""
    digest = hashlib.sha256()
    for item in inputs:
        if isinstance(item, tuple):
            with open(item[1], "rb") as f:
                item = hashlib.sha256(f.read()).hexdigest()
        digest.update(item.encode() + b"\0")
    return digest.hexdigest()[:16]


def check_space():
    """Called when something must be built: better one line now than a full disk later."""
    path = directory()
    os.makedirs(path, exist_ok=True)
    free = shutil.disk_usage(path).free
    if free < COLD_BYTES and not glob.glob(os.path.join(path, "host-tree-*")):
        raise usage(
            f"no space: {path} has {free >> 20} MB free, a cold build needs {COLD_BYTES >> 20} MB"
        )
    if free < COLD_BYTES // 6:
        raise usage(
            f"no space: {path} has {free >> 20} MB free, {COLD_BYTES // 6 >> 20} MB are needed"
        )


def obtain(what, key, build):
    """The path of WHAT-KEY; if it is absent, build(temporary directory) makes its contents."""
    base = directory()
    path = os.path.join(base, f"{what}-{key}")
    if os.path.isdir(path):
        return path
    check_space()
    with _lock(what):
        if os.path.isdir(path):
            return path
        temp = tempfile.mkdtemp(prefix=f".tmp-{what}-", dir=base)
        try:
            with Progress(f"making {what}"):
                build(temp)
            os.chmod(temp, 0o755)
            os.rename(temp, path)
        except BaseException:
            shutil.rmtree(temp, ignore_errors=True)
            raise
        for old in glob.glob(os.path.join(base, f"{what}-" + "[0-9a-f]" * 16)):
            if old != path:
                shutil.rmtree(old, ignore_errors=True)
    return path


@contextlib.contextmanager
def _lock(what):
    """Whoever holds the lock also knows that what others left behind unfinished is dead."""
    with open(os.path.join(directory(), f".lock-{what}"), "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        for stale in glob.glob(os.path.join(directory(), f".tmp-{what}-*")):
            shutil.rmtree(stale, ignore_errors=True)
        yield


def sweep():
    """Remove what a killed run left half made, unless another run is at it."""
    for path in glob.glob(os.path.join(directory(), ".tmp-*")):
        what = os.path.basename(path)[len(".tmp-") :].rsplit("-", 1)[0]
        with open(os.path.join(directory(), f".lock-{what}"), "w") as f:
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(path, ignore_errors=True)
