"""Tests for text in other encodings than UTF-8: what is guessed, said and can be changed."""

from __future__ import annotations

from random import Random

import pytest

from chat.attachments.reading import FileReader
from chat.attachments.token_cost import AttachmentPricer
from chat.config.settings import Settings
from chat.domain.attachment import File
from chat.domain.text_encodings import TEXT_ENCODINGS
from chat.errors import FileRefused, UnreadableFile
from chat.providers.tokenizer import Tokenizer
from readers.encoding_guess import CANDIDATES
from readers.text_decoding import decode

NUMBERS = "\n".join(f"{number},{number * 3},{number % 7}" for number in range(300))


@pytest.mark.parametrize("rows", [f"\n{NUMBERS}\n", "\n"], ids=["table", "short"])
@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("gbk", "日期,销售额,地区"),
        ("gbk", "姓名,年龄"),
        ("gbk", "编号,产品名称,单价,数量"),
        ("gb18030", "Excel表,备注：无"),
        ("gbk", "张三,李四"),
        ("big5", "日期,銷售額,地區"),
        ("big5", "編號,產品名稱,單價,數量"),
        ("big5", "台北,高雄"),
        ("shift_jis", "日付,売上,地域"),
        ("shift_jis", "都市,人口"),
        ("cp932", "ﾅﾏｴ,ｷﾝｶﾞｸ,テスト"),
        ("shift_jis", "商品コード,商品名,単価"),
        ("euc_jp", "商品コード,商品名,単価,数量"),
        ("euc_jp", "注文番号,お客様"),
        ("euc_kr", "날짜,매출,지역"),
        ("euc_kr", "이름,나이"),
        ("cp949", "서울,부산,합계"),
        ("cp1250", "Miasto,Ludność,Województwo"),
        ("cp1250", "Příjmení,Jméno,Věk"),
        ("cp1250", "Dátum,Összeg,Név"),
        ("cp1251", "Дата,Сумма,Город"),
        ("cp1251", "ИТОГО,СУММА"),
        ("cp1251", "№,ФИО,Должность"),
        ("cp1252", "Ort;Größe;Straße"),
        ("cp1252", "Année,Mois,Région"),
        ("cp1252", "ÜBERSICHT;GRÖSSE"),
        ("cp1252", "L’été,naïve,œuvre"),
        ("cp1252", "Preis €,5 °C,100 £"),
        ("cp1253", "Ημερομηνία,Ποσό,Πόλη"),
        ("cp1254", "İsim,Yaş"),
        ("cp1254", "Müşteri,Satış,Ağırlık"),
        ("cp1255", "תאריך,סכום הכנסה,עיר"),
        ("cp1256", "التاريخ,المبلغ,المدينة"),
        ("cp1257", "Pilsēta,Iedzīvotāji,Apgabals"),
        ("koi8-r", "Дата,Сумма,Город"),
        ("koi8-r", "Артикул,Наименование,Цена"),
        ("cp866", "Дата,Сумма,Город"),
        ("cp866", "Имя,Возраст"),
        ("cp850", "Ort;Größe;Straße"),
        ("cp437", "Año,Población,Región"),
        ("cp852", "Imię,Nazwisko,Płeć"),
        ("mac-cyrillic", "Дата,Сумма,Город"),
        ("cp1251", "Љубав,Ђорђе,Његош"),
        ("cp1252", "12 ± 3,2 × 4,5\u00a0%"),
        ("cp866", "┌──────────┐,│ Название │,└──────────┘"),
        ("mac-roman", "Ort;Größe;Straße"),
        ("mac-roman", "Année,Mois,Région"),
        ("iso8859-2", "Miasto,Ludność,Województwo"),
    ],
)
def test_encoding_is_guessed_from_a_few_words(encoding: str, words: str, rows: str) -> None:
    text = words + rows
    decoded = decode(text.encode(encoding))
    assert decoded.text == text
    assert decoded.encoding in TEXT_ENCODINGS


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ('<?xml version="1.0" encoding="windows-1251"?><a>ГЅД</a>', "cp1251"),
        ("<html><meta charset=gb2312><p>是,否</p>", "gbk"),
        ('<meta http-equiv=x content="text/html; charset=Big5">否', "big5"),
        ("#!/usr/bin/python\n# -*- coding: koi8-r -*-\nprint('да')", "koi8-r"),
        ('@charset "iso-8859-2"; /* žluť */', "iso8859-2"),
        ("日本語のメール\n", "iso2022_jp"),
    ],
)
def test_declared_encoding_is_no_guess(text: str, encoding: str) -> None:
    decoded = decode(text.encode(encoding))
    assert (decoded.text, decoded.encoding) == (text, "")


