//! An engine whose partner is played by the test: what becomes of offers that travel with the match, on real sockets.

#![expect(clippy::unwrap_used, reason = "a test's helpers are a test too")]

mod support;

use std::time::{Duration, Instant};

use engine::{CallView, Command, Config, EndReason, PathPolicy};
use futures_util::{SinkExt as _, StreamExt as _};
use protocol::{ClientMessage, Description, DescriptionKind, Role, RoomId, ServerMessage};
use support::partner::{Partner, ReadyPeer, numbered, runtime};
use support::{SOON, Stranger, TestServer, synthetic};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

#[test]
fn the_partner_is_given_the_offer_of_the_spare_and_answers_it_at_once() {
    let server = TestServer::start();
    let stranger = Stranger::new(&server.url());
    let runtime = runtime();
    runtime.block_on(async {
        let (mut partner, room, offer) = given_an_offer(&server, &stranger).await;
        assert!(offer.sdp.contains("m=application"), "with the channel");
        assert!(offer.sdp.contains("a=candidate:"), "with candidates");
        assert!(offer.sdp.contains("a=end-of-candidates"), "with all");
        let mut peer = ReadyPeer::open().await;
        let answer = peer.answer(offer).await;
        partner.describe(room, answer).await;
        // Neither the offer nor its candidates come once more.
        let mut heard = partner.hears_until_connected(&mut peer).await;
        heard.retain(|message| !matches!(message, ServerMessage::ChatKey { .. }));
        assert!(heard.is_empty(), "{heard:?}");
        peer.peer.close().await;
    });
    stranger.wait_connected();
}

#[test]
fn one_who_hides_tells_relays_alone() {
    let server = TestServer::with_relay(PathPolicy::Any);
    let stranger = Stranger::with(Config {
        shield: true,
        ..synthetic(&server.url())
    });
    let offer = runtime().block_on(async { given_an_offer(&server, &stranger).await.2 });
    let kinds: Vec<_> = (offer.sdp.lines())
        .filter(|line| line.starts_with("a=candidate:"))
        .map(|line| line.split(" typ ").nth(1).unwrap())
        .collect();
    assert!(!kinds.is_empty());
    for kind in kinds {
        assert!(kind.starts_with("relay raddr 0.0.0.0 rport 9"), "{kind}");
    }
}

#[test]
fn an_offer_of_another_connection_than_the_one_that_came_with_the_match_is_taken() {
    let server = TestServer::start();
    let stranger = Stranger::new(&server.url());
    stranger.start_searching();
    stranger.wait("the queue", |_| server.census().waiting == 1);
    runtime().block_on(async {
        let lost = ReadyPeer::open().await;
        let mut partner = Partner::greeted(&server).await;
        let offer = numbered(1, lost.peer.offer_ahead().await.unwrap());
        partner.join(Some(offer)).await;
        let matched = partner.hears().await;
        let ServerMessage::Matched {
            room,
            handed_over: Some(1),
            ..
        } = matched
        else {
            panic!("{matched:?}");
        };
        // The engine answers the first one, whose connection is gone.
        lost.peer.close().await;
        let answer = partner.hears_description().await;
        assert_eq!(answer.number, 1);

        let mut peer = ReadyPeer::open().await;
        peer.peer.take_role(true).await.unwrap();
        let offer = numbered(2, peer.peer.create_offer(None).await.unwrap());
        partner.describe(room, offer).await;
        let answer = partner.hears_description().await;
        assert_eq!(answer.number, 2);
        peer.peer.apply_remote(answer).await.unwrap();
        partner.hears_until_connected(&mut peer).await;
        stranger.wait_connected();
        peer.peer.close().await;
    });
}

