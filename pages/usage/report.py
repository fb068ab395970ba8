"""Render a usage report: totals, a chart of one metric by day and model, and a table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from decimal import Decimal

import streamlit as st

from chat import UsageLine, UsageReport
from pages.markdown import sanitize
from pages.session import tab_state, visitor
from pages.usage.csv_export import to_csv

MAX_ROWS = 50  # of a table; the CSV has all
_METRICS: dict[str, tuple[Callable[[UsageLine], float | None], bool]] = {
    # label: value of a line, and whether the values of several models can be stacked
    "Messages": (lambda line: line.calls, True),
    "Tokens": (lambda line: line.tokens, True),
    "Cost in dollars": (lambda line: float(line.cost_usd), True),
    "Time to first token, seconds": (
        lambda line: None if line.first_token_ms is None else line.first_token_ms / 1000,
        False,
    ),
    "Tokens/s": (lambda line: line.tokens_per_second, False),
}
_CSV = (
    *("day", "model", "owner", "messages", "failed", "tokens sent", "tokens received"),
    *("tokens estimated", "cost in dollars", "messages of unknown price"),
    *("first token ms median", "first token ms 90%", "tokens a second"),
)


def draw_totals(report: UsageReport) -> None:
    total = report.total
    with st.container(key="usage_totals", horizontal=True, gap="medium"):
        for label, value in (
            ("Messages", f"{total.calls:,}"),
            ("Tokens", f"{total.tokens:,}"),
            ("Cost", cost(total)),
            ("Time to first token", _seconds(total.first_token_ms)),
            ("Tokens/s", _speed(total)),
        ):
            st.metric(label, value, width="content")
    notes = []
    if total.estimated_tokens:
        notes.append(f"{total.estimated_tokens:,} of the tokens are estimated.")
    if total.held_tokens:
        notes.append(
            f"Limits count {total.held_tokens:,} more tokens for replies that were stopped or cut "
            "off: the provider reports no usage for them."
        )
    if total.unpriced and total.cost_usd:
        notes.append(f"The price of {total.unpriced:,} messages is unknown and not included.")
    if total.running:
        notes.append(f"{total.running:,} replies are still being written.")
    if notes:
        st.caption(" ".join(notes))
    else:
        st.empty()


def draw_chart(report: UsageReport, key: str) -> None:
    chosen = st.segmented_control(
        "Chart", list(_METRICS), key=key, default="Messages", label_visibility="collapsed"
    )
    name = chosen or "Messages"
    value, is_stackable = _METRICS[name]
    points = [(line, value(line)) for line in reversed(report.lines)]
    shown = [(line, each) for line, each in points if each is not None]
    if not shown:
        st.caption("No data yet.")
        return
    st.bar_chart(
        {
            "Day": [f"{line.day:%d %b}" for line, _ in shown],
            name: [each for _, each in shown],
            "Model": [_label(line.model) for line, _ in shown],
        },
        x="Day",
        y=name,
        color="Model",
        stack=is_stackable,
        sort=False,  # keep the order: oldest day first
        height=300,
        alt=f"{name} by day and model; the table below has the same figures.",
    )


def draw_table(report: UsageReport) -> None:
    lines = report.lines[:MAX_ROWS]
    table(
        {
            "Day": [f"{line.day:%d\u00a0%b\u00a0%Y}" for line in lines],
            "Model": [sanitize.plain_text(_label(line.model)) for line in lines],
            "Messages": [f"{line.calls:,}" for line in lines],
            "Input tokens": [f"{line.prompt_tokens:,}" for line in lines],
            "Output tokens": [f"{line.completion_tokens:,}" for line in lines],
            "Cost": [cost(line).replace("$", "\\$") for line in lines],
            "Time to first token": [_seconds(line.first_token_ms) for line in lines],
            "Tokens/s": [_speed(line) for line in lines],
        }
    )
    if len(report.lines) > MAX_ROWS:
        st.caption(f"The newest {MAX_ROWS:,} of {len(report.lines):,} rows; the CSV has all.")


def table(columns: dict[str, list[str]]) -> None:
    """Render an HTML table, which screen readers can read. Its cells are Markdown."""
    st.table(columns, border="horizontal", hide_index=True)


def csv_file(report: UsageReport) -> bytes:
    return to_csv(_CSV, [_row(line) for line in report.lines])


def owner_name(owner: str) -> str:
    """Return a short pseudonym of an owner, or "you" for the current user."""
    if owner == visitor.owner():
        return "you"
    kind, _, rest = owner.partition(":")
    return f"{kind} {hashlib.sha256(rest.encode()).hexdigest()[:8]}"


def cost(line: UsageLine) -> str:
    if line.unpriced and not line.cost_usd:
        return "unknown"
    known = f"${_dollars(line.cost_usd)}"
    return f"{known} + unknown" if line.unpriced else known


def _dollars(amount: Decimal) -> str:
    if not amount:
        return "0"
    return f"{amount:,.2f}" if amount >= Decimal("0.1") else f"{amount:.2g}"


def _row(line: UsageLine) -> Sequence[object]:
    speed = line.tokens_per_second
    return (
        *(line.day, line.model, line.owner and owner_name(line.owner), line.calls, line.failed),
        *(line.prompt_tokens, line.completion_tokens, line.estimated_tokens),
        # An unknown cost is an empty cell, not zero.
        None if line.unpriced and not line.cost_usd else f"{line.cost_usd:f}",
        *(line.unpriced, line.first_token_ms, line.p90_first_token_ms),
        None if speed is None else round(speed, 1),
    )


def _label(ref: str) -> str:
    return tab_state.saved_service().models.label(ref)


def _seconds(ms: int | None) -> str:
    return "–" if ms is None else f"{ms / 1000:.2f} s"


def _speed(line: UsageLine) -> str:
    speed = line.tokens_per_second
    return "–" if speed is None else f"{speed:,.0f}"


def offer_csv(report: UsageReport, label: str, name: str, key: str) -> None:
    st.download_button(
        label,
        data=csv_file(report),
        file_name=f"{name}.csv",
        mime="text/csv",
        key=key,
        icon=":material/download:",
        on_click="ignore",
    )
