"""Pages that are open in Chromium."""

import pytest

from spacy_contrastive_ner.report.documents import Browser
from spacy_contrastive_ner.report.folder import write_report

from .chromium import Page, chromium, complaints, requests
from .sample import (
    compared_documents,
    crowded_document,
    documents,
    long_document,
    page,
    plain_documents,
)


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Pages: of one model, of two, of many documents, of a long one, of none."""
    above = tmp_path_factory.mktemp("pages")
    browsers = {
        "one": Browser(documents()),
        "two": Browser(compared_documents()),
        "many": Browser(plain_documents(3000)),
        "long": Browser([*plain_documents(2), crowded_document(), long_document()]),
        "none": Browser([]),
    }
    for name, browser in browsers.items():
        write_report(above / name, *page(browser))
    return above


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def visit(driver, folders):
    """Opens a page; at the end nothing but it was asked for, and nothing was complained about."""
    requests(driver), complaints(driver)

    def opened(name="one", hash="", width=1280):
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
        )
        return Page(driver).open((folders / name / "index.html").as_uri() + hash)

    yield opened
    asked = requests(driver)
    assert asked and all(url.startswith(("file:", "data:", "about:")) for url in asked), asked
    assert complaints(driver) == []
    assert driver.execute_script("return typeof window.hacked") == "undefined"
