"""Debian's Chromium, driven by WebDriver, with what the tests of pages ask of
it: sizes, colours, downloads, what the browser complained about, and axe-core.
"""

import base64
import glob
import json
import os
import re
import shutil
import sys
import tempfile
import time

from harness.runner import Skip
from harness.server import PATIENCE, ROOT, wait_for

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
AXE = os.path.join(ROOT, "test/web/node_modules/axe-core/axe.min.js")

try:
    from selenium import webdriver
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError:
    webdriver = None


def needed():
    """Skips, with words, where there is no browser."""
    if webdriver is None:
        raise Skip("python3-selenium is not installed: tools/deps --test")
    if not CHROMIUM or not DRIVER:
        raise Skip("chromium is not installed: tools/deps --test")


# What the pages tell for five seconds stays: whoever looks may be slower.
PATIENT = """
(set => {
    window.setTimeout = (f, ms, ...more) =>
        set(f, ms === 5000 ? 3600000 : ms, ...more);
})(window.setTimeout.bind(window));
"""


def steady(look):
    """What look finds, or None where the page was drawn anew meanwhile."""
    try:
        return look()
    except StaleElementReferenceException:
        return None


class Browser:
    """One browser with a profile of its own."""

    def __init__(self, server, language="en-GB", scripts=True, secure=False):
        """secure: by HTTPS, whoever has signed the certificate."""
        needed()
        self.server = server
        self.base = "%s://127.0.0.1:%d" % (
            "https" if secure else "http", server.http_port)
        self.folder = tempfile.mkdtemp(prefix="fileroom-browser-")
        self.downloads = os.path.join(self.folder, "downloads")
        os.mkdir(self.downloads)
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        options.accept_insecure_certs = secure
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu",
                     "--disable-dev-shm-usage", "--no-first-run",
                     "--disable-background-networking",
                     "--disable-component-update", "--disable-sync",
                     "--force-color-profile=srgb", "--window-size=1360,860",
                     "--lang=" + language,
                     "--user-data-dir=" + os.path.join(self.folder, "p")):
            options.add_argument(word)
        prefs = {"download.default_directory": self.downloads,
                 "intl.accept_languages": language,
                 "credentials_enable_service": False}
        if not scripts:
            prefs["profile.managed_default_content_settings.javascript"] = 2
        options.add_experimental_option("prefs", prefs)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(
            service=Service(DRIVER), options=options)
        self.driver.set_page_load_timeout(PATIENCE)
        self.driver.set_script_timeout(PATIENCE)
        self.cdp("Page.addScriptToEvaluateOnNewDocument", source=PATIENT)
        self.complaints = []

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is not None:
                print("the page:", self.driver.current_url,
                      self.text()[:2000], self.console())
                path = os.path.join(ROOT, "build", "browser-failed.png")
                self.driver.save_screenshot(path)
                print("a picture of it:", path)
            else:
                self.check_console()
        finally:
            self.driver.quit()
            shutil.rmtree(self.folder, ignore_errors=True)

    # What the browser says

    def console(self):
        self.complaints += [
            e["message"] for e in self.driver.get_log("browser")]
        return self.complaints

    def check_console(self, but=()):
        """Nothing was blocked by the policy, no script has failed. Answers of
        4xx that a test asked for are named in but."""
        bad = [m for m in self.console()
               if not any(re.search(b, m) for b in but)]
        self.complaints = []
        assert not bad, bad

    # Going about

    def go(self, path):
        self.driver.get(self.base + path)

    def at(self):
        return self.driver.current_url[len(self.base):]

    def text(self):
        return self.driver.execute_script("return document.body.innerText")

    def all(self, css):
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css, seconds=PATIENCE):
        """The first that fits and is shown, once it is there."""
        def look():
            return next((e for e in self.all(css) if e.is_displayed()), None)
        return wait_for(lambda: steady(look), seconds, css)

    def named(self, text, css="button, a"):
        """The button or link that says so, or has it as its name."""
        def look():
            for e in self.all(css):
                if e.is_displayed() and text in (
                        e.text.strip(), e.get_attribute("aria-label")):
                    return e
            return None
        return wait_for(lambda: steady(look), what=f"{css} named {text!r}")

    def click(self, text):
        self.named(text).click()

    def fill(self, name, text):
        e = self.one(f"[name={name}]")
        e.send_keys(Keys.CONTROL, "a")
        e.send_keys(Keys.DELETE)
        e.send_keys(text)
        return e

    def choose(self, name, value):
        self.one(f"select[name={name}] option[value='{value}']").click()

    def wait_text(self, text, seconds=PATIENCE):
        wait_for(lambda: text in self.text(), seconds, f"text {text!r}")

    def log_in(self, name, password, code=None):
        self.go("/login")
        self.fill("username", name)
        self.fill("password", password + Keys.ENTER)
        if code is not None:
            self.fill("code", code() + Keys.ENTER)
        wait_for(lambda: self.at().startswith("/#") or self.at() == "/",
                 what="the portal")
        self.one(".top")

    def rows(self):
        """The texts of the list's rows, once it is not busy."""
        wait_for(lambda: not self.all("[aria-busy=true]"), what="the list")
        return self.driver.execute_script(
            "return [...document.querySelectorAll('tbody tr')]"
            ".map(e => e.innerText)")

    def settle(self):
        """All is drawn and fetched, and colours have stopped to change."""
        wait_for(lambda: not self.all("[aria-busy=true]")
                 and self.driver.execute_script(
                     "return document.readyState") == "complete", what="page")
        self.driver.execute_async_script(
            "const done = arguments[0];"
            "requestAnimationFrame(() => requestAnimationFrame(() =>"
            " Promise.allSettled(document.getAnimations()"
            ".filter(a => a.effect.getComputedTiming().endTime < Infinity)"
            ".map(a => a.finished)).then(done)))")

    def download(self, pattern, seconds=PATIENCE):
        """The path of the file that came."""
        def look():
            there = glob.glob(os.path.join(self.downloads, pattern))
            half = glob.glob(os.path.join(self.downloads, "*.crdownload"))
            # The name is taken first, by an empty file.
            return there[0] if there and not half and os.path.getsize(
                there[0]) > 0 else None
        return wait_for(look, seconds, f"a download {pattern}")

    # How it is looked at

    def cdp(self, command, **more):
        return self.driver.execute_cdp_cmd(command, more)

    def size(self, width, height=860, phone=False):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width,
                 height=height, deviceScaleFactor=1, mobile=phone)
        self.cdp("Emulation.setTouchEmulationEnabled", enabled=phone)

    def dark(self, on):
        self.cdp("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme",
             "value": "dark" if on else "light"}])

    def direction(self, way):
        self.driver.execute_script(
            "document.documentElement.dir = arguments[0]", way)

    def picture(self, path):
        self.settle()
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.cdp(
                "Page.captureScreenshot", format="png")["data"]))

    def axe(self):
        """Violations, as text; none is well. Where it is not installed it finds
        nothing, and t_axe_log_in says so."""
        if not os.path.exists(AXE):
            return []
        self.settle()
        with open(AXE, encoding="utf-8") as f:
            self.driver.execute_script(f.read())
        found = self.driver.execute_async_script("""
            const done = arguments[0];
            axe.run(document, { resultTypes: ['violations'] })
                .then(r => done(r.violations), e => done([{ id: String(e),
                    nodes: [] }]))""")
        return [f"{v['id']}: " + "; ".join(
            n["html"][:160] + " " + n.get("failureSummary", "")[:300]
            for n in v["nodes"][:4]) for v in found]

    def overflow(self):
        """By how much the page is wider than the window."""
        self.settle()
        return self.driver.execute_script(
            "return document.documentElement.scrollWidth -"
            " document.documentElement.clientWidth")