@pytest.mark.parametrize("declaration", ["utf-8", "rot13", "unheard-of", "utf-16", "idna"])
def test_wrong_declaration_is_ignored(declaration: str) -> None:
    text = f'<?xml version="1.0" encoding="{declaration}"?><a>Größe und Straße</a>'
    assert decode(text.encode("cp1252")).text == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n",
        f"Größe,π\n{NUMBERS}",
        "日期,销售额\n二月,100\n" * 9,
        "one line",
        "\ttab\r\n" * 5,
    ],
)
def test_utf16_without_byte_order_mark_is_read(text: str, encoding: str) -> None:
    reader = FileReader(Settings(values={}))
    parsed = reader.read(File("a.txt", text.encode(encoding)), "me")
    assert parsed.text == text.replace("\r\n", "\n")
    assert parsed.details.endswith("read as UTF-16")


@pytest.mark.parametrize(
    "data",
    [
        b"started\nval\0ue\nended\n" * 20,
        b"val\0ue",
        bytes(4096) + b"after a log rotation\n" * 5,
        b"before a crash\n" * 5 + bytes(500) + b"and after\n",
        b"name\0value of the name\0" * 3,
        "Größe\0 über alles, ".encode() * 3,
        "Stra\xdfe und Gr\xf6\xdfe\0 in Windows-1252, nur ein NUL".encode("cp1252"),
    ],
)
def test_nul_bytes_in_text_are_replaced(data: bytes) -> None:
    parsed = FileReader(Settings(values={})).read(File("app.log", data), "me")
    assert "\ufffd" in parsed.text and "\0" not in parsed.text
    assert len(parsed.text) <= len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x7fELF\x02\x01\x01" + bytes(100),
        bytes(range(256)) * 20,
        b"\x00\x01\x00\x02" * 100,
        b"\xca\xfe\xba\xbe\x00\x00\x00\x34" + bytes(range(1, 30)) * 9,
        bytes(64),
        (b"\x01\x00\x02\x00\x03\x00\x9f\x00" * 100),
    ],
)
def test_binary_file_is_not_taken_for_text(data: bytes) -> None:
    with pytest.raises(FileRefused):
        FileReader(Settings(values={})).read(File("data.txt", data), "me")


@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_are_refused(seed: int) -> None:
    characters = (*range(32, 127), *range(128, 256))
    data = bytes(Random(seed).choices(characters, k=5_000))
    with pytest.raises(UnreadableFile):
        FileReader(Settings(values={})).read(File("a.txt", data), "me")


@pytest.mark.parametrize(
    ("words", "encoding", "name"),
    [
        ("日期,地区", "gbk", "GBK"),
        ("編號,產品名稱", "big5", "Big5"),
        ("商品コード", "shift_jis", "Shift-JIS"),
        ("이름,나이", "euc_kr", "EUC-KR"),
        ("Größe", "cp1252", "Windows-1252"),
    ],
)
def test_guessed_encoding_is_said_in_the_details(words: str, encoding: str, name: str) -> None:
    data = f"{words}\n1,2\n".encode(encoding)
    parsed = FileReader(Settings(values={})).read(File("a.csv", data), "me")
    assert parsed.details == f"1 row, read as {name}"
    assert parsed.encoding in TEXT_ENCODINGS


@pytest.mark.parametrize("text", ["plain", "Größe", "\ufeffGröße", "日期"])
def test_certain_encoding_is_not_mentioned(text: str) -> None:
    parsed = FileReader(Settings(values={})).read(File("a.txt", text.encode()), "me")
    assert (parsed.details, parsed.encoding) == ("1 line", "")


def test_chosen_encoding_replaces_the_guess() -> None:
    data = "Název,Množství\n1,2\n".encode("iso8859-2")
    reader = FileReader(Settings(values={}))
    assert reader.read(File("a.csv", data), "me").encoding == "cp1250"
    parsed = reader.read(File("a.csv", data, encoding="iso8859-2"), "me")
    assert (parsed.text, parsed.encoding) == ("Název,Množství\n1,2\n", "iso8859-2")
    assert parsed.details == "1 row, read as ISO 8859-2"
    assert "Množství" in parsed.preview
    unknown = reader.read(File("a.csv", data, encoding="rot13"), "me")
    assert unknown == reader.read(File("a.csv", data), "me")


def test_price_of_a_guess_shows_its_first_words() -> None:
    settings = Settings(values={})
    pricer = AttachmentPricer(settings, Tokenizer(), FileReader(settings))
    data = f"id\n1\n2\n日期  {'销售额，' * 20}\n".encode("gbk")
    (price,) = pricer.price([File("a.txt", data)], 1000, "me")
    assert price.encoding == "gb18030"
    assert price.excerpt == "日期 " + "销售额，" * 14 + "销"
    (price,) = pricer.price([File("a.txt", b"plain")], 1000, "me")
    assert (price.encoding, price.excerpt) == ("", "")


def test_every_guess_can_be_chosen() -> None:
    assert set(CANDIDATES) <= set(TEXT_ENCODINGS)
    for encoding in TEXT_ENCODINGS:
        "text".encode(encoding)
