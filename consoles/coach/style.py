"""The coach console's few style rules on top of Streamlit's theme, in the house's tokens."""

import streamlit as st

from consoles.theme import colour


def apply() -> None:
    """Add the rules to the page."""
    st.html(
        f"""<style>
        .block-container {{ padding-top: 4.2rem; max-width: 1180px; }}
        [data-testid="stMetric"] {{ background: {colour("surface")}; border: 1px solid {colour("line")};
            border-radius: 14px; padding: .8rem 1rem; }}
        [data-testid="stMetricLabel"] p {{ color: {colour("ink-soft")}; }}
        .plyo-risk {{ display: inline-block; border-radius: 999px; padding: .1rem .65rem; font-weight: 650;
            font-size: .86rem; }}
        .plyo-why {{ color: {colour("ink-soft")}; margin: .15rem 0 .4rem; }}
        @media (max-width: 640px) {{ .block-container {{ padding-left: .8rem; padding-right: .8rem; }} }}
        </style>"""
    )


def badge(text: str, token: str) -> str:
    """A pill in the colour of a state (good, warn, bad, info, ink-soft), as HTML. `text` must be our own words."""
    ink = colour(token)
    back = colour(f"{token}-soft") if token in ("good", "warn", "bad", "info") else colour("sunken")
    return f'<span class="plyo-risk" style="color:{ink};background:{back}">{text}</span>'
