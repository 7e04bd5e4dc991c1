# SPDX-License-Identifier: GPL-2.0-only
"""The command line of tests/run."""

import argparse
import json
import os
import re
import signal
import sys
import time
from multiprocessing.pool import ThreadPool

import cache
import checks
import codec
import cost
import demo
import driver
import emulator
import kunit
import lanes
import packages
import same
import results
import sandbox
import scenarios
import sriov
import vm
from common import HARNESS, TESTS, Stop, note, usage

EPILOG = """
A scenario runs in a guest; see tests/scenarios. Exit status: 0 only when nothing failed, 2 for
bad input. The cache is in ${XDG_CACHE_HOME:-~/.cache}/hv_netvsc. HV_QEMU=PATH uses that emulator
instead of building one.
"""

# Of tests/run without a command, when the cache is filled: the sum of the declared times, by the
# lanes that they are run in. A run comes close to it.
BUDGET_SECONDS = 20 * 60


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise usage(f"{message} (see {self.prog} --help)")


def _parser():
    parser = Parser(
        prog="tests/run",
        usage="tests/run [COMMAND] [OPTION]... [NAME...]",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Boots guests on an emulated Hyper-V host and runs tests in them.",
    )
    commands = parser.add_subparsers(
        dest="command", prog="tests/run", metavar="COMMAND", title="commands (default: all layers)"
    )
    for name, text in (
        ("guest", "scenarios on our driver"),
        ("stock", "scenarios on Debian's own driver"),
        ("host", "tests of the emulated host itself"),
        ("long", "scenarios on our driver that take an hour"),
    ):
        run = commands.add_parser(
            name,
            help=text,
            usage=f"tests/run {name} [OPTION]... [NAME...]",
            description=f"Runs {text}. NAME is a scenario or the prefix of several.",
        )
        _run_options(run)
    boot = commands.add_parser(
        "boot",
        help="run a command in one fresh guest",
        usage="tests/run boot [OPTION]... -- COMMAND...",
    )
    _boot_options(boot)
    check = commands.add_parser("check", help="the runner itself, and the tree")
    check.add_argument("names", nargs="*", metavar="NAME")
    kunit_parser = commands.add_parser(
        "kunit",
        help="KUnit suites, in a kernel that finds mistakes",
        usage="tests/run kunit [NAME...]",
        description="Runs KUnit suites. NAME is a suite or the prefix of several, or SUITE.CASE; "
        "* and ? match as in kunit.py.",
    )
    kunit_parser.add_argument("names", nargs="*", metavar="NAME")
    codec_parser = commands.add_parser("codec", help="the RNDIS codec, in user space")
    _codec_options(codec_parser)
    _same_options(commands)
    commands.add_parser("demo", help="load, ping, move 100 MB each way, print a table")
    cost_parser = commands.add_parser("cost", help="guest instructions per packet")
    cost_parser.add_argument("--driver", choices=(*driver.DRIVERS, "both"), default="both")
    cost_parser.add_argument("--kernel", choices=packages.DEBIAN_KERNELS, default=driver.KERNELS[0])
    cost_parser.add_argument(
        "--packets", type=int, default=cost.PACKETS, metavar="N", help="a run, default %(default)s"
    )
    commands.add_parser("list", help="checks, scenarios and recordings, and their times")
    return parser


def _run_options(run):
    run.add_argument("names", nargs="*", metavar="NAME")
    run.add_argument("--kernel", choices=packages.KERNELS, help="only on this one")
    run.add_argument(
        "--nvsp", choices=emulator.NVSP, help="only with this one as the host's highest"
    )
    run.add_argument("--allow-violations", action="store_true", help="do not fail for them")


def _same_options(commands):
    parser = commands.add_parser(
        "same",
        help="what users see of our driver and of Debian's, line beside line",
        usage="tests/run same [OPTION]... [NAME...]",
        description="Runs recordings on Debian's driver and on ours, and compares what they print. "
        "NAME is a recording of tests/same or the prefix of several. What may differ is in "
        "Documentation/differences.toml.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--kernel", choices=packages.DEBIAN_KERNELS, default=driver.KERNELS[0])
    parser.add_argument(
        "--twice", action="store_true", help="Debian's driver beside itself: are recordings exact?"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="take nothing that Debian's driver said from the cache"
    )
    parser.add_argument("--keep", metavar="DIR", help="writes all recordings there")


