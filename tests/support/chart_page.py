"""A Streamlit page of charts and tables behind Parley's middleware, to test the CSP with them."""

from __future__ import annotations

import altair
import pandas
import streamlit as st

if __name__ != "__main__":  # Streamlit imports the file for the app and executes it as a script
    from tests.support.middleware import middleware, routes

    app = st.App(__file__, routes=routes(), middleware=middleware())
else:
    frame = pandas.DataFrame({"day": ["Mon", "Tue"], "tokens": [3, 5]})
    st.bar_chart(frame, x="day", y="tokens")
    st.line_chart(frame, x="day", y="tokens")
    st.scatter_chart(frame, x="day", y="tokens")
    st.altair_chart(
        altair.Chart(frame)
        .mark_bar()
        .encode(x="day", y="tokens", tooltip=["day", "tokens"])
        .interactive()
    )
    st.dataframe(frame)
    st.table(frame)
    st.download_button("As CSV", frame.to_csv(index=False), "usage.csv", "text/csv")
    st.image(b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'.decode())
    st.text("the end")
