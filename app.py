"""The entry: an ASGI app when `streamlit run` imports it, the pages when it runs as a script."""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

if get_script_run_ctx(suppress_warning=True) is None:
    from pages.parts import secrets_file
    from pages.parts.identity import may_upload
    from pages.parts.media import may_fetch
    from pages.parts.process import lifespan, on_script_error
    from pages.parts.state import stored
    from server.edge import middleware, routes

    secrets_file.make_bearable()
    app = st.App(
        __file__,
        routes=routes(stored),
        middleware=middleware(may_upload, may_fetch),
        lifespan=lifespan,
        on_script_error=on_script_error,
    )
else:
    from pages.parts import shell, tracing

    with tracing.run():
        shell.run()
