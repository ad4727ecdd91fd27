"""Whom a limit per address counts."""

from ipaddress import ip_network

import pytest

from app.gateway.addresses import client_address, household


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("2001:DB8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64"),
        ("2001:db8:0:2::1", "2001:db8:0:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_an_ipv6_address_counts_with_its_neighbours(address: str, counted: str) -> None:
    assert household(address) == counted


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("::ffff:10.0.0.1", "203.0.113.9, ::ffff:10.0.0.2", "203.0.113.9"),
        ("::ffff:192.0.2.1", "198.51.100.7", "::ffff:192.0.2.1"),
        ("fd00::5", "2001:db8::7", "2001:db8::7"),
        ("10.0.0.1", "[2001:db8::7]:443", "2001:db8::7"),
        ("10.0.0.1", "198.51.100.7, what is this", "10.0.0.1"),
    ],
)
def test_a_hop_is_the_same_however_its_address_is_written(peer: str, forwarded: str, client: str) -> None:
    trusted = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
    assert client_address(peer, forwarded, trusted, trust_socket=False) == client
