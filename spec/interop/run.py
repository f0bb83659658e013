#!/usr/bin/env python3
"""Runs this peer against a `dchat daemon` of its own, on loopback.

    python run.py BINARY [--only WORD]

Each step prints a line. Exit code 0 when all pass, 1 otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
import traceback
from pathlib import Path

import faults
import steps
from daemon import Daemon
from identity import peer_text

STEPS = [
    steps.vectors,
    steps.greeting,
    steps.wrong_peer,
    steps.stranger,
    steps.refused,
    steps.smaller,
    steps.larger,
    steps.listening,
    steps.reconnect,
    steps.restart,
    steps.forgetful,
    steps.undecryptable,
    steps.rolled_back,
    faults.odd_but_allowed,
    steps.roaming,
    steps.no_relay,
    steps.duplicate,
    faults.violations,
    faults.chat_violations,
]


async def main(binary: Path, only: str) -> int:
    failed = 0
    with tempfile.TemporaryDirectory(prefix="dchat-interop-") as folder:
        daemon = Daemon(binary, Path(folder) / "home")
        await daemon.start()
        print(f"dchat daemon {peer_text(daemon.peer_id)} at {daemon.address.ip}")
        try:
            for step in STEPS:
                if only not in step.__name__:
                    continue
                begun = time.monotonic()
                try:
                    await asyncio.wait_for(step(daemon), 120)
                    verdict = "ok  "
                except Exception:
                    traceback.print_exc()
                    verdict, failed = "FAIL", failed + 1
                took = time.monotonic() - begun
                print(f"{verdict} {step.__name__}: {step.__doc__} ({took:.1f} s)", flush=True)
        finally:
            await daemon.kill()
    print("all steps pass" if not failed else f"{failed} steps fail")
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=Path, help="the program dchat")
    parser.add_argument("--only", default="", help="run the steps whose name holds this")
    arguments = parser.parse_args()
    sys.exit(asyncio.run(main(arguments.binary.resolve(), arguments.only)))
