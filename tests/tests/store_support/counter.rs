//! A proxy that counts the messages of clients that await an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use session_tests::database::Kind;
use tokio::io::{self, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// A proxy in front of a server that reads the protocol, for one database.
pub struct Counter {
    url: String,
    kind: Kind,
    messages: Arc<AtomicU64>,
}

impl Counter {
    pub async fn before(url: &str, kind: Kind) -> Self {
        let mut url = Url::parse(url).unwrap();
        let upstream = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        url.set_ip_host(address.ip()).unwrap();
        url.set_port(Some(address.port())).unwrap();
        let messages = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&messages);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&upstream).await.unwrap();
                tokio::spawn(serve(client, server, kind, Arc::clone(&counted)));
            }
        });
        Self { url: url.into(), kind, messages }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns how many messages that await an answer have passed.
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::SeqCst)
    }
}

async fn serve(client: TcpStream, server: TcpStream, kind: Kind, messages: Arc<AtomicU64>) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, to_server) = server.into_split();
    let answers = tokio::spawn(async move { io::copy(&mut from_server, &mut to_client).await });
    let _ = match kind {
        Kind::Postgres => forward_postgres(from_client, to_server, &messages).await,
        _ => forward_mysql(from_client, to_server, &messages).await,
    };
    answers.abort();
}

/// Messages of PostgreSQL: a type and a length; those before the first query have no type.
async fn forward_postgres(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    messages: &AtomicU64,
) -> io::Result<()> {
    const SSL_REQUEST: [u8; 4] = 80_877_103_u32.to_be_bytes();
    loop {
        let body = postgres_body(&mut from).await?;
        to.write_all(&body).await?;
        if body[4..] != SSL_REQUEST {
            break;
        }
    }
    loop {
        let kind = from.read_u8().await?;
        let body = postgres_body(&mut from).await?;
        // A simple query, or the end of an extended one.
        if matches!(kind, b'Q' | b'S') {
            messages.fetch_add(1, Ordering::SeqCst);
        }
        to.write_all(&[&[kind], body.as_slice()].concat()).await?;
    }
}

/// Returns the length and what it counts.
async fn postgres_body(from: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let mut body = length.to_be_bytes().to_vec();
    body.resize(usize::try_from(length).unwrap(), 0);
    from.read_exact(&mut body[4..]).await?;
    Ok(body)
}

/// Packets of MySQL: three bytes of length and a number, which is zero for a command.
async fn forward_mysql(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    messages: &AtomicU64,
) -> io::Result<()> {
    const QUIT: u8 = 0x01;
    const CLOSE_STATEMENT: u8 = 0x19;
    loop {
        let mut packet = vec![0; 4];
        from.read_exact(&mut packet).await?;
        let length = u32::from_le_bytes([packet[0], packet[1], packet[2], 0]);
        packet.resize(4 + usize::try_from(length).unwrap(), 0);
        from.read_exact(&mut packet[4..]).await?;
        if packet[3] == 0 && !matches!(packet.get(4), None | Some(&(QUIT | CLOSE_STATEMENT))) {
            messages.fetch_add(1, Ordering::SeqCst);
        }
        to.write_all(&packet).await?;
    }
}
