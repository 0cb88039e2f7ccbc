//! The laws of the store and its tables, on every database.

mod schema;
mod store_answers;
mod store_outages;
mod store_races;
mod store_round_trips;
mod store_support;
mod stores;
