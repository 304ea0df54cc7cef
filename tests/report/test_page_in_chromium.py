"""The page in a browser: panels, figures, tables, points."""

import pytest

from .sample import ATTACK, LABELS


def test_panels_are_there(visit):
    opened = visit()
    for name in ("panel-points", "panel-bars", "panel-none", "section-documents"):
        assert opened.find(f"#{name}").is_displayed()
    assert opened.find("#panel-bars svg").rect["width"] > 300
    assert opened.text("#panel-none .absent") == "There is no gold."
    assert opened.text("h1") == f"Report {ATTACK}"
    # Those who hear a page know where they are.
    named = "return Array.from(document.querySelectorAll(arguments[0]), (e) => e.computedName || e.getAttribute('aria-label') || e.textContent)"
    for selector in (
        "button",
        "nav",
        ".points",
        "[role=listbox]",
        "#panel-bars svg",
        ".figure",
        ".text",
    ):
        names = opened.run(named, selector)
        assert names and all(name.strip() for name in names), selector
    unnamed = "return Array.from(document.querySelectorAll('input, select')).filter((e) => !e.labels.length).length"
    assert opened.run(unnamed) == 0


def test_without_scripts(visit, driver):
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened = visit()
        assert (
            opened.find("#panel-bars svg").is_displayed()
            and opened.find("#panel-bars table").is_displayed()
        )
        assert "scripts are off" in opened.text("#section-documents")
        assert not opened.all("#theme")
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(visit, width):
    opened = visit(width=width)
    assert opened.run("return document.documentElement.scrollWidth") <= width
    assert opened.find(".text").rect["width"] > 0.5 * min(width, 600)
    boxes = [".figure", ".table", ".states", ".list", ".text", ".tools"]
    for box in (each for selector in boxes for each in opened.all(selector)):
        if box.is_displayed():
            assert box.rect["x"] + box.rect["width"] <= width
    # Wide figures are not made too small to be read: they scroll in their own box.
    assert opened.find("#panel-bars svg").rect["width"] > 500


def test_tables_are_sorted(visit):
    opened = visit()

    def column(n):
        return [each.text for each in opened.all(f"#panel-bars tbody td:nth-child({n})")]

    def order(n):
        return opened.find(f"#panel-bars th:nth-child({n})").get_attribute("aria-sort")

    assert column(1) == ["b10", "b9", ATTACK]
    opened.click("#panel-bars th:nth-child(1) button")
    assert column(1)[1:] == ["b9", "b10"] and order(1) == "ascending"
    opened.click("#panel-bars th:nth-child(2) button")
    assert column(2) == ["100", "20", "3"] and (order(1), order(2)) == (None, "descending")
    opened.click("#panel-bars th:nth-child(2) button")
    assert column(2) == ["3", "20", "100"] and order(2) == "ascending"
    # What is not known stays at the end.
    for wanted in (["0.250", "1.0e-05", ""], ["1.0e-05", "0.250", ""]):
        opened.click("#panel-bars th:nth-child(3) button")
        assert column(3) == wanted


def test_colours_of_the_page(visit):
    opened = visit()

    def background():
        return opened.run("return getComputedStyle(document.body).backgroundColor")

    def ink():
        return opened.run(
            "return getComputedStyle(document.querySelector('#panel-bars svg text')).fill"
        )

    before = background(), ink()
    opened.click("#theme")
    assert background() != before[0] and ink() != before[1]
    # It is remembered.
    after = background(), ink()
    opened.refresh()
    assert (background(), ink()) == after
    opened.click("#theme")
    assert (background(), ink()) == before


def test_points_are_hovered(visit, driver):
    opened = visit()
    from selenium.webdriver import ActionChains

    box = opened.find(".points")
    opened.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", box)
    half = box.rect["width"] / 2 - 14
    corners = {(-1, 1): "alpha", (1, 1): "beta", (-1, -1): ATTACK, (1, -1): "delta"}
    for (x, y), words in corners.items():
        ActionChains(driver).move_to_element_with_offset(
            box, int(x * half), int(y * half)
        ).perform()
        opened.wait(".readout", words)
        assert words in opened.text(".tip") and opened.find(".tip").is_displayed()
    ActionChains(driver).move_to_element(box).perform()
    assert not opened.find(".tip").is_displayed()
    # A click opens the document.
    ActionChains(driver).move_to_element_with_offset(box, int(half), int(half)).click().perform()
    opened.wait(".heading .id", "plain 0")


def test_points_by_keyboard(visit):
    from selenium.webdriver.common.keys import Keys

    opened = visit()
    opened.run("arguments[0].focus({focusVisible: true})", opened.find(".points"))
    opened.press(Keys.ARROW_RIGHT)
    opened.wait(".readout", "alpha" if "alpha" in opened.text(".readout") else "beta")
    opened.press(Keys.ARROW_LEFT, Keys.ARROW_DOWN)
    opened.wait(".readout", "alpha · PER · position B · right · nested")
    opened.press(Keys.ARROW_UP)
    opened.wait(".readout", ATTACK)
    opened.press(Keys.ENTER)
    opened.wait(".heading .id", "plain 1")


def test_points_are_searched_and_switched(visit):
    opened = visit()
    opened.wait(".scatter .status", "5 points")
    ink = """
        const from = document.querySelector('.points canvas');
        const copy = document.createElement('canvas');
        [copy.width, copy.height] = [from.width, from.height];
        const context = copy.getContext('2d', { willReadFrequently: true });
        context.drawImage(from, 0, 0);
        return context.getImageData(0, 0, copy.width, copy.height).data.reduce((sum, v) => sum + v, 0)"""
    full = opened.run(ink)
    opened.type("search", "ALP")
    opened.wait(".scatter .status", "5 points, 1 with this text")
    faint = opened.run(ink)
    assert 0 < faint < full
    opened.type("search", "[")
    opened.wait(".scatter .status", "5 points, 0 with this text")
    opened.find("[name=search]").clear()
    opened.find("[name=search]").send_keys("a\b")
    opened.wait(".scatter .status", "5 points")
    opened.click(".labels button:nth-child(2)")
    assert opened.text(".scatter .status").startswith("0 points of 5") and opened.run(ink) == 0
    opened.click(".labels input")
    assert opened.text(".scatter .status").startswith("2 points of 5")
    opened.click(".labels button:nth-child(1)")
    assert opened.text(".scatter .status").startswith("5 points")
    shown = [each.text for each in opened.all(".labels bdi")]
    assert shown[:2] == LABELS[:2] and shown[2] == f"{LABELS[2][:59]}…"
    opened.choose("show", "token")
    assert opened.text(".scatter .status").startswith("2 points of 5")
    opened.choose("show", "")
    opened.choose("colour", "right")
    assert [each.text for each in opened.all(".legend")][1].split("\n") == [
        "right",
        "wrong",
        "not judged",
    ]
    # This projection was made of one state only.
    opened.choose("projection", "tsne")
    assert [each.get_attribute("class") for each in opened.all(".state")] == [
        "state",
        "state empty",
    ]


def test_print(visit, driver):
    opened = visit()
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        for selector in ("nav.contents", ".list", ".tools", "#theme"):
            assert not opened.find(selector).is_displayed()
        assert (
            opened.find(".text .block").is_displayed()
            and opened.find("#panel-bars svg").is_displayed()
        )
        white = "return getComputedStyle(document.body).backgroundColor"
        assert opened.run(white) == "rgb(255, 255, 255)"
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
