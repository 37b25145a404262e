//! The other side: what a client of this server will meet, seen as one. Nothing here is part of serving.

mod discovery;
mod doctor;
mod http;
mod login;
mod samples;
mod sheet;

pub use self::doctor::{Doctor, Examination};
pub use self::login::{LoggedIn, Login};
pub use self::samples::Sample;
pub use self::sheet::{ClientConfig, Sheet};
