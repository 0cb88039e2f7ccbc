//! Keeps the list in a browser current, where scripts run.

/// Keeps the list current in a browser: the content of a `<script>` element, for the document of an
/// application ([`with_document`](super::DevicesPage::with_document)).
///
/// Asks for the page again every ten seconds while it is shown, and replaces `div#user-sessions`, which
/// is around the list, where it has changed; not while the pointer is on a button. Once the session is
/// over it says so in the list's place, and asks no more; nor if it is told to authenticate again.
/// Without scripts the page works as well.
///
/// An application with a `Content-Security-Policy` allows the script by its hash or a nonce, and
/// `connect-src 'self'`.
///
/// # Security
///
/// Each question counts as a use of the session. It stops a minute after the last movement, key or
/// click, and goes on at the next: an open page adds a minute to the idle timeout, and not more. It
/// signs no one in again: a browser that was signed out from elsewhere stays so until its user follows
/// the link.
///
/// ```
/// use session_tower::devices::LIVE_SCRIPT;
///
/// let document = |title: &str, html: &str| {
///     format!("<!doctype html><title>{title}</title>{html}<script>{LIVE_SCRIPT}</script>")
/// };
/// assert!(document("Your devices", "<ul></ul>").contains("getElementById(\"user-sessions\")"));
/// ```
pub const LIVE_SCRIPT: &str = r#"
(() => {
  let used = Date.now(), busy = false;
  const use = () => { used = Date.now(); };
  for (const kind of ["pointermove", "pointerdown", "keydown", "focus"]) addEventListener(kind, use);
  const sessionsOf = (page) => page.getElementById("user-sessions");
  const end = (sessions) => {
    clearInterval(timer);
    const text = document.createElement("p"), link = document.createElement("a");
    text.setAttribute("role", "alert");
    text.textContent = sessions.dataset.over;
    link.href = document.URL;
    link.textContent = sessions.dataset.signIn;
    sessions.replaceChildren(text, link);
  };
  const replace = (old, now) => {
    const hadFocus = old.contains(document.activeElement) && document.activeElement.value;
    old.replaceWith(now);
    if (hadFocus === false) return;
    now.tabIndex = -1;
    const buttons = [...now.querySelectorAll("button")];
    (buttons.find((button) => button.value === hadFocus) ?? now).focus();
  };
  const ask = async () => {
    const answer = await fetch(document.URL, { redirect: "manual", cache: "no-store" });
    const old = sessionsOf(document);
    if (answer.type === "opaqueredirect") return end(old);
    if (answer.status === 401) {
      const { reason } = await answer.json().catch(() => ({}));
      return reason && reason !== "sign_in_needed" ? end(old) : clearInterval(timer);
    }
    if (!answer.ok) return;
    const now = sessionsOf(new DOMParser().parseFromString(await answer.text(), "text/html"));
    if (!now || old.innerHTML === now.innerHTML || old.querySelector("button:hover")) return;
    replace(old, now);
  };
  const timer = setInterval(() => {
    if (busy || document.hidden || Date.now() - used > 60000) return;
    busy = true;
    ask().catch(() => {}).finally(() => { busy = false; });
  }, 10000);
})();
"#;

/// Allows this script and its questions, beside what every page allows.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
     script-src 'sha256-ntepTB9nsMxDpz7llLhd5pSIRksjimedFh0fAg4eQPc=\
     '; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";
