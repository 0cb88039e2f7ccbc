//! The core: its manager and its provider, on every database; and the harness itself.

mod back_channel;
mod harness;
mod hour_of_outage;
mod keep_alive;
mod machine;
mod manager_databases;
mod manager_moves;
mod manager_renewal;
mod manager_sessions;
mod metrics;
mod nodes;
mod openid;
mod outgoing;
mod properties;
mod sign_in;
mod signals;
mod step_up;
