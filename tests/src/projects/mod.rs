//! The tables of the projects that have a preset, and rows with what goes wrong in real ones.
//!
//! Tables are in the form that [`Source::run`](crate::source::Source::run) takes.

mod authjs;
pub mod openwebui;
mod plain;
mod sealed;

pub use authjs::{
    AUTHJS_DRIZZLE, AUTHJS_PG, AUTHJS_PRISMA, AUTHJS_TYPEORM, accounts, authjs_drizzle, authjs_pg,
    authjs_prisma, authjs_typeorm,
};
pub use plain::{ALLAUTH, RAILS, SOCIAL_AUTH, SPRING, allauth, rails, social_auth, spring};
pub use sealed::{
    BETTER_AUTH, BETTER_AUTH_KEY, GRAFANA, GRAFANA_KEY, LARAVEL, LARAVEL_FORM, LARAVEL_KEY,
    OUTLINE, OUTLINE_KEY, better_auth, grafana, laravel, outline, seal, text,
};
