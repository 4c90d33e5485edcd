//! The lab's map: who is connected to whom, with which addresses, and how that changes.

use std::net::Ipv4Addr;

use anyhow::Context as _;
use tempfile::TempDir;

use super::cable::Cable;
use super::namespace::{Claim, Namespace, run};
use super::nat::NatKind;
use super::shape::Shape;

/// One of the two clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one with two uplinks.
    A,
    /// The other one.
    B,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];
}

/// One of the ways to the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uplink {
    /// The first one of client A, in use at the beginning.
    A,
    /// The one of client B.
    B,
    /// The second one of client A, unused until it roams.
    ASecond,
}

/// How an uplink is made up.
struct Plan {
    side: Side,
    role: &'static str,
    device: &'static str,
    cable: &'static str,
    /// The box's address on the internet.
    wan: Ipv4Addr,
    /// The network behind it (a private /24), when addresses are translated.
    private: [u8; 3],
    /// The network behind it (a public /28), when they are not.
    public: u8,
}

/// In the order of [`Network::index`]. The public addresses are those of RFC 5737, which no real network uses.
const PLANS: [Plan; 3] = [
    Plan {
        side: Side::A,
        role: "nat-a",
        device: "eth0",
        cable: "cable-a",
        wan: Ipv4Addr::new(203, 0, 113, 10),
        private: [10, 1, 0],
        public: 0,
    },
    Plan {
        side: Side::B,
        role: "nat-b",
        device: "eth0",
        cable: "cable-b",
        wan: Ipv4Addr::new(203, 0, 113, 20),
        private: [10, 2, 0],
        public: 16,
    },
    Plan {
        side: Side::A,
        role: "nat-a2",
        device: "lte0",
        cable: "cable-a2",
        wan: Ipv4Addr::new(203, 0, 113, 30),
        private: [10, 3, 0],
        public: 32,
    },
];

impl Plan {
    /// The address of the box, as the client sees it.
    fn gateway(&self, kind: NatKind) -> Ipv4Addr {
        self.address(kind, 1)
    }

    fn address(&self, kind: NatKind, number: u8) -> Ipv4Addr {
        let [a, b, c] = self.private;
        match kind {
            NatKind::Open => Ipv4Addr::new(198, 51, 100, self.public + number),
            _ => Ipv4Addr::new(a, b, c, number),
        }
    }

    const fn prefix_length(kind: NatKind) -> u8 {
        match kind {
            NatKind::Open => 28,
            _ => 24,
        }
    }
}

/// A NAT box and the cable to the internet.
#[derive(Debug)]
struct Site {
    cable: Cable,
    nat: Namespace,
    kind: NatKind,
    /// The last part of the client's address: 2, and 3 after it has changed.
    client: u8,
}

/// The whole of it: clients, NAT boxes, cables and the internet. Removed when dropped.
#[derive(Debug)]
pub struct Network {
    sites: [Site; 3],
    clients: [Namespace; 2],
    internet: Namespace,
    folder: TempDir,
    // After the namespaces: the claim is what says that they are in use.
    _claim: Claim,
}

