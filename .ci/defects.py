"""Checks that the conformance runner notices every deliberate defect, and none where there is none.

    python3 .ci/defects.py [NAME]… [--all] [--no-control] [--jobs N] [--bins FOLDER]

Builds `dchat` and `dchat-vectors` with the feature `defects` (`dchat_wire::defect`), which break the one
rule that `DCHAT_DEFECT` names, and copies them out of cargo's way: its folder then holds the right
programs again. `--bins` takes programs that are there. Then:

* The control run: with nothing broken every vector and every case passes.
* Each row of the table in `spec/defects.md`: the vectors and cases in its last column are run, and each
  has to fail. When none does, or with `--all`, everything is run, to tell who else notices.

Exit code 1 when a defect survives, when a row names what does not notice it, when the control run shows
a failure, or when the table and the program do not name the same defects.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "spec/defects.md"
ROW = re.compile(r"^\| `([a-z0-9-]+)` \| (.+?) \| (.+) \|$")
EVIDENCE = re.compile(r"`(vector|case|scenario):([a-z0-9/-]+)`")
PROGRAMS = ["dchat", "dchat-vectors", "dchat-conformance"]
# Seconds that a peer may take for what has to happen at once. A right one gets far more, so that no
# slow machine looks like a fault.
PATIENCE_WITH_DEFECTS, PATIENCE = 10, 60
# Seconds for all of a run.
LONGEST = 900
# Invites for a run of all cases, and for one of a few of them: one for each person the runner plays.
INVITES, FEW_INVITES = 24, 8
# The sections that need any.
TALKS = {"chat", "session", "envelope", "parcel", "exchange", "dialer", "identify", "silence", "nat", "group"}
WITHIN = {"vector": "vectors", "case": "network", "scenario": "scenario"}
# A public room the node is in.
ROOM = "conformance"
# Does what only the node's user can, by the node's own program.
USER = ROOT / "spec/user"


def build(folder):
    """Builds the programs and copies them to `folder`."""
    def cargo(*arguments):
        subprocess.run(["cargo", "build", "--locked", "-q", *arguments], cwd=ROOT, check=True)

    packages = [("-p", "dchat"), ("-p", "dchat-spec", "--bins")]
    for package in packages:
        cargo(*package, "--features", "defects")
    built = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
    folder.mkdir(parents=True, exist_ok=True)
    for name in PROGRAMS:
        shutil.copy2(built / name, folder / name)
    for package in packages:
        cargo(*package)


def table():
    """For each defect the ids of the vectors and of the cases that notice it."""
    rows = {}
    for line in TABLE.read_text().splitlines():
        if match := ROW.match(line):
            name, _, noticed = match.groups()
            found = EVIDENCE.findall(noticed)
            rows[name] = {kind: [id for of, id in found if of == kind] for kind in WITHIN}
    return rows


def environment(defect=None):
    """Of a process with this defect, or none."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("DCHAT_")}
    return {**own, "DCHAT_DEFECT": defect} if defect else own


def known(bins):
    """The defects there are: the program names them when it is given another."""
    refused = subprocess.run([bins / "dchat", "--version"], env=environment("no-such-defect"),
                             capture_output=True, text=True)
    _, named, names = refused.stderr.partition("there are: ")
    if refused.returncode != 2 or not named:
        sys.exit(f"dchat takes a defect it does not know: {refused.returncode} {refused.stderr}")
    return set(names.rstrip(".\n").split())


def failed(bins, arguments, folder):
    """Runs the runner; what failed, each id with what was expected and seen, and the ids of what passed."""
    report = folder / f"{arguments[0]}.json"
    command = [bins / "dchat-conformance", arguments[0], "--json", report, *arguments[1:]]
    ran = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=LONGEST)
    if ran.returncode not in (0, 1):
        raise RuntimeError(f"the runner ends with {ran.returncode}: {ran.stderr.strip()}")
    cases = json.loads(report.read_text())["cases"]
    failing = {case["id"]: f"expected {case['expected']}, seen {case['seen']}"
               for case in cases if case["verdict"] == "failed"}
    return failing, {case["id"] for case in cases if case["verdict"] == "passed"}


def choice(ids):
    """Options that choose vectors or cases."""
    return [argument for id in ids for argument in ("--section", id)]


def run_vectors(bins, defect, ids, folder):
    """The vectors of `ids`, or all."""
    # Only the program that answers is broken, and not the runner.
    broken = ["env", f"DCHAT_DEFECT={defect}"] if defect else []
    return failed(bins, ["vectors", *choice(ids), "--", *broken, bins / "dchat-vectors"], folder)


def run_cases(bins, defect, ids, folder):
    """The cases of `ids`, or all, against a new node."""
    with daemon(bins, defect, folder) as (address, home):
        talks = any(id.split("/")[0] in TALKS for id in ids)
        count = FEW_INVITES * talks if ids else INVITES
        links = [argument for _ in range(count) for argument in ("--invite", invite(bins, home))]
        user = shlex.join(["env", f"DCHAT_HOME={home}", str(USER), str(bins / "dchat")])
        return failed(bins, ["network", address, *links, "--user", user, *choice(ids), *terms(defect)], folder)


