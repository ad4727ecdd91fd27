"""What is measured. A new scenario stands in one of these modules; who takes part is in ``contenders``."""

from benchmarks.scenarios.caching import CACHING
from benchmarks.scenarios.gate import GATE
from benchmarks.scenarios.heavy import HEAVY
from benchmarks.scenarios.plain import PLAIN
from benchmarks.scenarios.protocols import PROTOCOLS

SCENARIOS = {each.name: each for each in (*PLAIN, *PROTOCOLS, *GATE, *CACHING, *HEAVY)}
