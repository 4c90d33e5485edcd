//! A partner may send anything as a description or a candidate.

use protocol::{Candidate, Description, DescriptionKind};
use transport::NegotiationError;

use crate::support::{End, Pair, loopback};

fn candidate(text: &str) -> Candidate {
    Candidate {
        candidate: text.into(),
        sdp_mid: None,
        sdp_m_line_index: Some(0),
        username_fragment: None,
    }
}

fn offer(sdp: impl Into<String>) -> Description {
    Description {
        kind: DescriptionKind::Offer,
        sdp: sdp.into(),
        number: 0,
    }
}

async fn genuine_offer() -> String {
    let end = End::open(loopback(true)).await;
    let sdp = end.peer.create_offer(None).await.unwrap().sdp;
    end.peer.close().await;
    sdp
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_is_refused_and_the_real_offer_still_works() {
    let mut pair = Pair::on_loopback().await;
    for nonsense in [
        "",
        "v=0",
        "\0\0\0",
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\nm=",
        "a=candidate:",
        "💥\r\n💥",
    ] {
        let result = pair.b.peer.apply_remote(offer(nonsense)).await;
        assert!(
            matches!(result, Err(NegotiationError::Refused { .. })),
            "{nonsense:?}: {result:?}"
        );
    }
    pair.negotiate(None).await;
    pair.until("both are connected", Pair::is_connected).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_offer_is_taken_or_refused_but_breaks_nothing() {
    let genuine = genuine_offer().await;
    let lines: Vec<&str> = genuine.lines().collect();
    let join = |lines: &[&str]| lines.join("\r\n") + "\r\n";
    let mut damaged = Vec::new();
    for index in 0..lines.len() {
        let mut without = lines.clone();
        without.remove(index);
        damaged.push(join(&without));
        let mut cut = lines.clone();
        cut[index] = &lines[index][..lines[index].len() / 2];
        damaged.push(join(&cut));
        let repeated = [&lines[..index], &[lines[index]; 3], &lines[index + 1..]].concat();
        damaged.push(join(&repeated));
        damaged.push(join(&lines[..index]));
    }
    let mut accepted = 0;
    for sdp in damaged {
        let end = End::open(loopback(false)).await;
        let applied = end.peer.apply_remote(offer(sdp.clone())).await;
        let answered = end.peer.create_answer().await;
        for result in [applied, answered.map(|_| ())] {
            match result {
                Ok(()) => accepted += 1,
                Err(NegotiationError::Broken) => panic!("this broke the stack: {sdp}"),
                Err(_) => {}
            }
        }
        end.peer.close().await;
    }
    assert!(
        accepted > 0,
        "some damage is harmless, so the offers were read"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn candidates_are_checked_and_counted() {
    let mut pair = Pair::on_loopback().await;
    let genuine = "candidate:1 1 udp 2130706431 127.0.0.1 9 typ host";
    pair.b
        .peer
        .add_candidate(Some(candidate(genuine)))
        .await
        .expect_err("there is no description yet");
    pair.negotiate(None).await;

    for nonsense in [
        "candidate:",
        "candidate:1 1 udp",
        "candidate:1 1 udp x 999.0.0.1 y typ z",
        "\u{0}",
    ] {
        // Whether an empty candidate means the end or nothing is a matter of taste; neither may do harm.
        let result = pair.b.peer.add_candidate(Some(candidate(nonsense))).await;
        assert!(
            !matches!(result, Err(NegotiationError::Broken)),
            "{nonsense:?}"
        );
    }
    pair.b
        .peer
        .add_candidate(Some(candidate(&"x".repeat(2000))))
        .await
        .expect_err("too long");
    pair.b
        .peer
        .add_candidate(None)
        .await
        .expect("the end of candidates is fine");
    let hidden =
        "candidate:1 1 udp 2130706431 0c3a5f8e-6f6b-4f0e-9c8e-0123456789ab.local 9 typ host";
    pair.b
        .peer
        .add_candidate(Some(candidate(hidden)))
        .await
        .expect("a hidden name is left alone");

    pair.until("both are connected all the same", Pair::is_connected)
        .await;
    let mut taken = 0;
    for port in 1..200 {
        let text = format!("candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host");
        taken += usize::from(
            pair.b
                .peer
                .add_candidate(Some(candidate(&text)))
                .await
                .is_ok(),
        );
    }
    assert!((1..=64).contains(&taken), "{taken} candidates were taken");
    pair.close().await;
}
