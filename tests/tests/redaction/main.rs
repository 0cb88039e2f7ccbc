//! No secret and no token in any log line, `Debug` output or error of a whole story (S6, S7, R8):
//! a provider over HTTP, a database, the layer, and all that may go wrong with them.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

mod logged;
mod secrets;
mod setting;
mod story;

use logged::Log;
use setting::Setting;

/// What must have been logged, lest the story pass by what it is about.
const TOLD: [&str; 11] = [
    "tokens renewed",
    "renewed tokens are not written yet",
    "renewal failed",
    "session ended",
    "a session's tokens cannot be read",
    "a token was not revoked",
    "a session cookie that leads to no session is cleared",
    "a session cookie cannot be resolved",
    "cookies of several live sessions",
    // The libraries, too, at their most talkative.
    "UPDATE",
    "reqwest",
];

#[tokio::test(flavor = "multi_thread")]
async fn s6_s7_r8_a_whole_story_shows_no_secret_and_no_token() {
    let log = Log::installed();
    let mut setting = Setting::new(log.clone()).await;
    story::sign_ins(&mut setting).await;
    story::requests(&mut setting).await;
    story::renewals(&mut setting).await;
    story::trouble_at_the_provider(&mut setting).await;
    story::trouble_at_the_database(&mut setting).await;
    story::changed_rows(&mut setting).await;
    story::wrong_key(&mut setting).await;
    story::ends(&mut setting).await;

    let text = log.text();
    for told in TOLD {
        assert!(text.contains(told), "the story did not come to {told:?}:\n{text}");
    }
    assert!(setting.secrets.len() > 60, "{} secrets", setting.secrets.len());
    for (kind, secret) in setting.secrets.iter() {
        if let Some(at) = text.find(secret) {
            let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
            panic!("{kind} is shown: {}", text[line..].lines().next().unwrap());
        }
    }
}
