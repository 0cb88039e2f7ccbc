//! Keeps the list in a browser current, where scripts run.

/// Keeps the list current in a browser: the content of a `<script>` element, for a document of an
/// application's own ([`with_document`](super::DevicesPage::with_document)).
///
/// Asks for the page again every ten seconds while it is shown, and replaces the list where it has
/// changed; loads the page anew once the session is over, which shows the sign-in. Without scripts the
/// page works as well.
///
/// # Security
///
/// Each question counts as a use of the session. So that an open page does not keep a session from its
/// idle timeout, it stops five minutes after the last movement, key or click, and goes on at the next.
///
/// ```
/// use session_tower::devices::LIVE_SCRIPT;
///
/// let document = |title: &str, html: &str| {
///     format!("<!doctype html><title>{title}</title>{html}<script>{LIVE_SCRIPT}</script>")
/// };
/// assert!(document("Your devices", "<ul></ul>").contains("getElementById(\"sessions\")"));
/// ```
pub const LIVE_SCRIPT: &str = r#"
(() => {
  let used = Date.now(), busy = false;
  const use = () => { used = Date.now(); };
  for (const kind of ["pointermove", "pointerdown", "keydown", "focus"]) addEventListener(kind, use);
  const ask = async () => {
    const answer = await fetch("", { redirect: "manual", cache: "no-store" });
    if (answer.type === "opaqueredirect" || answer.status === 401) return location.reload();
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const [old, now] = [document, page].map((one) => one.getElementById("sessions"));
    if (!now || old.innerHTML === now.innerHTML) return;
    const focused = old.contains(document.activeElement) ? document.activeElement.value : null;
    old.replaceWith(now);
    for (const button of now.querySelectorAll("button")) if (button.value === focused) button.focus();
  };
  setInterval(() => {
    if (busy || document.hidden || Date.now() - used > 300000) return;
    busy = true;
    ask().catch(() => {}).finally(() => { busy = false; });
  }, 10000);
})();
"#;

/// Allows this script and its questions, beside what every page allows.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
     script-src 'sha256-WSXHZxgUNhhoy5F2DOj5mAqkmol5Y07bpN27WJOBLdk='; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";
