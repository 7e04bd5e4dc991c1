# SPDX-License-Identifier: GPL-2.0-only
"""A run's results: a line for each as it comes, those that failed once more at the end, the sum."""

REASON_LINES = 3

_failed = []


def counts():
    """What add() counts in."""
    return {"ok": 0, "FAIL": 0, "skip": 0}


def add(into, verdict, text, lines=()):
    """Count a result and print it. lines say why it failed, the last ones best of all."""
    into[verdict] += 1
    # at once, as another process may print as well
    said = [f"{verdict:4} {text}".rstrip(), *(f"    | {line}" for line in lines)]
    print("\n".join(said), flush=True)
    if verdict == "FAIL":
        _failed.append((text, [line for line in lines if line.strip()][-REASON_LINES:]))


def failures():
    """What failed in this process, for include() of another one."""
    return _failed


def include(total, counts, failed=()):
    """Add counts to others, and what failed elsewhere to what failed here."""
    for verdict, count in counts.items():
        total[verdict] += count
    _failed.extend(tuple(item) for item in failed)


def close(total):
    """The last lines of a run; its exit status."""
    for text, lines in _failed:
        print(f"failed: {text}".rstrip())
        for line in lines:
            print(f"    | {line}")
    print(f"{total['ok']} passed, {total['FAIL']} failed, {total['skip']} skipped", flush=True)
    return 1 if total["FAIL"] or not total["ok"] else 0
