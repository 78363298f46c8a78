"""What was found, for people: a page of text, a page of Markdown for a review, and a page with pictures for a browser.

Owns words, tables and pictures; measures nothing and knows no path: `stages` hands over what the result files say.
`text` needs nothing but the results; the others are imported where a report is written, since they bring plotly.
"""

from .text import converted, page, table

__all__ = ["converted", "page", "table"]
