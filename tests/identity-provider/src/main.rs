//! The provider as a program: `cargo run -p identity-provider -- --auto-login`.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use identity_provider::{Client, IdentityProvider, IdentityProviderBuilder, Settings, User};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

/// An OpenID Connect provider for development and tests. It asks for no password.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The loopback address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:3001")]
    listen: SocketAddr,
    /// How many seconds an access token is valid
    #[arg(long, default_value_t = 300)]
    access_token_seconds: u64,
    /// Sign in the user named by login_hint, without a form
    #[arg(long)]
    auto_login: bool,
    /// A user to offer on the form; repeatable, and other users can sign in too
    #[arg(long = "user")]
    users: Vec<String>,
    /// The id of an additional client
    #[arg(long, requires = "redirect_uris")]
    client_id: Option<String>,
    /// The secret of that client; without one it is a public client
    #[arg(long, requires = "client_id", env = "CLIENT_SECRET", hide_env_values = true)]
    client_secret: Option<String>,
    /// A redirect URI of that client; repeatable
    #[arg(long = "redirect-uri", requires = "client_id")]
    redirect_uris: Vec<String>,
    /// Leave expires_in out of token responses
    #[arg(long)]
    no_expires_in: bool,
    /// Issue no refresh tokens
    #[arg(long)]
    no_refresh_tokens: bool,
    /// Keep a refresh token the same over renewals
    #[arg(long)]
    no_rotation: bool,
    /// Reject a used refresh token without revoking its family
    #[arg(long)]
    no_reuse_detection: bool,
    /// How many seconds a rotated refresh token is still accepted
    #[arg(long, default_value_t = 0)]
    reuse_grace_seconds: u64,
    /// How many milliseconds the token endpoint waits before it processes a request
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
}

impl Arguments {
    fn builder(&self) -> IdentityProviderBuilder {
        let builder = IdentityProvider::builder().configure(|settings| self.apply(settings));
        let builder =
            self.users.iter().fold(builder, |builder, name| builder.user(User::new(name)));
        match self.client() {
            Some(client) => builder.client(client),
            None => builder,
        }
    }

    fn apply(&self, settings: &mut Settings) {
        settings.access_token_lifetime = Duration::from_secs(self.access_token_seconds);
        settings.auto_login = self.auto_login;
        settings.detect_reuse = !self.no_reuse_detection;
        settings.issue_refresh_tokens = !self.no_refresh_tokens;
        settings.reuse_grace = Duration::from_secs(self.reuse_grace_seconds);
        settings.rotate_refresh_tokens = !self.no_rotation;
        settings.send_expires_in = !self.no_expires_in;
        settings.token_latency = Duration::from_millis(self.latency_ms);
    }

    fn client(&self) -> Option<Client> {
        let client = Client::new(self.client_id.as_ref()?);
        let client = self.redirect_uris.iter().fold(client, |client, uri| client.redirect_uri(uri));
        Some(match &self.client_secret {
            Some(secret) => client.secret(secret),
            None => client,
        })
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the program prints its issuer")]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();
    if !arguments.listen.ip().is_loopback() {
        return Err(
            "--listen must be a loopback address, because the provider asks for no password".into(),
        );
    }
    let provider = arguments.builder().build()?;
    let listener = TcpListener::bind(arguments.listen).await?;
    println!("http://{}", listener.local_addr()?);
    tokio::select! {
        served = provider.serve(listener) => served?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}
