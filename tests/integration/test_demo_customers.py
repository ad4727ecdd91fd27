"""The customers that lie beside the demo models are those that neither version was trained on."""

from io import StringIO

import pandas as pd

from scripts.demo_models.customers import WORDS, customers
from tests.programs import ROOT


def test_the_customers_are_held_out_ones() -> None:
    table, _ = customers()
    held_out = table[-1000:].dropna(subset=list(WORDS))
    lies_there = (ROOT / "scripts" / "demo_models" / "customers.csv").read_text()
    texts = (StringIO(lies_there), StringIO(held_out.to_csv(index=False)))
    pd.testing.assert_frame_equal(*(pd.read_csv(text, keep_default_na=False, na_values=[""]) for text in texts))
