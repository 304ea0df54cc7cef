"""The documents of the page in a browser."""

import time

import pytest

from .sample import HOSTILE, NESTED, documents, long_document

DOCUMENTS = documents()
ERRORS = ("missed", "spurious", "too short")


def units(text):
    data = text.encode("utf-16-le", "surrogatepass")
    return [data[i] + 256 * data[i + 1] for i in range(0, len(data), 2)]


def chosen(test):
    """How many documents have marks that pass a test, and how many such marks there are."""
    counts = [sum(bool(test(mark)) for mark in each["marks"]) for each in DOCUMENTS]
    return sum(map(bool, counts)), sum(counts)


def test_brackets(visit):
    opened = visit(hash="#doc=nested")
    opened.wait(".heading .id", "nested")
    marks = opened.marks()
    assert len(marks) == len(NESTED["marks"]) - 1  # Two are fragments of one.

    def one(side, label):
        [found] = [each for each in marks if side in each[0] and label in each[1]]
        return found

    def is_over(mark, words):
        left, right, top, bottom = opened.place_of(words)
        return abs(mark[2] - left) < 3 and abs(mark[3] - right) < 3

    inner, outer, across = one("gold", "LOC"), one("gold", "ORG"), one("gold", "MISC")
    assert is_over(inner, "New York") and is_over(outer, "Bank of New York")
    assert is_over(across, "York and of London")
    text = opened.place_of("New York")
    # Gold is above the text, what is inside nearer to it; no two lie on each other.
    assert outer[5] < inner[4] + 8 < text[2] + 8 and outer[4] < inner[4] and inner[4] < text[2]
    assert len({round(each[4]) for each in (inner, outer, across)}) == 3
    # Predictions are below.
    assert is_over(one("predicted", "LOC"), "New York")
    assert text[3] < one("predicted", "LOC")[5] < one("predicted", "ORG")[5]
    # Errors are told by more than colour.
    assert "missed" in across[0] and across[1] == "\N{MINUS SIGN} MISC"
    assert one("predicted", "PER 0.25")[1] == "+ PER 0.25"
    styles = "return Array.from(document.querySelectorAll(arguments[0]), (e) => getComputedStyle(e).strokeDasharray)"
    [missed] = opened.run(styles, ".text .missed .line")
    assert missed != "none" and set(opened.run(styles, ".text .fine:not(.unjudged) .line")) == {
        "none"
    }
    # What is next to certain is not certain.
    assert one("predicted", "LOC")[1] == "LOC >0.99"
    # Fragments are one, with a link and a number.
    assert "#3" in one("gold", "FRAG")[1]
    assert len(opened.all(".text .mark .link")) == 1
    assert is_over(one("gold", "FRAG"), "Bank of New York and of London")


def test_marks_are_stepped_through(visit):
    opened = visit()
    opened.find(".text").send_keys("n")
    errors = [mark for mark in NESTED["marks"] if mark["kind"] in ERRORS]
    errors.sort(key=lambda mark: (mark["start"], -mark["end"], mark["side"]))
    total = chosen(lambda mark: mark["kind"] in ERRORS)[1]
    for n, mark in enumerate(errors, 1):
        words = NESTED["text"][mark["start"] : mark["end"]]
        opened.wait(".counter", f"error {n} of {total:,}")
        # Places are right behind signs that are two units long.
        assert f"“{words}”" in opened.text(".card") and mark["label"] in opened.text(".card")
        assert f"characters {mark['start']} to {mark['end']}" in opened.text(".card")
        opened.press("n")
    opened.wait(".heading .id", "plain 0")
    opened.wait(".counter", f"Document 2 of 69, error {len(errors) + 1} of {total:,}")
    opened.press("p")
    opened.wait(".heading .id", "nested")
    opened.wait(".counter", f"error {len(errors)} of {total:,}")
    # A click on a bracket tells of it, too.
    opened.click(".text .spurious text")
    assert "Predicted, spurious: PER “Lee of Paris”" in opened.text(".card")
    assert "score 0.25" in opened.text(".card")


def test_documents_are_stepped_through(visit):
    from selenium.webdriver.common.keys import Keys

    opened = visit()
    opened.find(".text").send_keys("j")
    opened.wait(".heading .id", "plain 0")
    opened.press("j", Keys.ARROW_RIGHT, "k")
    opened.wait(".heading .id", "plain 1")
    assert opened.text(".counter").startswith("Document 3 of 69, 1 error in it")
    opened.find(".list").send_keys(Keys.END)
    opened.wait(".counter", "Document 69 of 69")
    assert opened.text(".row[aria-selected=true] .id").startswith("hostile 7")
    opened.find(".list").send_keys(Keys.HOME, Keys.ARROW_DOWN)
    opened.wait(".heading .id", "plain 0")
    opened.press("?")
    assert opened.find("dialog").is_displayed() and "previous" in opened.text("dialog")
    opened.click("dialog button")
    opened.click(".bar .next")
    opened.wait(".heading .id", "plain 1")
    # Keys that are typed are text.
    opened.type("text", "jjj")
    assert opened.text(".heading .id") == "plain 1"


