"""Administration on the Usage screen: everyone's figures, banner, paused models and backup."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import streamlit as st

from chat import Person, UsageLine, UsageReport, human_size
from pages.markdown import sanitize
from pages.session import downloads, notices, tab_state
from pages.usage import report as figures

ALL = "*"


def draw(person: Person, days: int) -> None:
    service = tab_state.saved_service()
    st.header("Everyone", anchor=False)
    report = notices.quietly(service.admin.usage, person, days)
    if report is None:
        st.caption("These figures are unavailable right now.")
        return
    with st.container(key="usage_everyone"):
        _draw_people(report)
        _draw_errors(report)
        figures.offer_csv(
            report, "Download everyone's as CSV", "parley-usage-everyone", "usage_everyone_csv"
        )
    _draw_banner(person)
    _draw_paused_models(person)
    _draw_backup(person)


def _draw_people(report: UsageReport) -> None:
    sums: dict[str, UsageLine] = defaultdict(UsageLine)
    for line in report.lines:
        before = sums[line.owner]
        sums[line.owner] = replace(
            before,
            calls=before.calls + line.calls,
            failed=before.failed + line.failed,
            prompt_tokens=before.prompt_tokens + line.prompt_tokens,
            completion_tokens=before.completion_tokens + line.completion_tokens,
            cost_usd=before.cost_usd + line.cost_usd,
            unpriced=before.unpriced + line.unpriced,
        )
    people = sorted(sums.items(), key=lambda each: (-each[1].cost_usd, -each[1].tokens, each[0]))
    rows = [*people[: figures.MAX_ROWS], ("", report.total)]
    figures.table(
        {
            "User": [
                sanitize.plain_text(figures.owner_name(who)) if who else "**Everyone**"
                for who, _ in rows
            ],
            "Messages": [f"{line.calls:,}" for _, line in rows],
            "Failed": [f"{line.failed:,}" for _, line in rows],
            "Tokens": [f"{line.tokens:,}" for _, line in rows],
            "Cost": [figures.cost(line).replace("$", "\\$") for _, line in rows],
        }
    )


def _draw_errors(report: UsageReport) -> None:
    st.subheader("Errors by kind", anchor=False)
    if not report.errors:
        st.caption("None.")
        return
    figures.table(
        {
            "Error": [sanitize.plain_text(code.replace("_", " ")) for code, _ in report.errors],
            "Count": [f"{count:,}" for _, count in report.errors],
        }
    )


def _draw_banner(person: Person) -> None:
    st.subheader("Banner", anchor=False)
    st.caption("Shown to everyone at the top of every screen. Leave empty for none.")
    _show_stored("banner_text", tab_state.saved_service().admin.banner())
    with st.form("banner_form", border=False):
        st.text_input(
            "Banner",
            max_chars=500,
            key="banner_text",
            label_visibility="collapsed",
            placeholder="Closed for maintenance at noon",
        )
        st.form_submit_button(
            "Set banner",
            key="set_banner",
            icon=":material/campaign:",
            on_click=_set_banner,
            args=(person,),
        )


def _set_banner(person: Person) -> None:
    service = tab_state.saved_service()
    notices.attempt(service.admin.set_banner, person, st.session_state["banner_text"])


def _draw_paused_models(person: Person) -> None:
    service = tab_state.saved_service()
    paused = service.admin.switched_off()
    st.subheader("Pause models", anchor=False)
    st.caption(
        "A paused model is not called, and its running replies are stopped. "
        "Guide keeps working: it is offline."
    )
    _show_stored("switch_off_all", ALL in paused)
    st.toggle(
        "Pause all models except Guide",
        key="switch_off_all",
        on_change=_pause_all,
        args=(person,),
    )
    listed = {model.ref for model in service.models.available() if model.provider != "guide"}
    _show_stored("switch_off", sorted(paused - {ALL}))
    st.multiselect(
        "Paused models",
        sorted(listed | (paused - {ALL})),
        key="switch_off",
        format_func=service.models.label,
        accept_new_options=True,
        placeholder="Choose a model or type provider/model",
        on_change=_pause,
        args=(person, paused - {ALL}),
    )


def _show_stored(key: str, stored: object) -> None:
    if st.session_state.get(key) != stored:
        st.session_state[key] = stored


def _pause_all(person: Person) -> None:
    is_paused = st.session_state["switch_off_all"]
    notices.attempt(tab_state.saved_service().admin.switch_off, person, ALL, is_paused)


def _pause(person: Person, rendered: frozenset[str]) -> None:
    """Apply only what was changed here; another admin may have changed more since `rendered`."""
    service = tab_state.saved_service()
    chosen = frozenset(st.session_state["switch_off"])
    for ref in chosen ^ rendered:
        notices.attempt(service.admin.switch_off, person, ref, ref in chosen)


def _draw_backup(person: Person) -> None:
    st.subheader("Backup", anchor=False)
    st.caption(
        "One file with the conversations and files of all users. Protect it like the database. "
        "To restore it, run: python -m chat restore FILE"
    )
    backup = notices.quietly(tab_state.saved_service().admin.backup, person)
    is_running = backup is not None and backup.is_running
    with st.container(horizontal=True):
        st.button(
            "Create backup",
            key="backup",
            icon=":material/backup:",
            disabled=is_running,
            on_click=_begin_backup,
            args=(person,),
        )
        path = backup.path if backup is not None else None  # it may expire at any time
        if backup is not None and path is not None:
            st.link_button(
                f"Download the backup ({human_size(backup.size)})",
                downloads.offer(path, backup.file_name, backup.is_available),
                key="download_backup",
                icon=":material/save:",
            )
    if is_running:
        _follow_backup(person)
    elif backup is not None and backup.problem is not None:
        st.error(backup.problem.sentence, icon=":material/error:")


def _begin_backup(person: Person) -> None:
    backup = notices.attempt(tab_state.saved_service().admin.begin_backup, person)
    if backup is not None:
        backup.wait(0.5)  # a small backup is ready immediately


@st.fragment(run_every=0.5)
def _follow_backup(person: Person) -> None:
    backup = notices.quietly(tab_state.saved_service().admin.backup, person)
    if backup is None or not backup.is_running:
        st.rerun()
    st.caption("Creating the backup…")
