//! The program.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// Ends the program with the test, however the test ends.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_identity-provider"))
}

#[tokio::test]
async fn the_program_prints_its_issuer_and_serves_it() {
    let child = command()
        .args(["--listen", "127.0.0.1:0", "--auto-login"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut program = Program(child);
    let mut issuer = String::new();
    BufReader::new(program.0.stdout.take().unwrap()).read_line(&mut issuer).unwrap();
    let issuer = issuer.trim();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{issuer}/.well-known/openid-configuration");
    let metadata: Value = http.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(metadata["issuer"], issuer);
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    assert_eq!(metadata["code_challenge_methods_supported"][0], "S256");
    assert_eq!(metadata["revocation_endpoint"], format!("{issuer}/revoke"));
    assert_eq!(metadata["end_session_endpoint"], format!("{issuer}/logout"));
}

#[test]
fn the_program_listens_on_loopback_only() {
    let refused = command().args(["--listen", "0.0.0.0:0"]).output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8(refused.stderr).unwrap().contains("loopback"));
}
