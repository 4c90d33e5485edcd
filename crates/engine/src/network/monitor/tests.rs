//! Histories of a machine's network, in virtual time.

use proptest::prelude::*;

use super::*;

const WLAN: &str = "192.168.1.7";
const MOBILE: &str = "100.64.3.4";
const CABLE: &str = "10.0.0.9";
const TEMPORARY: &str = "2001:db8:1:2::5";
const NEXT_TEMPORARY: &str = "2001:db8:1:2::6";
const LINK_LOCAL: &str = "fe80::7";
const LOOPBACK: &str = "127.0.0.1";

#[test]
fn what_is_there_at_the_start_is_no_change() {
    let mut machine = Machine::with(&[WLAN, TEMPORARY, LOOPBACK]);
    assert_eq!(machine.facts_within(ms(5000)), []);
}

#[test]
fn a_roam_in_several_steps_is_one_fact_soon_after_the_new_address() {
    let mut machine = Machine::with(&[WLAN, CABLE]);
    machine.list(&[CABLE]);
    assert_eq!(machine.facts_within(ms(60)), []);
    machine.list(&[CABLE, LINK_LOCAL]);
    assert_eq!(machine.facts_within(ms(60)), []);
    machine.list(&[CABLE, LINK_LOCAL, MOBILE]);
    let told = machine.facts_within(ms(1000));
    assert_eq!(told, [(ms(150), changed(&[MOBILE], &[WLAN]))]);
}

#[test]
fn the_loss_of_the_address_in_use_is_told_at_once() {
    let mut machine = Machine::with(&[WLAN, CABLE]);
    machine.used(Some(WLAN));
    machine.list(&[CABLE]);
    let lost = AddressChange {
        lost_in_use: true,
        ..change(&[], &[WLAN])
    };
    let told = machine.facts_within(ms(1000));
    assert_eq!(told, [(ms(0), NetworkFact::Changed(lost))]);
    machine.list(&[CABLE, MOBILE]);
    let told = machine.facts_within(ms(1000));
    assert_eq!(told, [(ms(150), changed(&[MOBILE], &[]))]);
}

#[test]
fn going_offline_is_told_at_once_and_the_way_back_when_it_has_settled() {
    let mut machine = Machine::with(&[WLAN]);
    machine.list(&[LOOPBACK]);
    let offline = AddressChange {
        is_offline: true,
        ..change(&[], &[WLAN])
    };
    let told = machine.facts_within(ms(1200));
    assert_eq!(told, [(ms(0), NetworkFact::Changed(offline))]);
    machine.list(&[LOOPBACK, MOBILE]);
    let told = machine.facts_within(ms(1000));
    assert_eq!(told, [(ms(150), changed(&[MOBILE], &[]))]);
}

#[test]
fn what_is_gone_again_before_it_was_told_is_never_told() {
    let mut machine = Machine::with(&[WLAN]);
    machine.list(&[WLAN, MOBILE]);
    assert_eq!(machine.facts_within(ms(100)), []);
    machine.list(&[WLAN]);
    assert_eq!(machine.facts_within(ms(5000)), []);
    assert_eq!(machine.monitor.poll_timeout(), None);
}

#[test]
fn temporary_addresses_link_local_ones_and_loopback_come_and_go_unnoticed() {
    let mut machine = Machine::with(&[WLAN, TEMPORARY]);
    for addresses in [
        &[WLAN, TEMPORARY, NEXT_TEMPORARY][..],
        &[WLAN, NEXT_TEMPORARY, LINK_LOCAL],
        &[WLAN, NEXT_TEMPORARY, LOOPBACK],
    ] {
        machine.list(addresses);
        assert_eq!(machine.facts_within(ms(1000)), []);
    }
}

#[test]
fn a_temporary_address_matters_if_the_call_uses_it() {
    let mut machine = Machine::with(&[WLAN, TEMPORARY, NEXT_TEMPORARY]);
    machine.used(Some(TEMPORARY));
    machine.list(&[WLAN, NEXT_TEMPORARY]);
    let lost = AddressChange {
        lost_in_use: true,
        ..AddressChange::default()
    };
    let told = machine.facts_within(ms(1000));
    assert_eq!(told, [(ms(0), NetworkFact::Changed(lost))]);
}

