"""Tests for links with a text that hides the host of their address."""

import pytest

from pages.markdown import sanitize

EVIL = "https://evil.example/x"
HIDING = [
    # the host of another site, also broken up by markup or invisible characters
    f"[https://good.example]({EVIL})",
    f"[good.example]({EVIL})",
    f"[GOOD.EXAMPLE]({EVIL})",
    f"[good`.`example]({EVIL})",
    f"[**good**.example]({EVIL})",
    f"[good.*ex*ample]({EVIL})",
    f"[good.![](x)example]({EVIL})",
    f"[![good.example](x)]({EVIL})",
    f"[good.~~e~~xample]({EVIL})",
    f"[good&period;example]({EVIL})",
    f"[good&#46;example]({EVIL})",
    f"[good\\.example]({EVIL})",
    f"[good.\u034fexample]({EVIL})",
    f"[good.\ufe0fexample]({EVIL})",
    f"[go\u200bod.exam\u00adple]({EVIL})",
    f"[go\u2060od.exa\u115fmple]({EVIL})",
    f"[good\u3164.example]({EVIL})",
    f"[good.\u180eexample]({EVIL})",
    # characters that look like a dot
    f"[good\uff0eexample]({EVIL})",
    f"[good\u3002example]({EVIL})",
    f"[good\u2024example]({EVIL})",
    f"[good\u00b7example]({EVIL})",
    f"[good\u2022example]({EVIL})",
    f"[good\uff61example]({EVIL})",
    # hosts that are no names
    f"[127.0.0.1]({EVIL})",
    f"[localhost]({EVIL})",
    f"[http://localhost]({EVIL})",
    f"[http://intranet/a]({EVIL})",
    f"[intranet:8080]({EVIL})",
    f"[\\[::1\\]:80]({EVIL})",
    f"[xn--e1awd7f.xn--p1ai]({EVIL})",
    f"[b\u0430nk.com]({EVIL})",
    f"[user@good.example]({EVIL})",
    # right to left, nothing visible, too long
    f"[\u202egood.example]({EVIL})",
    f"[\u200fgood.example]({EVIL})",
    f"[elpmaxe.doog\u202e]({EVIL})",
    f"[ ]({EVIL})",
    f"[\u2800]({EVIL})",
    f"[\u00a0]({EVIL})",
    f"[]({EVIL})",
    f"[{'a' * 1001}]({EVIL})",
    # other ways to write the destination
    "[good.example](https://good.example@evil.example/)",
    "[good.example](https:evil.example)",
    "[good.example](https:\\\\evil.example)",
    "[good.example](//evil.example)",
    "[good.example](/\\evil.example)",
    "[good.example](https://good.example:a@evil.example/)",
    "[good.example](https://evil.example\\\\@good.example)",
    "[good.example](<https://evil.example/ x>)",
    "[good.example](https://%65vil.example)",
    "[good.example](https://evil&#46;example)",
    "[good.example](HTTPS://EVIL.EXAMPLE)",
    "[good.example](https://evil.example.)",
    "[https://good.example](https://evil.example/((((((((((a)))))))))))",
    "[good.example](https://good.example.evil.example)",
    "[good.example](https://evil.example?good.example)",
    "[good.example](https://evil.example#@good.example)",
    "[good.example](ht\ttps://evil.example)",
    # references and bare URLs
    "[good.example][a]\n\n[a]: https://evil.example",
    "[good.example]\n\n[good.example]: //evil.example",
    "https://good.example@evil.example",
    "<https://good.example@evil.example/>",
    "https://good.example:80@evil.example",
    "<https://good.example&#64;evil.example>",
]


@pytest.mark.parametrize("text", HIDING)
def test_link_shows_the_host_that_it_leads_to(text: str) -> None:
    written = sanitize.markdown(text)
    if "](<" in written:
        label = written.partition("](<")[0]
        assert "evil.example" in label.replace("\\", "").casefold()
    else:
        assert "](" not in written.replace("\\](", "").replace("\\]\\(", "")


HONEST = [
    "[good.example](https://good.example/a)",
    "[good.example](https://www.good.example)",
    "[www.good.example](https://good.example)",
    "[example](https://good.example)",
    "[docs](https://good.example)",
    "[Python 3.11](https://good.example)",
    "[a/b](https://good.example)",
    "[main.py](https://good.example)",
    "[it's](https://good.example)",
    "[1.2](https://good.example)",
    "https://good.example/a?b=c",
    "www.good.example",
    "<https://good.example>",
    "[a](/b)",
    "[a](#b)",
]


@pytest.mark.parametrize("text", HONEST)
def test_honest_link_has_no_host_beside_it(text: str) -> None:
    assert "\\(" not in sanitize.markdown(text)


def test_reference_leads_where_the_checked_definition_leads() -> None:
    definitions = "[a\u00a0b]: https://good.example\n[a b]: https://evil.example"
    text = f"{definitions}\n\n[https://good.example][a b]"
    assert sanitize.markdown(text) == r"[https\://good.example](<https://good.example>)"
