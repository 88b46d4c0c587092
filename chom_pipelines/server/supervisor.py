"""Runs a command for as long as its owner lives. A script of its own, started by `process.supervised`.

    supervisor.py DIRECTORY... -- COMMAND...

Standard input is a pipe that only the owner holds. It ends when the owner closes it or dies, whatever killed it: then
the command's whole session is killed and the directories are removed. Exits as the command did when that ends first.
SIGTERM is passed on to the command, which may then end in order; what it leaves in its session is killed.
Standard library only: it starts in a few hundredths of a second.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from functools import partial

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Have the kernel kill this process, stopped or not, when the thread of its parent that forked it ends."""
    if ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL):
        raise OSError("prctl: the kernel does not tell of a parent's end")
    if os.getppid() != parent:  # it ended before the kernel knew
        os._exit(1)


def main(arguments: list[str]) -> int:
    """Supervise; return the command's exit code, 128 + the signal's number where one ended it."""
    cut = arguments.index("--")
    directories, command = arguments[:cut], arguments[cut + 1 :]
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=partial(die_with, os.getpid()),  # noqa: PLW1509  (there is one thread here, and it stays)
    )
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())  # who asks the supervisor asks the command
    owner_gone = threading.Event()

    def wait_for_owner() -> None:
        while os.read(0, 1024):
            pass
        owner_gone.set()
        with contextlib.suppress(ProcessLookupError):  # it had ended
            os.killpg(child.pid, signal.SIGKILL)

    threading.Thread(target=wait_for_owner, daemon=True).start()
    code = child.wait()
    with contextlib.suppress(ProcessLookupError):  # it left nothing behind
        os.killpg(child.pid, signal.SIGKILL)
    if owner_gone.is_set():
        for directory in directories:
            shutil.rmtree(directory)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