def _codec_options(parser):
    parser.add_argument(
        "--fuzz-seconds",
        type=int,
        default=codec.FUZZ_SECONDS,
        metavar="S",
        help="default %(default)s",
    )
    parser.add_argument(
        "--mutants",
        dest="run",
        action="store_const",
        const=codec.run_mutants,
        help="do not test the codec, but what the tests find if it has mistakes",
    )
    parser.add_argument(
        "--update-corpus",
        dest="run",
        action="store_const",
        const=codec.update_corpus,
        help="rewrite tests/codec/corpus: what it has and runs found, minimised",
    )


def _boot_options(boot):
    boot.description = (
        "Runs COMMAND as root in a fresh guest, when its interface is up. stdout is COMMAND's. "
        "Exit status: COMMAND's, 124 out of time, 125 harness, guest panic, kernel warning or "
        "violation."
    )
    boot.epilog = (
        "In the guest: IFACE ADDR4 ADDR6 PEER4 PEER6 PEER_MAC are set; `peer CMD...` runs CMD at "
        "the other end of the wire; `host VERB...` asks the emulator; /src is the checkout, "
        "read-only."
    )
    boot.add_argument(
        "--driver",
        choices=driver.DRIVERS,
        default="ours",
        help="ours, built for the kernel, or the kernel's own; default %(default)s",
    )
    boot.add_argument(
        "--kernel",
        choices=packages.KERNELS,
        default=driver.KERNELS[0],
        help="default %(default)s",
    )
    boot.add_argument("--cpus", type=int, default=4, metavar="N", help="1 to 8, default 4")
    boot.add_argument(
        "--queues", type=int, metavar="N", help="that the host offers, 1 to 64, default 4"
    )
    boot.add_argument("--nvsp", choices=emulator.NVSP, help="the host's highest, default 6.1")
    boot.add_argument(
        "--profile",
        choices=emulator.PROFILES,
        help="a real host to be like, in all that is not told otherwise",
    )
    boot.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the emulated NIC, or vmbus.KEY=VALUE of the bus; see "
        "Documentation/host.rst",
    )
    boot.add_argument(
        "--vf",
        action="append",
        default=[],
        metavar="KIND[,slot=N][,plugged]",
        help=f"a slot, 7, for a VF: {' or '.join(sriov.KINDS)}; again, or -, for a NIC more",
    )
    boot.add_argument("--share", metavar="DIR", help="is /share in the guest, writable")
    boot.add_argument(
        "--timeout", type=_seconds, default=300, metavar="S", help="of all, default 300"
    )
    boot.add_argument("--allow-violations", action="store_true", help="print them, but do not fail")
    boot.add_argument(
        "--verbose", action="store_true", help="the guest's console on stderr at the end"
    )
    boot.add_argument("--no-load", action="store_true", help="leave the NIC's driver alone")
    boot.add_argument("--icount", action="store_true", help=argparse.SUPPRESS)
    boot.add_argument("--cpu", help=argparse.SUPPRESS)
    boot.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")


def _seconds(word):
    try:
        value = float(word)
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{word}: not a number of seconds above 0")
    return value


def _settings(words):
    settings = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise usage(f"--host {word}: not KEY=VALUE")
        settings[key] = value
    return settings


def _own_option(host, key, given, default):
    """A setting of the NIC that has an option of its own: from there, or from --host."""
    if key not in host:
        return default if given is None else given
    if given is not None:
        raise usage(f"--host {key}={host[key]}: --{key} {given} says it already")
    return host.pop(key)


def _queues(host, given, default):
    option = "--host queues" if "queues" in host else "--queues"
    value = _own_option(host, "queues", given, default)
    try:
        number = int(value)
    except ValueError:
        number = 0
    if not 1 <= number <= 64:
        raise usage(f"{option} {value}: not 1 to 64")
    return number


