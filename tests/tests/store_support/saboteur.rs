//! A proxy that breaks a connection at a chosen message.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

/// What happens to the chosen message before its connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The message does not arrive.
    Request,
    /// The message arrives and is answered, and the response is lost.
    Answer,
    /// The message does not arrive, and the connection stays open without a word. Only messages that
    /// test a connection before it goes back are counted.
    SilentTest,
}

#[derive(Default)]
struct Plan {
    sabotage: Option<Sabotage>,
    /// How many messages pass before it.
    left: usize,
}

/// A proxy in front of a server, for one database.
pub struct Saboteur {
    url: String,
    plan: Arc<Mutex<Plan>>,
    /// How often the open connections fell silent.
    silences: watch::Sender<u32>,
}

impl Saboteur {
    pub async fn before(url: &str) -> Self {
        let mut url = Url::parse(url).unwrap();
        let upstream = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        url.set_ip_host(address.ip()).unwrap();
        url.set_port(Some(address.port())).unwrap();
        let plan = Arc::new(Mutex::new(Plan::default()));
        let silences = watch::Sender::new(0);
        tokio::spawn({
            let (plan, silences) = (Arc::clone(&plan), silences.clone());
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let server = TcpStream::connect(&upstream).await.unwrap();
                    let plan = Arc::clone(&plan);
                    tokio::spawn(serve(client, server, plan, silences.subscribe()));
                }
            }
        });
        Self { url: url.into(), plan, silences }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Breaks the connection after so many messages.
    pub fn arm(&self, sabotage: Sabotage, left: usize) {
        *self.plan.lock().unwrap() = Plan { sabotage: Some(sabotage), left };
    }

    /// Returns once a connection was broken.
    pub async fn struck(&self) {
        while self.plan.lock().unwrap().sabotage.is_some() {
            tokio::task::yield_now().await;
        }
    }

    /// Leaves every open connection without a word; new ones work.
    pub fn silence(&self) {
        self.silences.send_modify(|silences| *silences += 1);
    }

    /// Lets everything pass again; returns whether a connection was broken.
    pub fn disarm(&self) -> bool {
        self.plan.lock().unwrap().sabotage.take().is_none()
    }
}

async fn serve(
    mut client: TcpStream,
    mut server: TcpStream,
    plan: Arc<Mutex<Plan>>,
    mut silenced: watch::Receiver<u32>,
) {
    let (mut request, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            biased;
            Ok(()) = silenced.changed() => std::future::pending::<()>().await,
            Ok(read) = client.read(&mut request) => {
                if read == 0 {
                    return;
                }
                let sabotage = next(&plan, read);
                if sabotage == Some(Sabotage::SilentTest) {
                    std::future::pending::<()>().await;
                }
                if sabotage != Some(Sabotage::Request) {
                    server.write_all(&request[..read]).await.unwrap_or(());
                }
                match sabotage {
                    Some(Sabotage::Answer) => {
                        let _ = server.read(&mut answer).await;
                        return;
                    }
                    Some(Sabotage::Request | Sabotage::SilentTest) => return,
                    None => {}
                }
            }
            Ok(read) = server.read(&mut answer) => {
                if read == 0 || client.write_all(&answer[..read]).await.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}

/// The length of PostgreSQL's Sync and of MySQL's ping.
const TEST_MESSAGE: usize = 5;

fn next(plan: &Mutex<Plan>, length: usize) -> Option<Sabotage> {
    let mut plan = plan.lock().unwrap();
    if plan.sabotage == Some(Sabotage::SilentTest) && length != TEST_MESSAGE {
        return None;
    }
    match plan.left.checked_sub(1) {
        Some(left) => {
            plan.left = left;
            None
        }
        None => plan.sabotage.take(),
    }
}
