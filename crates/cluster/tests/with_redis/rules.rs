//! One rule of `ask.lua` each.

use std::time::Duration;

use cluster::{Answer, Holds, Tag, Ticket, Wish};
use matchmaker::PeerId;

use crate::{redis_server::RedisServer, shell::Server};

/// Somebody who takes whoever comes.
fn wish(server: &Server, number: u64) -> Wish {
    Wish {
        ticket: Ticket {
            node: server.me,
            number,
        },
        who: Tag {
            node: server.me,
            peer: PeerId(number),
        },
        key: None,
        is_apart: false,
        interests: Vec::new(),
        language: None,
        never: Vec::new(),
        never_keys: Vec::new(),
        met: Vec::new(),
        holds: Holds::default(),
        waited: Duration::ZERO,
    }
}

fn found(wish: &Wish) -> Answer {
    Answer::Found {
        ticket: wish.ticket,
        who: wish.who,
    }
}

const LONG: Duration = Duration::from_mins(1);

/// Two servers, and the Redis by which they are one.
async fn two() -> (RedisServer, Server, Server) {
    let redis = RedisServer::start();
    let one = Server::start(&redis, 1).await;
    let other = Server::start(&redis, 2).await;
    (redis, one, other)
}

#[tokio::test]
async fn the_one_who_asks_takes_whoever_waits_elsewhere_and_asking_again_changes_nothing() {
    let (_redis, mut one, mut other) = two().await;
    let (waits, asks) = (wish(&one, 1), wish(&other, 1));
    assert_eq!(one.ask(&waits).await, Answer::Waits);
    assert_eq!(one.ask(&waits).await, Answer::Waits, "offered again");
    assert_eq!(other.ask(&asks).await, found(&waits));
    assert_eq!(other.ask(&asks).await, found(&waits), "the same again");
    assert_eq!(one.ask(&waits).await, Answer::Taken);
    assert_eq!(
        other.ask(&wish(&other, 2)).await,
        Answer::Waits,
        "nobody is left"
    );
}

#[tokio::test]
async fn who_is_at_the_same_server_is_not_for_redis_to_pair() {
    let (_redis, mut one, _other) = two().await;
    assert_eq!(one.ask(&wish(&one, 1)).await, Answer::Waits);
    assert_eq!(one.ask(&wish(&one, 2)).await, Answer::Waits);
}

#[tokio::test]
async fn a_ticket_that_was_withdrawn_is_for_nobody_even_if_the_offer_comes_later() {
    let (_redis, mut one, mut other) = two().await;
    let (early, late) = (wish(&one, 1), wish(&one, 2));
    assert_eq!(one.ask(&early).await, Answer::Waits);
    one.withdraw(&early).await;
    one.withdraw(&late).await;
    assert_eq!(one.ask(&late).await, Answer::Withdrawn);
    assert_eq!(other.ask(&wish(&other, 1)).await, Answer::Waits);
}

#[tokio::test]
async fn whoever_is_blocked_or_is_the_same_person_is_left_out_whichever_of_the_two_says_so() {
    let (_redis, mut one, mut other) = two().await;
    for (number, by) in [(10, "session"), (20, "key"), (30, "nothing")] {
        for blocker_waits in [true, false] {
            let number = number + u64::from(blocker_waits);
            let (mut waits, mut asks) = (wish(&one, number), wish(&other, number));
            waits.key = Some("a".repeat(32));
            asks.key = Some("b".repeat(32));
            let (blocker, blocked) = if blocker_waits {
                (&mut waits, &asks)
            } else {
                (&mut asks, &waits)
            };
            match by {
                "session" => blocker.never.push(blocked.who),
                "key" => blocker.never_keys.extend(blocked.key.clone()),
                _ => {}
            }
            let expected = match by {
                "nothing" => found(&waits),
                _ => Answer::Waits,
            };
            assert_eq!(one.ask(&waits).await, Answer::Waits);
            assert_eq!(other.ask(&asks).await, expected, "{by} {blocker_waits}");
            one.withdraw(&waits).await;
            other.withdraw(&asks).await;
            // Whatever a server orders is carried out in order.
            for server in [&mut one, &mut other] {
                let again = if server.me == waits.ticket.node {
                    &waits
                } else {
                    &asks
                };
                assert_ne!(server.ask(again).await, Answer::Waits);
            }
        }
    }
    let key = "c".repeat(32);
    let (mut here, mut there) = (wish(&one, 90), wish(&other, 90));
    here.key = Some(key.clone());
    there.key = Some(key);
    assert_eq!(one.ask(&here).await, Answer::Waits);
    assert_eq!(
        other.ask(&there).await,
        Answer::Waits,
        "nobody meets himself"
    );
}

