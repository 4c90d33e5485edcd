//! Stories of one person, told fact by fact in virtual time.

mod finding_a_partner;
mod in_a_call;
mod offers_ahead;
mod person;
mod staying_connected;
