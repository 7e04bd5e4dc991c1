# SPDX-License-Identifier: GPL-2.0-only
"""tests/codec: the RNDIS codec in user space, with sanitizers: tests, fuzzing, mutants."""

import os
import subprocess
import tempfile

import cache
import mutants
import results
from common import ROOT, TESTS, Stop, tool
from progress import Progress

DIRECTORY = os.path.join(TESTS, "codec")
CORPUS = os.path.join(DIRECTORY, "corpus")
CORPUS_HEADER = """\
# SPDX-License-Identifier: GPL-2.0-only
# What tests/codec/fuzz.c begins with, in hex. Made by tests/run codec --update-corpus.
"""

CODEC = "rndis_msg.c"
SHARED = ("watch.c", "model.c", "checked.c")
UNIT = SHARED + ("golden.c", "malformed.c", "exhaustive.c", "main.c")
FUZZ = SHARED + ("fuzz.c",)
COMPILERS = ("gcc", "clang-14")
FLAGS = (
    "-std=gnu11 -O1 -g -Wall -Wextra -Werror -Wno-missing-field-initializers"
    " -Wno-address-of-packed-member -fno-sanitize-recover=all"
).split()

FUZZ_SECONDS = 60
INPUT_MAX = 512  # bytes; a message of more infos finds nothing new
GROWN_MAX = 4000  # inputs; a run starts with the few of the checkout again when there are more
UNIT_LIMIT = 300
OPTIONS = ["-use_value_profile=1", f"-max_len={INPUT_MAX}", "-timeout=10", "-verbosity=0"]


def _compile(compiler, sources, output, *options, sanitize="address,undefined"):
    includes = (f"-I{DIRECTORY}/shim", f"-I{ROOT}", f"-I{DIRECTORY}")
    argv = (*FLAGS, f"-fsanitize={sanitize}", *includes, *options, *sources, "-o", output)
    tool(compiler, *argv)


def _sources(names):
    return [os.path.join(ROOT, CODEC)] + [os.path.join(DIRECTORY, n) for n in names]


