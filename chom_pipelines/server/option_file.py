"""Option files of the servers' own clients: how they are told where to connect and with which password. Pure.

A password on a command line can be read by every user of the machine, so it goes into a file of mode 0600 in a private
directory, which ends with the client.
"""

from __future__ import annotations

import os
from pathlib import Path

from chom_pipelines.server.endpoint import Endpoint, Tls
from chom_pipelines.server.facts import Flavour

_ESCAPED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def write_option_file(path: Path, endpoint: Endpoint, flavour: Flavour) -> None:
    """Write a new option file, which only this user can read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(option_file(endpoint, flavour))


def option_file(endpoint: Endpoint, flavour: Flavour) -> str:
    """The text of an option file for `--defaults-file`; it holds the password."""
    options = {"user": endpoint.user, "password": endpoint.password}
    if endpoint.socket:
        options |= {"protocol": "socket", "socket": endpoint.socket}
    else:
        options |= {"protocol": "tcp", "host": endpoint.host or "localhost", "port": str(endpoint.port)}
    if flavour is Flavour.MYSQL:
        options["get-server-public-key"] = "ON"
    if endpoint.tls:
        options |= _tls(endpoint.tls, flavour)
    lines = [f"{name}={_quoted(value)}" for name, value in options.items()]
    return "\n".join(["[client]", *lines, ""])


def _tls(tls: Tls, flavour: Flavour) -> dict[str, str]:
    files = {"ssl-ca": tls.ca, "ssl-cert": tls.cert, "ssl-key": tls.key}
    options = {name: path for name, path in files.items() if path}
    if flavour is Flavour.MYSQL:
        modes = {"identity": "VERIFY_IDENTITY", "ca": "VERIFY_CA", "none": "REQUIRED"}
        return {**options, "ssl-mode": modes[tls.verify]}
    # MariaDB's clients check the name together with the authority, or nothing: rather too much than too little
    return {**options, "ssl": "ON", "ssl-verify-server-cert": "OFF" if tls.verify == "none" else "ON"}


def _quoted(value: str) -> str:
    return '"' + "".join(_ESCAPED.get(character, character) for character in value) + '"'
