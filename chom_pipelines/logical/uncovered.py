"""What a server has and no logical backup holds: named in the manifest, so that nobody learns of it at a restore.

Every query below was tried with the backup account's privileges alone. One that fails all the same is told as well.
Two things go unseen: a resource group that no thread is in, without RESOURCE_GROUP_ADMIN, which a backup does not take;
and a spatial reference system that somebody made under a number of the EPSG's and as the EPSG's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chom_pipelines.errors import ServerError
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts
from chom_pipelines.server.versions import Version

_LIBRARIES: Version = (9, 2, 0)  # CREATE LIBRARY


@dataclass(frozen=True)
class _Kind:
    """`names` asks for the names; `seen` is true unless an empty answer to that means that the user sees nothing."""

    what: str
    names: str
    seen: str = "SELECT TRUE"


_SERVERS = _Kind("servers of CREATE SERVER", "SELECT Server_name FROM mysql.servers ORDER BY 1")
_FUNCTIONS = _Kind("loadable functions", "SELECT CONCAT(name, ' (', dl, ')') FROM mysql.func ORDER BY 1")
_PLUGINS = _Kind(
    "plugins that do not come with the server program",
    # those of mysql.plugin were installed by a statement, the others by an option, and may have failed to load
    "SELECT CONCAT(name, ' (', dl, ')') FROM mysql.plugin UNION "
    "SELECT CONCAT(PLUGIN_NAME, ' (', PLUGIN_LIBRARY, ')') FROM information_schema.PLUGINS "
    "WHERE PLUGIN_LIBRARY IS NOT NULL ORDER BY 1",
)
_BOTH = (_SERVERS, _FUNCTIONS, _PLUGINS)

_MYSQL = (
    _Kind("components", "SELECT component_urn FROM mysql.component ORDER BY 1"),
    _Kind(
        "general tablespaces",
        "SELECT NAME FROM information_schema.INNODB_TABLESPACES WHERE SPACE_TYPE = 'General' AND NAME <> 'mysql' "
        "ORDER BY 1",
        "SELECT EXISTS (SELECT 1 FROM information_schema.INNODB_TABLESPACES)",
    ),
    _Kind(
        "resource groups",
        "SELECT RESOURCE_GROUP_NAME AS name FROM information_schema.RESOURCE_GROUPS "
        "WHERE RESOURCE_GROUP_NAME NOT IN ('USR_default', 'SYS_default') UNION "
        "SELECT RESOURCE_GROUP FROM performance_schema.threads "
        "WHERE RESOURCE_GROUP NOT IN ('USR_default', 'SYS_default') ORDER BY name",
        "SELECT EXISTS (SELECT 1 FROM performance_schema.threads WHERE RESOURCE_GROUP IS NOT NULL) "
        "OR EXISTS (SELECT 1 FROM information_schema.RESOURCE_GROUPS WHERE RESOURCE_GROUP_NAME = 'SYS_default')",
    ),
    _Kind(
        "spatial reference systems",
        # those that MySQL brings are SRID 0 and the EPSG's, under their own numbers, none of them above 32767
        "SELECT CONCAT(SRS_ID, ' (', SRS_NAME, ')') FROM information_schema.ST_SPATIAL_REFERENCE_SYSTEMS "
        "WHERE SRS_ID > 32767 OR SRS_ID <> 0 AND NOT (ORGANIZATION <=> 'EPSG' AND ORGANIZATION_COORDSYS_ID <=> SRS_ID) "
        "ORDER BY SRS_ID",
    ),
)
_JAVASCRIPT = _Kind(
    "libraries of CREATE LIBRARY",
    "SELECT CONCAT(LIBRARY_SCHEMA, '.', LIBRARY_NAME) FROM information_schema.LIBRARIES "
    "WHERE LIBRARY_SCHEMA NOT IN ('mysql', 'sys') ORDER BY 1",
)


def uncovered(session: Session, facts: ServerFacts) -> Iterator[str]:
    """A warning for each kind of object that the server has and the backup has not, or that could not be looked at."""
    for kind in _kinds(facts):
        try:
            names = [str(name) for (name,) in session.rows(kind.names)]
            seen = bool(names) or bool(session.value(kind.seen))
        except ServerError as error:
            yield f"{kind.what} are not in this backup, and could not be looked at: {error.what}"
            continue
        if names:
            yield f"{kind.what} are not in this backup: {', '.join(names)}"
        elif not seen:
            yield f"{kind.what} are not in this backup, and could not be looked at: the server shows not even its own"


def _kinds(facts: ServerFacts) -> Sequence[_Kind]:
    if facts.is_mariadb:
        return _BOTH
    return (*_BOTH, *_MYSQL, *((_JAVASCRIPT,) if facts.version >= _LIBRARIES else ()))
