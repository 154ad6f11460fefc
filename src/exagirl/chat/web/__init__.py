"""The character in the browser."""

from exagirl.chat.web.cast import Guest
from exagirl.chat.web.page import build_page, page_style, serving_options

__all__ = ["Guest", "build_page", "page_style", "serving_options"]
