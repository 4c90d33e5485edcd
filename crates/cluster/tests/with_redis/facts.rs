//! What `facts.lua` keeps, and how it is heard of.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use cluster::{
    FOR_GOOD, Fact, NodeId, Page, Question, Shelf, Stamp,
    redis::{News, Order},
};

use crate::{redis_server::RedisServer, shell::Server};

const SHELF: Shelf = Shelf {
    word: "bans",
    limit: 300,
};

fn fact(name: &str, ms: u64, text: &str) -> Fact {
    Fact {
        name: name.into(),
        stamp: Stamp {
            ms,
            node: NodeId(0xaa),
        },
        until: FOR_GOOD,
        text: text.into(),
    }
}

/// The first question of a server, with what it has to tell.
fn question(offers: Vec<Fact>) -> Question {
    Question {
        shelf: SHELF,
        epoch: String::new(),
        since: 0,
        new_epoch: "first".to_owned(),
        offers,
    }
}

impl Server {
    async fn syncs(&mut self, question: Question) -> Page {
        self.order(Order::Facts(Box::new(question))).await;
        match self.until(|news| matches!(news, News::Page { .. })).await {
            News::Page {
                shelf: "bans",
                page,
            } => page,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_later_fact_stays_and_each_is_told_once_to_one_who_reads_on() {
    let redis = RedisServer::start();
    let mut one = Server::start(&redis, 1).await;
    let mut other = Server::start(&redis, 2).await;
    let later = fact("sun", 2000, "it shines, brightly");
    let page = one.syncs(question(vec![later.clone()])).await;
    assert_eq!((&page.facts[..], page.last), (&[later.clone()][..], 1));
    assert_eq!(
        (page.epoch.as_str(), page.is_cut, page.refused),
        ("first", false, 0)
    );
    let nudge = other.until(|news| matches!(news, News::Nudge(_))).await;
    assert_eq!(nudge, News::Nudge("bans".to_owned()));

    // Older by the time, or by the server in the same millisecond.
    let same_time = Fact {
        stamp: Stamp {
            ms: 2000,
            node: NodeId(0xa9),
        },
        ..fact("sun", 0, "no")
    };
    let rain = fact("rain", 1, "some");
    let offers = vec![fact("sun", 999, "no"), same_time, rain.clone()];
    let page = other.syncs(question(offers)).await;
    assert_eq!(page.facts, [later, rain.clone()]);
    let reads_on = |since| Question {
        epoch: "first".to_owned(),
        since,
        ..question(Vec::new())
    };
    assert_eq!(one.syncs(reads_on(1)).await.facts, [rain]);
    let page = one.syncs(reads_on(2)).await;
    assert_eq!((page.facts.len(), page.last), (0, 2));
    // One who has read further than there is begins anew, and so does one who has read of something else.
    assert_eq!(one.syncs(reads_on(3)).await.facts.len(), 2);
    let of_another = Question {
        epoch: "second".to_owned(),
        ..reads_on(2)
    };
    assert_eq!(one.syncs(of_another).await.facts.len(), 2);
}

#[tokio::test]
async fn there_is_no_more_than_may_be_and_what_is_over_goes() {
    let redis = RedisServer::start();
    let mut one = Server::start(&redis, 1).await;
    let facts = (0..SHELF.limit).map(|number| fact(&format!("n{number}"), 1, "so"));
    let facts: Vec<Fact> = facts.collect();
    for facts in facts.chunks(64) {
        assert_eq!(one.syncs(question(facts.to_vec())).await.refused, 0);
    }
    let (more, known) = (fact("more", 1, "so"), fact("n7", 2, "so"));
    let page = one.syncs(question(vec![more.clone(), known.clone()])).await;
    assert_eq!(page.refused, 1, "what is known may change");
    assert_eq!((page.facts.len(), page.is_cut), (256, true));
    let rest = Question {
        epoch: page.epoch,
        since: page.last,
        ..question(Vec::new())
    };
    let rest = one.syncs(rest).await;
    assert_eq!((rest.facts.len(), rest.is_cut), (44, false));
    assert_eq!(rest.facts.last(), Some(&known));

    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("later");
    let short = Fact {
        until: now.as_secs() + 1,
        ..fact("n0", 2, "so")
    };
    one.syncs(question(vec![short])).await;
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    let page = one.syncs(question(vec![more])).await;
    assert_eq!(page.refused, 0, "there is room again");
}

#[tokio::test]
async fn long_facts_come_in_several_answers() {
    let redis = RedisServer::start();
    let mut one = Server::start(&redis, 1).await;
    let text = "x".repeat(16 * 1024);
    let facts = (0..40).map(|number| fact(&format!("n{number}"), 1, &text));
    let page = one.syncs(question(facts.collect())).await;
    assert!(page.is_cut && page.facts.len() < 20, "{}", page.facts.len());
    assert!(page.facts.iter().all(|fact| *fact.text == *text));
}

#[tokio::test]
async fn where_something_else_lies_all_begins_anew_and_people_are_matched_as_ever() {
    let redis = RedisServer::start();
    let mut one = Server::start(&redis, 1).await;
    one.syncs(question(vec![fact("sun", 1, "so")])).await;
    for (ms, key) in (2..).zip(["text", "seq", "until", "last", "epoch"]) {
        redis.does(&format!("DEL {{test}}:f:bans:{key}"));
        redis.does(&format!("LPUSH {{test}}:f:bans:{key} nonsense"));
        let new = Question {
            new_epoch: format!("after {key}"),
            ..question(vec![fact("rain", ms, "so")])
        };
        let page = one.syncs(new).await;
        let names: Vec<Arc<str>> = page.facts.into_iter().map(|fact| fact.name).collect();
        assert_eq!(names, [Arc::<str>::from("rain")], "{key}");
        assert_eq!(page.epoch, format!("after {key}"));
    }
    // Something went from one of the lists.
    redis.does("ZREM {test}:f:bans:seq rain");
    let page = one.syncs(question(Vec::new())).await;
    assert_eq!((page.epoch.as_str(), page.facts.len()), ("first", 0));
}
