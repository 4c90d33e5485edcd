//! The kinds of address translators and firewalls that people sit behind, as rules of nftables.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// What stands between a client and the internet. Mapping and filtering are those of RFC 4787.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NatKind {
    /// Nothing: the client's own address is a public one.
    Open,
    /// Endpoint-independent mapping and filtering: who knows the mapped address may send to it.
    FullCone,
    /// Endpoint-independent mapping, address-dependent filtering.
    Restricted,
    /// Endpoint-independent mapping, address- and port-dependent filtering: the usual home router.
    PortRestricted,
    /// Address- and port-dependent mapping to random ports, and such filtering: offices, mobile networks.
    Symmetric,
    /// Like port-restricted for TCP; no UDP passes.
    UdpBlocked,
    /// Nothing but TCP to port 443 passes; the rest vanishes without a word.
    Only443,
}

impl NatKind {
    /// All kinds, from the easiest to the hardest.
    pub const ALL: [Self; 7] = [
        Self::Open,
        Self::FullCone,
        Self::Restricted,
        Self::PortRestricted,
        Self::Symmetric,
        Self::UdpBlocked,
        Self::Only443,
    ];

    /// Whether UDP passes at all.
    pub const fn passes_udp(self) -> bool {
        !matches!(self, Self::UdpBlocked | Self::Only443)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::FullCone => "full-cone",
            Self::Restricted => "restricted",
            Self::PortRestricted => "port-restricted",
            Self::Symmetric => "symmetric",
            Self::UdpBlocked => "udp-blocked",
            Self::Only443 => "only-443",
        }
    }

    /// The rules for a box with the interfaces `lan`, towards `client`, and `wan`, which has the address `wan`.
    pub(crate) fn ruleset(self, client: Ipv4Addr, wan: Ipv4Addr) -> String {
        let answers = "ct state established,related accept";
        let outward = "iifname lan oifname wan accept";
        let inward_udp = format!("iifname wan ip daddr {wan} meta l4proto udp");
        let masquerade = "oifname wan masquerade";
        let (set, pre, post, forward) = match self {
            Self::Open => ("", String::new(), String::new(), "accept".to_owned()),
            Self::FullCone => (
                "",
                format!("{inward_udp} dnat to {client}"),
                masquerade.to_owned(),
                format!("{answers}; {outward}; iifname wan meta l4proto udp accept"),
            ),
            // The box remembers to whom each port has sent; masquerading keeps the port.
            Self::Restricted => (
                "set known { type inet_service . ipv4_addr; flags dynamic,timeout; timeout 2m; size 65535; }",
                format!("{inward_udp} udp dport . ip saddr @known dnat to {client}"),
                masquerade.to_owned(),
                format!(
                    "iifname lan meta l4proto udp update @known {{ udp sport . ip daddr }}; {answers}; {outward}; \
                     iifname wan udp dport . ip saddr @known accept"
                ),
            ),
            Self::PortRestricted => (
                "",
                String::new(),
                masquerade.to_owned(),
                format!("{answers}; {outward}"),
            ),
            Self::Symmetric => (
                "",
                String::new(),
                format!(
                    "oifname wan meta l4proto udp masquerade random,fully-random; {masquerade}"
                ),
                format!("{answers}; {outward}"),
            ),
            Self::UdpBlocked => (
                "",
                String::new(),
                masquerade.to_owned(),
                format!("meta l4proto udp drop; {answers}; {outward}"),
            ),
            Self::Only443 => (
                "",
                String::new(),
                masquerade.to_owned(),
                format!(
                    "meta l4proto != tcp drop; {answers}; iifname lan oifname wan tcp dport 443 accept"
                ),
            ),
        };
        // What nobody asked for is dropped where it comes in. If the box answered it, or only remembered it, the first
        // packet of a hole punch from the far side would push the own mapping to another port.
        format!(
            "flush ruleset\n\
             table ip lab {{\n\
             {set}\n\
             chain pre {{ type nat hook prerouting priority dstnat; {pre}; }}\n\
             chain post {{ type nat hook postrouting priority srcnat; {post}; }}\n\
             chain forward {{ type filter hook forward priority filter; policy drop; {forward}; }}\n\
             chain input {{ type filter hook input priority filter; policy drop; \
             iifname lan accept; {answers}; }}\n\
             }}\n"
        )
        .replace("{ type nat hook prerouting priority dstnat; ; }", "{ type nat hook prerouting priority dstnat; }")
        .replace("{ type nat hook postrouting priority srcnat; ; }", "{ type nat hook postrouting priority srcnat; }")
    }
}

impl fmt::Display for NatKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for NatKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                format!("{text:?} is none of {names}")
            })
    }
}

/// Whether two clients behind these can reach each other without a relay, in theory.
pub fn can_be_direct(a: NatKind, b: NatKind) -> bool {
    use NatKind::{PortRestricted, Symmetric};
    let is_unpredictable = matches!(
        (a, b),
        (Symmetric, Symmetric | PortRestricted) | (PortRestricted, Symmetric)
    );
    a.passes_udp() && b.passes_udp() && !is_unpredictable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn theory_does_not_care_who_is_who() {
        for a in NatKind::ALL {
            assert_eq!(a.to_string().parse(), Ok(a));
            for b in NatKind::ALL {
                assert_eq!(can_be_direct(a, b), can_be_direct(b, a), "{a} {b}");
            }
        }
        let direct = NatKind::ALL
            .iter()
            .flat_map(|a| NatKind::ALL.map(|b| can_be_direct(*a, b)))
            .filter(|direct| *direct)
            .count();
        assert_eq!(
            direct,
            25 - 3,
            "five kinds pass UDP; three pairs cannot punch"
        );
    }
}
