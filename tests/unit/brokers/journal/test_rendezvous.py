"""Is every partition followed, by few servers each, and does little move when a server comes or goes?

Contract: a simulation over fleets of up to 64 servers and 64 partitions, with ids drawn from a fixed seed; docs/operations.md shows its figures.
"""

from __future__ import annotations

import random
import uuid
from pathlib import Path
from statistics import mean

import pytest

from asynq_compat.brokers.journal.attending.rendezvous import followed_by, follower_count, rank

_OPERATIONS = Path(__file__).parents[4] / "docs" / "operations.md"
_PARTITIONS = (1, 4, 16, 64)
_FLEETS = (1, 2, 4, 8, 16, 64)
_DOCUMENTED = [(4, 4), (4, 16), (16, 4), (16, 16), (64, 4), (64, 16), (64, 64)]


def servers(count: int, seed: int = 7) -> list[str]:
    """Return ids as servers have them."""
    chance = random.Random(seed)
    return [str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(count)]


def fleet(live: list[str], partition_count: int, queue: str = "default") -> dict[str, set[int]]:
    """Return what each server follows."""
    return {server: followed_by(server, live, queue, partition_count) for server in live}


def followers(of: dict[str, set[int]], partition_count: int) -> list[int]:
    """Return how many servers follow each partition."""
    return [sum(number in one for one in of.values()) for number in range(partition_count)]


@pytest.mark.parametrize("partition_count", _PARTITIONS)
@pytest.mark.parametrize("server_count", _FLEETS)
def test_each_partition_is_followed_and_no_server_by_more_than_its_part(
    server_count: int, partition_count: int
) -> None:
    for seed in range(3):
        found = fleet(servers(server_count, seed), partition_count)
        per_partition = followers(found, partition_count)
        per_server = [len(one) for one in found.values()]
        count = follower_count(server_count, partition_count)

        assert min(per_partition) >= count == min(server_count, max(2, -(-server_count // partition_count)))
        assert min(per_server) >= 1
        fair = count * partition_count / server_count
        assert max(per_server) <= min(partition_count, 2 * fair + 6)
        assert sum(per_server) <= count * partition_count + server_count


def test_what_a_server_follows_does_not_grow_with_the_fleet() -> None:
    means = [mean(len(one) for one in fleet(servers(count), 16).values()) for count in (2, 4, 8, 16, 64)]

    assert means == sorted(means, reverse=True)


@pytest.mark.parametrize(("server_count", "partition_count"), [(8, 16), (16, 16), (64, 16), (64, 64), (16, 64)])
def test_little_moves_when_one_joins_or_leaves(server_count: int, partition_count: int) -> None:
    everybody = servers(server_count + 1)
    after = fleet(everybody, partition_count)
    for gone in (everybody[-1], everybody[0], everybody[server_count // 2]):
        before = fleet([one for one in everybody if one != gone], partition_count)
        moved = sum(len(before[one] ^ after[one]) for one in before)
        # Its own places go to others; the count of followers may change by one at the edge of a whole number.
        assert moved <= 2 * len(after[gone]) + (
            0
            if follower_count(server_count, partition_count) == follower_count(server_count + 1, partition_count)
            else partition_count
        )


def test_all_who_know_the_same_servers_agree() -> None:
    live = servers(9)
    shuffled = live[::-1]

    assert fleet(live, 16) == fleet(shuffled, 16)
    assert sorted(rank(one, live, "default", 3) for one in live) == list(range(9))
    assert fleet(live, 16, "low") != fleet(live, 16, "high")


def row(server_count: int, partition_count: int) -> str:
    """Return a row of the table in docs/operations.md."""
    everybody = servers(server_count + 1)
    live = everybody[:-1]
    found, after = fleet(live, partition_count), fleet(everybody, partition_count)
    per_server = [len(one) for one in found.values()]
    per_partition = followers(found, partition_count)
    moved = sum(len(found[one] ^ after[one]) for one in live)
    return (
        f"| {server_count} | {partition_count} | {min(per_server)} / {mean(per_server):.1f} / {max(per_server)} "
        f"| {min(per_partition)} / {mean(per_partition):.1f} / {max(per_partition)} | {moved} of {sum(per_server)} |"
    )


@pytest.mark.parametrize(("server_count", "partition_count"), _DOCUMENTED)
def test_the_figures_in_the_docs_are_these(server_count: int, partition_count: int) -> None:
    assert row(server_count, partition_count) in _OPERATIONS.read_text(encoding="utf-8")


if __name__ == "__main__":
    print("\n".join(row(*one) for one in _DOCUMENTED))
