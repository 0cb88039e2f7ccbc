//! A primary and its standby under Patroni: the primary is killed, or changes places.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::error::BenchError;
use crate::kill::kill;

/// How long a failover may take, and a killed server until it follows the new primary.
const MAX_WAIT: Duration = Duration::from_secs(120);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// The two servers of a run.
#[derive(Debug)]
pub(crate) struct Primary {
    nodes: Vec<Node>,
    client: reqwest::Client,
}

/// One server.
#[derive(Debug)]
struct Node {
    /// Where Patroni is asked about it.
    api: String,
    data: PathBuf,
}

impl Node {
    /// Returns the id of the server's process.
    fn process(&self) -> std::io::Result<String> {
        let file = std::fs::read_to_string(self.data.join("postmaster.pid"))?;
        Ok(file.lines().next().unwrap_or_default().to_owned())
    }
}

impl Primary {
    /// Reads where the servers are: `API=FOLDER`, with spaces in between.
    pub(crate) fn parse(nodes: &str, client: reqwest::Client) -> Self {
        let pairs = nodes.split_whitespace().filter_map(|node| node.split_once('='));
        let node = |(api, data): (&str, &str)| Node { api: api.to_owned(), data: data.into() };
        Self { nodes: pairs.map(node).collect(), client }
    }

    /// Kills the server of the primary, as `kill -9` does; returns once one serves again: the other
    /// one, or the same if Patroni has started it first.
    pub(crate) async fn kill(&self) -> Result<(), BenchError> {
        let primary = self.find("primary", |_| true).await?;
        let killed = primary.process().map_err(BenchError::because("no process to kill"))?;
        kill(&killed).await?;
        // Patroni may call the killed one the primary for a moment.
        let serves = |node: &Node| node.process().is_ok_and(|process| process != killed);
        self.find("primary", serves).await.map(drop)
    }

    /// Lets the standby take the primary's place; returns once it serves.
    pub(crate) async fn switch(&self) -> Result<(), BenchError> {
        let failed = || BenchError::because("cannot change the primary");
        let primary = self.find("primary", |_| true).await?;
        let about = self.client.get(format!("{}/patroni", primary.api)).send().await;
        let about: Value = about.map_err(failed())?.json().await.map_err(failed())?;
        let leader = about.pointer("/patroni/name").and_then(Value::as_str).unwrap_or_default();
        let asked = self.client.post(format!("{}/switchover", primary.api));
        let answer = asked.json(&json!({ "leader": leader })).send().await.map_err(failed())?;
        match answer.status().is_success() {
            true => self.find("primary", |node| node.api != primary.api).await.map(drop),
            // The standby is not ready for it: nothing has changed.
            false => self.until_safe().await,
        }
    }

    /// Waits until the other one has all that the primary confirms.
    pub(crate) async fn until_safe(&self) -> Result<(), BenchError> {
        self.find("synchronous", |_| true).await.map(drop)
    }

    /// Waits until one of these servers has this role.
    async fn find(
        &self,
        role: &str,
        is_wanted: impl Fn(&Node) -> bool,
    ) -> Result<&Node, BenchError> {
        let found = async {
            loop {
                for node in self.nodes.iter().filter(|node| is_wanted(node)) {
                    if self.has_role(node, role).await {
                        return node;
                    }
                }
                sleep(PAUSE).await;
            }
        };
        let late = |_| BenchError::new(format!("no server is the {role} within two minutes"));
        timeout(MAX_WAIT, found).await.map_err(late)
    }

    async fn has_role(&self, node: &Node, role: &str) -> bool {
        let asked = self.client.get(format!("{}/{role}", node.api));
        let answer = asked.timeout(Duration::from_secs(2)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}
