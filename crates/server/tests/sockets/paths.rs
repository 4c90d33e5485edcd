//! What a client is told before a call, and what the server's path policy lets pass.

use std::time::Duration;

use protocol::{
    ClientMessage, Description, DescriptionKind, ErrorCode, IceServer, PathPolicy, ServerMessage,
};
use server::{Settings, Turn, TurnCredentials};

use crate::client::{Client, Pair, candidate, join, start};

const HOST: &str = "candidate:1 1 udp 2130706431 203.0.113.7 50000 typ host";
const RELAY: &str =
    "candidate:2 1 udp 16777215 198.51.100.9 60000 typ relay raddr 203.0.113.7 rport 50000";
const HIDDEN_RELAY: &str =
    "candidate:2 1 udp 16777215 198.51.100.9 60000 typ relay raddr 0.0.0.0 rport 9";

fn settings(path_policy: PathPolicy) -> Settings {
    Settings {
        path_policy,
        turn: Some(Turn {
            urls: vec![
                "turn:turn.example.org?transport=udp"
                    .parse()
                    .expect("a URL"),
            ],
            credentials: TurnCredentials::Minted {
                secrets: relay::Secrets::new(vec!["north".to_owned()]).expect("a secret"),
                ttl: Duration::from_mins(1),
            },
        }),
        ..Settings::default()
    }
}

async fn prepared(client: &mut Client) -> (Vec<IceServer>, PathPolicy) {
    client.say(&ClientMessage::Prepare).await;
    match client.hears().await {
        ServerMessage::Prepared {
            ice_servers,
            path_policy,
        } => (ice_servers, path_policy),
        other => panic!("expected to be prepared, got {other:?}"),
    }
}

#[tokio::test]
async fn prepare_brings_servers_with_credentials_of_their_own_and_the_path_policy() {
    let server = start(settings(PathPolicy::RelayFirst)).await;
    let mut client = Client::greeted(&server).await;

    let (first, first_policy) = prepared(&mut client).await;
    let (second, second_policy) = prepared(&mut client).await;

    for policy in [first_policy, second_policy] {
        assert_eq!(policy, PathPolicy::RelayFirst);
    }
    assert_eq!(first[0].urls, ["turn:turn.example.org?transport=udp"]);
    assert!(first[0].credential.is_some());
    assert_ne!(first[0].username, second[0].username);
}

#[tokio::test]
async fn prepare_is_answered_four_times_at_once_and_then_refused_for_a_while() {
    let server = start(settings(PathPolicy::Any)).await;
    let mut client = Client::greeted(&server).await;
    for _ in 0..4 {
        prepared(&mut client).await;
    }

    client.say(&ClientMessage::Prepare).await;
    client.hears_error(ErrorCode::TooFast).await;

    tokio::time::sleep(Duration::from_millis(2100)).await;
    prepared(&mut client).await;
    client.say(&ClientMessage::Prepare).await;
    client.hears_error(ErrorCode::TooFast).await;
    client.has_heard_all().await;
}

#[tokio::test]
async fn a_match_tells_the_path_policy() {
    for policy in [
        PathPolicy::Any,
        PathPolicy::RelayFirst,
        PathPolicy::RelayOnly,
    ] {
        let server = start(settings(policy)).await;
        let mut waiter = Client::waiting(&server).await;
        let mut newcomer = Client::greeted(&server).await;
        newcomer.say(&join()).await;

        for client in [&mut waiter, &mut newcomer] {
            let ServerMessage::Matched { path_policy, .. } = client.hears().await else {
                panic!("matched");
            };
            assert_eq!(path_policy, policy);
        }
    }
}

/// What the answerer hears of two candidates, a description and the end of candidates.
async fn heard_under(policy: PathPolicy) -> (Vec<ServerMessage>, Vec<ServerMessage>, u64) {
    let server = start(settings(policy)).await;
    let Pair {
        mut offerer,
        mut answerer,
        room,
    } = Pair::meet(&server).await;
    let description = Description {
        kind: DescriptionKind::Offer,
        sdp: format!("v=0\r\nc=IN IP4 203.0.113.7\r\na={HOST}\r\na={RELAY}\r\n"),
        number: 0,
    };
    let mut heard = Vec::new();
    let mut said = Vec::new();
    for candidate in [Some(candidate(HOST)), Some(candidate(RELAY)), None] {
        let message = ClientMessage::Candidate {
            room,
            candidate: candidate.clone(),
        };
        offerer.say(&message).await;
        said.push(ServerMessage::Candidate { room, candidate });
    }
    offerer
        .say(&ClientMessage::Description {
            room,
            description: description.clone(),
        })
        .await;
    said.push(ServerMessage::Description { room, description });
    loop {
        let message = answerer.hears().await;
        let is_last = matches!(message, ServerMessage::Description { .. });
        heard.push(message);
        if is_last {
            return (said, heard, server.withheld_candidates());
        }
    }
}

#[tokio::test]
async fn where_calls_may_go_direct_everything_passes_as_it_is() {
    for policy in [PathPolicy::Any, PathPolicy::RelayFirst] {
        let (said, heard, withheld) = Box::pin(heard_under(policy)).await;

        assert_eq!(heard, said);
        assert_eq!(withheld, 0);
    }
}

#[tokio::test]
async fn where_calls_use_relays_only_no_other_address_passes() {
    let (_, heard, withheld) = Box::pin(heard_under(PathPolicy::RelayOnly)).await;

    let [
        ServerMessage::Candidate {
            candidate: Some(relay),
            ..
        },
        ServerMessage::Candidate {
            candidate: None, ..
        },
        ServerMessage::Description { description, .. },
    ] = &heard[..]
    else {
        panic!("{heard:?}");
    };
    assert_eq!(relay.candidate, HIDDEN_RELAY);
    assert_eq!(
        description.sdp,
        format!("v=0\r\nc=IN IP4 0.0.0.0\r\na={HIDDEN_RELAY}\r\n")
    );
    assert_eq!(withheld, 2);
}