#[test]
fn an_offer_that_is_not_there_any_more_is_made_up_for_by_another() {
    let (runtime, url, mut said) = scripted_server(|message| match message {
        ClientMessage::Join { .. } => Some(matched(Role::Offerer, None, Some(7))),
        _ => None,
    });
    let stranger = Stranger::new(&url);
    stranger.start_searching();
    let number = runtime.block_on(async {
        loop {
            match timeout(SOON, said.recv()).await.unwrap().unwrap() {
                ClientMessage::Description { description, .. } => return description.number,
                other => drop(other),
            }
        }
    });
    assert_eq!(number, 8);
}

#[test]
fn an_offer_with_the_match_that_is_no_sdp_ends_the_attempt_and_nothing_else() {
    let nonsense = Description {
        kind: DescriptionKind::Offer,
        sdp: "v=0 this is no SDP".to_owned(),
        number: 1,
    };
    let words = matched(Role::Answerer, Some(nonsense), None);
    let (_runtime, url, _said) = scripted_server(move |message| match message {
        ClientMessage::Join { .. } => Some(words.clone()),
        _ => None,
    });
    let stranger = Stranger::new(&url);
    stranger.start_searching();
    stranger.wait("the end", |snapshot| {
        let reason = EndReason::CouldNotConnect;
        snapshot.call == CallView::Ended { reason }
    });
    stranger.engine.send(Command::Stop);
    stranger.wait("the lobby", |s| s.call == CallView::Idle);
}

// --------------------------------------------------------------------------------------------------------------------

/// Joins, again and again, until the stranger has something ready that can be handed over.
async fn given_an_offer(
    server: &TestServer,
    stranger: &Stranger,
) -> (Partner, RoomId, Description) {
    let deadline = Instant::now() + SOON;
    stranger.start_searching();
    while Instant::now() < deadline {
        stranger.wait("the queue", |_| server.census().waiting == 1);
        let mut partner = Partner::greeted(server).await;
        partner.join(None).await;
        let matched = partner.hears().await;
        let ServerMessage::Matched { room, offer, .. } = matched else {
            panic!("{matched:?}");
        };
        if let Some(offer) = offer {
            return (partner, room, offer);
        }
        let room = Some(room);
        partner.say(&ClientMessage::Leave { room }).await;
        stranger.wait("the end", |s| matches!(s.call, CallView::Ended { .. }));
        tokio::time::sleep(Duration::from_millis(200)).await;
        stranger.engine.send(Command::Next);
    }
    panic!("the stranger never has anything ready");
}

fn matched(role: Role, offer: Option<Description>, handed_over: Option<u32>) -> ServerMessage {
    ServerMessage::Matched {
        room: RoomId::from_bytes([7; 16]),
        role,
        interests: Vec::new(),
        ice_servers: Vec::new(),
        path_policy: PathPolicy::Any,
        offer,
        handed_over,
        partner: None,
    }
}

/// A server that greets one client and answers as it is told. Also brings what the client says.
fn scripted_server(
    answer: impl Fn(&ClientMessage) -> Option<ServerMessage> + Send + Sync + 'static,
) -> (Runtime, String, tokio::sync::mpsc::Receiver<ClientMessage>) {
    let runtime = runtime();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let (sender, said) = tokio::sync::mpsc::channel(256);
    runtime.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = accept_async(stream).await.unwrap();
        while let Some(Ok(frame)) = socket.next().await {
            let Message::Text(text) = frame else { continue };
            let message = protocol::decode::<ClientMessage>(&text).unwrap();
            let words = match &message {
                ClientMessage::Hello { .. } => Some(ServerMessage::Welcome {
                    version: 1,
                    online: 2,
                    session: None,
                    resumed: None,
                    challenge: None,
                    capabilities: Vec::new(),
                }),
                ClientMessage::Prepare => Some(ServerMessage::Prepared {
                    ice_servers: Vec::new(),
                    path_policy: PathPolicy::Any,
                }),
                other => answer(other),
            };
            drop(sender.try_send(message));
            if let Some(words) = words {
                let text = Message::text(protocol::encode(&words));
                socket.send(text).await.unwrap();
            }
        }
    });
    (runtime, url, said)
}
