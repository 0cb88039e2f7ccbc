//! The sign-in in a real browser, where `scripts/browser` has prepared one.

use std::process::Stdio;

use tokio::process::Command;

use super::*;

/// The provider is another site than the application, and answers with a form (`form_post`).
#[tokio::test(flavor = "multi_thread")]
async fn in_chromium_f33_tabs_restarts_and_forms_of_another_site_lose_no_sign_in() {
    let Ok(folder) = std::env::var("SESSION_TEST_BROWSER") else { return };
    let okta = ProviderName::new("okta").unwrap();
    let site = Site::named("localhost", 2, |sign_in| sign_in.form_post(okta)).await;
    assert!(site.idp.issuer().as_str().contains("127.0.0.1"), "another site");
    let mut node = Command::new("node");
    node.arg(format!("{folder}/sign-in.mjs")).arg(&site.address).kill_on_drop(true);
    let shots = std::env::var("SESSION_TEST_SHOTS").ok();
    node.args(shots.filter(|folder| !folder.is_empty()));
    let output = node.stdout(Stdio::piped()).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let steps =
        ["ten tabs arrive", "a browser restarted in the middle arrives", "chooses", "is told"];
    assert!(steps.iter().all(|step| said.contains(step)), "{said}");
    assert_eq!(site.sessions("ann").await, 2);
}
