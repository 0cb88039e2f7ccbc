//! A proxy that breaks a connection at a chosen message.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// What happens to the chosen message before its connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The message does not arrive.
    Request,
    /// The message arrives and is answered, and the response is lost.
    Answer,
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
        tokio::spawn({
            let plan = Arc::clone(&plan);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let server = TcpStream::connect(&upstream).await.unwrap();
                    tokio::spawn(serve(client, server, Arc::clone(&plan)));
                }
            }
        });
        Self { url: url.into(), plan }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Breaks the connection after so many messages.
    pub fn arm(&self, sabotage: Sabotage, left: usize) {
        *self.plan.lock().unwrap() = Plan { sabotage: Some(sabotage), left };
    }

    /// Lets everything pass again; returns whether a connection was broken.
    pub fn disarm(&self) -> bool {
        self.plan.lock().unwrap().sabotage.take().is_none()
    }
}

async fn serve(mut client: TcpStream, mut server: TcpStream, plan: Arc<Mutex<Plan>>) {
    let (mut request, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            Ok(read) = client.read(&mut request) => {
                if read == 0 {
                    return;
                }
                let sabotage = next(&plan);
                if sabotage != Some(Sabotage::Request) {
                    server.write_all(&request[..read]).await.unwrap_or(());
                }
                match sabotage {
                    Some(Sabotage::Answer) => {
                        let _ = server.read(&mut answer).await;
                        return;
                    }
                    Some(Sabotage::Request) => return,
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

fn next(plan: &Mutex<Plan>) -> Option<Sabotage> {
    let mut plan = plan.lock().unwrap();
    match plan.left.checked_sub(1) {
        Some(left) => {
            plan.left = left;
            None
        }
        None => plan.sabotage.take(),
    }
}
