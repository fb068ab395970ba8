"""The History screen: search, export and import, and the trash."""

import streamlit as st

from chat import ImportOutcome, ImportReport, human_size
from pages.conversation import segment_cache
from pages.markdown import sanitize
from pages.session import downloads, notices, tab_state
from pages.shell import back_link
from pages.sidebar import search

service = tab_state.saved_service()
_ICONS = {
    ImportOutcome.ADDED: ":material/add:",
    ImportOutcome.MERGED: ":material/merge:",
    ImportOutcome.UNCHANGED: ":material/check:",
    ImportOutcome.REFUSED: ":material/block:",
}
_MAX_ITEMS = 200  # shown of a report


def restore(conversation_id: str) -> None:
    notices.attempt(service.conversations.undelete, conversation_id)


def purge(conversation_id: str) -> None:
    if notices.succeeds(service.conversations.purge, conversation_id):
        tab_state.drop_copies()
        notices.say("Deleted for good, with all its messages and files.")


def begin_export() -> None:
    """Start the export of all conversations in the background."""
    job = notices.attempt(service.transfer.begin_export)
    if job is not None:
        job.wait(0.5)  # a small export is ready immediately


@st.fragment(run_every=0.5)
def follow_export() -> None:
    """Render the progress of a running export; rerun the page at its end."""
    job = service.transfer.export_job()
    if job is None or not job.is_running:
        st.rerun()
    text = f"Exporting: {job.done:,} of {job.total:,} conversations" if job.total else "Exporting…"
    st.progress(min(1.0, job.done / max(1, job.total)), text)


def begin_import() -> None:
    """Start the import of the uploaded file in the background."""
    uploaded = st.session_state["import_file"]
    if uploaded is None:  # removed in the browser while the button was pressed
        notices.say("Choose a file first.")
    else:
        notices.attempt(service.transfer.begin_import, uploaded, uploaded.name)


@st.fragment(run_every=0.5)
def follow_import() -> None:
    """Render the progress of a running import; rerun the page with its report at the end."""
    job = service.transfer.import_job()
    if job is None or not job.is_running:
        st.rerun()
    with st.container(key="import_running"):
        read, total = job.done / 1_000_000, job.total / 1_000_000
        text = f"Importing: {read:,.1f} of {total:,.1f} MB" if total else "Importing…"
        st.progress(min(1.0, job.done / max(1, job.total)), text)
        st.button("Cancel", key="cancel_import", disabled=job.is_cancelled, on_click=job.cancel)


def draw_report(report: ImportReport) -> None:
    with st.container(key="import_report", border=True):
        st.markdown(f"**{report.sentence}**")
        for note in report.notes:
            st.caption(sanitize.plain_text(note))
        for item in report.items[:_MAX_ITEMS]:
            parts = filter(None, (item.title, item.sentence, *item.notes))
            summary = sanitize.plain_text(" · ".join(parts))
            st.markdown(f":small[{_ICONS[item.outcome]} {item.outcome.capitalize()}: {summary}]")
        if len(report.items) > _MAX_ITEMS:
            st.caption(f"… and {len(report.items) - _MAX_ITEMS:,} more")


segment_cache.clear()
back_link.draw()
st.header("History", anchor=False)
notices.draw()
search.draw_page()

st.subheader("Export", anchor=False)
st.caption("All your conversations with every version and file, as a zip that you can import.")
exported = service.transfer.export_job()
is_exporting = exported is not None and exported.is_running
with st.container(horizontal=True):
    st.button(
        "Export all (.zip)",
        key="export_all",
        icon=":material/inventory_2:",
        disabled=is_exporting,
        on_click=begin_export,
    )
    path = exported.path if exported is not None else None  # another tab may remove the file
    if exported is not None and path is not None:
        st.link_button(
            f"Download the zip ({human_size(exported.size)})",
            downloads.offer(path, exported.file_name, exported.is_available),
            key="download_all",
            icon=":material/save:",
        )
if is_exporting:
    follow_export()
elif exported is not None and exported.problem is not None:
    st.error(exported.problem.sentence, icon=":material/error:")

st.subheader("Import", anchor=False)
st.caption(
    "An export of Parley, ChatGPT's data export (the zip or its conversations.json), or JSONL. "
    "Importing a file twice adds nothing; a changed copy is merged as versions."
)
chosen = st.file_uploader(
    "File to import",
    type=["json", "jsonl", "zip"],
    key="import_file",
    label_visibility="collapsed",
    max_upload_size=500,
)
job = service.transfer.import_job()
is_running = job is not None and job.is_running
st.button(
    "Import",
    key="import",
    icon=":material/upload:",
    disabled=is_running or chosen is None,
    on_click=begin_import,
)
if is_running:
    follow_import()
elif job is not None and job.problem is not None:
    st.error(job.problem.sentence, icon=":material/error:")
elif job is not None and job.report is not None:
    draw_report(job.report)

st.subheader("Trash", anchor=False)
days = service.settings.retention_days
deleted = service.conversations.deleted()
if not deleted:
    st.caption("Trash is empty.")
else:
    st.caption(f"Deleted conversations can be restored for {days} days.")
for conversation in deleted:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(sanitize.plain_text(conversation.title), width="stretch")
        st.button(
            "Restore",
            key=f"restore_{conversation.id}",
            icon=":material/undo:",
            type="tertiary",
            on_click=restore,
            args=(conversation.id,),
        )
        st.button(
            "Delete for good",
            key=f"purge_{conversation.id}",
            icon=":material/delete_forever:",
            type="tertiary",
            on_click=purge,
            args=(conversation.id,),
        )
