"""Runs the functions of a module whose names begin with t_.

main() runs them in the order they stand in the file, prints a line for each
("ok", "FAILED" with the trace, "skipped" with the reason) and, last, "N
passed, N failed[, N skipped]". A function raises Skip("why") to be skipped;
an AssertionError or any other exception fails it.

Command line: --only NAME... (with or without the t_), --list, --stop (at the
first failure).
"""

import argparse
import functools
import inspect
import sys
import time
import traceback


class Skip(Exception):
    """This test cannot run here, for the reason given."""


def equal(got, want, what="value"):
    """Fails, showing both, unless got == want."""
    if got != want:
        raise AssertionError(f"{what} is {got!r}, not {want!r}")


def raises(kind, function, *args, **more):
    """Fails unless the call raises this kind of exception; returns it."""
    try:
        function(*args, **more)
    except kind as e:
        return e
    raise AssertionError(f"no {kind.__name__}")


def on_one_day(test):
    """For a test that speaks of today: it begins once more when midnight, here
    or in UTC, came while it ran."""
    def days():
        return time.localtime()[:3], time.gmtime()[:3]

    @functools.wraps(test)
    def run():
        day = days()
        try:
            return test()
        except Exception:  # pylint: disable=broad-except
            if days() == day:
                raise
        return test()
    return run


def tests_of(module):
    found = [(name, f) for name, f in vars(module).items()
             if name.startswith("t_") and callable(f)]
    return sorted(found, key=lambda item: inspect.unwrap(
        item[1]).__code__.co_firstlineno)


def run_one(name, function):
    """'passed', 'failed' or 'skipped'."""
    before = time.monotonic()
    try:
        function()
    except Skip as why:
        print(f"skipped {name}: {why}", flush=True)
        return "skipped"
    except KeyboardInterrupt:
        raise
    except BaseException:
        print(f"FAILED {name}", flush=True)
        traceback.print_exc(file=sys.stdout)
        return "failed"
    print(f"ok {name} ({time.monotonic() - before:.2f} s)", flush=True)
    return "passed"


def main(module=None):
    """Runs the tests of the module (the main one); the exit status."""
    module = module or sys.modules["__main__"]
    parser = argparse.ArgumentParser(description=module.__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--stop", action="store_true")
    args = parser.parse_args()
    tests = tests_of(module)
    if args.only:
        names = {n if n.startswith("t_") else "t_" + n for n in args.only}
        unknown = names - {name for name, _ in tests}
        if unknown:
            parser.error("no such test: " + " ".join(sorted(unknown)))
        tests = [t for t in tests if t[0] in names]
    if args.list:
        print("\n".join(name for name, _ in tests))
        return 0
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for name, function in tests:
        counts[run_one(name, function)] += 1
        if args.stop and counts["failed"]:
            break
    tail = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    print(f"{counts['passed']} passed, {counts['failed']} failed{tail}")
    return 1 if counts["failed"] else 0
