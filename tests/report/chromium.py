"""Opens pages in a Chromium without a window, and tells what it asked for and complained about."""

import json
import os
import shutil
import time
from contextlib import contextmanager

import pytest

# Selenium is not to look for drivers elsewhere.
os.environ.setdefault("SE_OFFLINE", "true")
os.environ.setdefault("SE_AVOID_STATS", "true")

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--window-size=1280,900"),
)


@contextmanager
def chromium(folder):
    """A Chromium whose profile is in a folder."""
    selenium = pytest.importorskip("selenium.webdriver")
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("There is no chromium, or no chromedriver.")
    options = selenium.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = selenium.Chrome(options=options, service=selenium.ChromeService(driver))
    try:
        yield opened
    finally:
        opened.quit()


def requests(driver):
    """The addresses that pages asked for since the last time. Chromium's own start page is none."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
        and not message["params"]["documentURL"].startswith(("chrome:", "chrome-untrusted:"))
    ]


def complaints(driver):
    """What was written to the console since the last time."""
    return [entry["message"] for entry in driver.get_log("browser")]


class Page:
    """What somebody sees and does."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, address):
        """Anew, and not as a move within the page that is open."""
        self.driver.get("about:blank")
        self.driver.get(address)
        return self._loaded()

    def refresh(self):
        self.driver.refresh()
        return self._loaded()

    def _loaded(self):
        """Until all of it is there: on a busy machine the driver can come back before."""
        end = time.monotonic() + 30
        script = "return document.URL !== 'about:blank' && document.readyState === 'complete'"
        while not self.run(script):
            assert time.monotonic() < end, self.driver.current_url
            time.sleep(0.02)
        return self

    def run(self, script, *values):
        return self.driver.execute_script(script, *values)

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def text(self, selector):
        return self.find(selector).text

    def wait(self, selector, words):
        """Until something is said."""
        end = time.monotonic() + 5
        while words not in self.text(selector):
            assert time.monotonic() < end, f"{words!r} is not in {self.text(selector)!r}"
            time.sleep(0.02)

    def wait_for_name(self, name):
        """Until a document is open. What is told of halves of characters is no answer."""
        end = time.monotonic() + 5
        script = (
            "return document.querySelector('.heading .id').textContent.startsWith(arguments[0])"
        )
        while not self.run(script, name):
            assert time.monotonic() < end, name
            time.sleep(0.02)

    def click(self, selector):
        self.run(
            "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})",
            self.find(selector),
        )
        self.find(selector).click()

    def choose(self, name, value):
        self.run(
            "const [s, v] = arguments; s.value = v; s.dispatchEvent(new Event('change'))",
            self.find(f"[name={name}]"),
            value,
        )

    def type(self, name, text):
        field = self.find(f"[name={name}]")
        field.clear()
        field.send_keys(text)

    def press(self, *keys):
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def units(self, selector):
        """The text of an element in UTF-16 units, as halves of characters can be no answer."""
        script = (
            "return Array.from({length: arguments[0].length}, (_, i) => arguments[0].charCodeAt(i))"
        )
        text = "Array.from(document.querySelectorAll(arguments[0]), (e) => e.textContent).join('')"
        return self.run(f"const text = {text}; return (function () {{ {script} }})(text)", selector)

    def shown_text(self):
        script = "document.querySelectorAll('.brackets title, .brackets text').forEach((e) => e.remove())"
        self.run(script)
        return self.units(".text .block")

    def marks(self):
        """The class, the label and the box of the lines of each bracket."""
        script = """
            return Array.from(document.querySelectorAll('.text .mark'), (mark) => {
                const line = mark.querySelector('.line').getBoundingClientRect();
                return [mark.getAttribute('class'), mark.querySelector('text').textContent,
                        line.left, line.right, line.top, line.bottom];
            })"""
        return [(set(each[0].split()), *each[1:]) for each in self.run(script)]

    def place_of(self, words):
        """The box of words in the text."""
        script = """
            const [words] = arguments;
            const walker = document.createTreeWalker(document.querySelector('.text'), NodeFilter.SHOW_TEXT);
            while (walker.nextNode()) {
                const at = walker.currentNode.data.indexOf(words);
                if (at < 0 || walker.currentNode.parentElement.closest('svg')) continue;
                const range = document.createRange();
                range.setStart(walker.currentNode, at);
                range.setEnd(walker.currentNode, at + words.length);
                const { left, right, top, bottom } = range.getBoundingClientRect();
                return [left, right, top, bottom];
            }"""
        return self.run(script, words)
