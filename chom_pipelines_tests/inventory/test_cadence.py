from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.inventory.cadence import Bucket, buckets, longest_gap
from chom_pipelines.inventory.models import Server
from chom_pipelines.inventory.policies import Schedules
from chom_pipelines.inventory.secrets import SecretReference

fields = st.lists(st.sampled_from(["*", "*/6", "0", "2", "1-5", "1,5", "1,15", "MON"]), min_size=5, max_size=5)
zones = st.sampled_from(["UTC", "Europe/Berlin", "Etc/GMT+5", "Etc/GMT-5", "America/Argentina/Buenos_Aires"])


def server(name: str, **schedules: str | None) -> Server:
    return Server(
        name=name, host="h", user="u", password=SecretReference(env="P"), schedules=Schedules.model_validate(schedules)
    )


def test_servers_due_at_the_same_moments_share_a_bucket_in_their_order() -> None:
    servers = [
        server("b", full="0 2 * * *"),
        server("a", full="0  2 * * *"),
        server("berlin", full="0 2 * * *", timezone="Europe/Berlin"),
        server("never", full=None),
    ]
    assert buckets(servers, lambda schedules: schedules.full) == [
        Bucket("0 2 * * *", "UTC", ("b", "a")),
        Bucket("0 2 * * *", "Europe/Berlin", ("berlin",)),
    ]


def test_the_slug_can_be_read() -> None:
    assert Bucket("0 2 * * *", "UTC", ()).slug == "0_2_x_x_x_UTC"
    assert Bucket("30 */6 * * 1-5", "Europe/Berlin", ()).slug == "30_xby6_x_x_1to5_Europe_Berlin"


@given(st.tuples(fields, zones), st.tuples(fields, zones))
def test_other_schedules_have_other_slugs_that_dagster_takes(
    one: tuple[list[str], str], other: tuple[list[str], str]
) -> None:
    slugs = [Bucket(" ".join(cron), zone, ()).slug for cron, zone in (one, other)]
    assert (slugs[0] == slugs[1]) == (one == other)
    assert all(slug.isascii() and slug.replace("_", "").isalnum() for slug in slugs)


@pytest.mark.parametrize(
    ("cron", "gap"),
    [
        ("0 3 * * 0", timedelta(days=7)),
        ("0 2 * * *", timedelta(days=1)),
        ("0 */6 * * *", timedelta(hours=6)),
        ("0 3 * * 1-5", timedelta(days=3)),
        ("0 3 1 * *", timedelta(days=31)),
    ],
)
def test_the_longest_gap_between_ticks(cron: str, gap: timedelta) -> None:
    assert longest_gap(cron, "UTC") == gap
