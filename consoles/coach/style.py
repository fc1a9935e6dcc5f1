"""The coach console's few style rules on top of Streamlit's theme, in the house's tokens."""

from collections.abc import Sequence
from contextlib import nullcontext

import plotly.graph_objects as go
import streamlit as st
from streamlit.navigation.page import StreamlitPage

from consoles import charts
from consoles.theme import colour

NARROW = "640px"
"""Up to here a screen is a phone's: a week would be seven columns of names too small to read."""


def apply() -> None:
    """Add the rules to the page."""
    st.html(
        f"""<style>
        .block-container {{ padding-top: 4.2rem; max-width: 1180px; }}
        [data-testid="stMetric"] {{ background: {colour("surface")}; border: 1px solid {colour("line")};
            border-radius: 14px; padding: .8rem 1rem; }}
        [data-testid="stMetricLabel"] p {{ color: {colour("ink-soft")}; }}
        [data-testid="stCaptionContainer"] {{ opacity: 1; }}
        [data-testid="stCaptionContainer"] p {{ color: {colour("ink-soft")}; }}
        .block-container h2 {{ font-size: 1.45rem; padding-top: .4rem; }}
        .plyo-risk {{ display: inline-block; border-radius: 999px; padding: .1rem .65rem; font-weight: 650;
            font-size: .86rem; }}
        .plyo-why {{ color: {colour("ink-soft")}; margin: .15rem 0 .4rem; }}
        @media (max-width: 640px) {{
            .st-key-tiles [data-testid="stHorizontalBlock"] {{ flex-wrap: wrap; gap: .6rem; }}
            .st-key-tiles [data-testid="stMetricValue"] {{ font-size: 1.35rem; }}
            .st-key-tiles [data-testid="stColumn"] {{ min-width: calc(50% - .3rem); flex: 1 1 calc(50% - .3rem); }}
        }}
        @media (max-width: 640px) {{ .block-container {{ padding-left: .8rem; padding-right: .8rem; }} }}
        ul.plyo-agenda.plyo-agenda {{ list-style: none; margin: 0; padding: 0; background: {colour("surface")};
            border: 1px solid {colour("line")}; border-radius: 14px; }}
        .plyo-agenda li {{ display: grid; grid-template-columns: 3.4rem minmax(0, 1fr) auto; gap: .8rem;
            align-items: center; margin: 0; padding: .7rem .9rem; border-top: 1px solid {colour("line")}; }}
        .plyo-agenda li:first-child {{ border-top: 0; }}
        .plyo-agenda small {{ color: {colour("ink-soft")}; font-size: .86rem; }}
        @media (max-width: {NARROW}) {{ .st-key-wide-week, .st-key-wide-steps {{ display: none; }} }}
        @media not all and (max-width: {NARROW}) {{ .st-key-narrow-day, .st-key-narrow-menu {{ display: none; }} }}
        .st-key-narrow-menu {{ flex-wrap: nowrap !important; overflow-x: auto; gap: .2rem;
            border-bottom: 1px solid {colour("line")}; }}
        .st-key-narrow-menu > * {{ flex: none; }}
        .st-key-narrow-now {{ border-bottom: 3px solid {colour("brand")}; }}
        </style>"""
    )


def narrow_menu(pages: Sequence[StreamlitPage], chosen: StreamlitPage) -> None:
    """The pages by name on a phone, where Streamlit puts its own menu behind a drawer; the open one is marked."""
    with st.container(key="narrow-menu", horizontal=True):
        for page in pages:
            with st.container(key="narrow-now", width="content") if page == chosen else nullcontext():
                st.page_link(page, width="content")


def tiles(*values: tuple[str, str | int]) -> None:
    """Numbers side by side, two in a row on a phone. Once a page.

    Args:
        values: Label and value of each.
    """
    with st.container(key="tiles"):
        for column, (label, value) in zip(st.columns(len(values)), values, strict=True):
            column.metric(label, value)


def chart(figure: go.Figure) -> None:
    """Draw a figure as wide as its place, with what it shows in words for who cannot see it."""
    st.plotly_chart(figure, config={"displayModeBar": False}, alt=charts.told(figure))


def badge(text: str, token: str) -> str:
    """A pill in the colour of a state (good, warn, bad, info, ink-soft), as HTML. `text` must be our own words."""
    ink = colour(token)
    back = colour(f"{token}-soft") if token in ("good", "warn", "bad", "info") else colour("sunken")
    return f'<span class="plyo-risk" style="color:{ink};background:{back}">{text}</span>'
