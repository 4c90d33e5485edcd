//! What goes to Redis and what comes of it.

use std::{sync::Arc, time::Duration};

use cluster::{
    Answer, NodeId, Wish,
    redis::{Membership, News, Order, run},
};
use tokio::{sync::mpsc, time::timeout};

use crate::redis_server::RedisServer;

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server's shell, without the server.
pub(crate) struct Server {
    pub(crate) me: NodeId,
    pub(crate) roster: Vec<(NodeId, String)>,
    orders: mpsc::Sender<Order>,
    news: mpsc::Receiver<News>,
}

impl Server {
    pub(crate) async fn start(redis: &RedisServer, number: u64) -> Self {
        let me = NodeId(number);
        let membership = Membership {
            address: redis.url().parse().expect("an address"),
            prefix: "test".to_owned(),
            me,
            about_me: Arc::new(move || format!("server {number}")),
        };
        let (orders, to_carry_out) = mpsc::channel(100);
        let (tell, news) = mpsc::channel(100);
        tokio::spawn(run(membership, to_carry_out, tell));
        let mut server = Self {
            me,
            roster: Vec::new(),
            orders,
            news,
        };
        server.until(|news| *news == News::Up).await;
        if let News::Roster(roster) = server.until(|news| matches!(news, News::Roster(_))).await {
            server.roster = roster;
        }
        server
    }

    pub(crate) async fn until(&mut self, is_it: impl Fn(&News) -> bool) -> News {
        let found = timeout(PATIENCE, async {
            loop {
                let news = self.news.recv().await.expect("the shell is there");
                if is_it(&news) {
                    return news;
                }
            }
        });
        found.await.expect("it comes in time")
    }

    pub(crate) async fn order(&self, order: Order) {
        self.orders.send(order).await.expect("the shell is there");
    }

    pub(crate) async fn ask(&mut self, wish: &Wish) -> Answer {
        self.order(Order::Ask(Box::new(wish.clone()))).await;
        match self.until(|news| matches!(news, News::Answer { .. })).await {
            News::Answer { number, answer } if number == wish.ticket.number => answer,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn withdraw(&self, wish: &Wish) {
        self.order(Order::Withdraw(wish.ticket)).await;
    }
}

#[tokio::test]
async fn packets_reach_the_one_whom_they_are_for_and_the_roster_says_who_is_there() {
    let redis = RedisServer::start();
    let one = Server::start(&redis, 1).await;
    let mut other = Server::start(&redis, 2).await;
    assert_eq!(
        other.roster,
        [
            (one.me, "server 1".to_owned()),
            (other.me, "server 2".to_owned())
        ]
    );
    for packet in ["to nobody", "hello"] {
        one.order(Order::Send {
            to: if packet == "hello" {
                other.me
            } else {
                NodeId(9)
            },
            packet: packet.to_owned(),
        })
        .await;
    }
    let heard = other.until(|news| matches!(news, News::Packet(_))).await;
    assert_eq!(heard, News::Packet("hello".to_owned()));
}

#[tokio::test]
async fn when_redis_goes_or_hangs_that_is_told_and_so_is_its_return() {
    let mut redis = RedisServer::start();
    let mut server = Server::start(&redis, 1).await;
    redis.stop();
    server.until(|news| *news == News::Lost).await;
    redis.start_again();
    server.until(|news| *news == News::Up).await;
    redis.freeze();
    server.until(|news| *news == News::Lost).await;
    redis.thaw();
    server.until(|news| *news == News::Up).await;
}
