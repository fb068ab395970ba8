"""Entry point: `streamlit run` imports it for the ASGI app and executes it as the page script."""

import streamlit as st

if __name__ == "__main__":
    from pages.session import process, request_tracing
    from pages.shell import shell

    with request_tracing.run():
        shell.run()
else:
    from pages.session import configuration, downloads, process, tab_state, visitor
    from pages.shell.lifespan import lifespan, on_script_error
    from pages.streamlit_patches.active_sessions import count_active_sessions
    from pages.streamlit_patches.held_uploads import held_uploads
    from pages.streamlit_patches.index_page import index_html
    from pages.streamlit_patches.install import install
    from pages.streamlit_patches.session_owners import close_disconnected_sessions
    from server.wiring import AccessChecks, middleware, routes

    patches = install(visitor.visitor_cookie, visitor.VISITOR_COOKIE, tab_state.COMPLETE_RUN)
    settings = configuration.read().settings
    app = st.App(
        __file__,
        routes=routes(process.chat_service, count_active_sessions, downloads.find),
        middleware=middleware(
            settings,
            index_html(),
            tabs=process.open_tabs(),
            is_local_only=process.is_local_only(),
            access=AccessChecks(
                visitor_key=visitor.signing_key,
                is_earlier_visitor=visitor.is_earlier,
                has_access=visitor.has_access,
                may_upload=visitor.may_upload,
                held_uploads=held_uploads,
                may_fetch=patches.media_owners.may_fetch,
                may_clear_sign_in=visitor.may_clear_sign_in,
                forget_sessions=close_disconnected_sessions,
                message_bytes=process.message_bytes,
            ),
        ),
        lifespan=lifespan(settings),
        on_script_error=on_script_error,
    )