def _run(argv, limit):
    """(status, stdout and stderr). A program that does not end has status 124."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit,
        )
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as e:
        status, output = 124, e.stdout or b""
    return status, output.decode(errors="replace").splitlines()


class _Report:
    def __init__(self):
        self.counts = results.counts()

    def line(self, verdict, name, details=()):
        results.add(self.counts, verdict, f"codec  {name}", details)


def _unit(report, compiler, work):
    """The tests, built by one compiler. A sanitizer ends them where it finds something."""
    program = os.path.join(work, compiler)
    _compile(compiler, _sources(UNIT), program)
    status, lines = _run([program], UNIT_LIMIT)
    details, failed = [], False
    for line in lines:
        verdict, _, name = line.partition(" ")
        if verdict in ("ok", "FAIL"):
            report.line(verdict, f"{compiler} {name}", details)
            failed |= verdict == "FAIL"
            details = []
        else:
            details.append(line.removeprefix("    | "))
    if status and not failed:
        report.line("FAIL", f"{compiler} ended with status {status}", details[-40:])


def _read_corpus(path):
    try:
        with open(path, encoding="ascii") as f:
            return {bytes.fromhex(line) for line in f if not line.startswith("#")}
    except FileNotFoundError:
        return set()
    except ValueError as e:
        raise Stop(f"{path}: {e}") from None


def _write_corpus(path, inputs):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temp = f"{path}.{os.getpid()}"
    with open(temp, "w", encoding="ascii") as f:
        f.write(CORPUS_HEADER)
        f.writelines(f"{i.hex()}\n" for i in sorted(inputs, key=lambda i: (len(i), i)))
    os.replace(temp, path)


def _to_directory(path, inputs):
    os.mkdir(path)
    for number, data in enumerate(sorted(inputs)):
        with open(os.path.join(path, f"{number:05}"), "wb") as f:
            f.write(data)
    return path


def _from_directory(path):
    inputs = set()
    for name in os.listdir(path):
        with open(os.path.join(path, name), "rb") as f:
            inputs.add(f.read())
    return inputs - {b""}


def _grown():
    return os.path.join(cache.directory(), "codec-corpus")


def _known():
    grown = _read_corpus(_grown())
    return _read_corpus(CORPUS) | (grown if len(grown) <= GROWN_MAX else set())


def _fuzz(report, seconds, work):
    program = os.path.join(work, "fuzz")
    _compile("clang-14", _sources(FUZZ), program, sanitize="fuzzer,address,undefined")
    inputs = _to_directory(os.path.join(work, "inputs"), _known())
    prefix = os.path.join(work, "found-")
    argv = [program, f"-max_total_time={seconds}", f"-artifact_prefix={prefix}"]
    argv += ["-print_final_stats=1", *OPTIONS, inputs]
    with Progress("codec fuzz"):
        status, lines = _run(argv, seconds + 120)
    runs = [line.split()[-1] for line in lines if "number_of_executed_units" in line]
    if not status:
        _write_corpus(_grown(), _from_directory(inputs))
        report.line("ok", f"fuzz, {runs[0]} inputs in {seconds} s")
        return
    details = lines[-40:]
    for name in sorted(n for n in os.listdir(work) if n.startswith("found-")):
        with open(os.path.join(work, name), "rb") as f:
            details.append(f"{name}: {f.read().hex()}")
    report.line("FAIL", f"fuzz, status {status}", details)


def run(seconds=FUZZ_SECONDS):
    """Tests by each compiler, then fuzzing; the counts by verdict."""
    report = _Report()
    with tempfile.TemporaryDirectory(prefix="hv-codec-") as work:
        for compiler in COMPILERS:
            _unit(report, compiler, work)
        _fuzz(report, seconds, work)
    return report.counts


def run_mutants():
    """Each mistake of mutants.py, made in a copy of the codec: do the tests find it?"""
    report = _Report()
    with open(os.path.join(ROOT, CODEC), encoding="utf-8") as f:
        text = f.read()
    with tempfile.TemporaryDirectory(prefix="hv-codec-") as work, Progress("codec mutants"):
        objects = [os.path.join(work, f"{name}.o") for name in UNIT]
        for source, target in zip(_sources(UNIT)[1:], objects):
            _compile("gcc", [source], target, "-c")
        for name, old, new in mutants.MUTANTS:
            if old not in text:
                report.line("FAIL", f"mutant {name}: the code has changed", [old])
                continue
            codec = os.path.join(work, CODEC)
            with open(codec, "w", encoding="utf-8") as f:
                f.write(text.replace(old, new, 1))
            _one_mutant(report, name, work, [codec, *objects])
    return report.counts


def _one_mutant(report, name, work, sources):
    program = os.path.join(work, "mutant")
    _compile("gcc", sources, program, "-w")
    status, lines = _run([program], UNIT_LIMIT)
    found = [line.split()[1] for line in lines if line.startswith("FAIL ")]
    for mark in ("ERROR: ", "runtime error: ", "endless: "):
        found += [line.partition(mark)[2] for line in lines if mark in line]
    if status:
        report.line("ok", f"mutant {name}", found[:6])
    else:
        report.line("FAIL", f"mutant {name}: not found")


def update_corpus():
    """Make the corpus of the checkout from it and what runs have found; only what covers more."""
    report = _Report()
    with tempfile.TemporaryDirectory(prefix="hv-codec-") as work:
        program = os.path.join(work, "fuzz")
        _compile("clang-14", _sources(FUZZ), program, sanitize="fuzzer,address,undefined")
        inputs = _to_directory(os.path.join(work, "inputs"), _known())
        chosen = _to_directory(os.path.join(work, "chosen"), ())
        status, lines = _run([program, "-merge=1", f"-max_len={INPUT_MAX}", chosen, inputs], 600)
        if status:
            raise Stop(f"the fuzzer's merge failed ({status}): {(lines or ['no message'])[-1]}")
        inputs = _from_directory(chosen)
        _write_corpus(CORPUS, inputs)
    report.line("ok", f"corpus of {len(inputs)} inputs")
    return report.counts
