"""How HTML looks in Markdown: its tags, and what begins and ends a block of it.

CommonMark's patterns and nothing else. This module must not know what is done with what they find.
"""

import re

HTML = [
    (re.compile(r"<(?:script|pre|style|textarea)(?=[ \t>]|$)", re.IGNORECASE),
     re.compile(r"</(?:script|pre|style|textarea)>", re.IGNORECASE)),
    (re.compile(r"<!--"), re.compile(r"-->")),
    (re.compile(r"<\?"), re.compile(r"\?>")),
    (re.compile(r"<![A-Za-z]"), re.compile(r">")),
    (re.compile(r"<!\[CDATA\["), re.compile(r"\]\]>")),
]  # fmt: skip
HTML_BLOCK = re.compile(
    r"</?(?:address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|"
    r"details|dialog|dir|div|dl|dt|fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|"
    r"head|header|hr|html|iframe|legend|li|link|main|menu|menuitem|nav|noframes|ol|optgroup|"
    r"option|p|param|search|section|summary|table|tbody|td|tfoot|th|thead|title|tr|track|ul)"
    r"(?=[ \t]|/?>|$)",
    re.IGNORECASE,
)
# Blanks are spaces, tabs and line ends alone: whoever counts others sees other tags.
ATTRIBUTE = (
    r"(?>[ \t\n]+[A-Za-z_:][A-Za-z0-9_.:-]*+"
    r"""(?>[ \t\n]*=[ \t\n]*(?>[^ \t\n"'=<>`]++|'[^']*+'|"[^"]*+"))?+)"""
)
HTML_TAG = re.compile(
    rf"<(?:[A-Za-z][A-Za-z0-9-]*+{ATTRIBUTE}*+[ \t\n]*+/?|/[A-Za-z][A-Za-z0-9-]*+[ \t\n]*+)>"
)
HTML_ALONE = re.compile(rf"{HTML_TAG.pattern}[ \t]*$")
RAW = (("<!--", "-->"), ("<?", "?>"), ("<![CDATA[", "]]>"))
EMPTY_COMMENTS = ("<!-->", "<!--->")