def run_scenarios(bins, defect, ids, folder):
    """The scenarios of `ids`, or all, against a new node."""
    with daemon(bins, defect, folder) as (address, _):
        return failed(bins, ["scenario", address, *choice(ids), *terms(defect)], folder)


def terms(defect):
    """Options that say what the node is in, and what is expected of it."""
    patience = PATIENCE_WITH_DEFECTS if defect else PATIENCE
    return ["--room", ROOM, "--patience", str(patience)]


@contextlib.contextmanager
def daemon(bins, defect, folder):
    """A node; its address and its home."""
    home = folder / "home"
    command = [bins / "dchat", "--home", home, "--json", "daemon", "--no-mdns", "--role", "relay",
               "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"]
    with open(folder / "daemon.log", "w") as log:
        node = subprocess.Popen(command, env=environment(defect), stdout=subprocess.PIPE,
                                stderr=log, text=True)
    try:
        addresses = (event["addr"] for event in map(json.loads, node.stdout)
                     if event["event"] == "listening")
        address = next((address for address in addresses if "/127.0.0.1/" in address), None)
        if address is None:
            raise RuntimeError(f"no node: {(folder / 'daemon.log').read_text().strip()}")
        # Somebody has to read what it tells, or it waits.
        threading.Thread(target=node.stdout.read, daemon=True).start()
        ask(bins, home, "room", "join", ROOM)
        yield address, home
    finally:
        node.terminate()
        try:
            node.wait(10)
        except subprocess.TimeoutExpired:
            node.kill()
            node.wait()


def ask(bins, home, *words):
    """Has the running node do something; what it says."""
    command = [bins / "dchat", "--home", home, "--json", *words]
    return subprocess.run(command, env=environment(), stdout=subprocess.PIPE, text=True, check=True).stdout


def invite(bins, home):
    """A link of the running node."""
    return json.loads(ask(bins, home, "invite"))["invite"]


RUN = {"vector": run_vectors, "case": run_cases, "scenario": run_scenarios}


def noticed(bins, defect, wanted, everything):
    """What notices a defect among `wanted`, or among all there is: `kind:id` in order."""
    found = []
    for kind, run in RUN.items():
        if wanted[kind] or everything:
            with tempfile.TemporaryDirectory(prefix="dchat-defect-") as folder:
                failing, _ = run(bins, defect, [] if everything else wanted[kind], pathlib.Path(folder))
                found += [f"{kind}:{id}" for id in sorted(failing)]
    return found


def check(bins, defect, row, everything):
    """A line for a defect, and whether all is as the table says."""
    begun = time.monotonic()
    found = noticed(bins, defect, row, everything)
    named = [f"{kind}:{id}" for kind, ids in row.items() for id in ids]
    # A row may name a whole suite or section.
    notices = lambda name: any(one == name or one.startswith(name + "/") for one in found)
    missed = [name for name in named if not notices(name)]
    took = f"{time.monotonic() - begun:.1f} s"
    if not found and not everything:
        found = noticed(bins, defect, row, True)
        missed = named
    if not found:
        return f"SURVIVES {defect} ({took})", False
    shown = ", ".join(found[:6]) + (f" and {len(found) - 6} more" if len(found) > 6 else "")
    if missed or not named:
        return f"OTHERS   {defect}: {shown}; not {', '.join(missed) or 'in the table'} ({took})", False
    return f"noticed  {defect}: {shown} ({took})", True


def control(bins):
    """Whether everything passes where nothing is broken."""
    right = True
    for kind, run in RUN.items():
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="dchat-defect-") as folder:
            failing, passed = run(bins, None, [], pathlib.Path(folder))
        took = time.monotonic() - begun
        print(f"control: {len(passed)} {WITHIN[kind]} pass, {len(failing)} fail ({took:.0f} s)", flush=True)
        for id, why in sorted(failing.items()):
            print(f"FALSE ALARM {kind}:{id}: {why}", flush=True)
        right &= bool(passed) and not failing
    return right


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these defects")
    parser.add_argument("--all", action="store_true", help="run everything against each")
    parser.add_argument("--no-control", action="store_true", help="leave the control run out")
    parser.add_argument("--jobs", type=int, default=8, metavar="N",
                        help="defects at a time, which mostly wait; a busy machine hides none")
    parser.add_argument("--bins", type=pathlib.Path, metavar="FOLDER", help="programs that are there")
    arguments = parser.parse_args()
    bins = (arguments.bins or ROOT / "target/defects").resolve()
    if arguments.bins is None:
        build(bins)
    begun = time.monotonic()
    rows = table()
    right = True
    for name in sorted(known(bins) ^ set(rows)):
        print(f"{name} is {'no defect' if name in rows else 'not in the table'}")
        right = False
    if not arguments.no_control:
        right &= control(bins)
    chosen = {name: row for name, row in rows.items() if not arguments.names or name in arguments.names}
    count = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        checks = [pool.submit(check, bins, name, row, arguments.all) for name, row in chosen.items()]
        for done in concurrent.futures.as_completed(checks):
            line, is_right = done.result()
            print(line, flush=True)
            count += is_right
    took = time.monotonic() - begun
    print(f"{count} of {len(chosen)} defects are noticed as the table says ({took:.0f} s)")
    return 0 if right and count == len(chosen) > 0 else 1


sys.exit(main())