def test_documents_are_linked(visit, driver):
    opened = visit(hash="#doc=plain%207")
    opened.wait(".heading .id", "plain 7")
    assert opened.run("return document.querySelector('#browser').getBoundingClientRect().top") < 300
    opened.find(".text").send_keys("j")
    end = time.monotonic() + 5
    while not driver.current_url.endswith("#doc=plain%208"):
        assert time.monotonic() < end
    assert opened.find(".permalink").get_attribute("href").endswith("#doc=plain%208")
    # Whatever it is called.
    for number in range(len(HOSTILE)):
        opened.run("location.hash = arguments[0]", f"doc=&at={number + 61}")
        opened.wait_for_name(f"hostile {number}")
        link = opened.run("return document.querySelector('.permalink').hash")
        opened.run("location.hash = 'doc=nested'")
        opened.wait_for_name("nested")
        opened.run("location.hash = arguments[0]", link)
        opened.wait_for_name(f"hostile {number}")


def test_documents_are_filtered(visit):
    opened = visit()
    tests = {
        ("kind", "error"): lambda mark: mark["kind"] in ERRORS,
        ("kind", "spurious"): lambda mark: mark["kind"] == "spurious",
        ("kind", "too short"): lambda mark: mark["kind"] == "too short",
        ("side", "1"): lambda mark: mark["side"] == "predicted",
        ("nested", None): lambda mark: mark.get("nested"),
        ("new", None): lambda mark: mark.get("new"),
        ("least", "0.8"): lambda mark: (mark.get("score") or 0) >= 0.8,
        ("most", "0.3"): lambda mark: mark.get("score") is not None and mark["score"] <= 0.3,
    }
    for (name, value), test in tests.items():
        if value is None:
            opened.click(f"[name={name}]")
        elif name in ("least", "most"):
            opened.type(name, value)
        else:
            opened.choose(name, value)
        n_documents, n_marks = chosen(test)
        assert 0 < n_documents < len(DOCUMENTS)
        opened.wait(".counter", f"of {n_documents:,}, ")
        assert opened.text(".counter").endswith(f"{n_marks:,} in all"), name
        opened.click(".tools[role=search] button")
        opened.wait(".counter", "of 69")


def test_filters_are_joined(visit):
    opened = visit()
    labels = [each.text for each in opened.all("[name=label] option")]
    opened.find("[name=label]").send_keys("PER")
    assert "PER" in labels
    opened.choose("kind", "spurious")
    both = chosen(lambda mark: mark["label"] == "PER" and mark["kind"] == "spurious")
    opened.wait(".counter", f"of {both[0]}, ")
    # What is not asked for is faint.
    faint = [each for each in opened.marks() if "faint" in each[0]]
    assert len(faint) == len(opened.marks()) - 1
    opened.choose("side", "0")
    opened.wait(".counter", "No document is like this.")
    assert not opened.all(".row")


def test_documents_are_searched(visit):
    opened = visit()
    opened.type("text", "document 17 IS")
    opened.wait(".counter", "Document 1 of 1")
    assert opened.text(".heading .id") == "plain 17"
    assert len(opened.all(".text .found")) == 1
    opened.type("text", "ONERROR='")
    opened.wait(".counter", "Document 1 of 1")
    opened.wait(".heading .id", "hostile 0")
    opened.type("text", "PLAIN 4")
    opened.wait(".counter", "Document 1 of 11")
    opened.type("text", "(nothing[")
    opened.wait(".counter", "No document is like this.")


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_text_stays_text(visit, number):
    opened = visit(hash=f"#doc=&at={number + 61}")
    assert opened.text(".heading .id").startswith(f"hostile {number}")
    opened.click(".marks summary")
    assert opened.shown_text() == units(HOSTILE[number])
    inside = "return Array.from(document.querySelectorAll('#browser script, #browser img, #browser b')).length"
    assert opened.run(inside) == 0
    if number in (1, 2):
        opened.click("[name=unseen]")
        shown = opened.shown_text()
        assert len(shown) == len(units(HOSTILE[number]))
        assert not {0, 7, 0x202E, 0x2066, 0x200B} & set(shown)