#[tokio::test]
async fn who_is_kept_apart_meets_only_others_like_that() {
    let (_redis, mut one, mut other) = two().await;
    let mut apart = wish(&one, 1);
    apart.is_apart = true;
    assert_eq!(one.ask(&apart).await, Answer::Waits);
    assert_eq!(other.ask(&wish(&other, 1)).await, Answer::Waits);
    let mut alike = wish(&other, 2);
    alike.is_apart = true;
    assert_eq!(other.ask(&alike).await, found(&apart));
}

#[tokio::test]
async fn both_must_be_content_with_what_the_other_lacks_and_are_as_time_passes() {
    let (_redis, mut one, mut other) = two().await;
    let soon = Duration::from_millis(300);
    for (number, lack) in ["interest", "language", "new"].into_iter().enumerate() {
        let number = 10 * number as u64;
        let (mut waits, mut asks) = (wish(&one, number), wish(&other, number));
        for (wish, language) in [(&mut waits, "fr"), (&mut asks, "de")] {
            wish.interests = vec![if lack == "interest" { language } else { "tea" }.to_owned()];
            wish.language = (lack == "language").then(|| language.to_owned());
        }
        if lack == "new" {
            asks.met.push(waits.who);
        }
        let hold = |wish: &mut Wish, time| match lack {
            "interest" => wish.holds.interest = time,
            "language" => wish.holds.language = time,
            _ => wish.holds.new = time,
        };
        hold(&mut waits, soon);
        assert_eq!(one.ask(&waits).await, Answer::Waits);
        assert_eq!(
            other.ask(&asks).await,
            Answer::Waits,
            "{lack}: the other one holds out"
        );
        tokio::time::sleep(soon * 2).await;
        hold(&mut asks, LONG);
        assert_eq!(
            other.ask(&asks).await,
            Answer::Waits,
            "{lack}: this one does"
        );
        hold(&mut asks, Duration::ZERO);
        assert_eq!(
            other.ask(&asks).await,
            found(&waits),
            "{lack}: neither does"
        );
    }
}

#[tokio::test]
async fn the_best_is_new_understood_of_many_common_interests_and_has_waited_longest() {
    let (_redis, mut one, mut other) = two().await;
    let likes = |number: u64, interests: &[&str], language: Option<&str>, waited: u64| {
        let mut wish = wish(&one, number);
        wish.interests = interests.iter().map(ToString::to_string).collect();
        wish.language = language.map(str::to_owned);
        wish.waited = Duration::from_secs(waited);
        wish
    };
    let waiting = [
        likes(1, &["tea", "chess"], Some("fr"), 0),
        likes(2, &["tea", "chess"], None, 0),
        likes(3, &["tea"], Some("fr"), 9),
        likes(4, &[], Some("fr"), 20),
        likes(5, &[], Some("fr"), 10),
        likes(6, &["tea", "chess"], Some("de"), 50),
        likes(7, &["tea", "chess"], Some("fr"), 60),
    ];
    for wish in &waiting {
        assert_eq!(one.ask(wish).await, Answer::Waits);
    }
    // The last was a partner lately.
    for expected in 1..=7 {
        let mut asks = wish(&other, expected);
        asks.interests = vec!["chess".to_owned(), "tea".to_owned()];
        asks.language = Some("fr".to_owned());
        asks.met = vec![waiting[6].who];
        let best = &waiting[expected as usize - 1];
        assert_eq!(other.ask(&asks).await, found(best), "the {expected}. best");
    }
}

#[tokio::test]
async fn who_waits_at_a_server_that_is_gone_is_for_nobody() {
    let (redis, mut one, mut other) = two().await;
    assert_eq!(one.ask(&wish(&one, 1)).await, Answer::Waits);
    drop(one);
    tokio::time::sleep(Duration::from_millis(3500)).await;
    assert_eq!(other.ask(&wish(&other, 1)).await, Answer::Waits);
    let third = Server::start(&redis, 3).await;
    assert_eq!(third.roster.len(), 2, "two are there: {:?}", third.roster);
}
