"""The Usage screen: the user's own figures and, for admins, everyone's and administration."""

import streamlit as st

from chat import ParleyError
from pages.conversation import segment_cache
from pages.session import notices, tab_state, visitor
from pages.shell import back_link
from pages.usage import admin
from pages.usage import report as figures

DAYS = {7: "7 days", 30: "30 days", 90: "90 days"}

segment_cache.clear()
back_link.draw()
st.header("Usage", anchor=False)
notices.draw()
days = (
    st.segmented_control(
        "Period",
        list(DAYS),
        key="usage_days",
        default=30,
        format_func=DAYS.__getitem__,
        label_visibility="collapsed",
    )
    or 30
)
try:
    report = tab_state.saved_service().usage.report(days)
except ParleyError as error:
    st.error(error.sentence)
    st.stop()
figures.draw_totals(report)
if report.lines:
    figures.draw_chart(report, "usage_chart")
    with st.container(key="usage_table"):
        figures.draw_table(report)
    figures.offer_csv(report, "Download as CSV", "parley-usage", "usage_csv")
    st.caption(
        "Days are in UTC. Deleted conversations are included, because their cost was incurred. "
        "Guide and local models are free."
    )
else:
    st.caption("No messages in this period.")
if (person := visitor.person()).is_admin:
    admin.draw(person, days)