def _check_kernel(name, kernel):
    if kernel not in driver.kernels(name):
        known = ", ".join(driver.kernels(name))
        reason = "our driver does not build for it" if name == "ours" else "it has no stock driver"
        raise usage(f"--kernel {kernel}: {reason} (it is there for {known})")


def _boot(args):
    words = args.words[1:] if args.words[:1] == ["--"] else args.words
    if not words:
        raise usage("boot: no COMMAND given (see tests/run boot --help)")
    if not 1 <= args.cpus <= 8:
        raise usage(f"--cpus {args.cpus}: not 1 to 8")
    host = _settings(args.host)
    real = emulator.profile(args.profile)
    queues = _queues(host, args.queues, real.get("queues", min(args.cpus, 4)))
    nvsp = _own_option(host, "nvsp", args.nvsp, real.get("nvsp", "6.1"))
    if nvsp not in emulator.NVSP:
        raise usage(f"--host nvsp={nvsp}: not one of {', '.join(emulator.NVSP)}")
    if not args.no_load and re.fullmatch(r"\d+", host.get("mtu", "")) and int(host["mtu"]) < 1280:
        raise usage(f"--host mtu={host['mtu']}: ADDR6 needs 1280; less is for --no-load")
    if args.share and not os.path.isdir(args.share):
        raise usage(f"--share {args.share}: no such directory")
    share = os.path.realpath(args.share) if args.share else None
    _check_kernel(args.driver, args.kernel)
    files = _prepare([(args.kernel, args.driver)], host)[args.kernel]
    settings = dict(
        kernel=args.kernel,
        driver=args.driver,
        load=not args.no_load,
        cpus=args.cpus,
        queues=queues,
        nvsp=nvsp,
        profile=args.profile,
        host=host,
        vfs=sriov.parse(args.vf),
        icount=args.icount,
        cpu=args.cpu,
    )
    return sandbox.contained(
        lambda: _boot_inside(args, words, files, share, settings), network=True
    )


def _set_up():
    """Debian's packages. Not contained: apt-get is not to be killed half way."""
    program = f"{TESTS}/setup"
    status = sandbox.wait_forwarding(os.spawnv(os.P_NOWAIT, program, [program]))
    if status:
        raise SystemExit(status)  # it said why


def _files(wanted):
    """What boots of (kernel, driver) need, by kernel; in it, by driver."""
    files = {}
    for kernel, name in wanted:
        files.setdefault(kernel, packages.guest(kernel))[name] = driver.guest(kernel, name)
    return files


def _prepare(wanted, host=None, required=True, units=False, sources=False):
    """Install packages and fill the caches; the files for each (kernel, driver), by kernel, and for
    KUnit if units are wanted. With sources, the caches also get what looks at sources, for the
    checks. What fills them is contained, so that an interrupt leaves no process.

    Not required: do without namespaces where they are not allowed.
    """
    if os.geteuid():
        raise usage("not root: namespaces, taps and file ownership in images need it")
    _set_up()
    reader, writer = os.pipe()

    def fill():
        result = {"files": _files(wanted), "emulator": emulator.path()}
        if units:
            result["files"]["kunit"] = kunit.prepare()
        if sources:
            packages.source(driver.KERNELS[0])
        with open(writer, "w", encoding="utf-8") as f:
            json.dump(result, f)

    status = sandbox.contained(fill, network=False, required=required)
    os.close(writer)
    if os.path.isdir(cache.directory()):
        cache.sweep()
    if status:
        raise SystemExit(status)
    with open(reader, encoding="utf-8") as f:
        result = json.load(f)
    emulator.use(result["emulator"])
    emulator.check_settings(host or {})
    return result["files"]


def _report_violations(guest, allow):
    """Print the audit; True if it must fail the run."""
    failed = False
    for item in guest.audit():
        note(
            f"{item['class']}: {item['kind']} (section {item['section']}), {item['count']} times; "
            f"first: {item['first']}"
        )
        # a promise is one that only our driver makes
        serious = item["class"] == "violation" or guest.spec.driver == "ours"
        failed |= serious and not allow
    return failed


