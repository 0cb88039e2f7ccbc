"""Two browsers sign in to the quick start at django-oauth-toolkit, call a service, and sign out.

    python check.py SITE PROVIDER
"""

import json
import re
import sys
import time
from html import unescape
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

site, provider = sys.argv[1:]


class Browser:
    def __init__(self):
        self.opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))

    def open(self, url, fields=None, accept="text/html"):
        data = urlencode(fields).encode() if fields is not None else None
        request = Request(url, data, {"Accept": accept, "User-Agent": "Firefox/140.0 Linux"})
        try:
            answer = self.opener.open(request, timeout=30)
        except HTTPError as error:
            answer = error
        self.url, self.status, self.text = answer.url, answer.status, answer.read().decode()
        return self

    def submit(self, button, fields=None):
        """Submits the form with this text in it."""
        for form in re.findall(r"<form.*?</form>", self.text, re.S):
            if button in form:
                action = re.search(r'action="([^"]*)"', form.split(">")[0])
                inputs = re.findall(r"<(?:input|button)[^>]*>", form)
                values = {}
                for tag in inputs:
                    name, value = (re.search(rf'{it}="?([^"\s>]*)', tag) for it in ("name", "value"))
                    if name:
                        values[name[1]] = unescape(value[1]) if value else ""
                values.update(fields or {})
                return self.open(urljoin(self.url, unescape(action[1]) if action else ""), values)
        raise AssertionError(f"no form with {button!r} in {self.text}")

    def signs_in(self, user):
        self.open(f"{site}/")
        assert self.url.startswith(provider), self.url
        self.submit("Sign in", {"user": user})
        assert (self.url, self.text) == (f"{site}/", f"Hello, {user_id}"), (self.url, self.text)
        return self


def tokens():
    return json.loads(Browser().open(f"{provider}/test/tokens").text)


def until(what, holds):
    for _ in range(300):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError(f"it did not happen: {what}")


# The subject is the user's number in Django's table.
user_id = "1"
laptop, phone = Browser().signs_in("ann"), Browser().signs_in("ann")
assert json.loads(laptop.open(f"{site}/me").text) == {"user": "ann"}, laptop.text
print("two devices sign in, and a service takes the access token")

before = tokens()["all"]
laptop.open(f"{provider}/test/forget")
assert json.loads(laptop.open(f"{site}/me").text) == {"user": "ann"}, laptop.text
assert tokens() == {"live": 2, "all": before + 1}, tokens()
assert json.loads(phone.open(f"{site}/me").text) == {"user": "ann"}, phone.text
print("a token that is refused is renewed; the refresh token is rotated, each of its device alone")

laptop.open(f"{site}/devices")
assert laptop.text.count("Firefox on Linux</strong>") == 2, laptop.text
laptop.submit("Sign out all other devices")
assert laptop.text.count("Firefox on Linux</strong>") == 1, laptop.text
assert phone.open(f"{site}/me", accept="*/*").status == 401, phone.text
# A provider may revoke all of a user's tokens with one, so that is left until the last session ends.
assert tokens()["live"] == 2, tokens()
print("the laptop ends the phone's session")

laptop.submit("Sign out")
assert laptop.url.startswith(f"{provider}/o/logout"), laptop.url
laptop.submit("allow", {"allow": "on"})
laptop.open(f"{site}/")
assert laptop.url.startswith(f"{provider}/login"), laptop.url
print("the laptop signs out, here and at the provider")
until("the refresh tokens of both are revoked", lambda: tokens()["live"] == 0)
print("the refresh tokens of both are revoked")