#[test]
fn a_network_that_never_settles_is_told_of_all_the_same() {
    let mut machine = Machine::with(&[WLAN]);
    let mut told = Vec::new();
    for round in 0..20 {
        machine.list(&[WLAN, MOBILE, &format!("10.0.0.{round}")]);
        told.extend(machine.facts_within(ms(100)));
    }
    assert!((3..=5).contains(&told.len()), "{told:?}");
}

#[test]
fn a_fact_that_nobody_fetches_is_brought_up_to_date() {
    let mut machine = Machine::with(&[WLAN]);
    machine.list(&[WLAN, MOBILE]);
    machine.now += ms(1000);
    machine.list(&[WLAN, CABLE]);
    let told = machine.facts_within(ms(1000));
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].1, changed(&[CABLE], &[]));
}

#[test]
fn a_wall_clock_that_ran_ahead_means_that_the_machine_slept() {
    let mut machine = Machine::with(&[WLAN]);
    machine.passes(ms(1000), ms(1000));
    machine.passes(ms(1000), ms(3900));
    assert_eq!(machine.facts_within(ms(0)), []);
    machine.passes(ms(1000), ms(61_000));
    let resumed = NetworkFact::Resumed {
        asleep: Duration::from_mins(1),
    };
    assert_eq!(machine.facts_within(ms(0)), [(ms(0), resumed)]);
    machine.passes(ms(1000), ms(1000));
    assert_eq!(machine.facts_within(ms(5000)), []);
}

#[test]
fn a_wall_clock_that_was_set_back_means_nothing() {
    let mut machine = Machine::with(&[WLAN]);
    machine.wall -= Duration::from_hours(2);
    machine.passes(ms(1000), ms(1000));
    machine.passes(ms(1000), ms(1000));
    assert_eq!(machine.facts_within(ms(0)), []);
}

#[test]
fn a_monotonic_clock_that_goes_on_in_sleep_shows_a_gap() {
    let mut machine = Machine::with(&[WLAN]);
    machine.passes(ms(9000), ms(9000));
    assert_eq!(machine.facts_within(ms(0)), []);
    machine.passes(ms(60_000), ms(60_000));
    let resumed = NetworkFact::Resumed {
        asleep: Duration::from_mins(1),
    };
    assert_eq!(machine.facts_within(ms(0)), [(ms(0), resumed)]);
}

#[derive(Debug, Clone)]
enum Step {
    Listed(Vec<&'static str>),
    Used(Option<&'static str>),
    /// Facts may be fetched for this long.
    Passes(u64),
    /// Nobody fetches a fact for this long.
    IsBusy(u64),
}

const ALL: [&str; 7] = [
    WLAN,
    MOBILE,
    CABLE,
    TEMPORARY,
    NEXT_TEMPORARY,
    LINK_LOCAL,
    LOOPBACK,
];

fn addresses() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(ALL.to_vec(), 0..=ALL.len())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => addresses().prop_map(Step::Listed),
        1 => prop::option::of(prop::sample::select(ALL.to_vec())).prop_map(Step::Used),
        4 => (0..400_u64).prop_map(Step::Passes),
        1 => (0..400_u64).prop_map(Step::IsBusy),
    ]
}

