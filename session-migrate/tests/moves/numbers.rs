//! Numbers in a token response, which stay as they are written.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use session_core::session::Subject;
use session_tests::database::Database;
use session_tests::on_every_database;
use session_tests::projects::openwebui::sealed;

use crate::openwebui::{self, KEY};
use crate::target::Target;
use crate::tool::rows;

/// Numbers that no 64-bit number of either sort holds as they are written.
const NUMBERS: [(&str, &str); 4] = [
    ("issued_at", "1770140731.6878679"),
    ("long", "110248495921238986420"),
    ("small", "1.50e-7"),
    ("nested", r#"{"big": [18446744073709551616]}"#),
];

const SUBJECT: &str = "110248495921238986420";

on_every_database! {
    async fn numbers_of_a_response_are_moved_as_they_are_written(database: Database) {
        let source = openwebui::source(database, 1).await;
        let claims = format!(r#"{{"iss": "https://id.example", "sub": {SUBJECT}}}"#);
        let id_token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        let fields = NUMBERS.map(|(name, number)| format!(r#", "{name}": {number}"#)).concat();
        let response = format!(r#"{{"access_token": "at", "refresh_token": "rt", "id_token": "{id_token}"{fields}}}"#);
        openwebui::insert(&source, "numbers", "u0", "oidc", &sealed(KEY, &response)).await;
        let verified = openwebui::tool(&source).moved().await;
        let target = Target::of(&source.database).await;
        let row = rows(&verified).iter().find(|row| row["source_key"] == "numbers").unwrap();
        let (stored, tokens) = target.row(row).await;
        assert_eq!(stored.session.identity.subject.as_ref().map(Subject::as_str), Some(SUBJECT));
        for (name, number) in NUMBERS {
            assert_eq!(tokens.extra().written(name), Some(number), "{name}");
        }
        target.close().await;
    }
}