impl Network {
    /// The server's address.
    pub const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
    /// The server's machine has a second one.
    pub const SERVER_SECOND: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);

    /// Builds everything; takes a second or so.
    ///
    /// # Errors
    /// What the system refuses: see `lab check`.
    pub fn build(a: NatKind, b: NatKind) -> anyhow::Result<Self> {
        let claim = Claim::new()?;
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let internet = Namespace::create(&claim, "internet")?;
        internet.set("net/ipv4/ip_forward", "1")?;
        internet.set("net/ipv4/conf/all/send_redirects", "0")?;
        internet.set("net/ipv4/conf/default/send_redirects", "0")?;
        internet
            .ip(&format!(
                "link add bridge0 type bridge\n\
             addr add {}/24 dev bridge0\n\
             addr add {}/24 dev bridge0\n\
             link set bridge0 up\n\
             link add void0 type veth peer name void1\n\
             link set void0 up\n\
             link set void1 up\n\
             addr add 192.0.2.1/24 dev void0\n\
             neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev void0 nud permanent\n\
             route add default via 192.0.2.2 dev void0\n",
                Self::SERVER,
                Self::SERVER_SECOND,
            ))
            // Packets to private addresses shall vanish, as on the internet, and not fail where they are sent.
            .context("the internet could not be set up")?;
        let clients = [
            Namespace::create(&claim, "a")?,
            Namespace::create(&claim, "b")?,
        ];
        let site = |plan: &Plan| Self::build_site(&claim, plan, &internet, &clients);
        let sites = [site(&PLANS[0])?, site(&PLANS[1])?, site(&PLANS[2])?];
        let mut network = Self {
            sites,
            clients,
            internet,
            folder,
            _claim: claim,
        };
        for (uplink, kind) in [
            (Uplink::A, a),
            (Uplink::B, b),
            (Uplink::ASecond, NatKind::PortRestricted),
        ] {
            network.set_nat(uplink, kind)?;
        }
        Ok(network)
    }

    fn build_site(
        claim: &Claim,
        plan: &Plan,
        internet: &Namespace,
        clients: &[Namespace; 2],
    ) -> anyhow::Result<Site> {
        let nat = Namespace::create(claim, plan.role)?;
        nat.set("net/ipv4/ip_forward", "1")?;
        nat.set("net/ipv4/conf/all/send_redirects", "0")?;
        let cable = Cable::lay(
            [(&nat, "wan"), (internet, plan.cable)],
            u64::from(plan.public) + 1,
        )?;
        let Plan { wan, device, .. } = plan;
        internet.ip(&format!(
            "link set {0} master bridge0\n\
             link set {0} up\n\
             route add 198.51.100.{1}/28 via {wan}\n",
            plan.cable, plan.public,
        ))?;
        let client = match plan.side {
            Side::A => &clients[0],
            Side::B => &clients[1],
        };
        nat.ip(&format!(
            "link add lan type veth peer name {device} netns {}\n\
             addr add {wan}/24 dev wan\n\
             link set wan up\n\
             route add default via {}\n\
             addr add {}/24 dev lan\n\
             addr add {}/28 dev lan\n\
             link set lan up\n",
            client.name(),
            Self::SERVER,
            plan.gateway(NatKind::PortRestricted),
            plan.gateway(NatKind::Open),
        ))?;
        Ok(Site {
            cable,
            nat,
            kind: NatKind::PortRestricted,
            client: 2,
        })
    }

    /// Puts another kind of box into an uplink; it knows of no conversation that was there before. The client's address
    /// may change with it.
    ///
    /// # Errors
    /// What `ip` or `nft` say.
    pub fn set_nat(&mut self, uplink: Uplink, kind: NatKind) -> anyhow::Result<()> {
        self.site_mut(uplink).kind = kind;
        self.apply_rules(uplink)?;
        let site = self.site(uplink);
        // Only the kernel's table of conversations is forgotten; without one there is nothing to forget.
        run(site.nat.command("conntrack")?.arg("-F"), "")?;
        if uplink == Uplink::ASecond {
            return Ok(());
        }
        self.connect(uplink)
    }

    /// Gives the client its address and its way to the internet.
    fn connect(&self, uplink: Uplink) -> anyhow::Result<()> {
        let (site, plan) = (self.site(uplink), Self::plan(uplink));
        let device = plan.device;
        self.client(plan.side).ip(&format!(
            "link set {device} up\n\
             addr flush dev {device} scope global\n\
             addr add {}/{} dev {device}\n\
             route replace default via {}\n",
            plan.address(site.kind, site.client),
            Plan::prefix_length(site.kind),
            plan.gateway(site.kind),
        ))
    }

    /// Writes the rules of an uplink's box anew, for the client's address of now. Conversations go on.
    fn apply_rules(&self, uplink: Uplink) -> anyhow::Result<()> {
        let (site, plan) = (self.site(uplink), Self::plan(uplink));
        let client = plan.address(site.kind, site.client);
        let rules = site.kind.ruleset(client, plan.wan);
        run(site.nat.command("nft")?.args(["-f", "-"]), &rules)
    }

    /// Client A moves to its other uplink: first the old interface is gone, then the new one is there.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn roam(&mut self, to: Uplink) -> anyhow::Result<()> {
        let from = match to {
            Uplink::A => Uplink::ASecond,
            Uplink::ASecond | Uplink::B => Uplink::A,
        };
        let device = Self::plan(from).device;
        self.client(Side::A).ip(&format!(
            "addr flush dev {device} scope global\nlink set {device} down\n"
        ))?;
        self.connect(to)
    }

    /// The client loses its address and gets another one of the same network.
    ///
    /// # Errors
    /// What `ip` or `nft` say.
    pub fn readdress(&mut self, side: Side) -> anyhow::Result<()> {
        let uplink = Self::first_uplink(side);
        let site = self.site_mut(uplink);
        site.client = if site.client == 2 { 3 } else { 2 };
        self.apply_rules(uplink)?;
        self.connect(uplink)
    }

    /// Pulls the cable out of the client's machine: the interface and its address stay, without a carrier.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn pull(&self, side: Side) -> anyhow::Result<()> {
        let nat = &self.site(Self::first_uplink(side)).nat;
        nat.ip("link set lan down")
    }

    /// Puts the client's cable back.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn plug(&self, side: Side) -> anyhow::Result<()> {
        let nat = &self.site(Self::first_uplink(side)).nat;
        nat.ip("link set lan up")
    }

    /// Shapes all cables alike, in both directions.
    pub fn shape_all(&self, shape: Shape) {
        for site in &self.sites {
            site.cable.shape_both(shape);
        }
    }

    /// Where a client's programs run.
    pub fn client(&self, side: Side) -> &Namespace {
        let [a, b] = &self.clients;
        match side {
            Side::A => a,
            Side::B => b,
        }
    }

    /// Where the server runs.
    pub fn internet(&self) -> &Namespace {
        &self.internet
    }

    /// The cable between an uplink's box and the internet.
    pub fn cable(&self, uplink: Uplink) -> &Cable {
        &self.site(uplink).cable
    }

    /// The first uplink of a client.
    pub const fn first_uplink(side: Side) -> Uplink {
        match side {
            Side::A => Uplink::A,
            Side::B => Uplink::B,
        }
    }

    /// A folder that lives as long as the network.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    fn plan(uplink: Uplink) -> &'static Plan {
        &PLANS[Self::index(uplink)]
    }

    const fn index(uplink: Uplink) -> usize {
        match uplink {
            Uplink::A => 0,
            Uplink::B => 1,
            Uplink::ASecond => 2,
        }
    }

    fn site(&self, uplink: Uplink) -> &Site {
        &self.sites[Self::index(uplink)]
    }

    fn site_mut(&mut self, uplink: Uplink) -> &mut Site {
        &mut self.sites[Self::index(uplink)]
    }
}
