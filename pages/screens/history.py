"""The history as a whole: find, take back, carry out and in."""

import tempfile

import streamlit as st

from chat import ImportOutcome, ImportReport
from pages.markdown import sanitize
from pages.rendering import draw_turns
from pages.session import notices, tab_state, visitor
from pages.shell import back_link
from pages.sidebar import search

service, owner = tab_state.stored(), visitor.owner()
_ICONS = {
    ImportOutcome.ADDED: ":material/add:",
    ImportOutcome.MERGED: ":material/merge:",
    ImportOutcome.UNCHANGED: ":material/check:",
    ImportOutcome.REFUSED: ":material/block:",
}
_SHOWN = 200  # items of a report


def restore(conversation_id: str) -> None:
    notices.attempt(service.undelete, owner, conversation_id)


def remove(conversation_id: str) -> None:
    if notices.succeeds(service.purge, owner, conversation_id):
        notices.say("Deleted for good, with all its messages and files.")


def pack() -> None:
    """Write everything into a zip that waits to be downloaded."""
    draw_turns.over()  # it takes a while
    bar = st.progress(0.0, "Packing your conversations…")

    def tell(done: int, total: int) -> None:
        bar.progress(done / max(1, total), f"{done:,} of {total:,}")

    with tempfile.SpooledTemporaryFile(max_size=32_000_000) as file:
        count = notices.attempt(service.export_all, owner, file, tell)
        if count is None:
            st.rerun()  # the notice has its place above
        file.seek(0)
        st.session_state["everything"] = file.read()
    bar.empty()


def bring_in() -> None:
    """Begin to import what was uploaded."""
    uploaded = st.session_state["import_file"]
    if uploaded is None:  # the browser took it back while the button was pressed
        notices.say("Choose a file first.")
    else:
        notices.attempt(service.begin_import, owner, uploaded, uploaded.name)


@st.fragment(run_every=0.5)
def follow_import() -> None:
    """Show how far a running import is; once it is over the page is drawn with its report."""
    job = service.import_job(owner)
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
        for item in report.items[:_SHOWN]:
            parts = filter(None, (item.title, item.sentence, *item.notes))
            said = sanitize.plain_text(" · ".join(parts))
            st.markdown(f":small[{_ICONS[item.outcome]} {item.outcome.capitalize()}: {said}]")
        if len(report.items) > _SHOWN:
            st.caption(f"… and {len(report.items) - _SHOWN:,} more")


back_link.draw()
st.header("History", anchor=False)
notices.draw()
search.draw_page()

st.subheader("Take it with you", anchor=False)
st.caption("All your conversations with every version and file, in one zip to be imported again.")
with st.container(horizontal=True):
    if st.button("Prepare the zip", key="export_all", icon=":material/inventory_2:"):
        pack()
    if "everything" in st.session_state:
        st.download_button(
            "Download the zip",
            data=st.session_state["everything"],
            file_name="parley.zip",
            mime="application/zip",
            key="download_all",
            icon=":material/save:",
            on_click="ignore",
        )

st.subheader("Bring conversations in", anchor=False)
st.caption(
    "An export of Parley, ChatGPT's data export (the zip or its conversations.json), or JSONL. "
    "The same file twice adds nothing; a changed copy is merged as versions."
)
chosen = st.file_uploader(
    "File to import",
    type=["json", "jsonl", "zip"],
    key="import_file",
    label_visibility="collapsed",
    max_upload_size=500,
)
job = service.import_job(owner)
is_running = job is not None and job.is_running
st.button(
    "Import",
    key="import",
    icon=":material/upload:",
    disabled=is_running or chosen is None,
    on_click=bring_in,
)
if is_running:
    follow_import()
elif job is not None and job.problem is not None:
    st.error(job.problem.sentence, icon=":material/error:")
elif job is not None and job.report is not None:
    draw_report(job.report)

st.subheader("Deleted", anchor=False)
days = service.settings.retention_days
deleted = service.deleted(owner)
if not deleted:
    st.caption("Nothing is waiting here.")
else:
    st.caption(f"These can be taken back; after {days} days they are removed for good.")
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
            on_click=remove,
            args=(conversation.id,),
        )
