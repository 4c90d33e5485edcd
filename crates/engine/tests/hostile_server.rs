//! A server that lies, babbles or falls silent harms nobody: the client says what is wrong and goes on.

#![expect(clippy::unwrap_used, reason = "a test's helpers are a test too")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::{CallView, Command, SignallingProblem, SignallingView};
use futures_util::{SinkExt as _, StreamExt as _};
use support::{Stranger, synthetic};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// A server that greets and then says `words` to everybody, whatever they say.
fn start(words: &[&str]) -> (Runtime, String) {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    start_with(Duration::ZERO, move |_hello| words.clone())
}

/// A server that lets the WebSocket handshake wait, and says what `words` has for a client's first message.
fn start_with(
    delay: Duration,
    words: impl Fn(&str) -> Vec<String> + Clone + Send + 'static,
) -> (Runtime, String) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, delay, words.clone()));
        }
    });
    (runtime, url)
}

/// The word `hang up` ends the connection without a good-bye.
async fn serve(stream: TcpStream, delay: Duration, words: impl Fn(&str) -> Vec<String>) {
    tokio::time::sleep(delay).await;
    let Ok(mut socket): Result<WebSocketStream<TcpStream>, _> =
        tokio_tungstenite::accept_async(stream).await
    else {
        return;
    };
    let Some(Ok(Message::Text(hello))) = socket.next().await else {
        return;
    };
    for word in words(&hello) {
        if word == "hang up" || socket.send(Message::text(word)).await.is_err() {
            return;
        }
    }
    while socket.next().await.is_some() {}
}

const WELCOME: &str = r#"{"type":"welcome","version":1,"online":2}"#;