def _boot_inside(args, words, files, share, settings):
    network = vm.tap_network(len(settings["vfs"]) or 1)
    guest = None
    started = time.monotonic()
    try:
        guest = vm.boot(files, network, share=share, timeout=args.timeout, **settings)
        note(
            f"tests/run: {files['release']} is up after {guest.boot_seconds:.1f} s, "
            + driver.describe(guest.spec, files)
        )

        def write(stream, data):
            stream.buffer.write(data)
            stream.buffer.flush()

        status = guest.start(
            words, (lambda d: write(sys.stdout, d), lambda d: write(sys.stderr, d))
        )()
        failed = _report_violations(guest, args.allow_violations)
        for line in guest.console.new_warnings():
            note(f"tests/run: the guest's kernel warns: {line}")
            failed = True
        if failed:
            status = HARNESS
    except Stop as e:
        note(f"tests/run: {e} ({time.monotonic() - started:.0f} s)")
        status = e.status
    console, log = vm.last_logs()
    if status >= 124 or args.verbose:
        note(
            "---- console\n" + (console if args.verbose else "\n".join(console.splitlines()[-40:]))
        )
        note("---- emulator\n" + log.strip() + "\n----")
    if guest:
        guest.close()
    return status


# What each command runs: layers of scenarios, on a driver.
LAYERS = {
    None: (("host", "stock"), ("guest", "stock"), ("guest", "ours")),
    "guest": (("guest", "ours"),),
    "stock": (("guest", "stock"),),
    "host": (("host", "stock"),),
    "long": (("guest", "ours"),),
}


def _groups(args):
    """The boots that the command and its options mean."""
    groups = []
    for layer, name in LAYERS[args.command]:
        if args.command and args.kernel:
            _check_kernel(name, args.kernel)
        found = scenarios.load_all(name, brief=not args.command, long=args.command == "long")
        found = [s for s in found if s.layer == layer]
        chosen = scenarios.choose(found, args.names if args.command else [])
        groups += scenarios.group(chosen, *_restrictions(args))
    return groups


def _run(args):
    if not args.command:
        return _run_all(args)
    groups = _groups(args)
    if not groups:
        raise usage("nothing to run: no scenario fits these options")
    files = _prepare(_wanted(groups))
    for g in groups:
        emulator.check_settings(g.spec.host)
    return sandbox.contained(
        lambda: results.close(scenarios.Runner(files, args.allow_violations).run(groups)), network=True
    )


def _run_all(args):
    """make check"""
    kernel = driver.KERNELS[0]
    groups, chosen, units = _groups(args), checks.choose([]), kunit.exist()
    boots = same.groups(same.choose([], kernel, brief=True)) if units else []
    _check_budget(chosen, groups, boots, kunit.SECONDS if units else 0)
    recorded = {(kernel, name) for name in driver.DRIVERS} if boots else set()
    files = _prepare(sorted(set(_wanted(groups)) | recorded), units=units, sources=True)
    for g in groups:
        emulator.check_settings(g.spec.host)
    return sandbox.contained(lambda: _run_inside(chosen, groups, boots, files, kernel), network=True)


def _wanted(groups):
    return sorted({(g.spec.kernel, g.spec.driver) for g in groups})


def _check_budget(chosen, groups, boots, units):
    total = units + sum(c.seconds for c in chosen) + sum(g.seconds() for g in groups)
    # of our driver: what Debian's says is in the cache
    total += sum(scenarios.BOOT_SECONDS + sum(r.seconds for r in rs) for _, rs in boots)
    total /= lanes.COUNT
    if total > BUDGET_SECONDS:
        raise usage(
            f"the declared times of {len(chosen)} checks and {len(groups) + len(boots)} boots sum up to"
            f" {total:.0f} s in each of {lanes.COUNT} lanes; the budget is {BUDGET_SECONDS} s"
        )


def _check(args):
    chosen = checks.choose(args.names)
    # they would wait for it, and their limits are for what comes after
    wanted = [(k, name) for name in driver.DRIVERS for k in driver.kernels(name)]
    _prepare([(k, name) for k, name in wanted if k != packages.DEBUG], sources=True)
    return sandbox.contained(lambda: results.close(checks.run(chosen)), network=True)


