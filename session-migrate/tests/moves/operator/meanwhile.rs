//! What the applications do while a rollback runs, and tokens that it cannot write back.

use std::time::Duration;

use serde_json::Value;
use tokio::process::Child;

use super::World;

impl World {
    /// The old application writes while a rollback runs: what it confirms is newer than the target's.
    pub(super) async fn rolled_back_under_writes(&mut self, at: usize) {
        self.call(at, "apply", &["--yes"]).await;
        for _ in 0..2 {
            self.new_application_renews(at).await;
        }
        let mut child = self.sides[at].tool.spawn("rollback", &["--json"]);
        while child.try_wait().unwrap().is_none() {
            self.old_application_writes(at).await;
        }
        self.ended(at, child).await;
    }

    /// The new application renews sessions that a rollback is handing over.
    pub(super) async fn renewed_while_handed_over(&mut self, at: usize) {
        self.alone(at).await;
        for _ in 0..4 {
            self.user_signs_in().await;
        }
        self.call(at, "failback", &["--once"]).await;
        // Until then their tokens are due.
        self.call(at, "plan", &[]).await;
        let mut child = self.sides[at].tool.spawn("rollback", &["--json"]);
        while child.try_wait().unwrap().is_none() {
            self.new_application_renews_begun().await;
        }
        self.ended(at, child).await;
    }

    /// The new application has tokens that are bound to a key, which no rollback may write back or
    /// give up by itself.
    pub(super) async fn renewed_with_a_bound_token(&mut self, at: usize) {
        self.call(at, "apply", &["--yes"]).await;
        self.provider.set_token_type("DPoP");
        self.new_application_renews(at).await;
        self.provider.set_token_type("Bearer");
        self.call(at, "rollback", &[]).await;
        self.call(at, "abort", &["--discard-renewed"]).await;
    }

    async fn ended(&mut self, at: usize, child: Child) {
        let output = tokio::time::timeout(Duration::from_secs(90), child.wait_with_output()).await;
        let Ok(output) = output else { panic!("rollback hangs\n{}", self.story()) };
        let output = output.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        let (name, status) = (self.sides[at].name, output.status);
        self.note(format!("{name} rollback meanwhile: {status:?} {}", errors.trim()));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        self.forget_lost(at, &report);
        if status.success() {
            self.sides[at].is_lifted = false;
        }
    }
}
