"""Verifying a backup: the proof is made, kept beside the backup, and says passed, failed or not verified."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from chom_pipelines.errors import ChomError, RepositoryError
from chom_pipelines.logical.contents import Contents
from chom_pipelines.outcome import Outcome
from chom_pipelines.physical.contents import FileContents
from chom_pipelines.progress import Report
from chom_pipelines.proofs.basic import read_everything
from chom_pipelines.proofs.data_files import LinkRead, read_files, restore_and_check
from chom_pipelines.proofs.findings import Findings, keep
from chom_pipelines.proofs.full import restore_and_compare
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.listing import last_answers
from chom_pipelines.repository.payloads import Method
from chom_pipelines.repository.proof import Level, Proof
from chom_pipelines.repository.timing import Into, Timing
from chom_pipelines.restores.measured import checked, way_here
from chom_pipelines.restores.predicting import Rate
from chom_pipelines.server.load import Machine


def verify(
    entry: BackupEntry,
    level: Level,
    keyring: Keyring | None,
    report: Report,
    *,
    threads: int = 0,
    rates: Collection[Rate] = (),
) -> Proof:
    """Prove a backup and keep the record beside it; `threads` 0 means one per core.

    How long the restore takes is recorded, beside what `rates` from before predict.

    What is found of what it builds on, and was not known, has a record beside that: damage, or that it is mended.

    Damage does not raise: the proof has failed and names each object and table. What keeps the question open (no key,
    no server program, a full disk) makes it not verified, with the reason. Where even the key for the record's seal is
    missing, the proof is returned and not kept.

    Raises RepositoryError, with what was found, where the record cannot be written, and RepositoryBusyError where a
    deletion does not end.
    """
    with entry.reading(f"{level.value} verification"):
        cores = len(os.sched_getaffinity(0))
        return _verified(entry, level, keyring, report, threads=threads or cores, rates=rates)


def _verified(
    entry: BackupEntry,
    level: Level,
    keyring: Keyring | None,
    report: Report,
    *,
    threads: int,
    rates: Collection[Rate],
) -> Proof:
    findings = Findings(level, datetime.now(UTC))
    try:
        contents = _opened(entry, keyring)
        findings.begun = entry.next_number(contents.key)
    except ChomError as error:
        findings.say(error)
        return findings.proof(entry, None)
    links: tuple[LinkRead, ...] = ()
    try:
        links = _prove(entry, contents, findings, keyring=keyring, threads=threads, report=report, rates=rates)
    except ChomError as error:
        findings.say(error)
    proof = findings.proof(entry, contents.manifest)
    keep(entry, proof, contents.key, findings.begun)
    _keep_of_links(entry, links, keyring)
    return proof


def _keep_of_links(entry: BackupEntry, links: Sequence[LinkRead], keyring: Keyring | None) -> None:
    """Keep beside each link what was found of it, unless its last basic proof says of it what this would.

    Raises RepositoryError where that is not possible of some.
    """
    problems = []
    for link in links:
        if link.stopped and not link.failures:
            continue
        link_entry, manifest = replace(entry, id=link.contents.manifest.id), link.contents.manifest
        try:
            known = last_answers(link_entry.proofs(keyring)).get(Level.BASIC)
            failures = known.failures if known and known.outcome is Outcome.FAILED else ()
            if failures != link.failures:
                findings = Findings(Level.BASIC, link.began)
                findings.comparisons += link.comparisons
                findings.failures += link.failures
                keep(link_entry, findings.proof(link_entry, manifest), link.contents.key, link.begun)
        except RepositoryError as error:
            problems.append(error)
    if problems:
        raise problems[0]


def _opened(entry: BackupEntry, keyring: Keyring | None) -> Contents | FileContents:
    files = entry.manifest(keyring).method is Method.PHYSICAL
    return FileContents.of(entry, keyring) if files else Contents.of(entry, keyring)


def _prove(
    entry: BackupEntry,
    contents: Contents | FileContents,
    findings: Findings,
    *,
    keyring: Keyring | None,
    threads: int,
    report: Report,
    rates: Collection[Rate],
) -> tuple[LinkRead, ...]:
    """Say what is found; return what is, of what it builds on."""
    links: tuple[LinkRead, ...] = ()
    began = time.monotonic()
    if isinstance(contents, FileContents):
        chain = read_files(entry, contents, keyring, threads, report)
        read, links = chain.result, chain.ancestors
        if chain.stopped:
            findings.say(chain.stopped)
    else:
        read = read_everything(entry, contents, keyring, threads, report)
    findings.phases["read"] = time.monotonic() - began
    findings.comparisons += read.comparisons
    findings.failures += read.failures
    if findings.level is Level.BASIC or findings.failures or findings.outcome is not Outcome.PASSED:
        return links
    before = Machine.now()
    if isinstance(contents, FileContents):
        restored = restore_and_check(contents, threads, report)
    else:
        restored = restore_and_compare(contents, threads, report)
    findings.scratch, findings.version_differs = restored.scratch, restored.version_differs
    findings.phases |= restored.phases
    if restored.on is not None:
        way = way_here(contents.manifest, Into.PRIVATE, restored.on, threads)
        timing = Timing.of(way, contents.amounts, restored.phases, before.elsewhere(Machine.now()))
        findings.restored = checked(timing, rates, entry.id)
    findings.comparisons += restored.comparisons
    findings.failures += restored.failures
    return links