#[test]
fn garbage_and_foreign_rooms_change_nothing() {
    let foreign = "0123456789abcdef0123456789abcdef";
    let room = format!(r#"{{"type":"partner_left","room":"{foreign}","reason":"next"}}"#);
    let offer = format!(
        r#"{{"type":"description","room":"{foreign}","description":{{"type":"offer","sdp":"v=0"}}}}"#
    );
    let candidate = format!(r#"{{"type":"candidate","room":"{foreign}","candidate":null}}"#);
    let (_server, url) = start(&[
        WELCOME,
        "garbage",
        "{}",
        r#"{"type":"nonsense"}"#,
        r#"{"type":"matched","room":"short","role":"offerer"}"#,
        r#"{"type":"matched"}"#,
        &room,
        &offer,
        &candidate,
        r#"{"type":"waiting","online":7}"#,
    ]);
    let stranger = Stranger::new(&url);
    stranger.wait("the last word", |s| {
        s.signalling == SignallingView::Connected { online: Some(7) }
    });
    assert_eq!(stranger.engine.snapshot().call, CallView::Idle);
    stranger.start_searching();
    stranger.wait("the search", |s| {
        matches!(s.call, CallView::Searching { .. })
    });
}

#[test]
fn a_partner_who_never_answers_is_given_up_and_the_next_search_works() {
    let room = "0123456789abcdef0123456789abcdef";
    let matched = format!(r#"{{"type":"matched","room":"{room}","role":"answerer"}}"#);
    let offer = format!(
        r#"{{"type":"description","room":"{room}","description":{{"type":"offer","sdp":"this is no SDP"}}}}"#
    );
    let (_server, url) = start(&[
        WELCOME,
        r#"{"type":"waiting","online":2}"#,
        &matched,
        &offer,
    ]);
    let stranger = Stranger::new(&url);
    // The match comes before the search is asked for, or after: both end well.
    stranger.start_searching();
    stranger.wait("the search or its end", |s| {
        matches!(s.call, CallView::Ended { .. } | CallView::Searching { .. })
    });
    stranger.engine.send(Command::Stop);
    stranger.wait("the lobby", |s| s.call == CallView::Idle);
}

/// Whatever work a server asks for that is no reasonable work: it is told from a server, and nothing is done.
#[test]
fn a_server_that_asks_for_work_without_end_gets_words_and_none() {
    let challenge = |number: u8| format!("{number:02x}").repeat(16);
    let work = |number, bits| {
        let challenge = challenge(number);
        format!(r#"{{"type":"work","challenge":"{challenge}","bits":{bits}}}"#)
    };
    let again_and_again: Vec<String> = (0..9).map(|number| work(number, 22)).collect();
    for (words, expected) in [
        (vec![work(1, 60)], "60 bits"),
        (again_and_again, "again and again"),
    ] {
        let words = [vec![WELCOME.to_owned()], words].concat();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (_server, url) = start(&words);
        let stranger = Stranger::new(&url);
        stranger.start_searching();
        let seen = stranger.wait("words about it", |s| {
            matches!(s.signalling, SignallingView::Away { .. })
        });
        let SignallingView::Away { problem, .. } = &seen.signalling else {
            panic!("{:?}", seen.signalling);
        };
        let SignallingProblem::NotAServer(words) = problem else {
            panic!("{problem:?}");
        };
        assert!(words.contains(expected), "{words}");
        assert_eq!(seen.works_since, None);
    }
}

/// What is said of a server that answers every request so.
fn verdict(answer: &'static str) -> SignallingProblem {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let _bytes = stream.read(&mut request).unwrap();
        write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n").unwrap();
    });
    let stranger = Stranger::with(synthetic(&url));
    let seen = stranger.wait("the verdict", |s| {
        matches!(s.signalling, SignallingView::Away { .. })
    });
    server.join().unwrap();
    let SignallingView::Away { problem, .. } = &seen.signalling else {
        unreachable!("it was waited for")
    };
    problem.clone()
}

#[test]
fn a_server_of_another_kind_or_without_room_is_named_as_such() {
    assert!(matches!(
        verdict("404 Not Found"),
        SignallingProblem::NotAServer(_)
    ));
    assert_eq!(verdict("503 Service Unavailable"), SignallingProblem::Full);
    assert_eq!(verdict("429 Too Many Requests"), SignallingProblem::Crowded);
}

#[test]
fn an_address_where_nobody_listens_and_one_that_is_none_are_told_apart() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let stranger = Stranger::with(synthetic(&format!("ws://{free}/")));
    stranger.wait("unreachable", |s| {
        matches!(
            &s.signalling,
            SignallingView::Away {
                problem: SignallingProblem::Unreachable(_),
                ..
            }
        )
    });
    stranger
        .engine
        .send(Command::SetServer("http://example.invalid/".to_owned()));
    stranger.wait("no URL", |s| {
        matches!(
            &s.signalling,
            SignallingView::Away {
                problem: SignallingProblem::BadUrl(_),
                ..
            }
        )
    });
}

#[test]
fn a_session_that_cannot_go_on_is_given_up_for_a_new_one() {
    let welcome = |online: u32, more: &str| {
        let session = r#""session":{"token":"0123456789abcdef0123456789abcdef","grace_ms":60000}"#;
        format!(r#"{{"type":"welcome","version":1,"online":{online},{session}{more}}}"#)
    };
    let is_first = Arc::new(AtomicBool::new(true));
    let (_server, url) = start_with(Duration::ZERO, move |hello| {
        if is_first.swap(false, Ordering::Relaxed) {
            vec![welcome(2, ""), "hang up".to_owned()]
        } else if hello.contains("resume") {
            // More than was ever said.
            vec![welcome(3, r#","resumed":1000"#)]
        } else {
            vec![welcome(9, "")]
        }
    });
    let stranger = Stranger::with(synthetic(&url));
    stranger.wait("a new session", |s| {
        assert_ne!(s.signalling, SignallingView::Connected { online: Some(3) });
        s.signalling == SignallingView::Connected { online: Some(9) }
    });
}

#[test]
fn the_handshakes_of_a_server_that_is_slow_but_there_are_waited_for() {
    let slow = Duration::from_millis(4500);
    let (_server, url) = start_with(slow, |_hello| vec![WELCOME.to_owned()]);
    let stranger = Stranger::with(synthetic(&url));
    stranger.wait("the server", |s| {
        assert!(!matches!(s.signalling, SignallingView::Away { .. }));
        s.signalling == SignallingView::Connected { online: Some(2) }
    });
}

#[test]
fn an_engine_ends_at_once_whatever_it_is_waiting_for() {
    let (_server, url) = start(&[]);
    let stranger = Stranger::new(&url);
    stranger.start_searching();
    std::thread::sleep(Duration::from_millis(300));
    let began = std::time::Instant::now();
    drop(stranger);
    assert!(began.elapsed() < Duration::from_secs(5));
}