fn networks(addresses: impl IntoIterator<Item = IpAddr>) -> BTreeSet<IpAddr> {
    addresses
        .into_iter()
        .filter(|&address| is_usable(address))
        .map(network)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_settles_and_the_facts_add_up(
        start in addresses(),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut machine = Machine::with(&start);
        let mut last = start.clone();
        let mut known = networks(ips(&start));
        let mut told_at = None;
        let settle = Config::default().settle;
        for step in steps.into_iter().chain([Step::Passes(2000)]) {
            let began = machine.now;
            let facts = match step {
                Step::Listed(addresses) => {
                    machine.list(&addresses);
                    last = addresses;
                    machine.facts_within(ms(0))
                }
                Step::Used(address) => {
                    machine.used(address);
                    machine.facts_within(ms(0))
                }
                Step::Passes(length) => machine.facts_within(ms(length)),
                Step::IsBusy(length) => {
                    machine.now += ms(length);
                    Vec::new()
                }
            };
            for (after, fact) in facts {
                let NetworkFact::Changed(change) = fact else {
                    panic!("nobody slept");
                };
                prop_assert!(change != AddressChange::default(), "a fact that says nothing");
                let at = began + after;
                prop_assert!(told_at.is_none_or(|told_at| at >= told_at + settle), "two facts in one window");
                told_at = Some(at);
                for lost in networks(change.lost) {
                    prop_assert!(known.remove(&lost), "lost what was not there");
                }
                for gained in networks(change.gained) {
                    prop_assert!(known.insert(gained), "gained what was there");
                }
            }
        }
        prop_assert_eq!(machine.monitor.poll_timeout(), None);
        prop_assert_eq!(known, networks(ips(&last)));
    }

    #[test]
    fn a_network_that_stays_as_it_is_makes_no_fact(
        start in addresses(),
        waits in prop::collection::vec((0..9000_u64, -20_000..2900_i64), 0..40),
    ) {
        let mut machine = Machine::with(&start);
        for (awake, drift) in waits {
            let wall = awake.saturating_add_signed(drift);
            machine.list(&start);
            machine.passes(ms(awake), ms(wall));
            prop_assert_eq!(machine.facts_within(ms(0)), []);
        }
    }
}

/// A machine, its clocks and its monitor.
struct Machine {
    monitor: NetworkMonitor,
    now: Instant,
    wall: SystemTime,
}

impl Machine {
    fn with(addresses: &[&str]) -> Self {
        let mut machine = Self {
            monitor: NetworkMonitor::new(Config::default()),
            now: Instant::now(),
            wall: SystemTime::UNIX_EPOCH + Duration::from_hours(500_000),
        };
        machine.list(addresses);
        machine
            .monitor
            .handle(Input::ClockRead(machine.wall), machine.now);
        machine
    }

    fn list(&mut self, addresses: &[&str]) {
        let addresses = Input::AddressesListed(ips(addresses));
        self.monitor.handle(addresses, self.now);
    }

    fn used(&mut self, address: Option<&str>) {
        let address = address.map(|text| text.parse().unwrap());
        self.monitor.handle(Input::AddressUsed(address), self.now);
    }

    /// Time passes on both clocks, and then they are read.
    fn passes(&mut self, awake: Duration, wall: Duration) {
        self.now += awake;
        self.wall += wall;
        self.monitor.handle(Input::ClockRead(self.wall), self.now);
    }

    /// The facts of the next `length`, each with the time until it was due.
    fn facts_within(&mut self, length: Duration) -> Vec<(Duration, NetworkFact)> {
        let (began, end) = (self.now, self.now + length);
        let mut facts = Vec::new();
        while let Some(due_at) = self.monitor.poll_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(due_at);
            let fact = self.monitor.poll_fact(self.now).expect("it is due");
            facts.push((self.now - began, fact));
        }
        self.now = end;
        assert_eq!(
            self.monitor.poll_fact(end),
            None,
            "told nobody when it is due"
        );
        facts
    }
}

fn ips(addresses: &[&str]) -> BTreeSet<IpAddr> {
    addresses.iter().map(|text| text.parse().unwrap()).collect()
}

fn change(gained: &[&str], lost: &[&str]) -> AddressChange {
    AddressChange {
        gained: ips(gained).into_iter().collect(),
        lost: ips(lost).into_iter().collect(),
        ..AddressChange::default()
    }
}

fn changed(gained: &[&str], lost: &[&str]) -> NetworkFact {
    NetworkFact::Changed(change(gained, lost))
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
