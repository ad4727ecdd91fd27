"""Which inputs were seen lately, for 4 bytes each: enough to know how often a tier would have hit, had it been used."""

from array import array

_SLOT_BITS = 16


class Recent:
    """A direct-mapped list of fingerprints, about as many as tier 1 holds entries; newer ones displace older ones."""

    __slots__ = ("_codes",)

    def __init__(self) -> None:
        self._codes: array[int] | None = None

    def seen(self, code: int) -> bool:
        """Whether this fingerprint is on the list; it is from now on."""
        codes = self._codes
        if codes is None:
            codes = self._codes = array("I", bytes(4 << _SLOT_BITS))
        slot = code >> (32 - _SLOT_BITS)
        known = codes[slot] == code
        codes[slot] = code
        return known

    def clear(self) -> None:
        """Start anew; the memory is given back until it is needed."""
        self._codes = None
