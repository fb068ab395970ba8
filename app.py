"""The entry: an ASGI app when `streamlit run` imports it, the pages when it runs as a script."""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

if get_script_run_ctx(suppress_warning=True) is None:
    from pages.session.tab_state import stored
    from pages.session.visitor import may_upload
    from pages.shell.lifespan import lifespan, on_script_error
    from pages.streamlit_patches import secrets_errors
    from pages.streamlit_patches.media_ownership import may_fetch
    from server.wiring import middleware, routes

    secrets_errors.make_bearable()
    app = st.App(
        __file__,
        routes=routes(stored),
        middleware=middleware(may_upload, may_fetch),
        lifespan=lifespan,
        on_script_error=on_script_error,
    )
else:
    from pages.session import request_tracing
    from pages.shell import shell

    with request_tracing.run():
        shell.run()
