# SPDX-License-Identifier: GPL-2.0-only
"""A cache of what is slow to make: directories named WHAT-KEY, complete or absent.

Several checkouts share it, and their runs may go on at the same time: an entry is removed only when
no run took it for KEEP_SECONDS, which is longer than a run. tests/host/build does the same.
"""

import contextlib
import fcntl
import glob
import hashlib
import os
import shutil
import tempfile
import time

from common import note, usage
from progress import Progress

COLD_BYTES = 6 << 30
KEEP_SECONDS = 24 * 3600


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
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as e:
        raise usage(f"cannot make {path}: {e.strerror}") from None
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
    if _take(path):
        return path
    check_space()
    with _lock(what):
        if _take(path):
            return path
        temp = tempfile.mkdtemp(prefix=f".tmp-{what}-", dir=base)
        try:
            with Progress(f"making {what}"):
                build(temp)
            os.chmod(temp, 0o755)
            os.utime(temp)
            os.rename(temp, path)
        except BaseException:
            shutil.rmtree(temp, ignore_errors=True)
            raise
        _remove_unused(what)
    return path


def find(what, key):
    """The path of WHAT-KEY, or None if nobody has made it."""
    path = os.path.join(directory(), f"{what}-{key}")
    return path if _take(path) else None


def _take(path):
    """Is it there? Then this run may count on it."""
    if not os.path.isdir(path):
        return False
    with _locked("use"):
        try:
            os.utime(path)
        except FileNotFoundError:
            return False
    return True


def _remove_unused(what):
    base = directory()
    for path in glob.glob(os.path.join(base, f"{what}-" + "[0-9a-f]" * 16)):
        with _locked("use"):
            if time.time() - os.stat(path).st_mtime < KEEP_SECONDS:
                continue
            dead = tempfile.mkdtemp(prefix=f".tmp-{what}-", dir=base)
            os.rename(path, dead)
        shutil.rmtree(dead, ignore_errors=True)


@contextlib.contextmanager
def _locked(name, wait=True):
    with open(os.path.join(directory(), f".lock-{name}"), "w") as f:
        waiting = 0
        while True:
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not wait:
                    raise
                if waiting % 200 == 10:
                    note(f"tests/run: another run has {name}: waiting for it")
                waiting += 1
                time.sleep(0.1)
        yield


@contextlib.contextmanager
def _lock(what):
    """Whoever holds the lock also knows that what others left behind unfinished is dead."""
    with _locked(what):
        for stale in glob.glob(os.path.join(directory(), f".tmp-{what}-*")):
            shutil.rmtree(stale, ignore_errors=True)
        yield


def sweep():
    """Remove what a killed run left half made, unless another run is at it."""
    for path in glob.glob(os.path.join(directory(), ".tmp-*")):
        what = os.path.basename(path)[len(".tmp-") :].rsplit("-", 1)[0]
        try:
            with _locked(what, wait=False):
                shutil.rmtree(path, ignore_errors=True)
        except BlockingIOError:
            continue