def _kunit(args):
    if not kunit.exist():
        raise usage("there is no driver of ours yet, or it has no suite in tests/kunit")
    kunit.patterns(args.names)
    files = _prepare([], units=True)
    return sandbox.contained(lambda: results.close(kunit.run(files["kunit"], args.names)), network=True)


def _codec(args):
    if args.fuzz_seconds < 1:
        raise usage(f"--fuzz-seconds {args.fuzz_seconds}: not 1 or more")
    _set_up()
    function = args.run or (lambda: codec.run(args.fuzz_seconds))
    return sandbox.contained(lambda: results.close(function()), network=False, required=False)


def _restrictions(args):
    """(kernels, NVSP versions) that the options leave. The debug kernel is slow, and
    takes long to build: it must be asked for, in make check by a scenario."""
    if not args.command:
        return packages.KERNELS, emulator.NVSP
    return ([args.kernel] if args.kernel else packages.DEBIAN_KERNELS), (
        [args.nvsp] if args.nvsp else emulator.NVSP
    )


def _run_inside(chosen, groups, boots, files, kernel):
    def units_and_checks():
        """KUnit has one processor, and most checks have one as well."""
        lane = "kunit" in files and ThreadPool(1).apply_async(kunit.run, [files["kunit"]])
        counts = checks.run(chosen)
        if lane:
            results.include(counts, lane.get())
        return counts

    # the long ones first, so that both lanes end at about the same time
    work = [lambda g=g: scenarios.Runner(files, False).run([g]) for g in reversed(groups)]
    work += [
        lambda boot=boot: same.Recorder(files[kernel], ("stock", "ours")).run([boot], False)
        for boot in boots
    ]
    return results.close(lanes.run([units_and_checks], work))


def _list(_args):
    for c in checks.choose([]):
        print(f"check  {c.name:20} {c.seconds:4.0f} s")
    if kunit.exist():
        print(f"kunit  {'(all suites)':20} {kunit.SECONDS:4.0f} s")
    for layer, name in LAYERS[None]:
        brief = {s.name: len(s.specs) for s in scenarios.load_all(name, brief=True)}
        for s in scenarios.load_all(name):
            if s.layer == layer:
                times = f"{len(s.specs):2} ({brief[s.name]:2} in make check)"
                print(f"{layer:5} {name:5} {s.name:20} {s.seconds:4.0f} s x {times}  {s.title}")
    for r in same.choose([], driver.KERNELS[0]):
        print(f"same        {r.name:20} {r.seconds:4.0f} s x {len(r.specs):2}  {r.title}")
    return 0


def _demo(_args):
    kernel = driver.KERNELS[0]
    files = _prepare([(kernel, "ours")], required=False)[kernel]
    return demo.run(files)


def _cost(args):
    names = driver.DRIVERS if args.driver == "both" else (args.driver,)
    for name in names:
        _check_kernel(name, args.kernel)
    files = _prepare([(args.kernel, name) for name in names])[args.kernel]
    return sandbox.contained(lambda: cost.run(files, args.kernel, names, args.packets), network=True)


def _same(args):
    names = ("stock", "stock") if args.twice else ("stock", "ours")
    for name in names:
        _check_kernel(name, args.kernel)
    if args.keep and not os.path.isdir(args.keep):
        raise usage(f"--keep {args.keep}: no such directory")
    boots = same.groups(same.choose(args.names, args.kernel))
    files = _prepare([(args.kernel, name) for name in sorted(set(names))])[args.kernel]
    directory = args.keep and os.path.realpath(args.keep)
    recorder = same.Recorder(files, names, directory, args.fresh)
    return sandbox.contained(lambda: results.close(recorder.run(boots, not args.names)), network=True)


COMMANDS = {
    None: _run,
    "guest": _run,
    "stock": _run,
    "host": _run,
    "long": _run,
    "boot": _boot,
    "list": _list,
    "demo": _demo,
    "check": _check,
    "kunit": _kunit,
    "cost": _cost,
    "same": _same,
    "codec": _codec,
}


def main(argv):
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        args = _parser().parse_args(argv)
        return COMMANDS[args.command](args)
    except Stop as e:
        note(f"tests/run: {e}")
        return e.status
    except KeyboardInterrupt:
        return 130
