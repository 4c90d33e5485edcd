//! What can be wrong with a server, or with the way to it.

use std::io;

/// Why a server could not be talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReachError {
    /// The URL is none of RFC 7064 and RFC 7065.
    #[error("the URL makes no sense")]
    BadUrl,
    /// The URL is good, and what it asks for is not built into this program: `stuns:`, or `turns:` over UDP (DTLS).
    #[error("this program does not speak what the URL asks for")]
    NotSupported,
    /// The name service knows no address for the name, or does not answer in time.
    #[error("its name cannot be resolved")]
    NameNotFound,
    /// This machine has no way to the address.
    #[error("there is no way to its address")]
    NoRoute,
    /// The machine is there and refuses: nothing listens on the port, or a firewall says no.
    #[error("it refuses connections")]
    Refused,
    /// Nothing came back in time: the server is gone, or a firewall is silent.
    #[error("it does not answer in time")]
    NoAnswer,
    /// It closed the connection before it answered.
    #[error("it closes the connection")]
    Closed,
    /// What it answers is not STUN (RFC 8489), or not to what was asked.
    #[error("what it answers makes no sense")]
    Garbage,
    /// It does not speak TLS, or no version that we do.
    #[error("it does not speak TLS as it should")]
    NoTls,
    /// Its certificate is not trusted, is out of date, or is for another name.
    #[error("its certificate cannot be trusted")]
    BadCertificate,
}

/// Why a relay does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// The server could not be talked to.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// There is no user name or no password for it.
    #[error("there are no credentials for it")]
    NoCredentials,
    /// It does not know the user name, or the password is wrong or has run out (401 or 441).
    #[error("it refuses the credentials")]
    WrongCredentials,
    /// The person, or the server, has as many allocations as are allowed (486 or 508).
    #[error("it is full")]
    Full,
    /// It refused to relay to its own relayed address (403).
    #[error("it does not relay to itself, so it cannot be tried")]
    PeerForbidden,
    /// It refused with another code of RFC 8489 or RFC 8656.
    #[error("it refuses with code {0}")]
    RefusedWith(u16),
    /// It allocated a relayed address, but nothing came back through it.
    #[error("nothing comes back through it")]
    NothingRelayed,
}

impl RelayError {
    /// Whether the server said something that makes sense, so that the way to it works.
    pub const fn is_from_the_server(self) -> bool {
        !matches!(self, Self::Reach(_) | Self::NoCredentials)
    }

    pub(super) const fn from_code(code: u16) -> Self {
        match code {
            401 | 441 => Self::WrongCredentials,
            403 => Self::PeerForbidden,
            486 | 508 => Self::Full,
            code => Self::RefusedWith(code),
        }
    }
}

impl From<io::Error> for ReachError {
    /// What the system says, in the words of a person who looks for the cause.
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::ConnectionRefused => Self::Refused,
            Kind::TimedOut | Kind::WouldBlock => Self::NoAnswer,
            Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::BrokenPipe
            | Kind::UnexpectedEof => Self::Closed,
            // Also what a local firewall makes of it (EPERM), and an address family that the machine does not have.
            _ => Self::NoRoute,
        }
    }
}
