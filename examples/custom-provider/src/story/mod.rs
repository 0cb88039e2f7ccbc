//! What happens, step by step.

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

const APPLICATION_KEY: &str = "only-for-this-story";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Who and what the story is about.
struct Cast {
    clock: FakeClock,
    sessions: SessionManager,
    ann: UserId,
    house: House,
    at_house: HouseProvider,
    forge: Forge,
    at_forge: ForgeProvider,
}

pub(crate) async fn tell() -> Outcome {
    let cast = Cast::assemble().await?;
    println!("\nAn in-house token service");
    house::tell(&cast).await?;
    println!("\nA service whose tokens neither expire nor are renewed");
    forge::tell(&cast).await?;
    println!("\nAll of it held.");
    Ok(())
}

impl Cast {
    async fn assemble() -> Outcome<Self> {
        let clock = FakeClock::new();
        let (house, forge) = (House::new(clock.clone(), APPLICATION_KEY), Forge::default());
        let (house_at, forge_at) = (serve(house.router()).await?, serve(forge.router()).await?);
        println!("in-house token service at {house_at}, the one like GitHub at {forge_at}");
        let at_forge = ForgeProvider::new(client()?, &forge_at);
        let sessions = SessionManager::builder(MemoryStore::new())
            .policy(policy()?)
            .keyring(Keyring::parse(&Keyring::generate_entry("story")?)?)
            .clock(clock.clone())
            .provider("house", HouseProvider::new(client()?, &house_at, APPLICATION_KEY))
            .provider("forge", at_forge.clone())
            .start()
            .await?;
        Ok(Self {
            clock,
            sessions,
            ann: UserId::new("ann")?,
            house,
            at_house: HouseProvider::new(client()?, &house_at, APPLICATION_KEY),
            forge,
            at_forge,
        })
    }

    fn passes(&self, span: Duration) {
        self.clock.advance(span);
        println!("        … {} minutes pass", span.as_secs() / 60);
    }
}

/// A token that lives for ever needs no session that does not; all the same both may be bounded.
fn policy() -> Outcome<SessionPolicy> {
    let forever = Rule::for_provider("forge").without_idle_timeout().without_absolute_timeout();
    Ok(SessionPolicy::builder().rule(forever).build()?)
}

fn provider(name: &str) -> Outcome<ProviderName> {
    Ok(ProviderName::new(name)?)
}

/// A step: it holds, or the story ends here.
fn holds(it_does: bool, what: &str) -> Outcome {
    if !it_does {
        return Err(what.into());
    }
    println!("    ok  {what}");
    Ok(())
}
