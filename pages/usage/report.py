"""What was used, drawn: the sums, a chart of one figure by day and model, and the table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from decimal import Decimal

import streamlit as st

from chat import UsageLine, UsageReport
from pages.markdown import sanitize
from pages.session import tab_state, visitor
from pages.usage.csv_export import csv_of

SHOWN = 50  # lines of a table; the CSV has them all
_FIGURES: dict[str, tuple[Callable[[UsageLine], float | None], bool]] = {
    # what can be charted: its value, and whether the values of several models add up
    "Messages": (lambda line: line.calls, True),
    "Tokens": (lambda line: line.tokens, True),
    "Cost in dollars": (lambda line: float(line.cost_usd), True),
    "First word, seconds": (
        lambda line: None if line.first_token_ms is None else line.first_token_ms / 1000,
        False,
    ),
    "Tokens a second": (lambda line: line.tokens_per_second, False),
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
            ("First word", _seconds(total.first_token_ms)),
            ("Tokens a second", _pace(total)),
        ):
            st.metric(label, value, width="content")
    notes = []
    if total.estimated_tokens:
        notes.append(f"{total.estimated_tokens:,} of the tokens are estimated.")
    if total.unpriced and total.cost_usd:
        notes.append(f"The price of {total.unpriced:,} messages is unknown and not in the sum.")
    if total.running:
        notes.append(f"{total.running:,} replies are still being written.")
    if notes:
        st.caption(" ".join(notes))
    else:
        st.empty()


def draw_chart(report: UsageReport, key: str) -> None:
    chosen = st.segmented_control(
        "Chart", list(_FIGURES), key=key, default="Messages", label_visibility="collapsed"
    )
    name = chosen or "Messages"
    value, adds_up = _FIGURES[name]
    points = [(line, value(line)) for line in reversed(report.lines)]
    shown = [(line, each) for line, each in points if each is not None]
    if not shown:
        st.caption("Nothing is known of this yet.")
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
        stack=adds_up,
        sort=False,  # the oldest day first, as they come
        height=300,
        alt=f"{name} by day and model; the table below holds the same figures.",
    )


def draw_table(report: UsageReport) -> None:
    lines = report.lines[:SHOWN]
    table(
        {
            "Day": [f"{line.day:%d\u00a0%b\u00a0%Y}" for line in lines],
            "Model": [sanitize.plain_text(_label(line.model)) for line in lines],
            "Messages": [f"{line.calls:,}" for line in lines],
            "Tokens sent": [f"{line.prompt_tokens:,}" for line in lines],
            "Written": [f"{line.completion_tokens:,}" for line in lines],
            "Cost": [cost(line).replace("$", "\\$") for line in lines],
            "First word": [_seconds(line.first_token_ms) for line in lines],
            "Tokens a second": [_pace(line) for line in lines],
        }
    )
    if len(report.lines) > SHOWN:
        st.caption(f"The newest {SHOWN:,} of {len(report.lines):,} lines; the CSV has them all.")


def table(columns: dict[str, list[str]]) -> None:
    """A real table, to be read aloud. Its cells are Markdown."""
    st.table(columns, border="horizontal", hide_index=True)


def csv_file(report: UsageReport) -> bytes:
    return csv_of(_CSV, [_row(line) for line in report.lines])


def owner_name(owner: str) -> str:
    """Somebody, told apart from others and no more."""
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
    pace = line.tokens_per_second
    return (
        *(line.day, line.model, line.owner and owner_name(line.owner), line.calls, line.failed),
        *(line.prompt_tokens, line.completion_tokens, line.estimated_tokens),
        # Nothing known is no nought.
        None if line.unpriced and not line.cost_usd else f"{line.cost_usd:f}",
        *(line.unpriced, line.first_token_ms, line.p90_first_token_ms),
        None if pace is None else round(pace, 1),
    )


def _label(ref: str) -> str:
    return tab_state.stored().model_label(ref)


def _seconds(ms: int | None) -> str:
    return "–" if ms is None else f"{ms / 1000:.2f} s"


def _pace(line: UsageLine) -> str:
    pace = line.tokens_per_second
    return "–" if pace is None else f"{pace:,.0f}"


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
