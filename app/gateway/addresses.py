"""Whose address it really is: X-Forwarded-For counts only as far as it was written by hops we trust."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network

HOUSEHOLD_BITS = 64
"""What one subscriber has at least of IPv6; counted by whole addresses, each could call as 2^64 strangers."""


def client_address(peer: str, forwarded: str | None, trusted: Sequence[Network], trust_socket: bool) -> str:
    """The caller's address: the peer's, or what the nearest untrusted hop was to the last trusted one.

    ``peer`` is empty on a unix socket, which is trusted when ``trust_socket`` says so.
    """
    if not forwarded or not is_trusted(peer, trusted, trust_socket):
        return peer
    address = peer
    for hop in reversed(forwarded.split(",")):
        parsed = _parsed(hop.strip())
        if parsed is None:
            return address
        address = parsed
        if not is_trusted(address, trusted, trust_socket):
            return address
    return address


def is_trusted(address: str, trusted: Sequence[Network], trust_socket: bool) -> bool:
    """Whether what a peer says of others is believed; an empty address is a unix socket's.

    A server that listens on ``::`` sees IPv4 peers as ``::ffff:192.0.2.1``.
    """
    if not address:
        return trust_socket
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    names = (parsed, parsed.ipv4_mapped) if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped else (parsed,)
    return any(name in network for network in trusted for name in names)


@lru_cache(maxsize=4096)
def household(address: str) -> str:
    """What limits per address count under: an IPv4 address itself, an IPv6 address's /64."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((int(parsed), HOUSEHOLD_BITS), strict=False))


def _parsed(text: str) -> str | None:
    host = text[1 : text.index("]")] if text.startswith("[") and "]" in text else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        return str(ip_address(host))
    except ValueError:
        return None
