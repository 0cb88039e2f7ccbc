//! The scenarios, step by step.

mod forge;
mod house;

use std::error::Error;
use std::time::Duration;

use session_core::policy::Rule;
use session_core::store::memory::MemoryStore;
use session_core::testing::FakeClock;
use session_core::{Keyring, ProviderName, SessionManager, SessionPolicy, UserId};

use crate::forge::{Forge, ForgeProvider};
use crate::house::{House, HouseProvider};
use crate::http::{client, serve};

const APPLICATION_KEY: &str = "only-for-this-example";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The application, its user, and both services with their providers.
struct World {
    clock: FakeClock,
    sessions: SessionManager,
    ann: UserId,
    house: House,
    house_provider: HouseProvider,
    forge: Forge,
    forge_provider: ForgeProvider,
}

pub(crate) async fn run() -> Outcome {
    let world = World::start().await?;
    println!("\nAn in-house token service");
    house::run(&world).await?;
    println!("\nA service whose tokens neither expire nor are renewed");
    forge::run(&world).await?;
    println!("\nAll steps passed.");
    Ok(())
}

impl World {
    async fn start() -> Outcome<Self> {
        let clock = FakeClock::new();
        let (house, forge) = (House::new(clock.clone(), APPLICATION_KEY), Forge::default());
        let (house_at, forge_at) = (serve(house.router()).await?, serve(forge.router()).await?);
        println!("in-house token service at {house_at}, service like GitHub at {forge_at}");
        let house_provider = HouseProvider::new(client()?, &house_at, APPLICATION_KEY);
        let forge_provider = ForgeProvider::new(client()?, &forge_at);
        let sessions = SessionManager::builder(MemoryStore::new())
            .policy(policy()?)
            .keyring(Keyring::parse(&Keyring::generate_entry("example")?)?)
            .clock(clock.clone())
            .provider("house", house_provider.clone())
            .provider("forge", forge_provider.clone())
            .start()
            .await?;
        let ann = UserId::new("ann")?;
        Ok(Self { clock, sessions, ann, house, house_provider, forge, forge_provider })
    }

    fn advance(&self, span: Duration) {
        self.clock.advance(span);
        println!("        … {} minutes pass", span.as_secs() / 60);
    }
}

/// Sessions with `forge` have no timeouts, because its tokens do not expire. An application may set
/// timeouts all the same.
fn policy() -> Outcome<SessionPolicy> {
    let unlimited = Rule::for_provider("forge").without_idle_timeout().without_absolute_timeout();
    Ok(SessionPolicy::builder().rule(unlimited).build()?)
}

fn provider(name: &str) -> Outcome<ProviderName> {
    Ok(ProviderName::new(name)?)
}

/// Prints a step whose condition holds, and fails with it otherwise.
fn check(condition: bool, step: &str) -> Outcome {
    if !condition {
        return Err(step.into());
    }
    println!("    ok  {step}");
    Ok(())
}
