"""CommonMark's patterns for inline HTML_BLOCK_DELIMITERS tags and HTML_BLOCK_DELIMITERS blocks.

Source: https://spec.commonmark.org/0.31.2/#html-blocks and #raw-html.
"""

import re

HTML_BLOCK_DELIMITERS = [
    (re.compile(r"<(?:script|pre|style|textarea)(?=[ \t>]|$)", re.IGNORECASE),
     re.compile(r"</(?:script|pre|style|textarea)>", re.IGNORECASE)),
    (re.compile(r"<!--"), re.compile(r"-->")),
    (re.compile(r"<\?"), re.compile(r"\?>")),
    (re.compile(r"<![A-Za-z]"), re.compile(r">")),
    (re.compile(r"<!\[CDATA\["), re.compile(r"\]\]>")),
]  # fmt: skip
BLOCK_TAG = re.compile(
    r"</?(?:address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|"
    r"details|dialog|dir|div|dl|dt|fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|"
    r"head|header|hr|html|iframe|legend|li|link|main|menu|menuitem|nav|noframes|ol|optgroup|"
    r"option|p|param|search|section|summary|table|tbody|td|tfoot|th|thead|title|tr|track|ul)"
    r"(?=[ \t]|/?>|$)",
    re.IGNORECASE,
)
# CommonMark allows only spaces, tabs and line endings here; \s would match other tags.
ATTRIBUTE = (
    r"(?>[ \t\n]+[A-Za-z_:][A-Za-z0-9_.:-]*+"
    r"""(?>[ \t\n]*=[ \t\n]*(?>[^ \t\n"'=<>`]++|'[^']*+'|"[^"]*+"))?+)"""
)
HTML_TAG = re.compile(
    rf"<(?:[A-Za-z][A-Za-z0-9-]*+{ATTRIBUTE}*+[ \t\n]*+/?|/[A-Za-z][A-Za-z0-9-]*+[ \t\n]*+)>"
)
STANDALONE_TAG = re.compile(rf"{HTML_TAG.pattern}[ \t]*$")
RAW_DELIMITERS = (("<!--", "-->"), ("<?", "?>"), ("<![CDATA[", "]]>"))
EMPTY_COMMENTS = ("<!-->", "<!--->")
