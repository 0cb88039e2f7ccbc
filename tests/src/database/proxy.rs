//! A TCP proxy.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

/// A TCP proxy on the loopback interface that can be cut, frozen and restored.
///
/// It is in front of a server, so that an outage of one test affects no other test.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    upstream: String,
    frozen: watch::Sender<bool>,
    round_trips: Arc<AtomicU64>,
    listening: Mutex<Listening>,
}

/// Whether connections are accepted.
#[derive(Debug)]
enum Listening {
    Open(Acceptor),
    /// Bound, so that the port stays reserved, but not listening, so that clients are refused.
    Closed(TcpSocket),
    /// Only during the change from one to the other.
    Between,
}

#[derive(Debug)]
struct Acceptor {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy in front of `upstream`, a host and a port.
    ///
    /// # Errors
    ///
    /// Returns an error if no port of the loopback interface is free.
    pub fn start(upstream: impl Into<String>) -> io::Result<Self> {
        let socket = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let proxy = Self {
            address: socket.local_addr()?,
            upstream: upstream.into(),
            frozen: watch::Sender::new(false),
            round_trips: Arc::default(),
            listening: Mutex::new(Listening::Closed(socket)),
        };
        proxy.open()?;
        Ok(proxy)
    }

    /// Returns the address that the proxy listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the number of round trips on all connections so far.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::Relaxed)
    }

    /// Closes all connections and refuses new ones when this returns.
    ///
    /// # Errors
    ///
    /// Returns an error if another process took the port meanwhile.
    pub async fn cut(&self) -> io::Result<()> {
        let before = std::mem::replace(&mut *self.listening(), Listening::Between);
        let after = match before {
            Listening::Open(acceptor) => {
                acceptor.stop().await;
                Listening::Closed(bind(self.address)?)
            }
            other => other,
        };
        *self.listening() = after;
        Ok(())
    }

    /// Holds every byte back, in both directions; connections stay open and new ones are accepted.
    pub fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    /// Ends a cut or a freeze: held bytes are sent, closed connections stay closed.
    ///
    /// # Errors
    ///
    /// Returns an error if the proxy cannot listen again.
    pub fn restore(&self) -> io::Result<()> {
        self.frozen.send_replace(false);
        self.open()
    }

    fn open(&self) -> io::Result<()> {
        let mut door = self.listening();
        *door = match std::mem::replace(&mut *door, Listening::Between) {
            Listening::Closed(socket) => {
                let listener = socket.listen(1024)?;
                Listening::Open(Acceptor::start(listener, self.upstream.clone(), self.wire()))
            }
            other => other,
        };
        Ok(())
    }

    fn wire(&self) -> Wire {
        let server_spoke = Arc::new(AtomicBool::new(true));
        let round_trips = Arc::clone(&self.round_trips);
        Wire { frozen: self.frozen.subscribe(), round_trips, server_spoke }
    }

    fn listening(&self) -> MutexGuard<'_, Listening> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What both directions of a connection share.
#[derive(Debug, Clone)]
struct Wire {
    frozen: watch::Receiver<bool>,
    round_trips: Arc<AtomicU64>,
    server_spoke: Arc<AtomicBool>,
}

impl Wire {
    fn for_connection(&self) -> Self {
        Self { server_spoke: Arc::new(AtomicBool::new(true)), ..self.clone() }
    }

    fn client_speaks(&self) {
        if self.server_spoke.swap(false, Ordering::Relaxed) {
            self.round_trips.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn server_speaks(&self) {
        self.server_spoke.store(true, Ordering::Relaxed);
    }
}

/// A port that still has connections in their last states can be bound again.
fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

impl Acceptor {
    fn start(listener: TcpListener, upstream: String, wire: Wire) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(accept(listener, upstream, wire, stopped));
        Self { stop, task }
    }

    /// Ends when the listener and every connection are closed.
    async fn stop(self) {
        drop(self.stop);
        let _ = self.task.await;
    }
}

async fn accept(
    listener: TcpListener,
    upstream: String,
    wire: Wire,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            Ok((client, _)) = listener.accept() => {
                connections.spawn(serve(client, upstream.clone(), wire.for_connection()));
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn serve(client: TcpStream, upstream: String, wire: Wire) -> io::Result<()> {
    let server = TcpStream::connect(&upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // The first that fails takes the connection down; the end of one direction does not.
    tokio::try_join!(
        pump(from_client, to_server, wire.frozen.clone(), || wire.client_speaks()),
        pump(from_server, to_client, wire.frozen.clone(), || wire.server_speaks()),
    )?;
    Ok(())
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut frozen: watch::Receiver<bool>,
    speaks: impl Fn(),
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        // What was read as the freeze came is held back too.
        frozen.wait_for(|frozen| !frozen).await.map_err(io::Error::other)?;
        if read == 0 {
            return to.shutdown().await;
        }
        speaks();
        to.write_all(&buffer[..read]).await?;
    }
}
