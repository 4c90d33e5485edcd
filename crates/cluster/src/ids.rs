//! Names that hold on all servers.

use std::{fmt, str::FromStr};

use matchmaker::PeerId;
use serde::{Deserialize, Serialize};

/// One running server: random, and another one after each start, so that nobody takes it for what it was before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeId(pub u64);

/// One wait of one person. Used once: who waits again has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ticket {
    /// Where the person is connected.
    pub node: NodeId,
    /// Counts the waits there.
    pub number: u64,
}

/// One person's session with one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag {
    /// Where the person is connected.
    pub node: NodeId,
    /// Who it is there.
    pub peer: PeerId,
}

/// The text is no such name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("16 hexadecimal digits are wanted, or two times so many with a point between them")]
pub struct InvalidName;

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:016x}", self.node, self.number)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:016x}", self.node, self.peer.0)
    }
}

impl FromStr for NodeId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        hex(text).map(Self)
    }
}

impl FromStr for Ticket {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (node, number) = halves(text)?;
        Ok(Self { node, number })
    }
}

impl FromStr for Tag {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (node, peer) = halves(text)?;
        let peer = PeerId(peer);
        Ok(Self { node, peer })
    }
}

fn halves(text: &str) -> Result<(NodeId, u64), InvalidName> {
    let (node, number) = text.split_once('.').ok_or(InvalidName)?;
    Ok((node.parse()?, hex(number)?))
}

fn hex(text: &str) -> Result<u64, InvalidName> {
    let is_hex = text.len() == 16 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = u64::from_str_radix(text, 16).ok().filter(|_| is_hex);
    number.ok_or(InvalidName)
}

/// Lets serde write and read each as its text.
macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.to_string()
            }
        }
    )*};
}

as_text!(NodeId, Ticket, Tag);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_nothing_else_is() {
        let node = NodeId(0xfe);
        let ticket = Ticket { node, number: 7 };
        let peer = PeerId(u64::MAX);
        let tag = Tag { node, peer };
        assert_eq!(ticket.to_string().parse(), Ok(ticket));
        assert_eq!(tag.to_string().parse(), Ok(tag));
        assert_eq!(node.to_string().parse(), Ok(node));
        for wrong in [
            "",
            ".",
            "fe",
            "00000000000000fe",
            "+0000000000000fe.0000000000000007",
        ] {
            assert_eq!(wrong.parse::<Ticket>(), Err(InvalidName), "{wrong}");
        }
    }
}
