"""A synthetic table of telecom customers and whether they left.

Nobody in it exists. It is drawn from a seeded generator so that the relation is known, learnable and the same on every
machine: people leave for short contracts, high prices, bad support and little use.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

NUMBERS = {
    "tenure": "Months since the customer joined.",
    "age": "Age in years.",
    "monthly_charges": "Current monthly bill in dollars.",
    "total_charges": "Sum of all bills so far in dollars.",
    "avg_monthly_gb": "Average data use in gigabytes per month.",
    "support_calls_90d": "Calls to support in the last 90 days.",
    "late_payments_12m": "Bills paid late in the last 12 months.",
    "phone_lines": "Phone lines on the account.",
    "dependents": "People on the account besides the customer.",
    "discount_percent": "Discount on the list price in percent.",
    "days_since_last_login": "Days since the customer last used the app or site.",
    "satisfaction_score": "Answer to the last survey, 1 (worst) to 5 (best).",
    "outages_90d": "Service outages at the customer's address in the last 90 days.",
}
"""Numeric columns and what they hold."""

WORDS = {
    "contract": "Contract term.",
    "payment_method": "How bills are paid.",
    "internet_service": "Kind of internet connection.",
    "online_security": "Whether the security add-on is booked.",
    "tech_support": "Whether the premium support add-on is booked.",
    "paperless_billing": "Whether bills come by e-mail instead of on paper.",
    "region": "Sales region.",
}
"""String columns and what they hold."""

WHOLE = frozenset(
    "tenure support_calls_90d late_payments_12m phone_lines dependents days_since_last_login outages_90d".split()
)
"""Numeric columns that hold whole numbers."""

RANGES: dict[str, tuple[float, float]] = {
    "tenure": (0, 120),
    "age": (18, 110),
    "monthly_charges": (0, 500),
    "total_charges": (0, 60000),
    "avg_monthly_gb": (0, 5000),
    "support_calls_90d": (0, 100),
    "late_payments_12m": (0, 12),
    "phone_lines": (0, 20),
    "dependents": (0, 20),
    "discount_percent": (0, 100),
    "days_since_last_login": (0, 3650),
    "satisfaction_score": (1, 5),
    "outages_90d": (0, 90),
}
"""What a caller may send: wider than the table, narrow enough to catch a wrong unit."""

YES_NO = ("no", "yes")
CATEGORIES: dict[str, tuple[str, ...]] = {
    "contract": ("month-to-month", "one-year", "two-year"),
    "payment_method": ("bank-transfer", "credit-card", "electronic-check", "mailed-check"),
    "internet_service": ("dsl", "fiber", "none"),
    "online_security": YES_NO,
    "tech_support": YES_NO,
    "paperless_billing": YES_NO,
    "region": ("east", "north", "south", "west"),
}

_EMPTY = {
    "age": 0.06,
    "total_charges": 0.04,
    "avg_monthly_gb": 0.08,
    "satisfaction_score": 0.15,
    "payment_method": 0.03,
    "region": 0.02,
}
"""Share of cells that are missing by chance."""


def customers(rows: int = 20000, seed: int = 2026) -> tuple[pd.DataFrame, NDArray[Any]]:
    """The table, with None and NaN where a value is missing, and for each row 1 for a customer who left, else 0."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame(_words(random, rows) | _numbers(random, rows))
    table["total_charges"] = (table.tenure * table.monthly_charges * random.uniform(0.9, 1.05, rows)).round(2)
    churned = (random.random(rows) < 1 / (1 + np.exp(-_leaving(table)))).astype(np.int64)
    silent = 0.6 * churned  # who is about to leave rarely answers surveys: the gap itself tells something
    for column, share in _EMPTY.items():
        gap = random.random(rows) < share + (silent if column == "satisfaction_score" else 0)
        table.loc[gap, column] = np.nan if column in NUMBERS else None
    return table[[*NUMBERS, *WORDS]], churned


def _words(random: np.random.Generator, rows: int) -> dict[str, Any]:
    shares = {"contract": [0.55, 0.25, 0.20], "internet_service": [0.35, 0.45, 0.20], "online_security": [0.65, 0.35]}
    return {name: random.choice(values, rows, p=shares.get(name)) for name, values in CATEGORIES.items()}


def _numbers(random: np.random.Generator, rows: int) -> dict[str, Any]:
    return {
        "tenure": np.minimum(random.gamma(1.6, 20, rows).astype(int), 72),
        "age": random.normal(46, 15, rows).clip(18, 92).round(0),
        "monthly_charges": random.normal(68, 24, rows).clip(15, 140).round(2),
        "avg_monthly_gb": random.gamma(2.0, 40, rows).clip(0, 900).round(1),
        "support_calls_90d": random.poisson(1.2, rows),
        "late_payments_12m": random.binomial(12, 0.06, rows),
        "phone_lines": random.integers(0, 5, rows),
        "dependents": random.poisson(0.8, rows).clip(0, 6),
        "discount_percent": random.choice([0.0, 0.0, 5.0, 10.0, 15.0, 25.0], rows),
        "days_since_last_login": random.gamma(1.1, 14, rows).clip(0, 180).astype(int),
        "satisfaction_score": random.integers(1, 6, rows).astype(float),
        "outages_90d": random.poisson(0.7, rows),
    }


def _leaving(table: pd.DataFrame) -> pd.Series:
    """Log-odds of leaving. The products and the step are what a linear model cannot say and trees can."""
    monthly = table.contract.eq("month-to-month")
    steady = table.contract.map({"month-to-month": 0.9, "one-year": -0.5, "two-year": -1.6})
    price = 0.03 * (table.monthly_charges * (1 - table.discount_percent / 100) - 62)
    care = 0.35 * table.support_calls_90d + 0.5 * table.outages_90d * table.internet_service.eq("fiber")
    loyalty = -0.045 * table.tenure - 0.35 * table.dependents - 0.6 * table.tech_support.eq("yes")
    mood = -0.55 * (table.satisfaction_score - 3) + 0.02 * table.days_since_last_login
    habit = 0.3 * table.late_payments_12m + 0.7 * table.payment_method.eq("electronic-check")
    step = 1.3 * (monthly & (table.support_calls_90d >= 3)) - 0.5 * table.online_security.eq("yes")
    return steady + price * (0.6 + 0.8 * monthly) + care + loyalty + mood + habit + step - 0.55