def test_long_texts_are_drawn_where_they_are_seen(visit):
    opened = visit("long", hash="#doc=long")
    text = long_document()["text"]
    drawn = "return document.querySelectorAll('.text .brackets').length"
    blocks = len(opened.all(".text .block"))
    assert 0 < opened.run(drawn) < blocks / 10
    opened.run("const t = document.querySelector('.text'); t.scrollTop = t.scrollHeight / 2")
    middle = """
        const own = document.querySelector('.text').getBoundingClientRect();
        return Array.from(document.querySelectorAll('.text .missed')).filter((e) => {
            const { top } = e.getBoundingClientRect();
            return top > own.top && top < own.bottom;
        }).length"""
    end = time.monotonic() + 5
    while not opened.run(middle):
        assert time.monotonic() < end
    assert opened.run(drawn) < blocks / 10
    # The last mark is found, too, though it is far away.
    opened.find(".text").send_keys("p")
    opened.wait(".counter", "2,154 of 2,154")
    assert opened.run(middle.replace(".missed", ".active")) == 1
    same = """
        document.querySelectorAll('.brackets').forEach((each) => each.remove());
        return document.querySelector('.text').textContent === arguments[0]"""
    assert opened.run(same, text)


def test_what_there_is_no_room_for_is_counted(visit):
    opened = visit("long", hash="#doc=crowded")
    opened.wait_for_name("crowded")
    drawn = opened.marks()
    assert 5 < len(drawn) < 20
    assert f"{300 - len(drawn)} entities more" in opened.text(".left-out")
    # All are in the table, and can be stepped to.
    opened.click(".marks summary")
    assert len(opened.all(".marks tbody tr")) == 200
    opened.click(".marks > div > button")
    assert len(opened.all(".marks tbody tr")) == 300
    opened.find(".text").send_keys("n")
    opened.wait(".counter", "error 4 of ")
    assert "Predicted, spurious: L0 “word”" in opened.text(".card")


def test_many_documents(visit):
    from selenium.webdriver.common.keys import Keys

    opened = visit("many")
    opened.wait(".counter", "of 3,000")
    opened.find(".list").send_keys(Keys.END)
    opened.wait(".heading .id", "plain 2999")
    assert len(opened.all(".row")) < 60
    inside = """
        const own = document.querySelector('.list').getBoundingClientRect();
        const row = document.querySelector('.row[aria-selected=true]').getBoundingClientRect();
        return row.top >= own.top - 1 && row.bottom <= own.bottom + 1"""
    assert opened.run(inside)
    opened.type("text", "document 1500 ")
    opened.wait(".counter", "Document 1 of 1")


def test_two_models(visit):
    opened = visit("two")
    # Those that changed most are first.
    assert opened.text(".heading .id") == "pair 3"
    assert "+1 \N{MINUS SIGN}1" in opened.text(".row[aria-selected=true]")
    assert any("gained" in each[0] and each[1].startswith("↑") for each in opened.marks())
    assert any("lost" in each[0] and each[1].startswith("↓") for each in opened.marks())
    assert not any("before" in each[0] for each in opened.marks())
    opened.click("[name=before]")
    [before] = [each for each in opened.marks() if "before" in each[0]]
    assert before[4] > max(each[4] for each in opened.marks() if "before" not in each[0])
    opened.choose("change", "2")
    opened.wait(".counter", "Document 1 of 1, 1 mark in it")
    opened.choose("change", "1")
    opened.wait(".counter", "of 3, ")


def test_no_documents(visit):
    opened = visit("none")
    opened.wait(".counter", "No document is like this.")
    opened.find(".text").send_keys("njpk")


def test_a_search_that_is_under_way_does_not_outlive_a_reset(visit):
    opened = visit("many")
    counter = opened.text(".counter")
    # The page is told that it has worked for long, and does not wake up again before it is let.
    opened.run("""
        const now = performance.now.bind(performance), wait = window.setTimeout.bind(window);
        let more = 0;
        window.held = [];
        performance.now = () => now() + (more += 1000);
        window.setTimeout = (call, ms) => (ms === undefined ? window.held.push(call) : wait(call, ms));
        """)
    opened.type("text", "document 1500 ")
    end = time.monotonic() + 5
    while not opened.run("return window.held.length"):
        assert time.monotonic() < end
        time.sleep(0.02)
    opened.run(
        "Array.from(document.querySelectorAll('#browser button')).find((e) => e.textContent === 'Reset').click()"
    )
    assert opened.text(".counter") == counter
    while opened.run(
        "const some = window.held.splice(0); some.forEach((call) => call()); return some.length"
    ):
        pass
    assert opened.text(".counter") == counter
