"""The admin console's style rules, in the house's tokens."""

from consoles.theme import colour


def css() -> str:
    """Rules for the whole page."""
    return f"""
    :root {{ --design-primary-color: {colour("brand")}; --font-size: 15px; --base-font-size: 15px; }}
    body {{ background: {colour("canvas")}; color: {colour("ink")};
        font-family: "Segoe UI Variable Text", "Segoe UI", "Noto Sans", system-ui, sans-serif; margin: 0; }}
    .plyo-bar {{ background: {colour("rail")}; color: {colour("on-rail")}; padding: .65rem 1.2rem; display: flex;
        gap: 1rem; align-items: center; width: 100%; box-sizing: border-box; }}
    .plyo-bar h1 {{ font-size: 1.15rem; letter-spacing: -.01em; margin: 0; }}
    .plyo-bar small {{ font-size: .95rem; font-weight: 400; margin-left: .6rem; }}
    .plyo-bar .spark {{ color: {colour("spark")}; }}
    .plyo-bar span.right {{ margin-left: auto; opacity: .85; }}
    .plyo-bar a {{ color: inherit; }}
    .plyo-ways {{ background: {colour("rail")}; padding: 0 1.2rem .5rem; display: flex; flex-wrap: wrap;
        gap: .2rem 1.2rem; }}
    .keys {{ margin: auto; max-width: min(26rem, calc(100vw - 2rem)); padding: 1.4rem; border-radius: 14px;
        border: 1px solid {colour("line")}; background: {colour("surface")}; color: {colour("ink")}; }}
    .keys::backdrop {{ background: rgb(0 0 0 / 45%); }}
    .keys h2 {{ font-size: 1.1rem; margin: 0; }}
    .keys dl {{ display: grid; grid-template-columns: auto 1fr; gap: .5rem 1rem; margin: 1rem 0;
        align-items: baseline; }}
    .keys dd {{ margin: 0; }}
    .keys kbd {{ display: inline-block; min-width: 1.9rem; padding: .1rem .45rem; text-align: center; font: inherit;
        border: 1px solid {colour("line-strong")}; border-radius: 6px; background: {colour("sunken")}; }}
    .keys button {{ font: inherit; padding: .4rem .9rem; border: 1px solid {colour("line-strong")}; border-radius: 8px;
        background: none; color: {colour("brand")}; }}
    .plyo-ways a {{ color: {colour("on-rail")}; opacity: .9; padding: .35rem 0; }}
    """


TABS = ".bk-header { display: none; }"
"""Pages without names above them: the menu has those."""

MENU = f"""
.bk-btn-group {{ display: flex; overflow-x: auto; border-bottom: 1px solid {colour("line")}; padding: 3px; }}
.bk-btn {{ flex: none; font-size: 1rem; padding: .65rem 1rem; border: 0 !important;
    border-radius: 8px 8px 0 0 !important; box-shadow: none !important;
    color: {colour("ink-soft")}; background: none !important; }}
.bk-btn.bk-active {{ color: {colour("brand")} !important; font-weight: 650;
    border-bottom: 3px solid {colour("brand")} !important; }}
.bk-btn:focus-visible {{ outline: 2px solid {colour("brand")} !important; outline-offset: -2px; }}
"""

CARD = f"""
:host {{ background: {colour("surface")}; border: 1px solid {colour("line")}; border-radius: 14px; padding: 14px 16px;
    box-sizing: border-box; }}
"""

HEADING = "h2 { font-size: 1rem; margin: .2rem 0; }"
"""A section's title: second to the page's own, and no larger than it was."""

QUIET = f"""
:host, .card-header {{ border: 0 !important; outline: 0; box-shadow: none !important; }}
.card-header {{ padding: 0; justify-content: flex-start; text-align: left; }}
.card-header:focus-visible {{ outline: 2px solid {colour("brand")} !important; }}
"""
"""A card to unfold that does not shout."""

TEXT = f"""
code {{ color: {colour("ink")} !important; background: {colour("sunken")}; padding: 0 .25em; border-radius: 4px; }}
pre code {{ background: none; padding: 0; }}
pre {{ overflow: auto; max-height: 18rem; background: {colour("canvas")}; padding: 8px; border-radius: 6px; }}
"""
"""Words with names of tables and SQL in them."""

LINK = f"""
.bk-btn {{ background: none !important; border: 1px solid {colour("line-strong")} !important; border-radius: 8px;
    color: {colour("brand")} !important; }}
.bk-btn:focus-visible {{ outline: 2px solid {colour("brand")} !important; }}
"""
"""A button that leads somewhere and changes nothing."""
