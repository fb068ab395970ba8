"""Whether the administrator has chosen the address that the server listens on."""

from __future__ import annotations


def is_address_chosen() -> bool:
    """Return False if `streamlit run` listens on all interfaces because nothing was configured.

    Another server than `streamlit run` always gets its address from the administrator.
    """
    from streamlit import config

    mode = getattr(config, "_server_mode", None)
    is_streamlit_run = mode in ("starlette-app", "starlette-app-direct")
    return not is_streamlit_run or config.is_manually_set("server.address")
