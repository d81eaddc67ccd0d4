# SPDX-License-Identifier: Apache-2.0
"""A private apt: Debian trixie from whichever mirror this machine is set up for, without touching the machine's own."""

import fcntl
import os
import subprocess
import sys
from contextlib import contextmanager

SUITE = "trixie"


class AptError(Exception):
    """apt could not do it; the text says why."""


@contextmanager
def locked(path):
    """Holds an exclusive lock on a file: several builds may share one cache."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def say(text):
    print(f"  {'FETCH':<9}{text}", file=sys.stderr, flush=True)


def mirror(scratch):
    """Address of the Debian archive this machine is set up for. Its package lists may be missing: then they are fetched
    into the folder `scratch`, since apt tells an archive's origin only from them."""
    private = ["-o", f"Dir::State::Lists={scratch}", "-o", f"Dir::Cache={scratch}/cache"]
    for options in ([], private):
        if options:
            os.makedirs(os.path.join(scratch, "partial"), exist_ok=True)
            os.makedirs(os.path.join(scratch, "cache/archives/partial"), exist_ok=True)
            subprocess.run(["apt-get", *options, "update", "--quiet"], capture_output=True, check=False)
        listing = subprocess.run(
            ["apt-get", *options, "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages"],
            capture_output=True, text=True, check=False).stdout
        for line in listing.splitlines():
            origin, label, address = (line.split("|") + ["", ""])[:3]
            if origin == "Debian" and label == "Debian":
                return address
    raise AptError("this machine's apt knows no Debian archive; see /etc/apt/sources.list")


class PrivateApt:
    """apt with its own configuration, lists and packages below `directory`, for packages of `architecture`."""

    def __init__(self, directory, architecture="arm64"):
        self.directory = os.path.join(os.path.abspath(directory), "apt-" + architecture)
        self.architecture = architecture
        self.environment = dict(os.environ, APT_CONFIG=os.path.join(self.directory, "apt.conf"), LC_ALL="C.UTF-8")

    def prepare(self):
        """Writes the configuration; fetches the package lists unless they are there."""
        stamp = os.path.join(self.directory, "lists.complete")
        with locked(self.directory + ".lock"):
            if os.path.exists(stamp):
                return
            for name in ("lists/partial", "archives/partial"):
                os.makedirs(os.path.join(self.directory, name), exist_ok=True)
            address = mirror(os.path.join(self.directory, "machine-lists"))
            self._write("status", "")
            self._write("sources.list", f"deb {address} {SUITE} main\ndeb-src {address} {SUITE} main\n")
            self._write("apt.conf", "\n".join([
                f'Dir::Etc::SourceList "{self.directory}/sources.list";',
                'Dir::Etc::SourceParts "/dev/null";',
                f'Dir::State::Lists "{self.directory}/lists";',
                f'Dir::State::status "{self.directory}/status";',
                f'Dir::Cache "{self.directory}";',
                f'APT::Architecture "{self.architecture}";',
                f'APT::Architectures {{ "{self.architecture}"; }};',
                'Acquire::Languages "none";',
                'APT::Sandbox::User "root";',
            ]) + "\n")
            say(f"package lists of Debian {SUITE} ({self.architecture} and sources)")
            self.run(["apt-get", "update", "--quiet"])
            open(stamp, "w", encoding="utf-8").close()

    def forget_lists(self):
        """The lists are old: the next prepare() fetches them again."""
        stamp = os.path.join(self.directory, "lists.complete")
        if os.path.exists(stamp):
            os.remove(stamp)

    def run(self, command, directory=None):
        """Runs an apt program in `directory`; returns what it printed."""
        result = subprocess.run(command, cwd=directory, env=self.environment, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            lines = [line for line in result.stderr.splitlines() if line.startswith("E:")]
            raise AptError("; ".join(lines) or f"{command[0]} failed with status {result.returncode}")
        return result.stdout

    def _write(self, name, text):
        with open(os.path.join(self.directory, name), "w", encoding="utf-8") as handle:
            handle.write(text)
